"""Intervals for answers that share raters and share items: both are drawn from many, so both count as clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from understudy.measures.resampling import Floats

LEVEL = 0.95


class Reach(NamedTuple):
    """A standard error, its degrees of freedom, and the half-width of the 95 % interval."""

    standard_error: float
    df: int
    half: float


def two_way(influence: Floats, clusters: Sequence[Sequence[str]], *, df: int, least: float = 0.0) -> Reach:
    """How far off is an estimate whose answers come from raters *and* items?

    `influence[k]` is what answer k moves the estimate by; `clusters` names its rater and its item. With S the sums of
    influence by cluster and G their number, `V = V_raters + V_items - V_answers`, each `G / (G - 1) sum S^2`, and
    never below the larger of the first two or below `least` (a variance known otherwise, the binomial one). The
    half-width is `t(df) sqrt(V)`. Source: Cameron, Gelbach & Miller (2011), doi:10.1198/jbes.2010.07136;
    the lower bound is ours: the plain sum can fall below either part, or below 0.

    >>> round(two_way(np.array([0.1, -0.1, 0.1, -0.1]), ("aabb", "wxyz"), df=3).standard_error, 3)
    0.231
    """
    parts = []
    for names in clusters:
        _, member = np.unique(np.asarray(list(names)), return_inverse=True)
        sums = np.bincount(member, influence)
        groups = len(sums)
        parts.append(float(groups / max(groups - 1, 1) * (sums**2).sum()))
    n = len(influence)
    alone = float(n / max(n - 1, 1) * (influence**2).sum())
    variance = max(sum(parts) - alone, *parts, least)
    error = float(np.sqrt(variance))
    return Reach(error, df, float(stats.t.ppf(0.5 + LEVEL / 2, max(df, 1))) * error)


def p_two_sided(value: float, reach: Reach) -> float:
    """The p-value of `value` against 0."""
    if reach.standard_error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stats.t.sf(abs(value) / reach.standard_error, max(reach.df, 1)))
