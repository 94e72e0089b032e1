"""One table of scores with both sides in it: what real and what simulated users gave each system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from understudy.errors import UsageError

if TYPE_CHECKING:
    from understudy.transfer.scores import Scores

SIDE = "side"
REAL = ("real", "human", "people")


def load_scores(path: str) -> tuple[Scores, dict[str, Scores]]:
    """The real scores, and the simulated ones by simulator, told apart by the column `side`.

    `side` is `real`, or the name of a simulator; the other columns are those of `understudy rank`. Raises UsageError
    where there is no such column, or a side is missing.
    """
    from understudy.transfer.score_reading import Columns, read_scores

    try:
        both = read_scores(path, Columns(slices=(SIDE,)))
    except UsageError as error:
        if repr(SIDE) not in error.what:
            raise
        raise UsageError(
            f"--scores {path}: no column {SIDE!r}",
            why="it says who gave the score: real, or the name of a simulator; " + error.why,
            fix="add the column, or give two files to `understudy rank SIM --real REAL`",
        ) from error
    side = np.char.lower(both.slices[SIDE])
    named = msgspec.structs.replace(both, slices={})
    simulators = {
        str(name): msgspec.structs.replace(named.take(both.slices[SIDE] == name), source=str(name))
        for name in dict.fromkeys(both.slices[SIDE].tolist())
        if name and name.lower() not in REAL
    }
    people = msgspec.structs.replace(named.take(np.isin(side, REAL)), source=REAL[0], spoiled=None)
    if not len(people) or not simulators:
        told = ", ".join(sorted({str(name) or "(empty)" for name in both.slices[SIDE]})[:6])
        raise UsageError(
            f"--scores {path}: {'no real scores' if not len(people) else 'no simulated scores'} in it",
            why=f"the column {SIDE!r} holds {told}",
            fix=f"write {REAL[0]} for real users, and for the others the name of the simulator",
        )
    return people, simulators
