"""Do two sides put systems in the same order? Rank correlation with an interval by user, and P(order) of each pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.transfer.rank_correlation import Correlation
from understudy.transfer.scores import Tally

Floats = npt.NDArray[np.float64]
# Correlations of the true scores from -1 to 1, closer together where the sampling distribution changes fastest.
TRUE_CORRELATIONS = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 11))
FEWEST_UNITS = 10
LATTICE = 801


class Agreement(NamedTuple):
    """A rank correlation, its interval, and the most that is `reachable` at this sampling noise (true order equal).

    `value` is None where one side has all systems tied; `interval` where a side has fewer than ten users.
    """

    value: float | None
    interval: tuple[float, float] | None
    reachable: float | None


class _Signal(NamedTuple):
    """True scores as estimated: real, and the parts of the simulated ones along and across the real ones."""

    real: Floats
    along: Floats
    across: Floats


def rank_agreement(
    real: Tally,
    simulated: Tally,
    correlation: Correlation,
    *,
    rng: np.random.Generator,
    draws: int = 800,
    level: float = 0.95,
) -> Agreement:
    """How far do the orders agree, and how far would they if both studies were run again with other users?

    `value` is the correlation of the mean scores; in [-1, 1], higher is better. The interval is for its
    expectation at these numbers of users, which is what the human ceiling is at the same numbers; it is not for
    the correlation without noise, which is higher in size and equals 1 for any perfect simulator.
    It inverts tests over a family of worlds: the spread of true scores on each side is the observed one less the
    sampling noise, their correlation r runs from -1 to 1, the noise is normal with the covariance of the means by
    user (users who meet several systems make errors go together). Kept is every expectation that the value is not
    in the outer 2.5 % of. Coverage on worlds of known truth: 92-99 % for 4 to 12 systems and 20 to 60 users
    (docs/results/ranking.md); resampling the users themselves covers less, since it adds the noise a second time.

    >>> rng = np.random.default_rng(0)
    >>> scores = np.linspace(0, 2, 8) + rng.normal(size=(40, 8))
    >>> others = np.linspace(0, 2, 8) + rng.normal(size=(40, 8))
    >>> from understudy.transfer.rank_correlation import kendall_tau
    >>> a = rank_agreement(Tally(scores, scores * 0 + 1), Tally(others, others * 0 + 1), kendall_tau, rng=rng)
    >>> round(a.value, 2), [round(bound, 2) for bound in a.interval]
    (0.86, [0.65, 1.0])
    """
    observed = float(correlation(real.means, simulated.means))
    if not np.isfinite(observed):
        return Agreement(None, None, None)
    if min(len(real.counts), len(simulated.counts)) < FEWEST_UNITS:
        return Agreement(observed, None, None)
    signal = _signal(real, simulated)
    noise = [_noise(side.covariance, draws, rng) for side in (real, simulated)]
    r = TRUE_CORRELATIONS[:, None, None]
    true = r * signal.along + np.sqrt(1 - r**2) * signal.across
    drawn = correlation((signal.real + noise[0])[None], true + noise[1][None])
    centre = np.nanmean(drawn, axis=1)
    low, high = np.nanquantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=1)
    order = np.argsort(centre)
    lattice = np.linspace(-1, 1, LATTICE)
    above = np.interp(lattice, centre[order], (high - centre)[order])
    below = np.interp(lattice, centre[order], (centre - low)[order])
    gap = observed - lattice
    kept = lattice[(gap <= above + 1e-9) & (-gap <= below + 1e-9)]
    bounds = (float(kept.min()), float(kept.max())) if len(kept) else (observed, observed)
    return Agreement(observed, (min(bounds[0], observed), max(bounds[1], observed)), float(centre[-1]))


def _signal(real: Tally, simulated: Tally) -> _Signal:
    """True scores of the right spread: observed means drawn together by what sampling noise added."""
    systems = real.counts.shape[1]
    standard, spread = [], []
    for side in (real, simulated):
        centred = side.means - side.means.mean()
        total = float((centred**2).sum()) / (systems - 1)
        covariance = side.covariance
        noise = float(np.trace(covariance) - covariance.sum() / systems) / (systems - 1)
        spread.append(np.sqrt(max(total - noise, 0.0)))
        standard.append(centred / np.sqrt(total))
    r = float(standard[0] @ standard[1]) / (systems - 1)
    across = standard[1] - r * standard[0]
    size = np.sqrt(float(across @ across) / (systems - 1))
    across = across / size if size > 1e-9 else 0.0 * across
    return _Signal(spread[0] * standard[0], spread[1] * standard[0], spread[1] * across)


def _noise(covariance: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """(draws, systems) normal errors; singular covariances are fine."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    errors: Floats = rng.standard_normal((draws, len(values))) @ root.T
    return errors


