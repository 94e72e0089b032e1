"""Can people tell which of two conversations has the real user? Sensitivity d' and per cent correct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.measures.raters.agreement import agreement
from understudy.measures.raters.records import Judgement, PanelRecord, Rater
from understudy.measures.raters.twoway import p_two_sided, two_way

FEWEST = 10  # raters, and real users (else pairs)
# From the half-width of a 95 % interval to the effect found four times in five: (z.975 + z.80) / z.975.
DETECTABLE = 1.43

SPEC = MeasureSpec(
    name="panel.discrimination",
    question="real",
    asks="Shown a real and a synthetic conversation side by side, can people tell which user is real?",
    unit="d′",
    range=(None, None),
    better="lower",
    source="Macmillan & Creelman (2005), Detection Theory, chapter 7; catch trials and pairs: ours",
    minimum_units=FEWEST,
)
PERCENT = MeasureSpec(
    name="panel.discrimination.percent_correct",
    question="real",
    asks="In what share of pairs was the real user found? One half is guessing.",
    unit="share of pairs",
    range=(0.0, 1.0),
    better="lower",
    source=SPEC.source,
    minimum_units=FEWEST,
)


class Detection(NamedTuple):
    """What a set of judgements says: d' and per cent correct, each with interval, and the response bias."""

    d_prime: float
    d_interval: tuple[float, float]
    p_value: float
    correct: float
    correct_interval: tuple[float, float]
    bias: float
    raters: int
    pairs: int
    units: int
    judgements: int


def detected(judgements: Sequence[tuple[str, Judgement]]) -> Detection | None:
    """d' of judgements `(rater, judgement)` in a two-alternative forced choice; None where one side never came up.

    With H the share of "left" among pairs whose real user stood left, and F among the others (each with 0.5 added to
    the count and 1 to the total, Hautus 1995): `d' = (z(H) - z(F)) / sqrt(2)`, which takes a preference for one side
    out. 0: guessing; 1: 76 of 100 pairs; 2: 92 of 100; below 0: taken for real more often than people are.
    Intervals are two-way clustered, by rater and by real user (else pair; `two_way`), never narrower than the binomial.

    >>> one = Judgement(0, "p", False, "a", "a")
    >>> other = Judgement(1, "q", False, "b", "b")
    >>> found = detected([("1", one), ("1", other), ("2", one), ("2", other)])
    >>> round(found.d_prime, 2), found.correct
    (1.37, 1.0)
    """
    raters = [r for r, _ in judgements]
    units = [j.unit or j.pair for _, j in judgements]
    left = np.array([j.answer == "a" for _, j in judgements], dtype=np.float64)
    real_left = np.array([j.real_side == "a" for _, j in judgements], dtype=bool)
    sizes = (int(real_left.sum()), int((~real_left).sum()))
    if not all(sizes):
        return None
    influence, least, z = np.zeros(len(left)), 0.0, []
    for side, n, sign in ((real_left, sizes[0], 1.0), (~real_left, sizes[1], -1.0)):
        rate = float((left[side].sum() + 0.5) / (n + 1))
        z.append(float(stats.norm.ppf(rate)))
        slope = 1 / (float(stats.norm.pdf(z[-1])) * np.sqrt(2))
        influence[side] = sign * slope * (left[side] - left[side].mean()) / n
        least += slope**2 * rate * (1 - rate) / n
    names = (raters, units)
    df = min(len(set(raters)), len(set(units))) - 1
    d_prime = (z[0] - z[1]) / np.sqrt(2)
    reach = two_way(influence, names, df=df, least=least)
    right = np.where(real_left, left, 1 - left)
    n = len(right)
    near = (right.sum() + 2) / (n + 4)  # Agresti & Coull (1998): a share of 0 or 1 has an error too
    share = two_way((right - right.mean()) / n, names, df=df, least=float(near * (1 - near) / (n + 4)))
    correct = float(right.mean())
    return Detection(
        float(d_prime),
        (float(d_prime - reach.half), float(d_prime + reach.half)),
        p_two_sided(float(d_prime), reach),
        correct,
        (max(0.0, correct - share.half), min(1.0, correct + share.half)),
        float(-(z[0] + z[1]) / 2),
        len(set(raters)),
        len({j.pair for _, j in judgements}),
        len(set(units)),
        n,
    )


