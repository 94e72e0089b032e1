"""Trying again: what may pass by itself, as often and as late as makes sense."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from understudy.models.breaker import UNREACHED, gone_for_good
from understudy.models.model import Completion, LanguageModel, ModelFault, RateLimitFault, Request, close_model
from understudy.seeds import derive_seed

ATTEMPTS = 5
FIRST_WAIT_S = 0.5
LONGEST_BACKOFF_S = 30.0
LONGEST_WAIT_S = 900.0


class Retrying:
    """A model that tries again after transient faults and rate limits, and only after those.

    A request has `attempts` tries; where the last of them reached nobody, that stops the run. Being turned away for
    the rate uses none of them, but all waits for one request together stay below `longest_wait_s`. Waits grow
    exponentially with jitter; a Retry-After is kept to. `faults` counts every fault met by its code, `waiting` the
    requests that wait for another try.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        attempts: int = ATTEMPTS,
        longest_wait_s: float = LONGEST_WAIT_S,
        first_wait_s: float = FIRST_WAIT_S,
        seed: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.identity = model.identity
        self.faults: Counter[str] = Counter()
        self.waiting = 0
        self._model = model
        self._attempts = attempts
        self._longest_wait_s = longest_wait_s
        self._first_wait_s = first_wait_s
        self._seed = seed
        self._sleep = sleep
        self._requests = 0

    async def complete(self, request: Request) -> Completion:
        """The wrapped model's answer, or the fault of its last try."""
        self._requests += 1
        number = self._requests
        calls = failed = turned_away = 0
        waited = 0.0
        while True:
            calls += 1
            try:
                return await self._model.complete(request)
            except ModelFault as fault:
                self.faults[fault.code] += 1
                fault.attempts = calls
                if fault.stops_run or fault.kind not in ("transient", "rate_limit"):
                    raise
                if fault.kind == "rate_limit":
                    turned_away += 1
                else:
                    failed += 1
                    if failed >= self._attempts:
                        if fault.code in UNREACHED and failed > 1:  # All that waits would break like this one.
                            stopped = gone_for_good(fault)
                            stopped.attempts = calls
                            raise stopped from fault
                        raise
                wait = self._wait(fault, failed + turned_away, number)
                if waited + wait > self._longest_wait_s:
                    raise self._too_long(fault, waited, wait, calls) from fault
            waited += wait
            self.waiting += 1
            try:
                await self._sleep(wait)
            finally:
                self.waiting -= 1

    def _wait(self, fault: ModelFault, failures: int, number: int) -> float:
        """Backoff with jitter in [½, 1]; where the server names a time, that and up to a tenth more."""
        jitter = derive_seed(self._seed, "retry", number, failures) / 2**63
        if fault.retry_after is not None:
            return fault.retry_after * (1 + 0.1 * jitter)
        return min(LONGEST_BACKOFF_S, self._first_wait_s * 2.0 ** min(failures - 1, 30)) * (0.5 + 0.5 * jitter)

    def _too_long(self, fault: ModelFault, waited: float, wait: float, calls: int) -> ModelFault:
        longer = RateLimitFault(
            "waited_too_long",
            f"{fault.what}; waited {waited:.0f} s, and {wait:.0f} s more are asked for",
            why=f"one request waits {self._longest_wait_s:.0f} s at most",
            fix="resume later, or lower --concurrency",
            usage=fault.usage,
            retry_after=fault.retry_after,
        )
        longer.attempts = calls
        return longer

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await close_model(self._model)
