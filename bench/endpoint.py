"""Figures: the client of language models against a stub endpoint: limits, budgets, faults."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench.corpora import markdown
from tests.models.buckets import Bucket, crowd
from tests.models.matrix import run_fatal, run_matrix
from tests.models.test_budget import run_dry
from tests.models.virtual_time import run_virtually
from tests.stub_answers import FAULTS
from tests.stub_server import StubProcess
from understudy.models.model import Message, Request
from understudy.models.opening import open_model

LATENCY_S = 0.05
STEPS = ((4, 8, 16, 32, 64, 32, 16, 8, 4), (64, 32, 64), (16, 8, 16, 32, 16))


def faults_table() -> str:
    """Dialogues against every fault at 20 %, and runs that must stop."""
    rows: list[list[object]] = []
    for seed in range(2):
        started = time.perf_counter()
        outcome = asyncio.run(asyncio.wait_for(run_matrix(1000, seed=seed), 400))
        failed = ", ".join(f"{code} {count}" for code, count in outcome.failed.most_common())
        rows.append(
            [
                seed,
                outcome.kinds_met,
                outcome.complete,
                sum(outcome.failed.values()),
                1000 - outcome.complete - sum(outcome.failed.values()),
                outcome.wrong,
                f"{outcome.calls / outcome.planned_calls:.2f}",
                f"{time.perf_counter() - started:.0f} s",
                failed,
            ]
        )
    names = ["seed", "kinds", "complete", "failed", "hung", "wrong text", "calls/planned", "time", "reasons"]
    text = f"1,000 dialogues of 4 turns, {len(FAULTS)} kinds of faults at 20 % of calls, half streamed.\n\n"
    text += markdown(names, rows)
    stops: list[list[object]] = []
    for fault in ("401", "402", "403", "404", "429_quota", "307"):
        calls, ends, fix = asyncio.run(run_fatal(fault))
        stops.append([fault, calls, ", ".join(ends), fix])
    return (
        text + "\n\nRuns of 1,000 requests that must stop.\n\n" + markdown(["fault", "calls", "reason", "fix"], stops)
    )


def limits_table() -> str:
    """The limiter on a virtual clock: share of capacity and of rejected calls in the second half of each step."""
    rows: list[list[object]] = []
    for latency_s in (0.05, 0.5, 2.0):
        for steps in STEPS:
            length = 1200 * latency_s
            plan = [(i * length, capacity) for i, capacity in enumerate(steps)]
            bucket = Bucket(steps[0], latency_s=latency_s)
            windows, _ = run_virtually(crowd(bucket, steps=plan, until=length * len(steps)))
            used = " ".join(f"{w.used:.2f}" for w in windows)
            away = " ".join(f"{100 * w.turned_away:.1f}" for w in windows)
            rows.append([f"{latency_s:g} s", " ".join(map(str, steps)), used, away])
    names = ["latency", "capacity, step by step", "share of capacity", "429s, % of calls"]
    return "Limiter against a token bucket (virtual clock, 200 callers).\n\n" + markdown(names, rows)


async def _bucket_run(stub: StubProcess, steps: tuple[int, ...], length_s: float) -> list[list[object]]:
    model = open_model(f"openai:stub@{stub.url}", concurrency=200)
    stop = False

    async def caller(number: int) -> None:
        while not stop:
            await model.complete(Request((Message("user", str(number)),), max_tokens=16))

    callers = [asyncio.create_task(caller(i)) for i in range(150)]
    rows: list[list[object]] = []
    for capacity in steps:
        rate = capacity / LATENCY_S
        await asyncio.to_thread(stub.configure, rate=rate, burst=float(capacity))
        await asyncio.sleep(length_s / 2)
        before = await asyncio.to_thread(stub.counters)
        await asyncio.sleep(length_s / 2)
        after = await asyncio.to_thread(stub.counters)
        answered = after["answered"] - before["answered"]
        calls = after["calls"] - before["calls"]
        share = answered / (rate * length_s / 2)
        rows.append([capacity, f"{share:.2f}", f"{100 * (1 - answered / calls):.1f} %", model.status().throttle.limit])  # type: ignore[union-attr]
    stop = True
    await asyncio.gather(*callers, return_exceptions=True)
    await model.aclose()
    return rows


def http_limits_table() -> str:
    """The same over HTTP and in real time."""
    with StubProcess(latency_s=LATENCY_S, rate=4 / LATENCY_S, burst=4.0) as stub:
        rows = asyncio.run(_bucket_run(stub, (4, 8, 16, 32, 16, 8), 16.0))
    names = ["capacity", "share of capacity", "429s", "limit at the end"]
    return "Limiter over HTTP, 50 ms latency, 16 s a step, second half of each.\n\n" + markdown(names, rows)


def budget_table(runs: int = 200) -> str:
    """Overshoot of budgets with many calls under way."""
    rows: list[list[object]] = []
    for concurrency in (1, 8, 32, 128):
        over, used = 0, []
        for seed in range(runs // 4):
            meter, budget, _ = run_dry(seed, concurrency)
            kind = seed % 3
            spent = (budget.spent.usd / 0.5, budget.spent.tokens / 30_000, budget.spent.calls / 150)[kind]
            truth = (meter.usd / 0.5, meter.tokens / 30_000, meter.calls / 150)[kind]
            over += truth > 1 + 1e-9
            used.append(spent)
        rows.append([concurrency, runs // 4, over, f"{min(used):.3f}", f"{sum(used) / len(used):.3f}"])
    names = ["calls at a time", "runs", "overshot", "least used", "mean used"]
    return "Budgets (US dollars, tokens, calls by turns; a fifth of the calls fail).\n\n" + markdown(names, rows)


def run(data: Path, out: Path) -> str:
    """All tables; no corpus is needed."""
    tables = (http_limits_table, limits_table, budget_table, faults_table)
    return "\n\n".join(table() for table in tables)
