"""Figure: the engine ray against the engine local, on this machine. Needs the extra `ray`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from pathlib import Path

import msgspec

from bench.corpora import markdown
from understudy.rollouts.engines import Engine
from understudy.rollouts.export import export_journal
from understudy.rollouts.run import Plan, complete, open_journal
from understudy.users import Goal

LATENCY_S = 0.05
CALLS = 10  # of one dialogue
DIALOGUES = 192
PARTNER = "bench.ray_partner:reply"


def run(data: Path, out: Path) -> str:
    """Share of the physical limit (dialogues in flight / latency), after start-up, and whether the bytes agree."""
    if importlib.util.find_spec("ray") is None:
        return "Not run: the extra `ray` is not installed."
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    room = out / "rayrun"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    goals = room / "goals.jsonl"
    goals.write_bytes(msgspec.json.encode(Goal("x", tuple((f"a{k}", f"v{k}") for k in range(CALLS)))) + b"\n")
    rows: list[list[object]] = []
    made: set[bytes] = set()
    for engine, workers, concurrency in (
        ("local", 1, 16),
        ("ray", 1, 16),
        ("ray", 2, 16),
        ("local", 1, 64),
        ("ray", 2, 64),
    ):
        plan = Plan(f"structured:{goals}", PARTNER, DIALOGUES, 0, concurrency=concurrency, workers=workers)
        rows.append([engine, workers, concurrency, *_one(plan._replace(engine=engine), room, made)])
    shutil.rmtree(room)
    head = ["engine", "workers", "in flight", "start-up s", "calls", "share of the physical limit"]
    same = "yes" if len(made) == 1 else "NO"
    return f"{markdown([*head, 'wall s'], rows)}\n\nAll exports byte-identical: {same}."


def _one(plan: Plan, room: Path, made: set[bytes]) -> list[object]:
    here = plan._replace(engine="local", workers=1)
    engine: Engine = plan.engine
    if engine == "local":
        plan = here
    file = room / "j"
    moments: list[tuple[float, int]] = []
    started = time.perf_counter()
    with open_journal(here, here.job(), file, resume=False) as journal:
        complete(plan, here.job(), journal, on_progress=lambda _, at, of: moments.append((time.perf_counter(), at)))
        ended = time.perf_counter()
        export_journal(journal, room / "out.jsonl")
        talks = [r.conversation for r in journal.rollouts()]
    made.add((room / "out.jsonl").read_bytes())
    calls = sum(turn.role == "assistant" for talk in talks for turn in talk.turns)
    # The first dialogues to finish began when everything was up, one dialogue's time before.
    first = next(at for at, done in moments if done)
    begin = first - LATENCY_S * calls / len(talks)
    limit = calls * LATENCY_S / plan.concurrency
    rounds = -(-len(talks) // plan.concurrency) * LATENCY_S * calls / len(talks)
    share = max(limit, rounds) / (moments[-1][0] - begin)  # to the last dialogue: closing down is not throughput
    return [f"{begin - started:.1f}", calls, f"{share:.2f}", f"{ended - started:.1f}"]
