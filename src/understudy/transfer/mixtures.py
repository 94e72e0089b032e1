"""Weights of a convex mixture of synthetic corpora that brings it nearest to a small real sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.measures.classifier import unit_folds
from understudy.measures.realism.discriminator_features import feature_sets
from understudy.measures.resampling import JACKKNIFE_GROUPS, Floats, Ints, jackknife_interval
from understudy.seeds import stream
from understudy.transfer.members import Member

FOLDS = 10
# Of each member at most this many conversations enter the pairwise distances, and of all members together.
MOST_OF_A_MEMBER = 1000
MOST_TOGETHER = 4000
MOST_REAL = 2000
RIDGES = (0.0, 0.03, 0.1, 0.3, 1.0)
TINY = 1e-6

Singles = npt.NDArray[np.float32]


class Distances(NamedTuple):
    """Summed energy distances between conversations, one block of each fitting family with weight 1.

    `cross` (real, synthetic) and `within` (synthetic, synthetic); pairs of one unit are 0 in `apart` and do not
    count. `real_unit`, `synthetic_unit` number units; `member` numbers the member of a synthetic conversation, and
    `row` is its row in the pool of candidates.
    """

    cross: Singles
    within: Singles
    apart: npt.NDArray[np.bool_]
    real_unit: Ints
    synthetic_unit: Ints
    member: Ints
    row: Ints
    members: int


class Policy(NamedTuple):
    """A way to weight members, and its cross-fitted distance to real users that it did not see.

    `distance` is the energy distance up to a constant of the real sample; `excess` its paired mean beyond the best
    policy's, `error` the standard error of that.
    """

    name: str
    weights: Floats
    distance: float
    excess: float
    error: float


class MixtureFit(NamedTuple):
    """`weights` are used; `estimated` are the plain least-distance weights with `interval` (members, 2).

    `without[m]` is how much further from the real sample the best mixture is that lacks member m, cross-fitted,
    with its standard error: what member m alone contributes.
    """

    weights: Floats
    policy: str
    policies: tuple[Policy, ...]
    estimated: Floats
    interval: Floats
    without: tuple[tuple[float, float], ...]


class Candidates(NamedTuple):
    """Every conversation that a mixture can take: its member, its row in the member's corpus, and its unit."""

    corpus: Corpus
    member: Ints
    row: Ints
    unit: Ints
    key: Ints


def candidates_of(members: Sequence[Member]) -> Candidates:
    """The members laid end to end. `unit` and `key` number units and conversations, twins through channels alike."""
    corpus = Corpus([m.corpus[int(row)] for m in members for row in m.rows])
    member = np.repeat(np.arange(len(members)), [len(m.rows) for m in members])
    row = np.concatenate([m.rows for m in members])
    sources = np.array([m.source for m in members])[member]
    units = np.char.add(np.char.add(sources, "\x1f"), corpus.unit_ids)
    keys = np.char.add(np.char.add(sources, "\x1f"), row.astype(np.str_))
    return Candidates(
        corpus,
        member.astype(np.int64),
        row,
        np.unique(units, return_inverse=True)[1].astype(np.int64),
        np.unique(keys, return_inverse=True)[1].astype(np.int64),
    )


def pair_distances(real: Corpus, pool: Candidates, families: Sequence[str], *, seed: int) -> Distances:
    """Euclidean distances between conversations on each fitting family, each scaled to mean 1, and summed.

    Features are standardised over both sides together. The sum of Euclidean distances is of negative type, so the
    energy distance of any mixture to the real sample is a convex function of its weights.
    """
    rows = _sampled(pool.member, seed)
    real_rows = np.sort(stream(seed, "mixture", "real").permutation(len(real))[:MOST_REAL])
    few, synthetic = real.subset(real_rows), pool.corpus.subset(rows)
    cross = np.zeros((len(few), len(rows)), dtype=np.float32)
    within = np.zeros((len(rows), len(rows)), dtype=np.float32)
    for feature in feature_sets(few, synthetic, only=families).values():
        x = feature.matrix if feature.raw is None else _standard(feature.raw)
        a, b = x[: len(few)], x[len(few) :]
        far, near = _euclidean(a, b), _euclidean(b, b)
        scale = np.float32(max(float(far.mean()), TINY))
        cross += far / scale
        within += near / scale
    unit = pool.unit[rows]
    return Distances(
        cross,
        within,
        unit[:, None] != unit[None, :],
        np.unique(few.unit_ids, return_inverse=True)[1].astype(np.int64),
        unit,
        pool.member[rows],
        rows,
        int(pool.member.max()) + 1,
    )


def _sampled(member: Ints, seed: int) -> Ints:
    count = int(member.max()) + 1
    most = max(50, min(MOST_OF_A_MEMBER, MOST_TOGETHER // count))
    chosen = [stream(seed, "mixture", int(m)).permutation(np.flatnonzero(member == m))[:most] for m in range(count)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _standard(raw: Floats) -> Singles:
    """z-scores on both sides together, held within four standard deviations."""
    spread = raw.std(axis=0)
    return np.asarray(np.clip((raw - raw.mean(axis=0)) / np.where(spread > 0, spread, 1.0), -4, 4), dtype=np.float32)


def _euclidean(a: Singles, b: Singles) -> Singles:
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * (a @ b.T)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)), dtype=np.float32)


