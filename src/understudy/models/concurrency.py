"""How many calls at a time: found by trying, shared by all models on one account."""

from __future__ import annotations

import asyncio
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
_COOLDOWN_S = 2.0
# Clean calls before a limit that was once too high is tried again: what keeps rejected calls rare.
_PATIENCE = 150
_SERVER_ERROR_COST = 4


class Slot(NamedTuple):
    """Leave to make one call; `epoch` counts the cuts before it."""

    epoch: int


class Throttle(NamedTuple):
    """Where the limiter stands, and why it stands there."""

    limit: int
    in_flight: int
    waiting: int
    reason: str


class Limiter:
    """Additive increase, multiplicative decrease, on the running loop's clock.

    Starts at two calls and doubles each clean round (slow start). A call turned away for its rate (429) cuts the
    limit once: others of the same cascade, sent before the cut, change nothing; one sent after it also stops all
    calls for as long as its Retry-After says. Growth needs a full limit and mostly clean calls; server errors hold
    it up and never cut. Near the limit that was too high last time it waits for many clean calls before it tries
    again; when that holds, it explores in larger steps, so that capacity that came back is found.
    """

    def __init__(self, *, name: str = "", most: int = MOST, start: int = START) -> None:
        self.name = name
        self.most = most
        self.cuts = 0
        self._limit = float(min(start, most))
        self._gain = _DOUBLING
        self._ceiling: float | None = None
        self._clean = 0
        self._clean_since_cut = 0
        self._in_flight = 0
        self._cooldown_until = 0.0
        self._closed_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._last = "starting up"

    @property
    def limit(self) -> int:
        """Calls allowed at a time, now."""
        return max(1, min(int(self._limit), self.most))

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
        if self._waiting or self._in_flight >= self.limit or loop.time() < self._closed_until:
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.append(future)
            self._admit(loop)
            try:
                await future
            except asyncio.CancelledError:
                if future.cancelled():
                    self._waiting = deque(f for f in self._waiting if f is not future)
                else:
                    self._in_flight -= 1
                    self._admit(loop)
                raise
        else:
            self._in_flight += 1
        return Slot(self.cuts)

    def release(self, slot: Slot, fault: ModelFault | None) -> None:
        """Give the slot back and learn from how the call went."""
        loop = asyncio.get_running_loop()
        saturated = bool(self._waiting) or self._in_flight >= _SATURATED * self.limit
        self._in_flight -= 1
        if fault is None or fault.kind in ("refusal", "truncated"):
            if saturated:
                self._clean += 1
                self._clean_since_cut += 1
                self._grow(loop.time())
        elif fault.kind == "rate_limit":
            self._turned_away(slot, fault, loop.time())
        elif fault.kind == "transient":
            self._clean = max(0, self._clean - _SERVER_ERROR_COST)
            self._last = "errors of the server or the network: not growing"
        self._admit(loop)

    def forget(self) -> None:
        """Give a slot back without learning anything: the call was cancelled."""
        self._in_flight -= 1
        self._admit(asyncio.get_running_loop())

    def _turned_away(self, slot: Slot, fault: ModelFault, now: float) -> None:
        wait = fault.retry_after or 0.0
        self._cooldown_until = max(self._cooldown_until, now + max(_COOLDOWN_S, wait))
        if slot.epoch < self.cuts:  # Sent before the last cut: the same cascade.
            return
        before = self._limit = min(self._limit, float(self.most))
        settled = self._clean_since_cut >= before
        if self.cuts and not settled:  # Even the cut limit is turned away: the account is closed for now.
            self._closed_until = max(self._closed_until, now + wait)
        factor = 1 / self._gain if self._ceiling is None else _CUT if settled else _CUT_AGAIN
        self._limit = max(1.0, before * factor)
        self._ceiling = before
        self._gain = _EXPLORING
        self._clean = self._clean_since_cut = 0
        self.cuts += 1
        self._last = f"rate limited (429): cut from {int(before)}"

    def _grow(self, now: float) -> None:
        if now < self._cooldown_until or self._limit >= self.most:
            return
        ceiling = self._ceiling
        if ceiling is None:
            if self._clean >= self._limit:
                self._step(max(self._limit * self._gain, self._limit + 1), "starting up")
            return
        good = max(1.0, min(ceiling - 1, ceiling * 0.97))
        if self._limit < good:
            if self._clean >= self._limit:
                self._step(min(good, self._limit + max(1.0, self._limit * _CLOSER)), "recovering after a 429")
        elif self._clean >= max(_PATIENCE, 3 * self._limit):
            if self._limit >= ceiling:  # What was too much once holds now: there is more than before.
                self._ceiling = None
                self._step(max(self._limit * self._gain, self._limit + 1), "exploring")
            else:
                self._step(max(ceiling, self._limit + 1), "trying one more")

    def _step(self, limit: float, why: str) -> None:
        self._limit = min(limit, float(self.most))
        self._clean = 0
        self._last = why

    def _admit(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting:
            return
        if loop.time() < self._closed_until:
            if self._alarm is None:
                self._alarm = loop.call_at(self._closed_until, self._wake, loop)
            return
        while self._waiting and self._in_flight < self.limit:
            future = self._waiting.popleft()
            if not future.done():
                self._in_flight += 1
                future.set_result(None)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
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
