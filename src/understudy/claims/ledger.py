"""The ledger: verdicts one after another in a file that only grows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from understudy.claims.verdict import Outcome, Row
from understudy.errors import CorpusError

SCHEMA = "understudy.verdict/1"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of one study: what it found, on what, with which version of everything."""

    schema: str = SCHEMA
    claim: str
    outcome: Outcome
    why: str
    date: str
    commit: str
    version: str
    backend: str
    seed: int
    seconds: float
    data: Mapping[str, str] = {}
    rows: tuple[Row, ...] = ()

    @property
    def measures(self) -> dict[str, int]:
        """The versions of the measures behind the verdict."""
        return {row.measure: row.version for row in self.rows}


def append(path: Path, entry: Entry) -> None:
    """Add `entry` at the end of `path` and have it on disk before returning. Nothing that is there is changed.

    A line that an earlier process left half written is ended first, and is skipped when the ledger is read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        torn = b""
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = b"" if file.read(1) == b"\n" else b"\n"
        file.write(torn + msgspec.json.encode(entry) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_ledger(path: Path) -> list[Entry]:
    """Every verdict in the order in which it was given; none where there is no file.

    A line that was cut off is left out. Raises `CorpusError` for a line that is whole but no verdict.
    """
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip() or not line.rstrip().endswith(b"}"):
            continue
        try:
            entries.append(msgspec.json.decode(line, type=Entry))
        except msgspec.MsgspecError as error:
            if _cut(line):
                continue
            raise CorpusError(
                f"{path}, line {number}: no verdict ({error})",
                why="the ledger holds one verdict a line, and is never rewritten",
                fix="look at the line; start another ledger with --ledger FILE if this is not one",
            ) from error
    return entries


def _cut(line: bytes) -> bool:
    """Whether a line is the beginning of a verdict: no JSON at all."""
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return line.startswith(b"{")
    return False


def latest(entries: Sequence[Entry]) -> dict[str, Entry]:
    """The last verdict of each claim."""
    return {entry.claim: entry for entry in entries}


def by_data(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The verdicts of one claim, divided by what they were given on; data last used come last."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        key = tuple(sorted(entry.data.values()))
        groups[key] = [*groups.pop(key, []), entry]
    return list(groups.values())


def change(entries: Sequence[Entry]) -> str:
    """What the last verdict of one claim says beside the one before it on the same data, if they can be compared.

    They cannot where a measure changed its version: then this says so.
    """
    if not entries:
        return ""
    same = by_data(entries)[-1]
    if len(same) < 2:
        return "first verdict" if len(entries) < 2 else "first verdict on these data"
    before, now = same[-2], same[-1]
    moved = [name for name, version in now.measures.items() if before.measures.get(name, version) != version]
    if moved or before.measures.keys() != now.measures.keys():
        return f"measured otherwise than the one before ({', '.join(moved) or 'other measures'}): not compared"
    if before.outcome == now.outcome:
        return f"as on {before.date[:10]}"
    return f"was {before.outcome} on {before.date[:10]}"