def discrimination(panel: PanelRecord) -> Measurement:
    """Can people tell the synthetic users of this panel from real ones?

    `d' = (z(H) - z(F)) / sqrt(2)` over all judgements of attentive raters (see `detected`); range all numbers, 0 where
    they guess, higher where they can tell. A rater is left out, and counted, who missed a catch trial (one in five
    may be missed); the part `all_raters` has them in. p-value: of d' = 0, by t. Unscored below ten raters or ten
    real users. Source: Macmillan & Creelman (2005), Detection Theory, chapter 7; Hautus (1995), doi:10.3758/BF03203619.
    Differences: (1) one d' is estimated over raters rather than one each, since a dozen pairs cannot carry one;
    raters who prefer different sides pull it slightly down. (2) Pairs count as a sample too.
    """
    judged = [r for r in panel.raters if any(not j.catch for j in r.judgements)]
    kept = [r for r in judged if r.attentive]
    trials = _trials(kept)
    found = detected(trials)
    n = {"raters": Counts(len(kept), 2 * len({j.pair for _, j in trials}), 0)}
    excluded = len(judged) - len(kept)
    reason = _too_few(found, len(kept), excluded)
    if found is None or reason:
        parts = tuple(
            Measurement(name=s.name, value=None, status="unscored", reason=reason, n=n, spec=s) for s in (PERCENT,)
        )
        return Measurement(
            name=SPEC.name, value=None, status="unscored", reason=reason, n=n, spec=SPEC, parts=parts,
            evidence={"excluded_raters": excluded, "withdrawn": panel.withdrawn},
        )  # fmt: skip
    exact = stats.binomtest(round(found.correct * found.judgements), found.judgements).proportion_ci()
    parts = (
        Measurement(
            name=PERCENT.name, value=found.correct, interval=found.correct_interval, status="scored", n=n, spec=PERCENT,
            evidence={"binomial_interval": [float(exact.low), float(exact.high)]},
        ),
        *_with_everybody(judged, excluded),
        agreement(
            [(r, j.pair, int(j.right)) for r, j in trials],
            categories=2, ordinal=False, name=f"{SPEC.name}.agreement", asks="Do raters agree on which user is real?",
        ),
    )  # fmt: skip
    return Measurement(
        name=SPEC.name,
        value=found.d_prime,
        interval=found.d_interval,
        p_value=found.p_value,
        status="scored",
        n=n,
        spec=SPEC,
        evidence=_evidence(found, panel, kept, judged),
        parts=parts,
    )


def _trials(raters: Sequence[Rater]) -> list[tuple[str, Judgement]]:
    return [(r.id, j) for r in raters for j in r.judgements if not j.catch]


def _too_few(found: Detection | None, raters: int, excluded: int) -> str:
    """Why there is no number, if there is none."""
    left_out = f" ({excluded} failed the catch trials)" if excluded else ""
    if raters < FEWEST:
        return f"{raters} attentive rater(s) judged pairs{left_out}; at least {FEWEST} are needed"
    if found is None:
        return "the real user stood on one side in every pair: a preference for it cannot be told from knowing"
    if found.units < FEWEST:
        return f"{found.pairs} pair(s) of {found.units} real user(s) were judged; at least {FEWEST} users are needed"
    return ""


def _with_everybody(judged: Sequence[Rater], excluded: int) -> tuple[Measurement, ...]:
    """The same with inattentive raters in, where there are any."""
    found = detected(_trials(judged)) if excluded else None
    if found is None:
        return ()
    n = {"raters": Counts(found.raters, 2 * found.pairs, 0)}
    name = f"{SPEC.name}.all_raters"
    return (
        Measurement(
            name=name, value=found.d_prime, interval=found.d_interval, status="scored", n=n,
            spec=MeasureSpec(
                name, "real", "The same with raters who failed the catch trials.", "d′", (None, None), "lower",
                SPEC.source,
            ),
        ),
    )  # fmt: skip


def _evidence(found: Detection, panel: PanelRecord, kept: Sequence[Rater], judged: Sequence[Rater]) -> dict[str, Any]:
    seconds = [j.seconds for _, j in _trials(kept) if j.seconds is not None]
    caught = [r.caught for r in judged]
    by_rater = [float(np.mean([j.right for j in r.judgements if not j.catch])) for r in kept]
    return {
        "judgements": found.judgements,
        "raters": found.raters,
        "pairs": found.pairs,
        "real_users": found.units,
        "excluded_raters": len(judged) - len(kept),
        "unfinished_raters": sum(not r.finished for r in kept),
        "withdrawn": panel.withdrawn,
        "catch_trials_right": sum(right for right, _ in caught),
        "catch_trials": sum(of for _, of in caught),
        "bias_to_right": found.bias,
        "detectable_d": DETECTABLE * (found.d_interval[1] - found.d_interval[0]) / 2,
        "median_seconds": float(np.median(seconds)) if seconds else None,
        "correct_by_rater": sorted(by_rater),
        "matching": str(panel.settings.get("matching", "")),
    }
