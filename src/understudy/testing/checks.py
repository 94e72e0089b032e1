"""A named check of a conformance suite: run it by calling it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class ConformanceError(AssertionError):
    """A check that did not pass: what was seen, and what the contract asks for."""

    def __init__(self, seen: str, *, asked: str) -> None:
        super().__init__(f"{seen}\n  the contract: {asked}")
        self.seen, self.asked = seen, asked


class Check:
    """One requirement of a contract, under its name. Calling it passes in silence or raises `ConformanceError`.

    An error of the checked code itself passes through unchanged, with its traceback.
    """

    def __init__(self, name: str, asked: str, run: Callable[[], str | None]) -> None:
        self.name, self.asked, self._run = name, asked, run

    def __call__(self) -> None:
        seen = self._run()
        if seen is not None:
            raise ConformanceError(seen, asked=self.asked)

    def __repr__(self) -> str:
        return self.name


def failures(checks: Iterator[Check]) -> dict[str, str]:
    """Run all checks and collect what did not pass, by name; empty when the contract is kept.

    >>> failures(iter([Check("fine", "", lambda: None), Check("bad", "x is 1", lambda: "x is 2")]))
    {'bad': 'ConformanceError: x is 2 (the contract: x is 1)'}
    """
    seen: dict[str, str] = {}
    for check in checks:
        try:
            check()
        except Exception as error:  # noqa: BLE001 - recorded: one broken check does not hide the others
            text = "; ".join(line.strip() for line in str(error).splitlines()).replace(
                "; the contract: ", " (the contract: "
            )
            seen[check.name] = f"{type(error).__name__}: {text}" + (")" if isinstance(error, ConformanceError) else "")
    return seen


def wait_for(awaitable: Awaitable[T]) -> T:
    """The result of `awaitable`, on an event loop of its own."""

    async def result() -> T:
        return await awaitable

    return asyncio.run(result())


def plain_data(value: Any) -> str | None:
    """Why `value` cannot be written as JSON and read back, or None."""
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        return f"{type(error).__name__}: {error}"
    return None


@contextmanager
def watched_randomness() -> Iterator[Callable[[], str | None]]:
    """Gives a function that says which global generator has been drawn from since.

    Imported by name: this file looks at the global generators and must not seem to use them.
    """
    standard = importlib.import_module("random")
    legacy = importlib.import_module("numpy.random")

    def states() -> tuple[Any, str]:
        return standard.getstate(), str(legacy.get_state(legacy=False))

    before = states()

    def touched() -> str | None:
        after = states()
        named = [name for name, a, b in zip(("random", "numpy.random"), before, after, strict=True) if a != b]
        return f"the global generator of {' and '.join(named)} was used" if named else None

    yield touched
