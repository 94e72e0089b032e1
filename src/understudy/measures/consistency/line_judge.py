"""The judge of lines: is this line this persona's, and does it contradict an earlier one? Three values, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from understudy.models.judge import Judge

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
FEWEST_LABELS = 200


class Scores(NamedTuple):
    """`value` in [0, 1], a row a question; `scorable` is False where the judge cannot say, whatever the value."""

    value: Floats
    scorable: Bools


class LineJudge(Protocol):
    """What the measures of consistency ask. Both questions are asked row by row, of sequences of one length.

    `belongs`: the probability that the line is by the person of whom `personas` says so; a line that anybody might say
    gets the same for every persona. `contradicts`: the probability that the later line takes back the earlier one.
    `human_labels`: how many labels by people the judge was checked against.
    """

    identity: str
    human_labels: int

    def belongs(self, personas: Sequence[str], lines: Sequence[str]) -> Scores: ...

    def contradicts(self, earlier: Sequence[str], later: Sequence[str]) -> Scores: ...


def calibration_note(judge: LineJudge) -> str:
    """What must stand beside every number of this judge: empty only with 200 human labels behind it.

    >>> class Sure:
    ...     identity, human_labels = "sure", 500
    >>> calibration_note(Sure())
    ''
    """
    if judge.human_labels >= FEWEST_LABELS:
        return ""
    return f"uncalibrated: {judge.human_labels} human labels behind this judge, {FEWEST_LABELS} are needed"


class ModelLineJudge:
    """A language model as the judge of lines: a verdict is 1 or 0, and what it could not read is unscorable."""

    def __init__(
        self,
        judge: Judge,
        *,
        human_labels: int = 0,
        concurrency: int = 16,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.identity = f"model:{judge.identity}"
        self.human_labels = human_labels
        self._judge = judge
        self._concurrency = concurrency
        self._close = close  # what holds connections on an event loop; it can be used again

    def belongs(self, personas: Sequence[str], lines: Sequence[str]) -> Scores:
        """1 where the line is consistent with the persona."""
        return self._asked("line_to_persona", "consistent", personas, lines, ("persona", "line"))

    def contradicts(self, earlier: Sequence[str], later: Sequence[str]) -> Scores:
        """1 where the later line is inconsistent with the earlier one."""
        return self._asked("line_to_line", "inconsistent", earlier, later, ("earlier", "later"))

    def _asked(
        self, prompt: str, one: str, first: Sequence[str], second: Sequence[str], names: tuple[str, str]
    ) -> Scores:
        async def every() -> list[str]:
            gate = asyncio.Semaphore(self._concurrency)

            async def ask(a: str, b: str) -> str:
                async with gate:
                    return (await self._judge.ask(prompt, **{names[0]: a, names[1]: b})).outcome

            try:
                return list(await asyncio.gather(*(ask(a, b) for a, b in zip(first, second, strict=True))))
            finally:
                if self._close is not None:
                    await self._close()

        outcomes = np.array(asyncio.run(every()), dtype=np.str_)
        return Scores((outcomes == one).astype(np.float64), outcomes != "unscorable")
