"""Which synthetic conversations lie where real ones do: density ratios, and drawing by them without replacement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.classifier import unit_folds
from understudy.measures.realism.discriminator_features import feature_sets
from understudy.measures.resampling import Floats, Ints
from understudy.seeds import stream
from understudy.transfer.mixtures import Candidates, Distances

if TYPE_CHECKING:
    from understudy.measures.classifier import Singles

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
CLIP = 10.0
FOLDS = 5
MOST_TO_LEARN_FROM = 4000
# The draw may differ from the weights by this total variation when its size is ours to choose.
SLACK = 0.02


class Ratios(NamedTuple):
    """`ratio[i]`, real over synthetic density at candidate i, to the power in use, clipped; mean 1 over the mixture.

    `effective` is the effective sample size (sum w)^2 / sum w^2 of the weights base * ratio, `clipped` the share of
    mixture at a bound. `powers` lists (power, cross-fitted excess over the best, standard error).
    """

    ratio: Floats
    power: float
    effective: float
    clipped: float
    powers: tuple[tuple[float, float, float], ...]


def effective_size(weights: Floats) -> float:
    """`(sum w)^2 / sum w^2`: how many equally weighted conversations the weights are worth. Kish (1965).

    >>> effective_size(np.array([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    total = float((weights**2).sum())
    return float(weights.sum() ** 2 / total) if total > 0 else 0.0


def density_ratios(
    real: Corpus,
    pool: Candidates,
    base: Floats,
    distances: Distances,
    families: Sequence[str],
    *,
    clip: float = CLIP,
    seed: int,
) -> Ratios:
    """How much more often than the mixture `base` do real users hold a conversation like each candidate?

    A logistic classifier of real against synthetic conversations (weighted by `base`) on the fitting families gives
    `r = p / (1 - p)`, clipped to [1/clip, clip] and raised to a power in 0, .25 ... 1. Against overfitting: a
    candidate is scored by a model that was trained on the other half of the units, and the power is the smallest
    whose cross-fitted energy distance to real units not trained on is within one standard error of the best; at
    power 0 nothing is selected.

    Source: probabilistic classification for density ratios, Sugiyama, Suzuki & Kanamori (2012),
    doi:10.1017/CBO9781139035613; flattened importance weights, Shimodaira (2000),
    doi:10.1016/S0378-3758(00)00115-4. Differences: (1) cross-fitted; (2) clipped on both sides, around the median.
    """
    matrix = np.concatenate([each.matrix for each in feature_sets(real, pool.corpus, only=families).values()], axis=1)
    x_real, x_pool = matrix[: len(real)], matrix[len(real) :]
    half = _halves(pool.unit, stream(seed, "ratio", "halves"))
    logs = _cross_scored(x_real, x_pool, base, half, np.arange(len(x_pool)), seed)
    unit = np.unique(real.unit_ids, return_inverse=True)[1].astype(np.int64)
    power, table = _power(x_real, x_pool, base, half, distances, unit, clip, seed)
    centred = power * (logs - _median(logs, base))
    ratio = _bounded(centred, clip)
    ratio /= (base * ratio).sum() / base.sum()
    clipped = float(base[np.abs(centred) >= np.log(clip)].sum() / base.sum())
    return Ratios(ratio, power, effective_size(base * ratio), clipped, table)


def _median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weight[order])
    return float(values[order[min(int(np.searchsorted(passed, passed[-1] / 2)), len(order) - 1)]])


def _bounded(logs: Floats, clip: float) -> Floats:
    return np.asarray(np.exp(np.clip(logs, -np.log(clip), np.log(clip))))


def _halves(unit: Ints, rng: np.random.Generator) -> Ints:
    return (rng.permutation(int(unit.max()) + 1)[unit] % 2).astype(np.int64)


def _cross_scored(real: Singles, pool: Singles, base: Floats, half: Ints, rows: Ints, seed: int) -> Floats:
    """The log ratio at `rows` of the pool, each from a model of the other half's conversations."""
    logs = np.zeros(len(rows))
    for side in (0, 1):
        train = np.flatnonzero((half != side) & (base > 0))
        train = np.sort(stream(seed, "ratio", "train", side).permutation(train)[:MOST_TO_LEARN_FROM])
        wanted = half[rows] == side
        if len(train) and wanted.any():
            logs[wanted] = _log_ratio(real, pool[train], base[train], pool[rows[wanted]])
    return logs


def _log_ratio(real: Singles, synthetic: Singles, weight: Floats, at: Singles) -> Floats:
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([real, synthetic])
    y = np.arange(len(x)) < len(real)
    # Both sides have the mass of the real sample: the odds are then the ratio, and what there is to learn from is
    # no more than that.
    w = np.concatenate([np.ones(len(real)), weight * (len(real) / weight.sum())])
    model = LogisticRegression(C=1.0, max_iter=300).fit(x, y, sample_weight=w)
    return np.asarray(model.decision_function(at), dtype=np.float64)


def _power(
    real: Singles,
    pool: Singles,
    base: Floats,
    half: Ints,
    d: Distances,
    unit: Ints,
    clip: float,
    seed: int,
) -> tuple[float, tuple[tuple[float, float, float], ...]]:
    """The power to use, by the energy distance of real units that the ratios were not trained on."""
    few = len(d.real_unit)
    if few < len(unit):  # distances hold a sample of a large real side; the ratios are judged on as many
        real, unit = real[:few], unit[:few]
    count = int(unit.max()) + 1
    fold = unit_folds(unit, np.zeros(count, dtype=bool), stream(seed, "ratio", "folds"), min(FOLDS, count))[unit]
    thin = base[d.row] / np.maximum(base[d.row].sum(), 1e-12)
    score = np.zeros((len(POWERS), few))
    for k in np.unique(fold):
        logs = _cross_scored(real[fold != k], pool, base, half, d.row, seed)
        logs = logs - _median(logs, thin)
        for line, power in enumerate(POWERS):
            u = thin * _bounded(power * logs, clip)
            u /= u.sum()
            own = float(u @ np.where(d.apart, d.within, np.float32(0.0)) @ u) / max(float(u @ d.apart @ u), 1e-12)
            score[line, fold == k] = 2 * d.cross[fold == k] @ u - own
    by_unit = np.stack([np.bincount(unit, row) / np.bincount(unit) for row in score])
    beyond = by_unit - by_unit[int(by_unit.mean(axis=1).argmin())]
    excess = beyond.mean(axis=1)
    error = beyond.std(axis=1, ddof=1) / np.sqrt(count)
    chosen = int(np.flatnonzero(excess <= error + 1e-12)[0])
    return POWERS[chosen], tuple((power, float(e), float(s)) for power, e, s in zip(POWERS, excess, error, strict=True))


def inclusion_probabilities(weights: Floats, n: int) -> Floats:
    """The chance of each conversation to be among `n` drawn: proportional to its weight, at most 1, sum `n`.

    >>> inclusion_probabilities(np.array([8.0, 1.0, 1.0, 0.0]), 2)
    array([1. , 0.5, 0.5, 0. ])
    """
    chance = np.zeros(len(weights))
    certain = np.zeros(len(weights), dtype=bool)
    positive = weights > 0
    n = min(n, int(positive.sum()))
    while True:
        open_ = positive & ~certain
        left = n - int(certain.sum())
        chance[open_] = left * weights[open_] / weights[open_].sum() if left > 0 else 0.0
        over = open_ & (chance >= 1.0)
        chance[over] = 1.0
        certain |= over
        if not over.any() or certain.sum() >= n:
            return np.where(certain, 1.0, np.where(positive, chance, 0.0))


def draw(chance: Floats, rng: np.random.Generator) -> Ints:
    """Rows drawn without replacement, each with exactly its chance: systematic sampling in random order.

    Madow (1949), doi:10.1214/aoms/1177729988. As many rows as the chances sum to.

    >>> draw(np.array([1.0, 0.5, 0.5, 0.0]), np.random.default_rng(0)).shape
    (2,)
    """
    order = rng.permutation(len(chance))
    edges = np.concatenate([[0.0], np.cumsum(chance[order])])
    count = round(float(edges[-1]))
    edges *= count / edges[-1] if edges[-1] > 0 else 1.0
    edges[-1] = count
    points = np.arange(count) + rng.random()
    return np.sort(order[np.searchsorted(edges, points, side="right") - 1]).astype(np.int64)


def most_without_replacement(weights: Floats, *, slack: float = SLACK) -> int:
    """The largest number that can be drawn with shares at most `slack` (total variation) from the weights.

    >>> most_without_replacement(np.array([1.0, 1.0, 1.0, 3.0]), slack=0.0)
    2
    """
    share = weights / weights.sum()
    low, high = 1, int((share > 0).sum())
    while low < high:
        middle = (low + high + 1) // 2
        if shortfall(share, middle) <= slack + 1e-12:
            low = middle
        else:
            high = middle - 1
    return low


def shortfall(share: Floats, n: int) -> float:
    """Total variation between the shares wanted and those that `n` draws without replacement can have."""
    chance = inclusion_probabilities(share, n)
    return float(np.abs(chance / chance.sum() - share).sum() / 2)
