"""What can go wrong with one row, and what a reader noticed on the way."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class RowProblem(NamedTuple):
    """One row that could not be read: where it stands and why.

    `line` counts from 1: the line in a text file, the item in a JSON array, the row in a Parquet file. It is None
    when the whole file is meant.

    >>> print(RowProblem("real.jsonl", 3, "turn 2 has no text"))
    real.jsonl:3: turn 2 has no text
    """

    path: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.reason}"


class Broken(Exception):
    """Raised inside the readers for one row; becomes a `RowProblem` at the loop that knows the line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Notes:
    """Remarks that are no problems, each counted once a row, so that memory does not grow with the rows."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, remark: str) -> None:
        self._counts[remark] += 1

    def lines(self) -> tuple[str, ...]:
        """The remarks, most frequent first, with how often each was met where that is more than once."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(text if count == 1 else f"{text} ({count:,} times)" for text, count in ranked)


_KINDS = {"dict": "an object", "list": "a list", "str": "a text", "bool": "a truth value", "NoneType": "null"}


def kind(value: object) -> str:
    """What JSON calls a value.

    >>> kind([]), kind(3), kind(None)
    ('a list', 'a number', 'null')
    """
    return _KINDS.get(type(value).__name__, "a number")


def shown(value: object, limit: int = 40) -> str:
    """A short, printable form of a value from outside, safe in a message."""
    text = ascii(value[: limit * 4] if isinstance(value, (str, bytes)) else type(value).__name__)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
