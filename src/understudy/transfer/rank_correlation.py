"""Kendall's tau-b and Spearman's rho of many pairs of score vectors at once, ties handled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# (..., K) and (..., K) -> (...): NaN where one side has all systems tied.
Correlation = Callable[[Floats, Floats], Floats]
MOST_SIGNS = 4_000_000  # held at once


def _signs(x: Floats) -> npt.NDArray[np.int8]:
    """(..., K) -> (..., pairs) signs of differences, first less second; differences of rounding error are ties."""
    first, second = np.triu_indices(x.shape[-1], 1)
    slack = 1e-12 * (1.0 + np.abs(x).max(axis=-1, keepdims=True))
    gap = x[..., first] - x[..., second]
    signs: npt.NDArray[np.int8] = (gap > slack).astype(np.int8) - (gap < -slack).astype(np.int8)
    return signs


def _in_blocks(correlation: Correlation, x: Floats, y: Floats) -> Floats:
    """Many vectors a block at a time: the signs of all pairs of all vectors would not fit."""
    x, y = np.broadcast_arrays(x, y)
    systems = x.shape[-1]
    rows = max(1, MOST_SIGNS // max(1, systems * (systems - 1) // 2))
    if x.size <= rows * systems:
        return correlation(x, y)
    a, b = x.reshape(-1, systems), y.reshape(-1, systems)
    found = [correlation(a[k : k + rows], b[k : k + rows]) for k in range(0, len(a), rows)]
    return np.concatenate(found).reshape(x.shape[:-1])


def kendall_tau(x: Floats, y: Floats) -> Floats:
    """Do two score vectors put systems in the same order? Kendall's tau-b over the last axis, in [-1, 1].

    `(concordant - discordant) / sqrt(pairs untied in x * pairs untied in y)`; NaN where a side is all ties.
    Kendall (1945), doi:10.1093/biomet/33.3.239. Equal to scipy.stats.kendalltau, for many vectors at once.

    >>> float(kendall_tau(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])))
    0.6666666666666666
    """
    return _in_blocks(_kendall, x, y)


def _kendall(x: Floats, y: Floats) -> Floats:
    a, b = _signs(x), _signs(y)
    agree = np.sum(a * b, axis=-1, dtype=np.float64)
    untied = np.count_nonzero(a, axis=-1) * np.count_nonzero(b, axis=-1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: Floats = np.where(untied > 0, agree / np.sqrt(untied), np.nan)
    return tau


def spearman_rho(x: Floats, y: Floats) -> Floats:
    """The same by Spearman's rho: correlation of ranks, tied systems sharing the mean of their ranks.

    Spearman (1904), doi:10.2307/1412159. NaN where a side is all ties.

    >>> float(spearman_rho(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])))
    0.8
    """
    return _in_blocks(_spearman, x, y)


def _spearman(x: Floats, y: Floats) -> Floats:
    # The sum of signs against all others is twice the centred mid-rank.
    first, second = np.triu_indices(x.shape[-1], 1)
    towards = np.zeros((len(first), x.shape[-1]), dtype=np.float32)
    towards[np.arange(len(first)), first], towards[np.arange(len(first)), second] = 1, -1
    a, b = ((_signs(side).astype(np.float32) @ towards).astype(np.float64) for side in (x, y))
    spread = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho: Floats = np.where(spread > 0, (a * b).sum(-1) / spread, np.nan)
    return rho
