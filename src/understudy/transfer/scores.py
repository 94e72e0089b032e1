"""Scores: what episodes of several systems were worth, a row an episode, and their sums by user and system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.errors import MeasureError
from understudy.measures.measurement import Counts

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.str_]
MOST_SYSTEMS = 200  # whose pairs, 19,900, are still ordered within a minute
FEWEST_UNITS = 2  # of a system, below which its mean has no standard error


class Scores(msgspec.Struct, frozen=True):
    """Aligned columns, a row an episode. A missing score is NaN; a missing label is the empty string.

    `unit` is the user (else a name of the row's own); `item` what the same episode is called on the other side (a
    scenario, a task), where the two sides are paired; `spoiled` says that the simulator broke the episode;
    `slices` are named populations. `has_users` says whether `unit` names people.
    """

    system: Strings
    score: Floats
    unit: Strings
    item: Strings | None = None
    difficulty: Floats | None = None
    slices: Mapping[str, Strings] = {}
    spoiled: Bools | None = None
    has_users: bool = False
    source: str = ""

    def __len__(self) -> int:
        return len(self.score)

    def take(self, rows: npt.NDArray[np.intp] | Bools) -> Scores:
        """The same columns at `rows`."""
        return msgspec.structs.replace(
            self,
            system=self.system[rows],
            score=self.score[rows],
            unit=self.unit[rows],
            item=None if self.item is None else self.item[rows],
            difficulty=None if self.difficulty is None else self.difficulty[rows],
            slices={name: column[rows] for name, column in self.slices.items()},
            spoiled=None if self.spoiled is None else self.spoiled[rows],
        )

    @property
    def scored(self) -> Scores:
        """The episodes that have a score."""
        return self.take(np.isfinite(self.score))

    @property
    def counts(self) -> Counts:
        """Units and episodes; turns are not known here and count as none."""
        return Counts(len(np.unique(self.unit)), len(self), 0)


class Tally(NamedTuple):
    """Sums of scores and numbers of episodes, (units, systems): all that means, intervals and orders need."""

    sums: Floats
    counts: Floats

    @property
    def means(self) -> Floats:
        """The mean score of each system."""
        means: Floats = self.sums.sum(0) / self.counts.sum(0)
        return means

    @property
    def units(self) -> npt.NDArray[np.int64]:
        """How many units scored each system."""
        units: npt.NDArray[np.int64] = (self.counts > 0).sum(0)
        return units

    @property
    def influence(self) -> Floats:
        """(units, systems): what each unit adds to the error of each mean; its Gram matrix is their covariance.

        Linearised ratio of sums, with G/(G-1) over the G units of the system (Cameron & Miller 2015,
        doi:10.3368/jhr.50.2.317). Users who met several systems make the errors of these go together.
        """
        units = self.units
        correction = np.sqrt(units / np.maximum(units - 1, 1))
        linear: Floats = (self.sums - self.means * self.counts) / self.counts.sum(0) * correction
        return linear

    @property
    def covariance(self) -> Floats:
        """(systems, systems) covariance of the means, by unit."""
        influence = self.influence
        gram: Floats = influence.T @ influence
        return gram


def tally(scores: Scores, systems: Sequence[str]) -> Tally:
    """Sums by unit and system, over the scored episodes of `systems`.

    >>> s = Scores(np.array(["a", "a", "b"]), np.array([1.0, 0.0, 1.0]), np.array(["u", "v", "v"]))
    >>> tally(s, ["a", "b"]).means
    array([0.5, 1. ])
    """
    order = np.argsort(np.asarray(systems))
    names = np.asarray(systems)[order]
    place = np.minimum(np.searchsorted(names, scores.system), len(names) - 1)
    used = (names[place] == scores.system) & np.isfinite(scores.score)
    column = order[place[used]]
    units, row = np.unique(scores.unit[used], return_inverse=True)
    shape = (len(units), len(names))
    cell = row * len(names) + column
    size = shape[0] * shape[1]
    sums = np.bincount(cell, scores.score[used], minlength=size).reshape(shape)
    counts = np.bincount(cell, minlength=size).reshape(shape)
    return Tally(sums.astype(np.float64), counts.astype(np.float64))


class Compared(NamedTuple):
    """The systems that both sides have scored often enough, and why others are left out."""

    systems: tuple[str, ...]
    left_out: tuple[str, ...]


def compared_systems(real: Scores, simulated: Sequence[Scores]) -> Compared:
    """Which systems can be compared: at least two users with a score on every side.

    Raises MeasureError where fewer than two are left (one system has no order), or more than two hundred.
    """
    sides = {"real": real, **{f"simulated ({s.source or k + 1})": s for k, s in enumerate(simulated)}}
    names = sorted({str(name) for side in sides.values() for name in np.unique(side.system)})
    if len(names) > 10 * MOST_SYSTEMS:
        raise _too_many(len(names))
    kept, left_out = [], []
    enough = {label: dict(zip(names, tally(side, names).units.tolist(), strict=True)) for label, side in sides.items()}
    for name in names:
        short = [label for label, units in enough.items() if units[name] < FEWEST_UNITS]
        if short:
            left_out.append(f"{name}: fewer than {FEWEST_UNITS} users with a score on the side {', '.join(short)}")
        else:
            kept.append(name)
    if len(kept) < 2:
        raise MeasureError(
            f"{len(kept)} systems have scores by at least {FEWEST_UNITS} users on every side",
            why="an order needs two systems or more; " + ("; ".join(left_out[:4]) or "no system is named"),
            fix="check that systems have the same names on both sides, and which columns hold system and score",
        )
    if len(kept) > MOST_SYSTEMS:
        raise _too_many(len(kept))
    return Compared(tuple(kept), tuple(left_out))


def _too_many(systems: int) -> MeasureError:
    return MeasureError(
        f"{systems:,} systems",
        why=f"all pairs of them are compared, and at most {MOST_SYSTEMS:,} systems can be",
        fix="check that the column of the system names systems; else give those that the decision is about",
    )