class Pair(NamedTuple):
    """Two systems: real difference first minus second with its bounds, and how sure each side is of the order.

    `p_real` and `p_simulated` are the confidence that the first is better; `p_same` that both sides have one order.
    """

    first: str
    second: str
    real: float
    low: float
    high: float
    simulated: float
    p_real: float
    p_simulated: float
    p_same: float


def pair_orders(systems: tuple[str, ...], real: Tally, simulated: Tally, *, level: float = 0.95) -> list[Pair]:
    """P(order) of each pair of systems, on both sides: cluster-t confidence that the first has the higher mean.

    `p_same = p_real p_simulated + (1 - p_real)(1 - p_simulated)`: one half says nothing, near 0 that the simulator
    orders the pair wrongly. No correction for the number of pairs.

    >>> one = np.array([[1.0, 0.0]] * 12 + [[0.0, 0.0]] * 6 + [[0.0, 1.0]] * 2)
    >>> pair = pair_orders(("a", "b"), Tally(one, one * 0 + 1), Tally(one, one * 0 + 1))[0]
    >>> pair.first, pair.second, pair.real, round(pair.p_real, 3)
    ('a', 'b', 0.5, 0.998)
    """
    from scipy import stats

    first, second = np.triu_indices(len(systems), 1)
    columns = []
    for side in (real, simulated):
        gap, error, freedom = differences(side, first, second)
        with np.errstate(invalid="ignore", divide="ignore"):
            sure = np.where(error > 0, stats.t.cdf(gap / error, freedom), 0.5 + 0.5 * np.sign(gap))
        columns.append((gap, stats.t.ppf(0.5 + level / 2, freedom) * error, sure))
    (gap, reach, p), (simulated_gap, _, q) = columns
    same = p * q + (1 - p) * (1 - q)
    columns_of = np.stack([gap, gap - reach, gap + reach, simulated_gap, p, q, same], axis=1).tolist()
    return [Pair(systems[i], systems[j], *row) for i, j, row in zip(first, second, columns_of, strict=True)]


def differences(
    side: Tally, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]
) -> tuple[Floats, Floats, Floats]:
    """Differences of means with their standard errors and degrees of freedom (Welch where no user is shared)."""
    means, covariance, units = side.means, side.covariance, side.units.astype(np.float64)
    gap = means[first] - means[second]
    variance = np.diag(covariance)
    a, b = variance[first], variance[second]
    error = np.sqrt(np.maximum(a + b - 2 * covariance[first, second], 0.0))
    seen = (side.counts > 0).astype(np.float64)
    shared = (seen.T @ seen)[first, second]
    n, m = units[first], units[second]
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = (a + b) ** 2 / (a**2 / np.maximum(n - 1, 1) + b**2 / np.maximum(m - 1, 1))
    welch = np.where(np.isfinite(welch), welch, n + m - 2)
    return gap, error, np.maximum(np.where(shared > 0, n + m - shared - 1, welch), 1.0)
