"""How many calls at a time: found by trying, shared by all models on one account."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import NamedTuple

from understudy.models.model import Completion, LanguageModel, ModelFault, Request, close_model

MOST = 64
# A run that nobody can serve (wrong key, wrong URL) ends after this many calls.
START = 2
_SATURATED = 0.8
_DOUBLING = 2.0
_EXPLORING = 1.25
_CUT = 0.85
_CUT_AGAIN = 0.7
_CLOSER = 0.05
_GOOD = 0.95
_MORE = 1.05
# After a cut no call goes out for a mean latency: an empty token bucket fills up again. A pause must be worth it:
# the next one comes this many times its length later at the earliest.
_PAUSE_WORTH = 30.0
_SHORT_WAIT = 4.0
LONGEST_PAUSE_S = 60.0
_SMOOTHING = 0.1
# Clean calls before a limit that was too high is tried again. Each time that it proves too high, they double, up to
# a number that keeps rejected calls rare.
_PATIENCE = 16.0
_MOST_PATIENCE = 120.0
# A call turned away after so many clean ones at this limit is chance: a pause is enough.
_TOLERATED = 40
_HELD_ROUNDS = 3
_SAME_CEILING = 1.3
_SERVER_ERROR_COST = 4
# Between whole numbers, a slot rests after each call for a part of the mean latency; less than this is not worth it.
_SHORTEST_REST = 0.02


class Slot(NamedTuple):
    """Leave to make one call; `epoch` counts the cuts before it."""

    epoch: int
    started: float


class Throttle(NamedTuple):
    """Where the limiter stands, and why it stands there."""

    limit: int
    in_flight: int
    waiting: int
    reason: str


class Limiter:
    """Additive increase, multiplicative decrease, on the running loop's clock.

    Starts at two calls and doubles each clean round (slow start). A call turned away for its rate (429) cuts the
    limit once and holds all calls back for a moment; others of the same cascade, sent before the cut, change
    nothing. One sent after it makes the pause as long as its Retry-After says. Growth needs a full limit and mostly
    clean calls; server errors hold it up and never cut. Near the limit that was too high last time, the limiter
    waits before it tries again, longer each time. A limit between whole numbers is kept by a rest after each call:
    where four at a time are just too many, three would waste a quarter. When the limit holds, it
    explores in larger steps, so that capacity that came back is found.
    """

    def __init__(
        self,
        *,
        name: str = "",
        most: int = MOST,
        start: int = START,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        self.name = name
        self.most = most
        self.longest_pause_s = longest_pause_s
        self.cuts = 0
        self._limit = float(min(start, most))
        self._gain = _DOUBLING
        self._ceiling: float | None = None
        self._patience = _PATIENCE
        self._clean = 0
        self._clean_since_cut = 0
        self._in_flight = 0
        self._latency_s = 0.0
        self._probe_from = 0.0
        self._closed_until = 0.0
        self._waiting: deque[asyncio.Future[Slot]] = deque()
        self._resting: deque[float] = deque()
        self._alarm_on: asyncio.AbstractEventLoop | None = None
        self._alarm_at = 0.0
        self._last = "starting up"

    @property
    def limit(self) -> int:
        """Calls allowed at a time, now; between whole numbers the next one, with a rest after each call."""
        return max(1, min(math.ceil(self._limit), self.most))

    def throttle(self) -> Throttle:
        """What a progress line shows; the reason is empty where nothing holds calls back.

        >>> Limiter(most=8).throttle()
        Throttle(limit=2, in_flight=0, waiting=0, reason='')
        """
        return Throttle(self.limit, self._in_flight, len(self._waiting), self._reason() if self._waiting else "")

    def _reason(self) -> str:
        now = asyncio.get_running_loop().time()
        if now < self._closed_until:
            return f"rate limited: all calls wait {self._closed_until - now:.0f} s"
        if self.limit >= self.most:
            return f"at most {self.most} at a time, as configured"
        return f"{self._last}, {self.limit} at a time"

    async def acquire(self) -> Slot:
        """Wait for a slot; first come, first served. Give it back with `release`."""
        loop = asyncio.get_running_loop()
        if self._waiting or self._full(loop.time()) or loop.time() < self._closed_until:
            future: asyncio.Future[Slot] = loop.create_future()
            self._waiting.append(future)
            self._admit(loop)
            try:
                return await future
            except asyncio.CancelledError:
                if future.cancelled():
                    self._waiting = deque(f for f in self._waiting if f is not future)
                else:
                    self._in_flight -= 1
                    self._admit(loop)
                raise
        self._in_flight += 1
        return Slot(self.cuts, loop.time())

    def release(self, slot: Slot, fault: ModelFault | None) -> None:
        """Give the slot back and learn from how the call went."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        saturated = bool(self._waiting) or self._in_flight >= _SATURATED * self.limit
        self._in_flight -= 1
        rest = self._latency_s * (self.limit / self._limit - 1)
        if rest > _SHORTEST_REST * self._latency_s:
            self._resting.append(now + rest)
        if fault is None or fault.kind in ("refusal", "truncated"):
            took = now - slot.started
            self._latency_s += (took - self._latency_s) * (_SMOOTHING if self._latency_s else 1.0)
            if saturated and slot.epoch == self.cuts:
                self._clean += 1
                self._clean_since_cut += 1
                self._grow(now)
        elif fault.kind == "rate_limit":
            self._turned_away(slot, fault.retry_after or 0.0, now)
        elif fault.kind == "transient":
            self._clean = max(0, self._clean - _SERVER_ERROR_COST)
            self._last = "errors of the server or the network: not growing"
        self._admit(loop)

    def forget(self) -> None:
        """Give a slot back without learning anything: the call was cancelled."""
        self._in_flight -= 1
        self._admit(asyncio.get_running_loop())

    def _turned_away(self, slot: Slot, wait: float, now: float) -> None:
        if slot.epoch < self.cuts:  # Sent before the last cut: the same cascade.
            return
        before = min(self._limit, float(self.most))
        settled = self._clean_since_cut >= before
        ceiling, self._ceiling = self._ceiling, before
        known = ceiling is not None and 1 / _SAME_CEILING <= before / ceiling <= _SAME_CEILING
        self._patience = min(_MOST_PATIENCE, 2 * self._patience) if known else _PATIENCE
        if self._clean >= _TOLERATED:
            factor, self._ceiling = 1.0, before + 1
        else:
            factor = 1 / self._gain if ceiling is None else _CUT if settled else _CUT_AGAIN
        self._limit = max(1.0, before * factor)
        self._gain = _EXPLORING
        # A long wait is believed only when the cut did not help: it may be meant for this one call.
        believed = wait if not settled or wait <= _SHORT_WAIT * self._latency_s else 0.0
        pause = min(max(self._latency_s, believed), self.longest_pause_s)
        self._closed_until = max(self._closed_until, now + pause)
        self._probe_from = self._closed_until + _PAUSE_WORTH * pause * self._patience / _MOST_PATIENCE
        self._clean = self._clean_since_cut = 0
        self.cuts += 1
        self._last = f"rate limited (429) at {int(before)}"

    def _grow(self, now: float) -> None:
        if self._limit >= self.most:
            return
        ceiling = self._ceiling
        if ceiling is None:
            if self._clean >= self._limit:
                self._step(max(self._limit * self._gain, self._limit + 1), self._last)
            return
        good = max(1.0, ceiling * _GOOD)
        if self._limit < good:
            if self._clean >= self._limit:
                self._step(min(good, self._limit + max(1.0, self._limit * _CLOSER)), "recovering after a 429")
        elif self._limit >= ceiling:
            if self._clean >= max(_PATIENCE, _HELD_ROUNDS * self._limit):
                self._ceiling = None  # What was too much once holds now: there is more than before.
                self._step(max(self._limit * self._gain, self._limit + 1), "exploring")
        elif self._clean >= max(self._patience, _HELD_ROUNDS * self._limit) and now >= self._probe_from:
            self._step(max(ceiling, self._limit * _MORE), "trying a little more")

    def _step(self, limit: float, why: str) -> None:
        self._limit = min(limit, float(self.most))
        self._clean = 0
        self._last = why

    def _full(self, now: float) -> bool:
        while self._resting and self._resting[0] <= now:
            self._resting.popleft()
        return self._in_flight + len(self._resting) >= self.limit

    def _admit(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting:
            return
        now = loop.time()
        if now < self._closed_until:
            self._alarm(loop, self._closed_until)
            return
        while self._waiting and not self._full(now):
            future = self._waiting.popleft()
            if not future.done():
                self._in_flight += 1
                future.set_result(Slot(self.cuts, now))  # Stamped now: it may run after a cut.
        if self._waiting and self._resting:
            self._alarm(loop, self._resting[0])

    def _alarm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        # An alarm on a loop that is over never rings.
        if self._alarm_on is not loop or at < self._alarm_at:
            self._alarm_on, self._alarm_at = loop, at
            loop.call_at(at, self._wake, loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm_on = None
        self._admit(loop)


class Limited:
    """A model whose calls go through a limiter."""

    def __init__(self, model: LanguageModel, limiter: Limiter) -> None:
        self.identity = model.identity
        self.limiter = limiter
        self._model = model

    async def complete(self, request: Request) -> Completion:
        """The wrapped model's answer, when there is room for the call."""
        slot = await self.limiter.acquire()
        try:
            completion = await self._model.complete(request)
        except ModelFault as fault:
            self.limiter.release(slot, fault)
            raise
        except BaseException:
            self.limiter.forget()
            raise
        self.limiter.release(slot, None)
        return completion

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await close_model(self._model)
