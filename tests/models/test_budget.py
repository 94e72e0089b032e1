"""A budget is never overshot, however many calls are under way."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.models.making import Playing, ask, busy
from tests.models.virtual_time import run_virtually
from understudy.errors import UsageError
from understudy.models.budget import Budget, Budgeted, BudgetFault, Price, Spend
from understudy.models.model import NOTHING_USED, Completion, ModelFault, Request, TransientFault, Usage
from understudy.models.retry import Retrying


class Meter:
    """A model that keeps the true bill: random lengths up to max_tokens, some faults, billed or not."""

    identity = "meter"

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.calls = self.tokens = 0
        self.usd = 0.0

    async def complete(self, request: Request) -> Completion:
        self.calls += 1
        await asyncio.sleep(float(self.rng.exponential(1.0)))
        luck = self.rng.random()
        if luck < 0.1:
            raise TransientFault("http_503", "busy", why="", fix="", usage=NOTHING_USED)
        usage = Usage(20, int(self.rng.integers(1, request.max_tokens + 1)))
        self.tokens += usage.input + usage.output
        self.usd += (usage.input * 3 + usage.output * 15) / 1e6
        if luck < 0.2:  # Billed, but the answer was lost, and with it what it cost.
            raise TransientFault("disconnected", "lost", why="", fix="")
        return Completion("yes", "meter", usage=usage)


def run_dry(seed: int, concurrency: int) -> tuple[Meter, Budget, int]:
    meter = Meter(np.random.default_rng(seed))
    limits = [{"max_usd": 0.5}, {"max_tokens": 30_000}, {"max_calls": 150}][seed % 3]
    budget = Budget(**limits)
    model = Retrying(Budgeted(meter, budget, price=Price(3.0, 15.0)), seed=seed)
    refused = 0

    async def caller() -> None:
        nonlocal refused
        while True:
            try:
                await model.complete(ask(max_tokens=400))
            except BudgetFault:
                refused += 1
                return
            except ModelFault:
                continue

    async def main() -> None:
        async with asyncio.timeout(100_000):
            await asyncio.gather(*(caller() for _ in range(concurrency)))

    run_virtually(main())
    return meter, budget, refused


@pytest.mark.parametrize("concurrency", [1, 8, 32, 128])
def test_no_overshoot_in_any_run(concurrency: int) -> None:
    for seed in range(50):
        meter, budget, refused = run_dry(seed, concurrency)
        assert refused == concurrency
        spent = budget.spent
        assert spent.calls == meter.calls
        if seed % 3 == 0:
            assert meter.usd <= spent.usd + 1e-9 <= 0.5 + 1e-9
            assert spent.usd >= 0.95 * 0.5
        elif seed % 3 == 1:
            assert meter.tokens <= spent.tokens <= 30_000
            assert spent.tokens >= 0.95 * 30_000
        else:
            assert meter.calls == 150
        assert budget.snapshot() == spent


def test_unknown_price_and_unknown_worst_case_are_refused() -> None:
    with pytest.raises(UsageError, match="price of playing is not known"):
        Budgeted(Playing("yes"), Budget(max_usd=1.0))
    model = Budgeted(Playing("yes"), Budget(max_tokens=1000))
    with pytest.raises(UsageError, match="no max_tokens"):
        asyncio.run(model.complete(ask()))


def test_a_crash_counts_calls_under_way_at_their_worst() -> None:
    class Hanging:
        identity = "hanging"

        async def complete(self, request: Request) -> Completion:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    async def main() -> Spend:
        budget = Budget(max_tokens=10_000)
        model = Budgeted(Hanging(), budget)
        task = asyncio.create_task(model.complete(ask(max_tokens=100)))
        await asyncio.sleep(0)
        kept = budget.snapshot()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert budget.spent == Spend(kept.calls, kept.input, kept.output, kept.units, unknown=1)
        return kept

    kept = asyncio.run(main())
    assert kept.calls == 1
    assert kept.tokens >= 105
    resumed = Budget(max_tokens=kept.tokens + 50, spent=kept)
    with pytest.raises(BudgetFault, match="tokens used") as caught:
        asyncio.run(Budgeted(Playing("yes"), resumed).complete(ask(max_tokens=100)))
    assert caught.value.exit_code == 5
    assert "--max-tokens" in caught.value.fix


@pytest.mark.parametrize("limits", [{"max_calls": 150}, {"max_tokens": 30_000}, {"max_usd": 0.01}, {}])
def test_no_call_begins_that_the_ledger_on_disk_does_not_hold(limits) -> None:
    disk, writes, under_way = [Spend()], 0, 0

    async def keep() -> None:
        nonlocal writes
        writes += 1
        await asyncio.sleep(0.001)
        disk.append(budget.ledger())
        await asyncio.sleep(0.001)
        budget.ledger_kept()

    class Slow:
        identity = "slow"
        calls = 0

        async def complete(self, request: Request) -> Completion:
            nonlocal under_way
            self.calls += 1
            under_way += 1
            if limits:
                now, kept = budget.snapshot(), disk[-1]
                assert "max_calls" not in limits or self.calls <= now.calls <= kept.calls <= 150
                assert "max_tokens" not in limits or now.tokens <= kept.tokens <= 30_000
                assert "max_usd" not in limits or now.units <= kept.units <= 10**10
            await asyncio.sleep(0.05)
            under_way -= 1
            return Completion("yes", "slow", usage=Usage(5, 5))

    budget = Budget(**limits)
    budget.keep_ahead(keep)
    slow = Slow()
    model = Budgeted(slow, budget, price=Price(1.0, 1.0))

    async def caller() -> None:
        for _ in range(12):
            try:
                await model.complete(ask(max_tokens=100))
            except BudgetFault:
                return

    async def main() -> None:
        await asyncio.gather(*(caller() for _ in range(16)))

    run_virtually(main())
    assert slow.calls == (150 if "max_calls" in limits else 192) or "max_usd" in limits
    assert (writes > 0) == bool(limits)
    assert writes <= slow.calls
    assert budget.ledger() == budget.snapshot() == budget.spent


def test_failed_calls_count() -> None:
    budget = Budget(max_calls=3)
    model = Retrying(Budgeted(Playing(busy(usage=NOTHING_USED)), budget), attempts=10, sleep=_at_once)
    with pytest.raises(BudgetFault):
        asyncio.run(model.complete(ask()))
    assert budget.spent == Spend(calls=3)


async def _at_once(seconds: float) -> None:
    return None
