"""An endpoint with a token bucket, on the running loop's clock, and a crowd that keeps it busy."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tests.models.making import ask
from understudy.models.concurrency import Limited, Limiter
from understudy.models.model import NOTHING_USED, Completion, RateLimitFault, Request
from understudy.models.retry import Retrying
from understudy.seeds import stream


class Bucket:
    """Holds `capacity` tokens, refilled once a `latency_s` (a call's mean time); without one, calls are turned away."""

    identity = "bucket"

    def __init__(self, capacity: float, *, latency_s: float, wait: str = "exact", seed: int = 0) -> None:
        self.capacity = capacity
        self.latency_s = latency_s
        self.wait = wait
        self.served: list[float] = []
        self.turned_away: list[float] = []
        self._tokens = capacity
        self._rng = stream(seed, "bucket")
        self._at = 0.0

    async def complete(self, request: Request) -> Completion:
        now = asyncio.get_running_loop().time()
        rate = self.capacity / self.latency_s
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens < 1:
            self.turned_away.append(now)
            waits = {"exact": (1 - self._tokens) / rate, "second": 1.0, "none": None}
            raise RateLimitFault(
                "rate_limited", "429", why="", fix="", usage=NOTHING_USED, retry_after=waits[self.wait]
            )
        self._tokens -= 1
        await asyncio.sleep(self.latency_s * (0.7 + 0.6 * self._rng.random()))
        self.served.append(asyncio.get_running_loop().time())
        return Completion("yes", "bucket")


class Window(NamedTuple):
    """Between two times: the share of the capacity that was used, and of calls that were turned away."""

    used: float
    turned_away: float


def window(bucket: Bucket, start: float, stop: float) -> Window:
    """What happened from `start` to `stop`."""
    served = sum(start <= t < stop for t in bucket.served)
    away = sum(start <= t < stop for t in bucket.turned_away)
    limit = bucket.capacity / bucket.latency_s * (stop - start)
    return Window(served / limit, away / max(1, served + away))


async def crowd(
    bucket: Bucket, *, steps: list[tuple[float, float]], until: float, callers: int = 200
) -> tuple[list[Window], Limiter]:
    """Keep `callers` busy until `until`; at each (time, capacity) the capacity steps. Windows by step.

    A window leaves out the first half of its step, in which the limiter adapts.
    """
    loop = asyncio.get_running_loop()
    limiter = Limiter(most=callers)
    model = Retrying(Limited(bucket, limiter), longest_wait_s=1e9)

    async def caller(number: int) -> None:
        while loop.time() < until:
            await model.complete(ask(f"{number}"))

    callers_busy = [asyncio.create_task(caller(i)) for i in range(callers)]
    windows = []
    for i, (at, capacity) in enumerate(steps):
        await asyncio.sleep(at - loop.time())
        bucket.capacity = capacity
        end = steps[i + 1][0] if i + 1 < len(steps) else until
        await asyncio.sleep(end - loop.time())
        windows.append(window(bucket, (at + end) / 2, end))
    for task in callers_busy:
        task.cancel()
    await asyncio.gather(*callers_busy, return_exceptions=True)
    return windows, limiter
