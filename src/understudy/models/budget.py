"""A hard limit on calls, tokens and money: the worst case is set aside before a call, and settled after it."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from understudy.errors import UsageError
from understudy.models.model import (
    NOTHING_USED,
    Completion,
    LanguageModel,
    ModelFault,
    Request,
    TerminalFault,
    Usage,
    close_model,
)

# Special tokens of a message, and what chat templates add of their own.
_TOKENS_PER_MESSAGE = 16
_TOKENS_PER_REQUEST = 256
# Money is counted in whole units, so that sums are exact.
_UNITS_PER_USD = 10**12


class Price(NamedTuple):
    """US dollars for a million tokens read and written."""

    input: float
    output: float


FREE = Price(0.0, 0.0)


class Spend(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was used so far. `units`: money in 10⁻¹² US dollars; `unknown`: calls settled at their worst case.

    >>> Spend(calls=2, units=1_500_000_000).usd
    0.0015
    """

    calls: int = 0
    input: int = 0
    output: int = 0
    units: int = 0
    unknown: int = 0

    @property
    def usd(self) -> float:
        """Money in US dollars."""
        return self.units / _UNITS_PER_USD

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input + self.output

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            self.calls + other.calls,
            self.input + other.input,
            self.output + other.output,
            self.units + other.units,
            self.unknown + other.unknown,
        )

    def __sub__(self, other: Spend) -> Spend:
        return Spend(
            self.calls - other.calls,
            self.input - other.input,
            self.output - other.output,
            self.units - other.units,
            self.unknown - other.unknown,
        )


class BudgetFault(TerminalFault):
    """The budget does not allow another call."""

    exit_code = 5


class Budget:
    """Shared by all models of a run. Never overshot where models keep to `max_tokens` and report what they use.

    A call that does not fit now, but may once calls under way are settled below their worst case, waits for that.
    A call of which nobody knows what it used is settled at its worst case. `snapshot` counts calls under way as
    used. With `keep_ahead`, no call begins before a ledger is on disk that covers it, so that not even a process
    that is killed leaves calls behind of which nobody knows.
    """

    def __init__(
        self,
        *,
        max_usd: float | None = None,
        max_tokens: int | None = None,
        max_calls: int | None = None,
        spent: Spend = Spend(),  # noqa: B008 - immutable
    ) -> None:
        self.max_usd = max_usd
        self._most_units = None if max_usd is None else math.floor(max_usd * _UNITS_PER_USD)
        self._most_tokens = max_tokens
        self._most_calls = max_calls
        self.spent = spent
        self._reserved = Spend()
        self._waiting: deque[tuple[asyncio.Future[None], Spend]] = deque()
        self._keep: Callable[[], Awaitable[None]] | None = None
        self._written = self._covered = Spend()

    @property
    def bounds_tokens(self) -> bool:
        """Whether a call needs a known worst case."""
        return self._most_units is not None or self._most_tokens is not None

    def snapshot(self) -> Spend:
        """What to keep in a journal: after a crash, calls under way count as if they had used all they could."""
        reserved = self._reserved  # First, as `settle` is the other way round: in between it counts twice, never not.
        return self.spent + reserved

    def keep_ahead(self, keep: Callable[[], Awaitable[None]]) -> None:
        """From now on let `keep` bring `ledger()` to disk, and wait for it, before a call that the last one lacks.

        `keep` has to call `ledger_kept` when it is there. Where nothing is limited nobody waits.
        """
        self._keep = keep

    def ledger(self) -> Spend:
        """What to keep: the snapshot, and of what is limited as much again as is under way, within the limit.

        What is kept with every turn so covers the next calls before they begin, and few have to wait.
        """
        under_way, now = self._reserved, self.snapshot()
        calls = _room(self._most_calls, now.calls, max(under_way.calls, 1))
        tokens = _room(self._most_tokens, now.tokens, under_way.tokens)
        units = _room(self._most_units, now.units, under_way.units)
        self._written = now + Spend(calls, tokens, 0, units) if under_way.calls else now
        return self._written

    def ledger_kept(self) -> None:
        """The last ledger is on disk."""
        self._covered = self._written

    async def _cover(self, worst: Spend) -> None:
        try:
            while self._keep is not None and not self._is_covered():
                await self._keep()
        except BaseException:
            self.settle(worst, Spend())
            raise

    def _is_covered(self) -> bool:
        now, kept = self.snapshot(), self._covered
        return (
            (self._most_calls is None or now.calls <= kept.calls)
            and (self._most_tokens is None or now.tokens <= kept.tokens)
            and (self._most_units is None or now.units <= kept.units)
        )

    async def reserve(self, worst: Spend) -> None:
        """Set `worst` aside, waiting where that may help; raises `BudgetFault` where it cannot."""
        if not self._waiting and self._fits(self.spent + self._reserved + worst):
            self._reserved += worst
            await self._cover(worst)
            return
        self._refuse_hopeless(worst)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, worst))
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._waiting = deque(pair for pair in self._waiting if pair[0] is not future)
                self._admit()
            else:
                self.settle(worst, Spend())
            raise
        await self._cover(worst)

    def settle(self, worst: Spend, used: Spend) -> None:
        """Give back what was set aside and count what was used."""
        self.spent += used  # First: whoever looks from another thread never sees less than was used.
        self._reserved -= worst
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            future, worst = self._waiting[0]
            if future.done():
                self._waiting.popleft()
            elif self._fits(self.spent + self._reserved + worst):
                self._reserved += worst
                self._waiting.popleft()
                future.set_result(None)
            elif not self._fits(self.spent + worst):
                self._waiting.popleft()
                future.set_exception(self._reached(worst))
            else:
                return

    def _fits(self, total: Spend) -> bool:
        return (
            (self._most_units is None or total.units <= self._most_units)
            and (self._most_tokens is None or total.tokens <= self._most_tokens)
            and (self._most_calls is None or total.calls <= self._most_calls)
        )

    def _refuse_hopeless(self, worst: Spend) -> None:
        if not self._fits(self.spent + worst):
            raise self._reached(worst)

    def _reached(self, worst: Spend) -> BudgetFault:
        total = self.spent + worst
        if self._most_calls is not None and total.calls > self._most_calls:
            used, option = f"{self.spent.calls:,} of {self._most_calls:,} calls", "--max-calls"
        elif self._most_tokens is not None and total.tokens > self._most_tokens:
            used, option = f"{self.spent.tokens:,} of {self._most_tokens:,} tokens", "--max-tokens"
        else:
            used, option = f"${self.spent.usd:.4f} of ${self.max_usd:.4f}", "--max-usd"
        return BudgetFault(
            "budget",
            f"the budget is reached: {used} used",
            why="the next call could cost more than is left",
            fix=f"raise {option} and resume; what is done is kept",
            usage=NOTHING_USED,
            stops_run=True,
        )


