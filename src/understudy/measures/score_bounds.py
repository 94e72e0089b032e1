"""Intervals of mean scores that stay on the scale of the score, and have a width where all scores are equal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Scale(NamedTuple):
    """The least and the greatest score seen on a side, all systems together; `binary` if there are no others."""

    low: float
    high: float
    binary: bool


def scale_of(score: Floats) -> Scale:
    """The observed scale of scores.

    >>> scale_of(np.array([0.0, 1.0, np.nan, 1.0]))
    Scale(low=0.0, high=1.0, binary=True)
    """
    known = score[np.isfinite(score)]
    if not len(known):
        return Scale(-np.inf, np.inf, False)
    low, high = float(known.min()), float(known.max())
    return Scale(low, high, low < high and bool(((known == low) | (known == high)).all()))


def score_bounds(
    mean: Floats,
    variance: Floats,
    units: Floats,
    scale: Scale,
    *,
    freedom: Floats | None = None,
    spread: Floats | None = None,
    level: float = 0.95,
) -> tuple[Floats, Floats]:
    """In which range is each true mean? Cluster-t intervals that no impossible score is in.

    `variance` is that of the mean, by unit; `freedom` that of t, units - 1 unless given. With q its quantile:

    - scores of two values: Wilson's interval (1927, doi:10.1080/01621459.1927.10502953), with q for the normal
      quantile and, for the number of trials, `m (1 - m) / variance` (m: the share of the higher value), so that
      users count rather than episodes. Where the mean is no plain average, `spread` is the `m (1 - m)` of one;
    - others: `mean -+ q sqrt(variance)`, cut at the least and the greatest score seen;
    - all scores of a system equal (no variance): up to a share `1 - ((1 - level) / 2)^(1 / units)` of users
      may be otherwise, unseen (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404), and at worst at the end
      of the scale.

    In units of the score; arrays of one length.

    >>> for m, v in ((0.0, 0.0), (0.02, 0.0004), (0.5, 0.005)):
    ...     low, high = score_bounds(np.array([m]), np.array([v]), np.array([50.0]), Scale(0, 1, True))
    ...     print(round(low[0], 3), round(high[0], 3))
    0.0 0.071
    0.003 0.11
    0.363 0.637
    """
    from scipy import stats

    q = stats.t.ppf(0.5 + level / 2, np.maximum(units - 1 if freedom is None else freedom, 1))
    width = scale.high - scale.low
    low, high = mean - q * np.sqrt(variance), mean + q * np.sqrt(variance)
    if scale.binary:
        share = np.clip((mean - scale.low) / width, 0.0, 1.0)
        alike = share * (1 - share) if spread is None else spread
        known = (variance > 0) & (alike > 0)
        trials = np.where(known, alike * width**2 / np.where(known, variance, 1.0), 1.0)
        centre = (share + q**2 / (2 * trials)) / (1 + q**2 / trials)
        reach = q / (1 + q**2 / trials) * np.sqrt(variance / width**2 + q**2 / (4 * trials**2))
        low = np.where(known, scale.low + width * np.minimum(centre - reach, share), low)
        high = np.where(known, scale.low + width * np.maximum(centre + reach, share), high)
    if np.isfinite(width) and width > 0:
        unseen = 1 - ((1 - level) / 2) ** (1 / np.maximum(units, 1))
        flat = variance <= 0
        low = np.where(flat, mean - unseen * (mean - scale.low), low)
        high = np.where(flat, mean + unseen * (scale.high - mean), high)
    return np.clip(low, scale.low, scale.high), np.clip(high, scale.low, scale.high)
