"""The limiter finds what an endpoint can bear, keeps to it, and says why it holds calls back."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.models.buckets import Bucket, crowd
from tests.models.making import Playing, ask, busy, limited
from tests.models.virtual_time import run_virtually
from understudy.models.concurrency import Limited, Limiter
from understudy.models.model import Completion, Request


@pytest.mark.parametrize("latency_s", [0.05, 1.0])
@pytest.mark.parametrize("steps", [(8, 4, 8, 16), (16, 8, 16, 32), (64, 32, 64)])
def test_capacity_is_found_and_followed(steps: tuple[int, ...], latency_s: float) -> None:
    length = 400 * latency_s
    bucket = Bucket(steps[0], latency_s=latency_s, seed=1)
    plan = [(i * length, capacity) for i, capacity in enumerate(steps)]
    windows, limiter = run_virtually(crowd(bucket, steps=plan, until=length * len(steps)))
    assert min(w.used for w in windows) >= 0.9, windows
    assert sum(w.used for w in windows) / len(windows) >= 0.94, windows
    assert max(w.turned_away for w in windows) <= 0.03, windows
    assert limiter.cuts >= 1


def test_a_crowd_without_a_limiter_is_turned_away() -> None:
    """The stub can fail: unlimited callers are mostly turned away."""
    bucket = Bucket(8, latency_s=0.5)

    async def main() -> None:
        await asyncio.gather(*(bucket.complete(ask()) for _ in range(100)), return_exceptions=True)

    run_virtually(main())
    assert len(bucket.turned_away) > 80


def test_a_limit_between_whole_numbers_is_kept_by_rests() -> None:
    class Steady:
        identity = "steady"

        async def complete(self, request: Request) -> Completion:
            await asyncio.sleep(1.0)
            return Completion("yes", "steady")

    async def main() -> float:
        limiter = Limiter(start=4)
        limiter._limit, limiter._ceiling = 3.5, 1e9
        limiter._probe_from = 1e9
        limiter._grow = lambda now: None  # type: ignore[method-assign]
        model = Limited(Steady(), limiter)
        await asyncio.gather(*(model.complete(ask()) for _ in range(350)))
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == pytest.approx(100.0, rel=0.02)


def test_one_cut_for_a_cascade() -> None:
    class Wall:
        identity = "wall"

        async def complete(self, request: Request) -> Completion:
            await asyncio.sleep(1.0)
            raise limited()

    async def main() -> Limiter:
        limiter = Limiter(start=32)
        model = Limited(Wall(), limiter)
        await asyncio.gather(*(model.complete(ask()) for _ in range(32)), return_exceptions=True)
        return limiter

    limiter = run_virtually(main())
    assert (limiter.cuts, limiter.limit) == (1, 16)


def test_server_errors_hold_growth_up_and_never_cut() -> None:
    async def main() -> tuple[int, int, str]:
        limiter = Limiter(start=4)
        failing = Limited(Playing(busy()), limiter)
        await asyncio.gather(*(failing.complete(ask()) for _ in range(200)), return_exceptions=True)
        reason = limiter._reason()
        return limiter.limit, limiter.cuts, reason

    limit, cuts, reason = run_virtually(main())
    assert (limit, cuts) == (4, 0)
    assert "errors of the server" in reason


def test_growth_only_when_saturated() -> None:
    async def main() -> int:
        limiter = Limiter(start=8)
        model = Limited(Playing("yes"), limiter)
        for _ in range(500):
            await model.complete(ask())
        return limiter.limit

    assert run_virtually(main()) == 8


def test_a_long_wait_is_kept_to_where_nothing_else_has_worked() -> None:
    class Closed:
        identity = "closed"

        def __init__(self) -> None:
            self.times: list[float] = []

        async def complete(self, request: Request) -> Completion:
            self.times.append(asyncio.get_running_loop().time())
            raise limited(20.0)

    async def main() -> list[float]:
        closed = Closed()
        model = Limited(closed, Limiter())
        for _ in range(4):
            with pytest.raises(Exception, match="429"):
                await model.complete(ask())
        return closed.times

    times = run_virtually(main())
    assert [round(b - a) for a, b in itertools.pairwise(times)] == [20, 20, 20]


def test_order_cancellation_and_reason() -> None:
    class Slow:
        identity = "slow"

        def __init__(self) -> None:
            self.started: list[str] = []

        async def complete(self, request: Request) -> Completion:
            self.started.append(request.messages[0].content)
            await asyncio.sleep(1.0)
            return Completion("yes", "slow")

    async def main() -> tuple[list[str], Limiter]:
        slow, limiter = Slow(), Limiter(most=1)
        model = Limited(slow, limiter)
        tasks = [asyncio.create_task(model.complete(ask(str(i)))) for i in range(6)]
        await asyncio.sleep(0.5)
        throttle = limiter.throttle()
        assert (throttle.in_flight, throttle.waiting) == (1, 5)
        assert throttle.reason == "at most 1 at a time, as configured"
        tasks[0].cancel()  # Under way.
        tasks[2].cancel()  # Waiting.
        await asyncio.gather(*tasks, return_exceptions=True)
        return slow.started, limiter

    started, limiter = run_virtually(main())
    assert started == ["0", "1", "3", "4", "5"]
    assert limiter.throttle()[1:] == (0, 0, "")
