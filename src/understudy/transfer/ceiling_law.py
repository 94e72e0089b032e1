"""What rank agreement two disjoint groups of people are to reach, by the scores of one group, with its interval."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.transfer.scores import Tally

Floats = npt.NDArray[np.float64]
DRAWS = 150
# Spread of the true scores against its estimate; the worlds of an interval.
SPREADS = np.array([0, 0.1, 0.2, *np.linspace(0.3, 1.8, 12), 2.2, 2.8, 3.6, 5])
STEP = 0.025
APART = np.arange(0, 9 + STEP / 2, STEP)  # |difference| in standard errors; at 9 every order is sure
SMOOTHNESS = 0.003
MOST_SYSTEMS = 100
MOST_LEVELS = 200
LATTICE = 801


class Expected(NamedTuple):
    """Expected tau, and rho where the true scores are like these, of groups of the sizes asked for; intervals."""

    tau: float
    tau_interval: tuple[float, float]
    rho: float
    rho_interval: tuple[float, float]


class _Pairs(NamedTuple):
    """What is known of each pair of systems apart from their scores, for groups of `sizes` times the people."""

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    covariance: Floats
    grid: tuple[Floats, Floats]  # the steps in which the difference of two means moves, on each side; 0: freely
    sizes: tuple[float, float]
    towards: Floats  # (pairs, systems): +1 for the first, -1 for the second

    def gap(self, means: Floats) -> Floats:
        """(..., systems) -> (..., pairs)."""
        return means[..., self.first] - means[..., self.second]

    def error(self, inflated: Floats | float = 1.0) -> Floats:
        """Standard errors of the differences, if those of the systems are `inflated`."""
        own = np.sqrt(np.diag(self.covariance)) * inflated
        one, two = own[..., self.first], own[..., self.second]
        plain = np.sqrt(np.diag(self.covariance))
        product = plain[self.first] * plain[self.second]
        together = self.covariance[self.first, self.second] / np.where(product > 0, product, 1.0)
        found = np.sqrt(np.maximum(one**2 + two**2 - 2 * together * one * two, 0.0))
        # A pair without any variance is seen with the little error that keeps it from counting as infinitely sure.
        error: Floats = np.maximum(found, 0.05 * np.median(found, axis=-1, keepdims=True) + 1e-300)
        return error


def expected_agreement(
    side: Tally, first: float, second: float, *, rng: np.random.Generator, level: float = 0.95
) -> Expected:
    """How far will groups `first` and `second` times as large as these people agree on the order of the systems?

    A pair of systems with true difference d, of standard error s among these people, adds
    `(2 Phi(d sqrt(first) / s) - 1)(2 Phi(d sqrt(second) / s) - 1)` to tau. What is observed is d and noise of
    standard error s; the estimate is the mean over pairs of that function of the observed d / s whose expectation
    comes nearest to it, and for halves of the people exactly `4 Phi(|d| / s) - 3`. The function is a deconvolution
    with a ridge on its slope: off by up to .08 for one pair at sizes 1 and 1, by .18 at 1 and 4, upwards where d is 0
    and downwards at one standard error, so by far less over pairs. Nothing is assumed of how systems are spaced.
    Ties of scores on a grid count as tau-b has them, to first order.

    Interval: true scores are drawn by what is known of them (normal, drawn together by their errors), spread by
    factors from 0 to 5; from each the estimate is made again with new errors of the means, and of these errors
    (chi-squared, with degrees of freedom from their fourth moments). Kept is every tau at which the estimate is
    not in the outer 2.5 % of what came. rho is read off where worlds of that tau have it.
    More than a hundred systems are represented by a hundred at random.
    """
    if side.counts.shape[1] > MOST_SYSTEMS:
        some = np.sort(rng.choice(side.counts.shape[1], MOST_SYSTEMS, replace=False))
        met = side.counts[:, some].sum(1) > 0
        side = Tally(side.sums[met][:, some], side.counts[met][:, some])
    pairs = _pairs(side, first, second)
    truth, observed = _tables(first, second)
    error = pairs.error()
    value = float(_tau(pairs, pairs.gap(side.means), error, observed))
    noise, inflated = _errors(side, rng)
    shapes = _shapes(side, rng)
    centre, rho, low, high = [], [], [], []
    for spread in SPREADS:
        true = spread * shapes
        tau = _tau(pairs, pairs.gap(true), error, truth)
        again = _tau(pairs, pairs.gap(true + noise), pairs.error(inflated), observed) - tau
        centre.append(tau.mean())
        rho.append(_rho(pairs, pairs.gap(true), error).mean())
        bounds = np.quantile(again, [0.5 - level / 2, 0.5 + level / 2])
        low.append(bounds[0])
        high.append(bounds[1])
    places = np.maximum.accumulate(centre)
    lattice = np.linspace(0, 1, LATTICE)
    surplus = value - lattice
    kept = lattice[(surplus >= np.interp(lattice, places, low)) & (surplus <= np.interp(lattice, places, high))]
    value = min(max(value, 0.0), 1.0)
    ends = (min(value, float(kept.min())), max(value, float(kept.max()))) if len(kept) else (value, value)
    as_rho = [float(x) for x in np.interp([value, *ends], places, np.maximum.accumulate(rho))]
    return Expected(value, ends, as_rho[0], (as_rho[1], as_rho[2]))


def _pairs(side: Tally, first: float, second: float) -> _Pairs:
    systems = side.counts.shape[1]
    one, two = np.triu_indices(systems, 1)
    towards = np.zeros((len(one), systems))
    towards[np.arange(len(one)), one], towards[np.arange(len(one)), two] = 1, -1
    unit, held = _unit(side), side.counts.sum(0)
    grids = []
    for size in (first, second):
        n = np.maximum(np.round(held * size), 1).astype(np.int64)
        grids.append(unit * np.gcd(n[one], n[two]) / (n[one] * n[two].astype(np.float64)))
    return _Pairs(one, two, side.covariance, (grids[0], grids[1]), (first, second), towards)


def _unit(side: Tally) -> float:
    """The step of which all sums are multiples (from the least of them); 0 where there is none to speak of."""
    seen = np.unique(side.sums[side.counts > 0])
    if not 2 <= len(seen) <= MOST_LEVELS:
        return 0.0
    steps = seen[1:] - seen[0]
    unit, slack = float(steps[0]), 1e-6 * float(steps[-1])
    for step in steps[1:].tolist():
        rest = step
        while rest > slack:
            unit, rest = rest, unit - rest * float(np.floor(unit / rest + 1e-6))
    return unit if unit > 1e-3 * float(steps[-1]) else 0.0


@lru_cache(maxsize=16)
def _tables(first: float, second: float) -> tuple[Floats, Floats]:
    """By |d| / s: what a pair adds to tau if d is true, and the function of an observed d that stands for it."""
    from scipy.special import ndtr

    truth = (2 * ndtr(APART * np.sqrt(first)) - 1) * (2 * ndtr(APART * np.sqrt(second)) - 1)
    if first == second == 0.5:
        return truth, 4 * ndtr(APART) - 3
    blur = _density(APART - APART[:, None]) + _density(APART + APART[:, None])
    blur[:, 0] /= 2
    blur /= blur.sum(axis=1, keepdims=True)
    slope = np.diff(np.eye(len(APART)), axis=0) / STEP
    penalty = SMOOTHNESS * slope.T @ slope + 1e-10 * np.eye(len(APART))
    return truth, np.linalg.solve(blur.T @ blur + penalty, blur.T @ truth)


def _density(x: Floats) -> Floats:
    density: Floats = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    return density


def _look_up(table: Floats, x: Floats) -> Floats:
    at = np.minimum(np.abs(x) / STEP, len(table) - 1.001)
    below = at.astype(np.intp)
    share = at - below
    found: Floats = table[below] * (1 - share) + table[below + 1] * share
    return found


def _tied(pairs: _Pairs, gap: Floats, error: Floats, side: int) -> Floats:
    """The share of pairs that come out tied on one side."""
    size = np.sqrt(pairs.sizes[side])
    share: Floats = np.minimum(pairs.grid[side] * size / error * _density(gap / error * size), 0.95).mean(axis=-1)
    return share


def _tau(pairs: _Pairs, gap: Floats, error: Floats, table: Floats) -> Floats:
    untied = (1 - _tied(pairs, gap, error, 0)) * (1 - _tied(pairs, gap, error, 1))
    tau: Floats = _look_up(table, gap / error).mean(axis=-1) / np.sqrt(untied)
    return tau


def _rho(pairs: _Pairs, gap: Floats, error: Floats) -> Floats:
    """Spearman's rho to be expected at true differences: ranks are sums of signs against all others."""
    from scipy.special import ndtr

    systems, count = pairs.towards.shape[1], len(pairs.first)
    ranks = [(2 * ndtr(gap / error * np.sqrt(size)) - 1) @ pairs.towards for size in pairs.sizes]
    whole = systems * (systems**2 - 1) / 12
    squares = [whole - 0.5 * count * _tied(pairs, gap, error, side) for side in (0, 1)]
    rho: Floats = (ranks[0] * ranks[1]).sum(axis=-1) / 4 / np.sqrt(squares[0] * squares[1])
    return rho


