"""A linear two-sample classifier whose whole cross-validation is re-run under thousands of relabellings at once.

Ridge regression on ±1 labels has the direction of the linear discriminant, and its normal matrix does not depend
on the labels. With folds fixed, one factorisation a fold therefore serves the observed labels, every label
permutation and every real-vs-real split: they are columns of one right-hand side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from understudy.measures.resampling import Floats, Ints

Singles = npt.NDArray[np.float32]
FOLDS = 5
RIDGE = 1.0


class Scores(NamedTuple):
    """Cross-validated scores `(n, B)`, AUC per fold `(folds, B)` (nan: a fold lacks a class), fold of each row."""

    score: Singles
    fold_auc: Floats
    fold: Ints

    @property
    def auc(self) -> Floats:
        """Mean AUC over the folds that have both classes, one a column."""
        usable = ~np.isnan(self.fold_auc)
        total = np.where(usable, self.fold_auc, 0.0).sum(axis=0)
        mean: Floats = total / np.maximum(usable.sum(axis=0), 1)
        return mean


def unit_folds(unit: Ints, label: npt.NDArray[np.bool_], rng: np.random.Generator, folds: int = FOLDS) -> Ints:
    """A fold for each unit, so that no unit crosses folds and both labels spread evenly over them.

    Units of a label are dealt out largest first with random order among equals, each to the fold that holds least.

    >>> fold = unit_folds(np.array([0, 0, 1, 2, 3]), np.array([False, False, True, True]),
    ...                   np.random.default_rng(0), folds=2)
    >>> sorted(fold[:2].tolist()), sorted(fold[2:].tolist())
    ([0, 1], [0, 1])
    """
    sizes = np.bincount(unit, minlength=len(label))
    assigned = np.empty(len(label), dtype=np.int64)
    for flag in (False, True):
        members = rng.permutation(np.flatnonzero(label == flag))
        members = members[np.argsort(-sizes[members], kind="stable")]
        load = np.zeros(folds)
        held = np.zeros(folds)
        for member in members:
            target = int(np.lexsort((rng.random(folds), held, load))[0])
            assigned[member] = target
            load[target] += sizes[member]
            held[target] += 1
    return assigned


def permuted_labels(
    label: npt.NDArray[np.bool_], unit_fold: Ints, rng: np.random.Generator, count: int
) -> npt.NDArray[np.bool_]:
    """`(units, count)` relabellings that keep each fold's number of units a label.

    Given the folds, labels within a fold are exchangeable under the null, so the test is exact.
    """
    out = np.empty((len(label), count), dtype=bool)
    for fold in np.unique(unit_fold):
        members = np.flatnonzero(unit_fold == fold)
        own = label[members]
        for column in range(count):
            out[members, column] = rng.permutation(own)
    return out


def auc_columns(score: Singles, sign: npt.NDArray[np.int8]) -> Floats:
    """AUC of each column of scores; `sign` is +1, -1 or 0 (left out). nan where a class is absent.

    >>> auc_columns(np.array([[0.1], [0.4], [0.35], [0.8]], dtype=np.float32),
    ...             np.array([[-1], [-1], [1], [1]], dtype=np.int8))
    array([0.75])
    """
    positive = sign > 0
    n_pos = positive.sum(axis=0).astype(float)
    n_neg = (sign < 0).sum(axis=0).astype(float)
    if (sign == 0).any():
        # Rows left out get the lowest rank, which then carries nothing between the two classes.
        score = np.where(sign == 0, -np.inf, score)
    ranks = stats.rankdata(score, axis=0)
    left_out = len(sign) - n_pos - n_neg
    with np.errstate(invalid="ignore", divide="ignore"):
        wins = (ranks * positive).sum(axis=0) - n_pos * (n_pos + 1) / 2 - n_pos * left_out
        return np.where((n_pos > 0) & (n_neg > 0), wins / (n_pos * n_neg), np.nan)


def row_space(features: Singles) -> Singles:
    """The same rows in at most `len(features)` coordinates, where that is cheaper: ridge sees inner products."""
    n, d = features.shape
    if n > 0.55 * d:  # an eigendecomposition of n costs as much as the folds' factorisations of d from here on
        return features
    values, vectors = np.linalg.eigh(features @ features.T)
    kept = values > values[-1] * 1e-6
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]), dtype=np.float32)


def cross_validate(features: Singles, sign: npt.NDArray[np.int8], fold: Ints) -> Scores:
    """Out-of-fold scores and AUC for every column of `sign` (+1 synthetic, -1 real, 0 left out of that column).

    For each fold: centre on the training rows, solve `(X'X + ridge I) w = X'y`, score the held-out rows. Rows left
    out of a column enter its normal matrix without a label, which only changes how that column is regularised.
    """
    from scipy import linalg

    x = row_space(features)
    n, d = x.shape
    score = np.empty((n, sign.shape[1]), dtype=np.float32)
    names = np.unique(fold)
    fold_auc = np.full((len(names), sign.shape[1]), np.nan)
    total, whole = x.T @ x, x.sum(axis=0)
    for index, name in enumerate(names):
        test = fold == name
        held, train = x[test], x[~test]
        mean = (whole - held.sum(axis=0)) / len(train)
        normal = total - held.T @ held - len(train) * np.outer(mean, mean)
        normal[np.diag_indices(d)] += RIDGE
        y = sign[~test].astype(np.float32)
        present = np.maximum(np.abs(y).sum(axis=0), 1.0)
        y -= np.abs(y) * (y.sum(axis=0) / present)
        right = train.T @ y - np.outer(mean, y.sum(axis=0))
        factor = linalg.cho_factor(normal, lower=True, overwrite_a=True, check_finite=False)
        weights = linalg.cho_solve(factor, right, overwrite_b=True, check_finite=False)
        score[test] = (held - mean) @ weights
        fold_auc[index] = auc_columns(score[test], sign[test])
    return Scores(score, fold_auc, fold)


def full_weights(features: Singles, sign: npt.NDArray[np.int8]) -> Floats:
    """Ridge weights fitted on everything: what the classifier leans on, for explanation only."""
    mean = features.mean(axis=0)
    x = (features - mean).astype(np.float64)
    y = sign.astype(np.float64) - sign.mean()
    n, d = x.shape
    if d <= n:
        return np.asarray(np.linalg.solve(x.T @ x + RIDGE * np.eye(d), x.T @ y))
    return np.asarray(x.T @ np.linalg.solve(x @ x.T + RIDGE * np.eye(n), y))


def auc_interval(
    scores: Scores, sign: npt.NDArray[np.int8], unit: Ints, *, level: float = 0.95
) -> tuple[float, float] | None:
    """Interval of the mean fold AUC from placement values clustered by unit, on the logit scale.

    The influence of row i on its fold's AUC is `(V_i - AUC) / n_class`, where V_i is the share of the other class
    that it beats; influences are summed by unit, units give the variance, t with (smaller number of units - 1)
    degrees of freedom the reach. Perfect separation uses the rule of three over units. None below ten units a
    side. Training sets overlap between folds, which placements alone do not see: the variance is inflated by
    `1 + F/(F-1)`, so that coverage is 95-99 % from null to strong effects (tests/measures/test_classifier.py).
    Obuchowski (1997), doi:10.2307/2533958; Nadeau & Bengio (2003), doi:10.1023/A:1024068626366.
    """
    label = sign[:, 0]
    sides = [np.unique(unit[label == value]) for value in (-1, 1)]
    smaller = min(len(side) for side in sides)
    if smaller < 10:
        return None
    auc = float(scores.auc[0])
    influence = np.zeros(len(label))
    names = np.unique(scores.fold)
    used = int((~np.isnan(scores.fold_auc[:, 0])).sum())
    for index, name in enumerate(names):
        fold_auc = scores.fold_auc[index, 0]
        if np.isnan(fold_auc):
            continue
        rows = np.flatnonzero(scores.fold == name)
        for value in (-1, 1):
            own, other = rows[label[rows] == value], rows[label[rows] == -value]
            ordered = np.sort(scores.score[other, 0])
            mine = scores.score[own, 0]
            below = np.searchsorted(ordered, mine, "left") + np.searchsorted(ordered, mine, "right")
            placement = below / (2 * len(other))
            placement = placement if value > 0 else 1 - placement
            influence[own] = (placement - fold_auc) / len(own) / used
    by_unit = np.bincount(unit, influence, minlength=int(unit.max()) + 1)
    inflation = 1 + used / (used - 1) if used > 1 else 2.0
    error = float(np.sqrt((by_unit**2).sum() * smaller / (smaller - 1) * inflation))
    edge = min(3.0 / smaller, 0.5)
    if error == 0.0:
        return (auc - edge, auc) if auc == 1.0 else (auc, auc + edge) if auc == 0.0 else (auc, auc)
    clipped = min(max(auc, 1e-4), 1 - 1e-4)
    centre = np.log(clipped / (1 - clipped))
    reach = float(stats.t.ppf(0.5 + level / 2, smaller - 1)) * error / (clipped * (1 - clipped))
    low, high = (1 / (1 + np.exp(-(centre - reach))), 1 / (1 + np.exp(-(centre + reach))))
    return float(low), float(high)