def _blocks(d: Distances, groups: Ints, count: int) -> tuple[Floats, Floats]:
    """Sums of distances and numbers of pairs between (member, group) cells: each (M, G, M, G)."""
    cell = d.member * count + groups
    size = d.members * count
    order = np.argsort(cell, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(cell[order]) > 0])
    present = cell[order][starts]
    shape = (d.members, count, d.members, count)
    found = []
    for matrix in (np.where(d.apart, d.within, np.float32(0.0)), d.apart.astype(np.float32)):
        by_row = np.add.reduceat(matrix[order], starts, axis=0, dtype=np.float64)
        by_cell = np.add.reduceat(by_row[:, order], starts, axis=1)
        whole = np.zeros((size, size))
        whole[np.ix_(present, present)] = by_cell
        found.append(whole.reshape(shape))
    return found[0], found[1]


def member_distances(d: Distances, *, groups: int, seed: int) -> tuple[Floats, Floats, Ints]:
    """`A[b]` (M,) mean distance real to member, `B[b]` (M, M) member to member; b = 0 whole, then a group left out.

    Groups are of units, real and synthetic ones alike. Also the group of each real conversation.
    """
    tables = []
    for name, unit in (("real", d.real_unit), ("synthetic", d.synthetic_unit)):
        count = int(unit.max()) + 1
        order = stream(seed, "mixture", "groups", name).permutation(count)
        tables.append(order[unit] % groups)
    of_real, of_synthetic = tables
    sums, pairs = _blocks(d, of_synthetic, groups)
    whole = sums.sum(axis=(1, 3)), pairs.sum(axis=(1, 3))
    b = [whole[0] / np.maximum(whole[1], 1)]
    one_real = np.eye(groups)[of_real]
    one_cell = np.zeros((len(d.member), d.members * groups))
    one_cell[np.arange(len(d.member)), d.member * groups + of_synthetic] = 1.0
    crossed = (one_real.T @ d.cross @ one_cell).reshape(groups, d.members, groups)
    numbers = one_real.sum(axis=0)[:, None, None] * one_cell.sum(axis=0).reshape(d.members, groups)[None]
    a = [crossed.sum(axis=(0, 2)) / np.maximum(numbers.sum(axis=(0, 2)), 1)]
    for g in range(groups):
        kept = np.arange(groups) != g
        left = sums[:, kept][:, :, :, kept].sum(axis=(1, 3)), pairs[:, kept][:, :, :, kept].sum(axis=(1, 3))
        b.append(left[0] / np.maximum(left[1], 1))
        a.append(crossed[kept][:, :, kept].sum(axis=(0, 2)) / np.maximum(numbers[kept][:, :, kept].sum(axis=(0, 2)), 1))
    return np.stack(a), np.stack(b), of_real.astype(np.int64)


def simplex_weights(a: Floats, b: Floats, *, ridge: float = 0.0) -> Floats:
    """The weights w >= 0, sum 1, that minimise `2 w'a - w'Bw + ridge * scale * |w - 1/M|^2`.

    The first two terms are the energy distance to the real sample, up to a constant. B comes from unbiased
    estimates, so negative curvature that is only noise is cut off. Exact: non-negative least squares with the sum
    as one heavy row (Lawson & Hanson, 1974).

    >>> far = np.array([[0.0, 2.0], [2.0, 0.0]])
    >>> simplex_weights(np.array([0.5, 1.5]), far).round(3)  # real users: three quarters are like the first
    array([0.75, 0.25])
    """
    from scipy.optimize import nnls

    count = len(a)
    if count == 1:
        return np.ones(1)
    centre = np.eye(count) - 1.0 / count
    values, vectors = np.linalg.eigh(-(centre @ ((b + b.T) / 2) @ centre))
    scale = max(float(values[-1]), TINY)
    values = np.clip(values, 0.0, None) + scale * (ridge + TINY)
    # On the simplex w = 1/M + u with u summing to 0: the objective is u'Hu + 2 u'(a - B 1/M) + const.
    slope = a - (b + b.T) @ np.full(count, 0.5 / count)
    factor = np.sqrt(values)[:, None] * vectors.T
    target = factor @ np.full(count, 1.0 / count) - (vectors.T @ slope) / np.sqrt(values)
    heavy = 1e3 * np.sqrt(scale)
    found, _ = nnls(np.vstack([factor, np.full((1, count), heavy)]), np.append(target, heavy), maxiter=100 * count)
    total = float(found.sum())
    return np.asarray(found / total if total > 0 else np.full(count, 1.0 / count))