def _errors(side: Tally, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(draws, systems): new errors of the means, and by what the errors themselves are estimated wrongly."""
    values, vectors = np.linalg.eigh(side.covariance)
    noise = rng.standard_normal((DRAWS, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    influence = side.influence
    squares, fourth = (influence**2).sum(0), (influence**4).sum(0)
    spread = fourth - squares**2 / np.maximum(side.units, 1)
    freedom = 2 * squares**2 / np.where(spread > 1e-9 * squares**2, spread, 1.0)
    freedom = np.where(spread > 1e-9 * squares**2, np.clip(freedom, 4.0, 1e6), 1e6)
    return noise, np.sqrt(rng.chisquare(freedom, (DRAWS, len(freedom))) / freedom)


def _shapes(side: Tally, rng: np.random.Generator) -> Floats:
    """(draws, systems): how the systems may be spaced, all of the spread that the observed one has without noise."""
    systems = side.counts.shape[1]
    basis = np.linalg.qr(np.column_stack([np.ones(systems), np.eye(systems)[:, : systems - 1]]))[0][:, 1:]
    errors, vectors = np.linalg.eigh(basis.T @ side.covariance @ basis)
    errors = np.maximum(errors, 1e-12 * max(float(errors.max()), 1e-300))
    axes = basis @ vectors
    seen = axes.T @ side.means
    variance = max(float((seen**2).sum() - errors.sum()) / len(errors), 0.25 * float(errors.mean()))
    drawn = variance / (variance + errors)
    shapes = seen * drawn + rng.standard_normal((DRAWS, len(errors))) * np.sqrt(errors * drawn)
    shapes *= np.sqrt(variance * len(errors) / (shapes**2).sum(axis=1, keepdims=True))
    spaced: Floats = shapes @ axes.T
    return spaced
