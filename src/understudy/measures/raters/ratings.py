"""How people rate the users of conversations, not knowing which are synthetic: signed gaps of Likert items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from understudy.measures.intervals import bounded_interval
from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.measures.raters.agreement import agreement
from understudy.measures.raters.records import RATING_ITEMS, RATING_POINTS, PanelRecord, Rating
from understudy.measures.raters.twoway import p_two_sided, two_way

FEWEST = 10  # raters, and users (else conversations) a side
FAMILY = "panel.rating"
SCALE = (1.0, float(RATING_POINTS))
GAP_RANGE = (SCALE[0] - SCALE[1], SCALE[1] - SCALE[0])


def spec_of(key: str, text: str) -> MeasureSpec:
    """The declaration of one item."""
    return MeasureSpec(
        name=f"{FAMILY}.{key}",
        question="real",
        asks=f"“{text}” How far do raters agree, of synthetic users and of real ones?",
        unit=f"signed gap, points of {RATING_POINTS}",
        range=GAP_RANGE,
        better="match",
        source="items: ours; intervals: Cameron, Gelbach & Miller (2011), doi:10.1198/jbes.2010.07136",
        minimum_units=FEWEST,
    )


def ratings(panel: PanelRecord) -> list[Measurement]:
    """Do raters rate synthetic users as they rate real ones? One measurement a statement.

    `mean of synthetic - mean of real`, in points; range -4 to 4, 0 where both are rated alike. Interval and test are
    two-way clustered, by rater and by user, and no end leaves the scale (`bounded_interval`); agreement of raters
    (alpha, ordinal) is a part. Raters who failed the catch trials are left out. Unscored below ten raters, or ten
    rated users of either origin.
    Source: Cameron, Gelbach & Miller (2011), doi:10.1198/jbes.2010.07136; the statements are ours.
    """
    attentive = [r for r in panel.raters if r.attentive and r.ratings]
    excluded = sum(bool(r.ratings) and not r.attentive for r in panel.raters)
    found = []
    for item in RATING_ITEMS:
        answers = [(r.id, a) for r in attentive for a in r.ratings if a.item == item.key and a.points is not None]
        left_out = sum(a.points is None for r in attentive for a in r.ratings if a.item == item.key)
        found.append(_gap(spec_of(*item), answers, excluded, left_out))
    return found


def _gap(spec: MeasureSpec, answers: Sequence[tuple[str, Rating]], excluded: int, left_out: int) -> Measurement:
    raters = [r for r, _ in answers]
    units = [f"{a.origin} {a.unit or a.dialogue}" for _, a in answers]
    points = np.array([a.points for _, a in answers], dtype=np.float64)
    synthetic = np.array([a.origin == "synthetic" for _, a in answers], dtype=bool)
    shown = {
        side: len({u for u, s in zip(units, synthetic, strict=True) if s == flag})
        for side, flag in (("real", False), ("synthetic", True))
    }
    n = {"raters": Counts(len(set(raters)), len({a.dialogue for _, a in answers}), 0)}
    reason = ""
    if len(set(raters)) < FEWEST:
        left = f" ({excluded} failed the catch trials)" if excluded else ""
        reason = f"{len(set(raters))} attentive rater(s) rated conversations{left}; at least {FEWEST} are needed"
    elif min(shown.values()) < FEWEST:
        both = " and ".join(f"{count} {side}" for side, count in shown.items())
        reason = f"{both} users were rated; at least {FEWEST} of each are needed"
    if reason:
        return Measurement(name=spec.name, value=None, status="unscored", reason=reason, n=n, spec=spec)
    influence, means, bounds = np.zeros(len(points)), {}, {}
    for side, flag, sign in (("real", ~synthetic, -1.0), ("synthetic", synthetic, 1.0)):
        means[side] = float(points[flag].mean())
        own = np.where(flag, (points - means[side]) / flag.sum(), 0.0)
        influence += sign * own
        few = min(len(set(raters)), shown[side])
        alone = two_way(own[flag], _chosen((raters, units), flag), df=few - 1)
        bounds[side] = list(bounded_interval(means[side], alone.standard_error**2, few, within=SCALE))
    value = means["synthetic"] - means["real"]
    few = min(len(set(raters)), *shown.values())
    reach = two_way(influence, (raters, units), df=few - 1)
    return Measurement(
        name=spec.name,
        value=value,
        interval=bounded_interval(value, reach.standard_error**2, few, within=GAP_RANGE),
        p_value=p_two_sided(value, reach),
        status="scored",
        n=n,
        spec=spec,
        evidence={
            **means,
            **{f"{side}_interval": interval for side, interval in bounds.items()},
            "unit": f"points of {RATING_POINTS}",
            "ratings": len(points),
            "left_out": left_out,
            "excluded_raters": excluded,
        },
        parts=(
            agreement(
                [(r, a.dialogue, int(a.points or 1) - 1) for r, a in answers],
                categories=RATING_POINTS, ordinal=True, name=f"{spec.name}.agreement",
                asks="Do raters agree on this statement?",
            ),
        ),
    )  # fmt: skip


def _chosen(names: Sequence[Sequence[str]], flag: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[list[str]]:
    return [[name for name, keep in zip(column, flag, strict=True) if keep] for column in names]
