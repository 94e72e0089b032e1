"""Counts against a declared distribution: Pearson's chi-square, and several of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_SMALL = 5.0  # expected counts below are pooled


class Fit(msgspec.Struct, frozen=True):
    """Counts against a declared distribution: Pearson's chi-square, its degrees of freedom, p, and the largest gap.

    `impossible` counts what fell into cells of probability 0.
    """

    what: str
    chi2: float
    df: int
    p_value: float
    largest_gap: float
    impossible: int


def fit_of(what: str, counts: Floats, probability: Floats) -> Fit:
    """Pearson's chi-square of counts against probabilities, cells with an expected count below 5 pooled.

    A space-filling design spreads better than independent draws, so its chi-square lies below its degrees of
    freedom and p near 1; a small p still means that the declaration was missed.

    >>> fit_of("x", np.array([50.0, 50.0]), np.array([0.5, 0.5])).p_value
    1.0
    """
    from scipy.stats import chi2 as distribution

    n = counts.sum()
    expected = probability * n
    impossible = int(counts[probability == 0].sum())
    possible = probability > 0
    large = possible & (expected >= _SMALL)
    observed_cells = [*counts[large], counts[possible & ~large].sum()]
    expected_cells = [*expected[large], expected[possible & ~large].sum()]
    if expected_cells[-1] < 1:  # too thin for a cell of its own
        tail = (observed_cells.pop(), expected_cells.pop())
        if expected_cells:
            at = int(np.argmin(expected_cells))
            observed_cells[at] += tail[0]
            expected_cells[at] += tail[1]
    o, e = np.array(observed_cells), np.array(expected_cells)
    df = max(len(e) - 1, 0)
    statistic = float((np.square(o - e) / e).sum()) if df else 0.0
    p = float(distribution.sf(statistic, df)) if df else 1.0
    gap = float(np.abs(counts / max(n, 1) - probability).max()) if len(counts) else 0.0
    return Fit(what, round(statistic, 4), df, 0.0 if impossible else p, round(gap, 4), impossible)


def holm(fits: Sequence[Fit]) -> float:
    """The smallest p-value of several fits, adjusted for their number (Holm): below .05 some declaration was missed."""
    return min(1.0, min((fit.p_value for fit in fits), default=1.0) * max(len(fits), 1))
