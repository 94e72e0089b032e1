"""The human ceiling of rank agreement: how far one group of people agrees with another of the same size."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.transfer.ceiling_law import expected_agreement
from understudy.transfer.rank_correlation import Correlation, kendall_tau, spearman_rho
from understudy.transfer.scores import Tally

Floats = npt.NDArray[np.float64]
Kind = Literal["kendall", "spearman"]
CORRELATIONS: dict[Kind, Correlation] = {"kendall": kendall_tau, "spearman": spearman_rho}
FEWEST_UNITS = 20  # ten a half
MOST_UNITS = 2000
SIZES = (5, 10, 20, 40, 80, 160, 320, 640)


class Ceiling(NamedTuple):
    """Agreement of people with people. `half` is measured, `value` carried from there to the sizes asked for."""

    value: float
    interval: tuple[float, float]
    half: float
    half_interval: tuple[float, float]
    half_units: int
    factor: float  # how far the study asked for exceeds half of the users


def human_ceiling(
    real: Tally,
    kind: Kind,
    *,
    rng: np.random.Generator,
    other: float = 1.0,
    splits: int = 1000,
    level: float = 0.95,
) -> Ceiling | None:
    """How far would other people agree with these people? The ceiling of any simulator's rank agreement.

    Users are cut into two disjoint halves `splits` times, evenly among those who met the same systems; `half` is
    the mean rank correlation of the halves. The study has twice as many, and the other side `other` times as much
    as the real one: `value` is what groups of those sizes are to reach, by `ceiling_law.expected_agreement`, where
    the intervals are derived too. None below twenty users, or where most halves lack a system or are all tied.

    Differences from the usual step-up (Spearman & Brown 1910): it acts on the scores, not on the rank correlation,
    which saturates. Truth by brute force and coverage: docs/results/ranking.md.

    >>> rng = np.random.default_rng(0)
    >>> people = np.linspace(0, 1, 8) + rng.normal(size=(60, 8))
    >>> c = human_ceiling(Tally(people, people * 0 + 1), "kendall", rng=rng)
    >>> c.half_units, round(c.half, 1), round(c.value, 1), bool(c.interval[0] < c.value < c.interval[1])
    (30, 0.6, 0.7, True)
    """
    units = len(real.counts)
    if units < FEWEST_UNITS:
        return None
    measured = CORRELATIONS[kind](*_halves(real, units // 2, splits, rng))
    measured = measured[np.isfinite(measured)]
    if len(measured) * 2 < splits:
        return None
    half = float(measured.mean())
    whole = expected_agreement(real, 1.0, other, rng=rng, level=level)
    halves = expected_agreement(real, 0.5, 0.5, rng=rng, level=level)
    value, interval = (whole.tau, whole.tau_interval) if kind == "kendall" else (whole.rho, whole.rho_interval)
    low, high = halves.tau_interval if kind == "kendall" else halves.rho_interval
    return Ceiling(value, interval, half, (min(half, low), max(half, high)), units // 2, units / (units // 2))


def _in_bunches(side: Tally, rng: np.random.Generator) -> Tally:
    """Very many users in bunches of those who met the same systems, which split as users do and cost less."""
    units = len(side.counts)
    if units <= MOST_UNITS:
        return side
    bunch = np.empty(units, dtype=np.intp)
    bunch[_in_strata(_patterns(side), 1, rng)[0]] = np.arange(units) * MOST_UNITS // units
    sums, counts = (np.zeros((MOST_UNITS, side.sums.shape[1])) for _ in range(2))
    np.add.at(sums, bunch, side.sums)
    np.add.at(counts, bunch, side.counts)
    return Tally(sums, counts)


def _patterns(side: Tally) -> tuple[Floats, npt.NDArray[np.intp]]:
    """The sets of systems that users met, and which of them each user has."""
    patterns, which = np.unique(side.counts > 0, axis=0, return_inverse=True)
    return patterns.astype(np.float64), which.reshape(-1)


def _in_strata(
    strata: tuple[Floats, npt.NDArray[np.intp]], draws: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """(draws, users): users in random order, but those who met the same systems together, and next to similar ones."""
    patterns, which = strata
    place = np.argsort(rng.random((patterns.shape[1], draws)), axis=0)
    codes = (patterns @ 0.5 ** place.astype(np.float64)).T
    order: npt.NDArray[np.intp] = np.lexsort((rng.random((draws, len(which))), codes[:, which]), axis=-1)
    return order


def _halves(side: Tally, size: int, splits: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Means in two disjoint groups of `size` users, (splits, systems) each; only splits where both have all systems.

    Of each two neighbours in an order by systems met, one comes into each group.
    """
    pooled = _in_bunches(side, rng)
    units = len(pooled.counts)
    size = max(1, size * units // len(side.counts))
    order = _in_strata(_patterns(pooled), splits, rng)
    start = rng.random((splits, 1)) * (units / (2 * size))
    picked = np.take_along_axis(order, (start + np.arange(2 * size) * (units / (2 * size))).astype(np.intp), axis=1)
    swap = rng.random((splits, size)) < 0.5
    means = []
    for chosen in (swap, ~swap):
        group = np.where(chosen, picked[:, 0::2], picked[:, 1::2])
        weights = np.zeros((splits, units))
        np.put_along_axis(weights, group, 1.0, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append((weights @ pooled.sums) / (weights @ pooled.counts))
    complete = np.isfinite(means[0]).all(1) & np.isfinite(means[1]).all(1)
    return means[0][complete], means[1][complete]


class CurvePoint(NamedTuple):
    """Two disjoint groups of `users` each: mean rank correlation, and its middle 95 % over splits."""

    users: int
    value: float
    low: float
    high: float


def split_half_curve(real: Tally, kind: Kind, *, rng: np.random.Generator, splits: int = 1000) -> list[CurvePoint]:
    """How does agreement between groups of people grow with their size? Sizes 5, 10, 20, ... to half of the users.

    Sizes at which more than half of the splits lack a system on some side are left out.

    >>> rng = np.random.default_rng(0)
    >>> people = np.linspace(0, 1, 8) + rng.normal(size=(60, 8))
    >>> curve = split_half_curve(Tally(people, people * 0 + 1), "kendall", rng=rng)
    >>> [(point.users, round(point.value, 1)) for point in curve]
    [(5, 0.2), (10, 0.3), (20, 0.5), (30, 0.6)]
    """
    units = len(real.counts)
    sizes = sorted({*(size for size in SIZES if size < units // 2), units // 2} - {0})
    curve = []
    for size in sizes:
        drawn = CORRELATIONS[kind](*_halves(real, size, splits, rng))
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) * 2 < splits:
            continue
        low, high = np.quantile(drawn, [0.025, 0.975])
        curve.append(CurvePoint(size, float(drawn.mean()), float(low), float(high)))
    return curve
