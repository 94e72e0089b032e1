"""Figure: dialogues against a stub of 50 ms latency: the whole path of a run, its client alone, bare sockets, peers.

The peers run in the interpreter that UNDERSTUDY_PEERS names (its environment has openai, sdialog and deepeval).
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.corpora import markdown
from tests.stub_server import StubProcess
from understudy.models.budget import Budget, Price
from understudy.models.model import Message, Request
from understudy.models.opening import OpenModel, open_model
from understudy.rollouts.model_partner import ModelPartner
from understudy.rollouts.run import Plan, open_journal, roll_missing
from understudy.rollouts.spending import keep_spend
from understudy.users import Goal, Persona, Profile
from understudy.users.intents import NONE
from understudy.users.prompted import PromptedSimulator
from understudy.users.turn_latents import DefaultLatents

LATENCY_S = 0.05
TURNS = 10
SIZES = ((16, 96), (64, 320), (512, 2048))  # in flight, dialogues
SYSTEM = "You are a person who plans a trip and talks to an assistant about it. " * 10
# The last field is what deepeval looks for; the others do not mind it.
SAID = "I would like a small hotel near the station, please."
ANSWER = json.dumps({"text": SAID, "leaving": False, "simulated_input": SAID})
PEERS = ("openai", "sdialog", "deepeval")
PEER_DIALOGUES = {"openai": 64, "sdialog": 64, "deepeval": 32}


class Speed(NamedTuple):
    """Calls a second, and CPU of the client for one."""

    rate: float
    cpu_ms: float


class _Staying(DefaultLatents):
    """Users who leave after the dialogue is over, so that each takes the same number of calls."""

    def hazard(self, said: int, act: int = NONE) -> float:
        return float(said > TURNS)


class _People:
    """Prompted users for a bench."""

    identity = "bench"

    def __init__(self, model: OpenModel) -> None:
        self._simulator = PromptedSimulator(model, intents=_Staying())

    def draw(self, k: int, *, seed: int) -> Profile:
        persona = Persona(f"u{k}", big_five={"openness": 1.0}, facts=("job: nurse", "lives in a small town"))
        goal = Goal("hotel", (("area", "station"), ("stars", "three")), "a room for two nights")
        return Profile(id=f"p{k}", user_id=f"u{k}", persona=persona, goal=goal)

    def simulator(self) -> PromptedSimulator:
        return self._simulator


def _model(url: str, in_flight: int) -> tuple[OpenModel, Budget]:
    budget = Budget(max_usd=1e6, max_tokens=10**12, max_calls=10**9)
    return open_model(f"openai:stub@{url}", concurrency=in_flight, budget=budget, price=Price(1.0, 2.0)), budget


async def _whole(url: str, in_flight: int, dialogues: int) -> Speed:
    """A prompted user and a model as partner, every policy on, every turn on disk before the next call."""
    model, budget = _model(url, in_flight)

    async def run(count: int, turns: int) -> Speed:
        plan = Plan(_People(model), ModelPartner(model), count, 0, max_turns=turns, concurrency=in_flight)
        with (
            tempfile.TemporaryDirectory() as folder,
            open_journal(plan, plan.job(), Path(folder, "run"), resume=False) as journal,
        ):
            keep_spend(journal, budget)
            missing = journal.missing()
            started, cpu = time.perf_counter(), time.process_time()
            await roll_missing(plan.job(), journal, missing, {}, lambda done: None)
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            assert journal.outcomes == {"accepted": count}, journal.outcomes
        return Speed(count * turns / seconds, 1000 * cpu / (count * turns))

    await run(4 * in_flight, 3)  # The limiter opens.
    return await run(dialogues, TURNS)


async def _client(url: str, in_flight: int, dialogues: int) -> Speed:
    """The client and its policies alone."""
    model, _ = _model(url, in_flight)

    async def dialogue(k: int, turns: int) -> None:
        messages = [Message("system", SYSTEM)]
        for turn in range(turns):
            messages.append(Message("user", f"dialogue {k}, turn {turn}: what would you like to do about it?"))
            answer = await model.complete(Request(tuple(messages), temperature=0.7, max_tokens=128, seed=k))
            messages.append(Message("assistant", answer.text))

    async def run(count: int, turns: int) -> None:
        waiting = iter(range(count))

        async def worker() -> None:
            for k in waiting:
                await dialogue(k, turns)

        await asyncio.gather(*(worker() for _ in range(in_flight)))

    await run(4 * in_flight, 3)  # The limiter opens, and connections are made.
    started, cpu = time.perf_counter(), time.process_time()
    await run(dialogues, TURNS)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    await model.aclose()
    calls = dialogues * TURNS
    return Speed(calls / seconds, 1000 * cpu / calls)


async def _raw(port: int, in_flight: int, calls: int) -> Speed:
    """The floor: bare sockets, one fixed request, the answer unread."""
    body = json.dumps({"model": "stub", "messages": [{"role": "user", "content": SYSTEM}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: stub\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    waiting = iter(range(calls))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in waiting:
            writer.write(head + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
        writer.close()

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Speed(calls / seconds, 1000 * cpu / calls)


def _peer(python: str, name: str, url: str, in_flight: int) -> Speed | str:
    """A peer in its own interpreter, or why it did not run."""
    script = Path(__file__).with_name("peers.py")
    command = [python, str(script), name, url, str(in_flight), str(PEER_DIALOGUES[name]), str(TURNS)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return "not done after 300 s"
    lines = ran.stdout.strip().splitlines()
    if ran.returncode or not lines:
        return "failed: " + (ran.stderr.strip().splitlines() or ["no output"])[-1][:120]
    found = json.loads(lines[-1])
    return Speed(found["rate"], found["cpu_ms"])


def run(data: Path, out: Path) -> str:
    """Calls a second as shares of what the latency allows; no corpus is needed."""
    rows: list[list[object]] = []
    best: dict[str, float] = {}
    python = os.environ.get("UNDERSTUDY_PEERS", "")
    with StubProcess(latency_s=LATENCY_S, answer=ANSWER) as stub:
        for in_flight, dialogues in SIZES:
            limit = in_flight / LATENCY_S
            floor = asyncio.run(_raw(stub.port, in_flight, dialogues * TURNS))
            measured: dict[str, Speed | str] = {
                "bare sockets": floor,
                "client and policies": asyncio.run(_client(stub.url, in_flight, dialogues)),
                "**the whole run, journal on**": asyncio.run(_whole(stub.url, in_flight, dialogues)),
            }
            if python and in_flight <= 64:
                measured |= {name: _peer(python, name, stub.url, in_flight) for name in PEERS}
            for name, speed in measured.items():
                if isinstance(speed, str):
                    rows.append([in_flight, name, speed, "", "", ""])
                    continue
                if in_flight == 64:
                    best[name] = speed.rate
                share, of_floor = speed.rate / limit, speed.rate / floor.rate
                rows.append([in_flight, name, f"{speed.rate:,.0f}", f"{share:.3f}", f"{of_floor:.3f}"])
                rows[-1].append(f"{speed.cpu_ms:.2f}")
    names = ["in flight", "", "calls/s", "of concurrency ÷ latency", "of bare sockets", "client CPU, ms a call"]
    text = f"Dialogues of {TURNS} turns at {1000 * LATENCY_S:.0f} ms latency.\n\n{markdown(names, rows)}"
    others = [best[name] for name in ("sdialog", "deepeval") if name in best]
    if others:
        times = best["**the whole run, journal on**"] / max(others)
        text += (
            f"\n\nAt 64 in flight the whole run makes {times:.1f} times the calls of the best of sdialog and deepeval."
        )
    elif not python:
        text += "\n\nPeers were not run: UNDERSTUDY_PEERS names no interpreter."
    return text
