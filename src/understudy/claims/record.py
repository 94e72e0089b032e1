"""Claim: one finding as it was published, its exact scope, and what would refute it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Literal

import msgspec

from understudy.errors import UsageError

Kind = Literal["finding", "correction", "newer", "question"]
Grade = Literal["primary", "secondary", "recomputed", "own"]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a claim stands. `grade`: read there itself, only told by others, recomputed from its tables, or ours."""

    id: str
    grade: Grade
    says: str = ""


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One record of the ledger.

    `statement` is the finding in its own scope: whose users, which task, how many. `refuted_if` is what a study would
    have to show. `study` is the study that is run (`claims.studies`); without one, `untested` says why. `minutes` is
    what the study takes on the bundled sample, with two cores. `quoted` holds published numbers that a study
    recomputes.
    """

    id: str
    title: str
    kind: Kind
    statement: str
    refuted_if: str
    sources: tuple[Source, ...]
    date: str
    task: str
    n: str
    study: str = ""
    untested: str = ""
    minutes: float = 0.0
    quoted: Mapping[str, list[float]] = {}

    def __post_init__(self) -> None:
        if not self.sources or bool(self.study) == bool(self.untested):
            raise UsageError(
                f"the record {self.id!r} has no source, or both or neither of `study` and `untested`",
                why="a claim stands somewhere, and is either studied or said to be untested",
                fix="mend the record",
            )


def read_claims() -> dict[str, Claim]:
    """Every record, by its id (the name of its file): findings first, then corrections, newer results, questions.

    >>> claims = read_claims()
    >>> [claims[name].kind for name in ("entity-swap", "diasynth-coverage")]
    ['finding', 'correction']
    """
    folder = resources.files("understudy.claims") / "records"
    found = []
    for file in folder.iterdir():
        if file.name.endswith(".toml"):
            raw = {"id": file.name.removesuffix(".toml"), **tomllib.loads(file.read_text("utf-8"))}
            found.append(msgspec.convert(raw, Claim))
    order = {"finding": 0, "correction": 1, "newer": 2, "question": 3}
    return {claim.id: claim for claim in sorted(found, key=lambda c: (order[c.kind], c.date, c.id))}


def choose(names: list[str]) -> list[Claim]:
    """The claims called `names`, in that order; all of them for none. `UsageError` for a name that is none."""
    known = read_claims()
    if missing := [name for name in names if name not in known]:
        raise UsageError(
            f"no claim is called {missing[0]!r}",
            why=f"the ledger holds {', '.join(known)}",
            fix="name one of these, or none for all of them",
        )
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())