class Budgeted:
    """A model whose every call, failed ones too, is paid from a budget.

    Raises `UsageError` where money is limited and the model's price is not known.
    """

    def __init__(self, model: LanguageModel, budget: Budget, *, price: Price | None = None) -> None:
        if budget.max_usd is not None and price is None:
            raise UsageError(
                f"the price of {model.identity} is not known",
                why="without it nobody can hold the run to --max-usd",
                fix="give its price in US dollars for a million tokens, or limit --max-tokens instead",
            )
        self.identity = model.identity
        self.budget = budget
        self._model = model
        self._rates = tuple(math.ceil(p * _UNITS_PER_USD / 10**6) for p in (price or FREE))

    async def complete(self, request: Request) -> Completion:
        """The wrapped model's answer, if the budget can bear its worst case."""
        worst = self._spend(self._worst(request))
        await self.budget.reserve(worst)
        used: Usage | None = None
        try:
            completion = await self._model.complete(request)
            used = completion.usage
            return completion
        except ModelFault as fault:
            used = fault.usage
            raise
        finally:
            self.budget.settle(worst, self._spend(used) if used is not None else _unknown(worst))

    def _worst(self, request: Request) -> Usage:
        if request.max_tokens is None and self.budget.bounds_tokens:
            raise UsageError(
                "a request has no max_tokens",
                why="without it a call has no worst case that the budget could set aside",
                fix="set max_tokens for every request of a run with --max-usd or --max-tokens",
            )
        return Usage(worst_input_tokens(request), request.max_tokens or 0)

    def _spend(self, usage: Usage) -> Spend:
        units = usage.input * self._rates[0] + usage.output * self._rates[1]
        return Spend(calls=1, input=usage.input, output=usage.output, units=units)

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await close_model(self._model)


def _room(most: int | None, now: int, wanted: int) -> int:
    return 0 if most is None else max(0, min(wanted, most - now))


def _unknown(worst: Spend) -> Spend:
    return msgspec.structs.replace(worst, unknown=1)


def worst_input_tokens(request: Request) -> int:
    """The most tokens that a request can be read as: no token is shorter than a byte of its text.

    >>> from understudy.models.model import Message
    >>> worst_input_tokens(Request((Message("user", "Grüße"),)))
    279
    """
    text = _TOKENS_PER_MESSAGE * len(request.messages)
    for message in request.messages:
        content = message.content
        text += len(content) if content.isascii() else len(content.encode("utf-8", "replace"))
    schema = 0 if request.response_schema is None else len(msgspec.json.encode(request.response_schema))
    return text + schema + _TOKENS_PER_REQUEST
