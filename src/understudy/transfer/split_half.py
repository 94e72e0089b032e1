"""The human ceiling of rank agreement: how far one group of people agrees with another of the same size."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.transfer.rank_agreement import differences
from understudy.transfer.rank_correlation import Correlation, kendall_tau, spearman_rho
from understudy.transfer.scores import Tally

Floats = npt.NDArray[np.float64]
Kind = Literal["kendall", "spearman"]
CORRELATIONS: dict[Kind, Correlation] = {"kendall": kendall_tau, "spearman": spearman_rho}
FEWEST_UNITS = 20  # ten a half
DRAWS = 300
WORLDS = np.linspace(0.0, 2.4, 13)
FACTORS = np.concatenate([[0.0], np.geomspace(0.05, 4.0, 18)])
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

    Users are cut into two disjoint halves `splits` times; `half` is the mean rank correlation of the halves.
    The study has twice as many, and the other side `other` times as much as the real one, so `half` is carried
    there: scores of systems stand apart in the observed proportions, by a factor that makes halves agree as they
    were seen to, under normal errors with the covariance of the means by user; at that factor, `value` is what
    a group as large as the real one and one `other` times as large would reach. The interval holds every factor
    under which the ceiling as estimated is not in the outer 1 % of its own distribution: 1 rather than 2.5, since
    how the systems are spaced is estimated too.
    None below twenty users, or where most halves lack a system or are all tied.

    Differences from the usual step-up (Spearman & Brown 1910): it acts on the scores, not on the rank correlation,
    which saturates. Low by .05-.07 where each user met one system only (halves are then uneven). Truth by brute
    force and coverage: docs/results/ranking.md.

    >>> rng = np.random.default_rng(0)
    >>> people = np.linspace(0, 1, 8) + rng.normal(size=(60, 8))
    >>> c = human_ceiling(Tally(people, people * 0 + 1), "kendall", rng=rng)
    >>> c.half_units, round(c.half, 1), round(c.value, 1), bool(c.interval[0] < c.value < c.interval[1])
    (30, 0.6, 0.7, True)
    """
    units = len(real.counts)
    if units < FEWEST_UNITS:
        return None
    measured = _halves(real, units // 2, splits, rng)
    halves = {name: _mean(correlation(*measured)) for name, correlation in CORRELATIONS.items()}
    observed, half = halves["kendall"], halves[kind]
    if observed is None or half is None or len(measured[0]) * 2 < splits:
        return None
    pairs = _pairs(real)
    apart = _factor(pairs.gap[None], pairs.error, np.array([observed]))
    at = _worlds(real, float(apart[0]), observed, other, rng=rng, level=level)
    values = [_expected(real, kind, factor, 1.0, other, rng) for factor in at]
    ends = [_expected(real, kind, factor, 0.5, 0.5, rng) for factor in at[1:]]
    return Ceiling(
        values[0], (min(values[:2]), max(values[0], values[2])), half, (min(half, ends[0]), max(half, ends[1])),
        units // 2, units / (units // 2),
    )  # fmt: skip


class _Pairs(NamedTuple):
    """Differences of observed means and their standard errors, pair by pair."""

    gap: Floats
    error: Floats


def _pairs(side: Tally) -> _Pairs:
    first, second = np.triu_indices(side.counts.shape[1], 1)
    gap, error, _ = differences(side, first, second)
    return _Pairs(gap, np.maximum(error, 1e-12 * (1 + np.abs(gap).max())))


def _between(gap: Floats, error: Floats, first: float, second: float) -> Floats:
    """Kendall's tau to be expected of groups `first` and `second` times as large, at true differences `gap`."""
    from scipy.special import ndtr

    one = 2 * ndtr(gap * np.sqrt(first) / error) - 1
    two = one if first == second else 2 * ndtr(gap * np.sqrt(second) / error) - 1
    expected: Floats = (one * two).mean(axis=-1)
    return expected


def _factor(gap: Floats, error: Floats, observed: Floats) -> Floats:
    """(n, pairs), (n,) -> (n,): the factor of the differences at which halves agree as `observed`."""
    table = _between(FACTORS[:, None, None] * gap, error, 0.5, 0.5)
    table = np.maximum.accumulate(table, axis=0)
    return np.array([np.interp(value, column, FACTORS) for value, column in zip(observed, table.T, strict=True)])


def _worlds(
    side: Tally, apart: float, observed: float, other: float, *, rng: np.random.Generator, level: float
) -> tuple[float, float, float]:
    """The factor `apart` with the least and the most under which the ceiling as estimated is not surprising.

    In each world the whole estimate is made again from means with new errors; halvings of the same users agree
    on a pair with difference d and standard error s with expectation `4 Phi(|d| / s) - 3`.
    """
    from scipy.special import ndtr

    gap, error = _pairs(side)
    first, second = np.triu_indices(side.counts.shape[1], 1)
    values, vectors = np.linalg.eigh(side.covariance)
    noise = rng.standard_normal((DRAWS, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    noise = noise[:, first] - noise[:, second]
    estimate = float(_between(apart * gap, error, 1.0, other))
    # How the systems are spaced is itself estimated; tails of two fifths make up for it (measured, not derived).
    tail = (1 - level) / 5
    limits = []
    for world in WORLDS:
        seen = world * gap + noise
        halves = (4 * ndtr(np.abs(seen) / error) - 3).mean(axis=1)
        again = _between(_factor(seen, error, halves)[:, None] * seen, error, 1.0, other)
        limits.append(np.quantile(again, [tail, 1 - tail]))
    least, most = np.maximum.accumulate(np.array(limits), axis=0).T
    fine = np.linspace(WORLDS[0], WORLDS[-1], 400)
    inside = fine[(np.interp(fine, WORLDS, least) <= estimate) & (estimate <= np.interp(fine, WORLDS, most))]
    if not len(inside):
        return apart, apart, apart
    return apart, min(apart, float(inside.min())), max(apart, float(inside.max()))


def _expected(side: Tally, kind: Kind, factor: float, first: float, second: float, rng: np.random.Generator) -> float:
    """Rank correlation to be expected of two groups `first` and `second` times as large as `side`."""
    if kind == "kendall":
        pairs = _pairs(side)
        return float(_between(factor * pairs.gap, pairs.error, first, second))
    values, vectors = np.linalg.eigh(side.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    sides = [
        factor * side.means + rng.standard_normal((10 * DRAWS, len(values))) @ root.T / np.sqrt(n)
        for n in (first, second)
    ]
    return _mean(CORRELATIONS[kind](*sides)) or 0.0


def _mean(drawn: Floats) -> float | None:
    finite = drawn[np.isfinite(drawn)]
    return float(finite.mean()) if len(finite) else None


def _in_bunches(side: Tally, rng: np.random.Generator) -> Tally:
    """Very many users in random bunches, which split as users do and cost less."""
    units = len(side.counts)
    if units <= MOST_UNITS:
        return side
    bunch = rng.permutation(units) % MOST_UNITS
    sums, counts = np.zeros((MOST_UNITS, side.sums.shape[1])), np.zeros((MOST_UNITS, side.sums.shape[1]))
    np.add.at(sums, bunch, side.sums)
    np.add.at(counts, bunch, side.counts)
    return Tally(sums, counts)


def _halves(side: Tally, size: int, splits: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Means in two disjoint groups of `size` users, (splits, systems) each; only splits where both have all systems."""
    pooled = _in_bunches(side, rng)
    units = len(pooled.counts)
    size = max(1, size * units // len(side.counts))
    means = []
    place = np.argsort(rng.random((splits, units)), axis=1)
    for within in (place < size, (place >= size) & (place < 2 * size)):
        weights = within.astype(np.float64)
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