def _policies(a: Floats, b: Floats) -> dict[str, Floats]:
    """Simplest first: all alike, the nearest member alone, then the fitted weights, shrunk less and less."""
    count = len(a)
    own = 2 * a - np.diag(b)
    found = {"uniform": np.full(count, 1.0 / count), "best member": np.eye(count)[int(own.argmin())]}
    for ridge in sorted(RIDGES, reverse=True):
        found[f"mixture, shrinkage {ridge:g}" if ridge else "mixture"] = simplex_weights(a, b, ridge=ridge)
    return found


def _means(d: Distances, rows: npt.NDArray[np.intp]) -> Floats:
    """Mean distance of each of the real conversations `rows` to each member."""
    one = np.zeros((len(d.member), d.members))
    one[np.arange(len(d.member)), d.member] = 1.0
    return np.asarray(d.cross[rows] @ (one / one.sum(axis=0)), dtype=np.float64)


def cross_fitted(d: Distances, b: Floats, kept: npt.NDArray[np.intp], *, seed: int) -> tuple[list[str], Floats]:
    """For each policy over the members `kept`: energy distance of every real unit when it was not fitted on.

    Returns names and (policies, units): `2 w'a_unit - w'Bw` with w from the other folds' units.
    """
    unit = d.real_unit
    count = int(unit.max()) + 1
    folds = min(FOLDS, count)
    fold = unit_folds(unit, np.zeros(count, dtype=bool), stream(seed, "mixture", "folds"), folds)[unit]
    far = _means(d, np.arange(len(unit)))[:, kept]
    inner = b[np.ix_(kept, kept)]
    names: list[str] = []
    score = np.zeros((0, len(unit)))
    for k in range(folds):
        policies = _policies(far[fold != k].mean(axis=0), inner)
        names = list(policies)
        score = score if len(score) else np.zeros((len(names), len(unit)))
        for line, weights in enumerate(policies.values()):
            score[line, fold == k] = 2 * far[fold == k] @ weights - weights @ inner @ weights
    sizes = np.bincount(unit)
    return names, np.stack([np.bincount(unit, row) / sizes for row in score])


def _chosen(score: Floats) -> tuple[int, Floats, Floats]:
    """The simplest policy within one standard error of the best; and each one's excess and its error."""
    mean = score.mean(axis=1)
    beyond = score - score[int(mean.argmin())]
    excess = beyond.mean(axis=1)
    error = beyond.std(axis=1, ddof=1) / np.sqrt(score.shape[1])
    return int(np.flatnonzero(excess <= error + 1e-12)[0]), excess, error


def fit_mixture(d: Distances, *, seed: int) -> MixtureFit:
    """Which convex mixture of the members comes nearest to the real sample?

        minimise over w:  2 sum_m w_m E|X - Y_m| - sum_ml w_m w_l E|Y_m - Y_l|

    the energy distance between real conversations X and the mixture of members Y_m, estimated without bias (pairs
    of one unit left out), a convex problem in w. Against overfitting: the policy in use (all members alike; the
    nearest alone; fitted weights, more or less shrunk to uniform) is chosen by cross-fitting over real units, the
    simplest within one standard error of the best, so that a mixture whose advantage is noise is not taken.
    Intervals of the plain estimate: delete-a-group jackknife over real and synthetic units, within [0, 1].

    Source: energy distance, Szekely & Rizzo (2013), doi:10.1016/j.jspi.2013.03.018; mixture proportions by a kernel
    mean distance, Iyer, Nath & Sarawagi (2014), ICML. Differences: (1) several families of features, each
    scaled; (2) by unit; (3) choice of policy by cross-fitting.
    """
    groups = max(2, min(JACKKNIFE_GROUPS, int(d.real_unit.max()) + 1))
    a, b, _ = member_distances(d, groups=groups, seed=seed)
    replicates = np.stack([simplex_weights(x, y) for x, y in zip(a, b, strict=True)])
    interval = np.clip(jackknife_interval(replicates[0], replicates[1:]), 0.0, 1.0)
    everything = np.arange(d.members)
    names, score = cross_fitted(d, b[0], everything, seed=seed)
    chosen, excess, error = _chosen(score)
    final = _policies(_means(d, np.arange(len(d.real_unit))).mean(axis=0), b[0])
    policies = tuple(
        Policy(name, final[name], float(score[k].mean()), float(excess[k]), float(error[k]))
        for k, name in enumerate(names)
    )
    without = tuple(_without(d, b[0], score[chosen], m, seed=seed) for m in range(d.members)) if d.members > 1 else ()
    return MixtureFit(final[names[chosen]], names[chosen], policies, replicates[0], interval, without)


def _without(d: Distances, b: Floats, used: Floats, member: int, *, seed: int) -> tuple[float, float]:
    """How much further away real units are, cross-fitted, when `member` may not be used; and its standard error."""
    kept = np.flatnonzero(np.arange(d.members) != member)
    _, score = cross_fitted(d, b, kept, seed=seed)
    beyond = score[_chosen(score)[0]] - used
    return float(beyond.mean()), float(beyond.std(ddof=1) / np.sqrt(len(beyond)))
