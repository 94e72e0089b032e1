"""One engine for every two-sample statistic: estimate, interval, permutation p-value and real-vs-real floor.

A statistic is written once, over *weights*. Row `i` of the pooled corpora (real first, then synthetic) is a
conversation; a resample is a pair of weight columns `(real[:, b], synthetic[:, b])`. The observed data, a label
permutation, a jackknife replicate and a real-vs-real split are then all just columns, and a statistic that is
a matrix product of weights and counts evaluates thousands of them in one pass. All resampling is by unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from understudy.conversations import Corpus

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# (n, B) real weights, (n, B) synthetic weights -> (B, K): K values of the statistic for each resample.
Statistic = Callable[[Floats, Floats], Floats]

JACKKNIFE_GROUPS = 40
FEWEST_CLUSTERS = 10
BLOCK = 256


class Pool(NamedTuple):
    """Two corpora laid end to end. `unit[i]` numbers the unit of conversation `i`; units never span the sides."""

    n_real: int
    unit: Ints
    unit_is_synthetic: npt.NDArray[np.bool_]

    @property
    def n(self) -> int:
        return len(self.unit)

    @property
    def is_synthetic(self) -> npt.NDArray[np.bool_]:
        return self.unit_is_synthetic[self.unit]


class TwoSample(NamedTuple):
    """Arrays of length K; `interval` is (K, 2), or None below ten units a side; `floor` is (splits, K)."""

    value: Floats
    interval: Floats | None
    p_value: Floats
    floor: Floats
    null: Floats


def pool(real: Corpus, synthetic: Corpus) -> Pool:
    """Number the units of both corpora; the same name on both sides is two units."""
    _, real_units = np.unique(real.unit_ids, return_inverse=True)
    _, synthetic_units = np.unique(synthetic.unit_ids, return_inverse=True)
    count = int(real_units.max()) + 1
    unit = np.concatenate([real_units, synthetic_units + count]).astype(np.int64)
    flags = np.arange(int(unit.max()) + 1) >= count
    return Pool(len(real), unit, flags)


def observed_weights(pooled: Pool) -> tuple[Floats, Floats]:
    """The data as they are: one column."""
    synthetic = pooled.is_synthetic[:, None].astype(np.float64)
    return 1.0 - synthetic, synthetic


def permuted_weights(pooled: Pool, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Labels of units drawn again without replacement, `count` times: the null of no difference."""
    flags = np.stack([rng.permutation(pooled.unit_is_synthetic) for _ in range(count)], axis=1)
    synthetic = flags[pooled.unit].astype(np.float64)
    return 1.0 - synthetic, synthetic


def jackknife_weights(pooled: Pool, rng: np.random.Generator, groups: int) -> tuple[Floats, Floats]:
    """Each column leaves out one group of units, groups drawn within each side."""
    group = np.empty(len(pooled.unit_is_synthetic), dtype=np.int64)
    for flag in (False, True):
        members = np.flatnonzero(pooled.unit_is_synthetic == flag)
        group[rng.permutation(members)] = np.arange(len(members)) % groups
    kept = (group[pooled.unit][:, None] != np.arange(groups)).astype(np.float64)
    real, synthetic = observed_weights(pooled)
    return real * kept, synthetic * kept


def split_weights(pooled: Pool, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """The real side cut in two by unit, `count` times: what the statistic says of real against real."""
    members = np.flatnonzero(~pooled.unit_is_synthetic)
    sign = np.zeros((len(pooled.unit_is_synthetic), count))
    for column in range(count):
        order = rng.permutation(members)
        sign[order[: len(order) // 2], column] = 1.0
        sign[order[len(order) // 2 :], column] = -1.0
    by_row = sign[pooled.unit]
    return (by_row > 0).astype(np.float64), (by_row < 0).astype(np.float64)


def evaluate(statistic: Statistic, weights: tuple[Floats, Floats]) -> Floats:
    """`statistic` over all columns, in blocks, so that memory stays flat in the number of resamples."""
    real, synthetic = weights
    blocks = range(0, real.shape[1], BLOCK)
    return np.concatenate([statistic(real[:, b : b + BLOCK], synthetic[:, b : b + BLOCK]) for b in blocks])


def permutation_p(observed: Floats, null: Floats, *, two_sided: bool) -> Floats:
    """Share of permutations at least as extreme, the observed one counted: never 0, exact at any count.

    >>> permutation_p(np.array([3.0]), np.array([[0.0], [1.0], [2.0]]), two_sided=False)
    array([0.25])
    """
    if two_sided:
        centre = np.median(null, axis=0)
        observed, null = np.abs(observed - centre), np.abs(null - centre)
    slack = 1e-12 * (1.0 + np.abs(observed))
    exceed = (null >= observed - slack).sum(axis=0)
    share: Floats = (1.0 + exceed) / (1.0 + null.shape[0])
    return share


def jackknife_interval(value: Floats, replicates: Floats, *, level: float = 0.95, transform: str = "none") -> Floats:
    """Delete-a-group jackknife t interval: `value ± t(G-1) * sqrt((G-1)/G * sum((r_g - mean)^2))`, shape (K, 2).

    With as many groups as units this is the cluster-t interval for a mean. `transform="log"` works on the log
    scale and keeps a positive quantity positive. Shao & Wu (1989), doi:10.1214/aos/1176347263.
    """
    groups = replicates.shape[0]
    work, reps = (np.log(value), np.log(replicates)) if transform == "log" else (value, replicates)
    spread = np.sqrt((groups - 1) / groups * ((reps - reps.mean(axis=0)) ** 2).sum(axis=0))
    reach = stats.t.ppf(0.5 + level / 2, groups - 1) * spread
    bounds: Floats = np.stack([work - reach, work + reach], axis=1)
    return np.exp(bounds) if transform == "log" else bounds


def two_sample(
    statistic: Statistic,
    pooled: Pool,
    *,
    rng: np.random.Generator,
    permutations: int = 999,
    floor_splits: int = 20,
    two_sided: bool = False,
) -> TwoSample:
    """Run `statistic` on the data, on jackknife replicates, on permuted labels and on real-vs-real splits.

    `two_sided=False` fits distances (0 = same, larger = further); `two_sided=True` fits signed gaps. The
    interval is around the plug-in value at this sample size, which for a distance exceeds the population
    distance by about the floor: read the two together.

    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(0, 1, 200), rng.normal(1, 1, 200)])
    >>> p = Pool(200, np.arange(400), np.arange(400) >= 200)
    >>> gap = lambda r, s: ((s.T @ x) / s.sum(0) - (r.T @ x) / r.sum(0))[:, None]
    >>> result = two_sample(gap, p, rng=rng, two_sided=True)
    >>> bool(0.8 < result.value[0] < 1.3), float(result.p_value[0])
    (True, 0.001)
    """
    value = evaluate(statistic, observed_weights(pooled))[0]
    null = evaluate(statistic, permuted_weights(pooled, rng, permutations))
    real_units = int((~pooled.unit_is_synthetic).sum())
    smaller = min(real_units, int(pooled.unit_is_synthetic.sum()))
    interval = None
    if smaller >= FEWEST_CLUSTERS:
        groups = min(JACKKNIFE_GROUPS, smaller)
        interval = jackknife_interval(value, evaluate(statistic, jackknife_weights(pooled, rng, groups)))
    floor = np.empty((0, len(value)))
    if real_units >= 2 * FEWEST_CLUSTERS and floor_splits:
        floor = evaluate(statistic, split_weights(pooled, rng, floor_splits))
    return TwoSample(value, interval, permutation_p(value, null, two_sided=two_sided), floor, null)
