"""Many tests at once: Holm for headlines, Benjamini-Hochberg for exploration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values: reject at level a keeps the family-wise error at or below a.

    Sorted p(1) <= ... <= p(m): adjusted p(k) = max over j <= k of min(1, (m - j + 1) p(j)).
    Range [0, 1]. Holm (1979), https://www.jstor.org/stable/4615733.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    >>> holm([])
    []
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, (len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(steps) if len(p) else steps
    return [round(float(value), 12) for value in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values controlling the false discovery rate. Benjamini & Hochberg (1995).

    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]
    """
    if not len(p_values):
        return []
    return [round(float(value), 12) for value in stats.false_discovery_control(p_values, method="bh")]
