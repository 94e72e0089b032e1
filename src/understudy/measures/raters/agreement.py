"""Do raters agree? Krippendorff's alpha, beside Gwet's coefficient and Fleiss' kappa."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.measures.resampling import Floats

FEWEST_ITEMS = 10
Rated = tuple[str, str, int]  # rater, item, category from 0


class Coefficients(NamedTuple):
    """Three answers to one question; nan where all ratings fall into one category."""

    alpha: float
    gwet: float
    kappa: float


def coefficients(counts: Floats, *, ordinal: bool = False) -> Coefficients:
    """Agreement from `(items, categories)` counts of ratings; items with one rating add to the margins only of Gwet's
    and Fleiss'.

    Krippendorff: `alpha = 1 - D_o / D_e` with the nominal or ordinal difference; Gwet's AC1, or AC2 with quadratic
    weights; Fleiss' kappa, weighted alike. Range up to 1; 0 is chance. Krippendorff (2011), Computing
    Krippendorff's alpha-reliability; Gwet (2008), doi:10.1348/000711006X126600.

    >>> one = np.array([[3.0, 0.0], [0.0, 3.0], [2.0, 1.0]])
    >>> [round(float(c), 2) for c in coefficients(one)]
    [0.6, 0.56, 0.55]
    """
    size = counts.sum(axis=1)
    several = size >= 2
    k = counts.shape[1]
    pairs, m = counts[several], size[several]
    if not len(pairs):
        return Coefficients(np.nan, np.nan, np.nan)
    together = np.einsum("uc,uk,u->ck", pairs, pairs, 1 / (m - 1))
    together -= np.diag((pairs / (m - 1)[:, None]).sum(axis=0))
    total = together.sum(axis=1)
    far = _distance(total, ordinal)
    expected = float(total @ far @ total) / max(total.sum() - 1, 1)
    alpha = 1 - float((together * far).sum()) / expected if expected > 0 else np.nan
    place = np.arange(k)
    weight = 1 - ((place[:, None] - place) / max(k - 1, 1)) ** 2 if ordinal else np.eye(k)
    seen = float(((pairs * (pairs @ weight - 1)).sum(axis=1) / (m * (m - 1))).mean())
    margin = (counts[size > 0] / size[size > 0][:, None]).mean(axis=0)
    by_gwet = float(weight.sum() / (k * (k - 1)) * (margin * (1 - margin)).sum())
    by_fleiss = float(margin @ weight @ margin)
    kappa = (seen - by_fleiss) / (1 - by_fleiss) if by_fleiss < 1 else np.nan
    return Coefficients(alpha, (seen - by_gwet) / (1 - by_gwet) if by_gwet < 1 else np.nan, kappa)


def _distance(total: Floats, ordinal: bool) -> Floats:
    """Squared differences of categories: 0 or 1, or by how many ratings lie between them."""
    k = len(total)
    if not ordinal:
        return np.asarray(1.0 - np.eye(k))
    upto = np.cumsum(total) - total / 2
    return np.asarray((upto[:, None] - upto) ** 2)


def agreement(rated: Sequence[Rated], *, categories: int, ordinal: bool, name: str, asks: str) -> Measurement:
    """Do the raters of these items agree, beyond chance?

    Value: Krippendorff's alpha, ordinal or nominal (see `coefficients`); range up to 1, 0 is chance. Gwet's
    coefficient and Fleiss' kappa are in the evidence: where nearly all ratings are alike, alpha and kappa fall though
    everybody agrees, and Gwet's does not. Interval: two-way jackknife, over items and over raters, t. Unscored
    below ten items with two ratings each. Source: Krippendorff (2011); Gwet (2008), doi:10.1348/000711006X126600;
    difference: raters are a sample too, so that the interval is wider than over items alone.
    """
    raters = sorted({r for r, _, _ in rated})
    items = sorted({i for _, i, _ in rated})
    cell = np.zeros((len(raters), len(items), categories))
    where = {r: k for k, r in enumerate(raters)}, {i: k for k, i in enumerate(items)}
    for rater, item, category in rated:
        cell[where[0][rater], where[1][item], category] = 1.0
    counts = cell.sum(axis=0)
    several = int((counts.sum(axis=1) >= 2).sum())
    spec = MeasureSpec(
        name, "real", asks, "Krippendorff's α", (-1.0, 1.0), "higher",
        "Krippendorff (2011); Gwet (2008), doi:10.1348/000711006X126600", minimum_units=FEWEST_ITEMS,
    )  # fmt: skip
    n = {"raters": Counts(len(raters), several, 0)}
    whole = coefficients(counts, ordinal=ordinal)
    reason = ""
    if several < FEWEST_ITEMS:
        reason = f"{several} conversation(s) or pairs have two ratings; at least {FEWEST_ITEMS} are needed"
    elif np.isnan(whole.alpha):
        reason = "all ratings fall into one category: agreement beyond chance has no meaning"
    if reason:
        return Measurement(name=name, value=None, status="unscored", reason=reason, n=n, spec=spec)
    reach = _reach(cell, ordinal)
    bounds = [(c - h, min(c + h, 1.0)) for c, h in zip(whole, reach, strict=True)]
    beside = {"gwet": whole.gwet, "kappa": whole.kappa}
    return Measurement(
        name=name,
        value=float(whole.alpha),
        interval=(max(bounds[0][0], -1.0), bounds[0][1]),
        status="scored",
        n=n,
        spec=spec,
        evidence={
            "items": several,
            "ratings": len(rated),
            **{key: None if np.isnan(value) else float(value) for key, value in beside.items()},
            "gwet_interval": [float(b) for b in bounds[1]],
            "kappa_interval": [float(b) for b in bounds[2]],
        },
    )


def _reach(cell: Floats, ordinal: bool) -> list[float]:
    """Half-widths for the three coefficients: jackknives over items and over raters, less what both count twice."""
    raters, items = cell.shape[:2]
    counts = cell.sum(axis=0)
    given = np.argwhere(cell.sum(axis=2) > 0)
    variance = []
    for replicates in (
        [coefficients(np.delete(counts, i, axis=0), ordinal=ordinal) for i in range(items)],
        [coefficients(counts - cell[r], ordinal=ordinal) for r in range(raters)],
        [coefficients(_without(counts, i, cell[r, i]), ordinal=ordinal) for r, i in given],
    ):
        x = np.array(replicates)
        g = len(x)
        variance.append((g - 1) / g * np.nansum((x - np.nanmean(x, axis=0)) ** 2, axis=0))
    over_items, over_raters, over_ratings = variance
    whole = np.maximum(over_items + over_raters - over_ratings, np.maximum(over_items, over_raters))
    df = max(min(raters, items) - 1, 1)
    return [float(h) for h in stats.t.ppf(0.975, df) * np.sqrt(whole)]


def _without(counts: Floats, item: int, rating: Floats) -> Floats:
    left = counts.copy()
    left[item] -= rating
    return left
