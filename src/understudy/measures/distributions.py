"""Distances between distributions of labels, for thousands of resamples at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.measures.resampling import Floats

Singles = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
SPARSE = 0.12


class Block(NamedTuple):
    """Columns `[start, stop)` of a table of counts: one distribution."""

    start: int
    stop: int

    def of(self, sums: Floats) -> Floats:
        part: Floats = sums[:, self.start : self.stop]
        return part


class Table:
    """Counts by conversation, laid side by side, so that one product with the weights sums all of them."""

    def __init__(self, conversations: int) -> None:
        self._n = conversations
        self._width = 0
        self._parts: list[Singles] = []

    def add_labels(self, conversation: Labels, label: Labels, labels: int) -> Block:
        """Count `label` (0 .. labels-1; negative: nothing) by conversation."""
        kept = label >= 0
        cell = conversation[kept] * labels + label[kept]
        counts = np.bincount(cell, minlength=self._n * labels)
        return self._add(counts.reshape(self._n, labels))

    def add_ratio(self, conversation: Labels, top: Floats, bottom: Floats, unit: Labels) -> Block:
        """What `ratio_gap` needs of `sum top / sum bottom` (nan: nothing): both sums, their squares by unit."""
        known = ~(np.isnan(top) | np.isnan(bottom))
        where = conversation[known]
        sums = [np.bincount(where, x[known], minlength=self._n) for x in (top, bottom)]
        # Weights are the same for all conversations of a unit, so its squares may stand on its first row.
        _, first, code = np.unique(unit, return_index=True, return_inverse=True)
        squares = np.zeros((self._n, 3))
        a, b = (np.bincount(code, x) for x in sums)
        squares[first] = np.stack([a * a, a * b, b * b], axis=1)
        return self._add(np.concatenate([np.stack(sums, axis=1), squares], axis=1))

    def _add(self, columns: npt.NDArray[Any]) -> Block:
        self._parts.append(columns.astype(np.float32))
        self._width += columns.shape[1]
        return Block(self._width - columns.shape[1], self._width)

    def summed(self) -> WeightedSums:
        """The finished table."""
        return WeightedSums(np.concatenate(self._parts, axis=1) if self._parts else np.zeros((self._n, 0), np.float32))


class WeightedSums:
    """`weights.T @ counts` for both sides, in single precision: exact for counts below 2**24."""

    def __init__(self, counts: Singles) -> None:
        from scipy import sparse

        self._total = counts.sum(axis=0, dtype=np.float64)
        filled = np.count_nonzero(counts) / max(1, counts.size)
        self._columns: Any = sparse.csr_matrix(counts.T) if filled < SPARSE else np.ascontiguousarray(counts.T)

    def __call__(self, real: Floats, synthetic: Floats) -> tuple[Floats, Floats]:
        drawn = self._sum(synthetic)
        # A relabelling gives every conversation to one side: the other side is what is left.
        complete = bool(np.all(real + synthetic == 1.0))
        return (self._total - drawn if complete else self._sum(real)), drawn

    def _sum(self, weights: Floats) -> Floats:
        return np.asarray((self._columns @ weights.astype(np.float32)).T, dtype=np.float64)


def shares(counts: Floats) -> Floats:
    """Rows of `counts` as distributions; a row without counts stays zero."""
    total = counts.sum(axis=-1, keepdims=True)
    share: Floats = np.divide(counts, total, out=np.zeros_like(counts), where=total > 1e-9)
    return share


def total_variation(p: Floats, q: Floats) -> Floats:
    """`sum |p - q| / 2` over the last axis: 0 same, 1 disjoint.

    >>> total_variation(np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    np.float64(0.5)
    """
    distance: Floats = np.abs(p - q).sum(axis=-1) / 2
    return distance


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon distance over the last axis, base 2: the root of the divergence, 0 same, 1 disjoint.

    Lin (1991), doi:10.1109/18.61115; a metric: Endres & Schindelin (2003), doi:10.1109/TIT.2003.813506.

    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    np.float64(1.0)
    """
    divergence = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    distance: Floats = np.sqrt(np.clip(divergence, 0.0, 1.0))
    return distance


def _entropy(p: Floats) -> Floats:
    logs = np.log2(p, out=np.zeros_like(p), where=p > 0)
    total: Floats = -(p * logs).sum(axis=-1)
    return total


def conditional_variation(real: Floats, synthetic: Floats, labels: int) -> Floats:
    """How far apart `P(label | cell)` stands, `sum_c w_c TV_c`: shape `(B,)` from counts `(B, cells * labels)`.

    `w_c` is proportional to `r_c s_c / (r_c + s_c)`, with `r_c`, `s_c` the sides' shares of cell `c`: a cell that
    one side never visits says nothing about what is done in it, and weighs nothing.

    >>> conditional_variation(np.array([[8.0, 2, 5, 5]]), np.array([[2.0, 8, 5, 5]]), 2).round(3)
    array([0.3])
    """
    r, s = (counts.reshape(len(counts), -1, labels) for counts in (real, synthetic))
    weight_r, weight_s = shares(r.sum(axis=2)), shares(s.sum(axis=2))
    both = weight_r + weight_s
    weight = shares(np.divide(weight_r * weight_s, both, out=np.zeros_like(both), where=both > 0))
    distance: Floats = (weight * total_variation(shares(r), shares(s))).sum(axis=1)
    return distance


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """`numerator / denominator`, 0 where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 1e-9)


def ratio_level(sums: Floats) -> tuple[Floats, Floats]:
    """A side's ratio and its variance over units (linearised), from the columns of `Table.add_ratio`."""
    top, bottom, tt, tb, bb = sums.T
    level = ratio(top, bottom)
    variance: Floats = ratio(tt - 2 * level * tb + level**2 * bb, bottom**2)
    return level, np.maximum(variance, 0.0)


def ratio_gap(real: Floats, synthetic: Floats) -> tuple[Floats, Floats]:
    """Synthetic minus real ratio, and the same over its standard error, to two decimals and within +-1000.

    The permutation test takes the second: studentised, it stays a test of this ratio where the sides differ in
    something else, such as how many turns a conversation has. Chung & Romano (2013), doi:10.1214/13-AOS1090.
    Rounded, because for rare events the third decimal only says how long the other conversations are.
    """
    (r, var_r), (s, var_s) = ratio_level(real), ratio_level(synthetic)
    gap = s - r
    # Rounding of sums in single precision must not look like a gap without spread.
    gap = np.where(np.abs(gap) < 1e-6 * (np.abs(r) + np.abs(s)), 0.0, gap)
    score: Floats = np.clip(gap / np.sqrt(var_r + var_s + 1e-18), -1000, 1000).round(2)
    return gap, score


def omnibus_p(observed: Floats, null: Floats, two_sided: Sequence[bool] | npt.NDArray[np.bool_]) -> float:
    """One p-value for "no column differs": the largest standardised column against its permutation null.

    Columns are centred and scaled over the data and its relabellings together, which keeps the test exact; signed
    columns (`two_sided`) count by magnitude. Westfall & Young (1993), single-step max-T. A mean over dozens of
    columns would drown a single one that is far off.

    >>> null = np.random.default_rng(0).normal(size=(99, 20))
    >>> omnibus_p(np.r_[5.0, np.zeros(19)], null, [True] * 20)
    0.01
    """
    rows = np.vstack([observed, null])
    spread = rows.std(axis=0)
    varies = spread > 1e-12
    if not varies.any():
        return 1.0
    z = (rows[:, varies] - rows[:, varies].mean(axis=0)) / spread[varies]
    largest = np.where(np.asarray(two_sided)[varies], np.abs(z), z).max(axis=1)
    return float((1 + (largest[1:] >= largest[0] - 1e-9).sum()) / len(rows))
