"""What people take a partner for after talking to it: the three scores of the partner questionnaire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from understudy.measures.intervals import cluster_t_interval
from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.measures.pmq import ATTENTION, FACTORS, NAMES, POINTS, Factor, Scores, score
from understudy.measures.pmq_structure import FEWEST as FEWEST_TO_RELY
from understudy.measures.pmq_structure import Reliability, reliability
from understudy.measures.raters.records import PanelRecord, Questionnaire

FEWEST = 10  # people
FAMILY = "panel.pmq"
SOURCE = "Doyle, Clark & Cowan (2021), doi:10.1145/3411764.3445206; arXiv:2308.07164"


def as_printed(filled: Questionnaire) -> dict[str, int | None]:
    """The answers as `score` reads them: a questionnaire that was shown mirrored is turned back, whole.

    The attention check names a point by its place, and is not turned.

    >>> from understudy.measures.raters.records import QuestionnaireLine
    >>> as_printed(Questionnaire(True, (QuestionnaireLine(0, "warm", 2), QuestionnaireLine(1, "attention", 2))))
    {'warm': 6, 'attention': 2}
    """
    return {
        line.key: POINTS + 1 - line.point
        if filled.mirrored and line.point is not None and line.key != ATTENTION.key
        else line.point
        for line in filled.lines
    }


def partner_models(panel: PanelRecord, *, rng: np.random.Generator) -> list[Measurement]:
    """What do people take this partner for: how competent, how human-like, how flexible?

    The mean over people of each factor's score (`understudy.measures.pmq.score`), 1 to 7, with a t interval; parts are
    Cronbach's alpha and McDonald's omega among these people. Who failed the attention check, ticked one end throughout
    or left out too much has no score, and is counted. Unscored below ten people; reliability below thirty.
    Source: Doyle, Clark & Cowan (2021), doi:10.1145/3411764.3445206; differences as in `score`.
    """
    answers = [as_printed(r.questionnaire) for r in panel.raters if r.questionnaire is not None]
    scores = [score(one) for one in answers]
    why = Counter(_kind(s) for s in scores if not s.scored)
    rely = reliability(answers, rng=rng)
    partner = str(panel.settings.get("partner") or "")
    return [_factor(f, scores, why, rely.get(f), partner) for f in FACTORS]


def _kind(one: Scores) -> str:
    if one.reason.startswith("the attention"):
        return "attention check not passed"
    return "one end ticked throughout" if one.reason.startswith("every item") else "too many items left out"


def _factor(
    factor: Factor, scores: list[Scores], why: Mapping[str, int], rely: Reliability | None, partner: str
) -> Measurement:
    values = np.array([s for s in (getattr(one, factor) for one in scores) if s is not None], dtype=np.float64)
    spec = MeasureSpec(
        name=f"{FAMILY}.{factor}",
        question="real",
        asks=f"{NAMES[factor]}: what do people take the partner for?",
        unit=f"points of {POINTS}",
        range=(1.0, float(POINTS)),
        better="higher",
        source=SOURCE,
        minimum_units=FEWEST,
    )
    n = {"raters": Counts(len(values), len(scores), 0)}
    evidence = {"partner": partner, "filled_in": len(scores), "not_scored": dict(why)}
    if len(values) < FEWEST:
        out = f" ({sum(why.values())} of {len(scores)} could not be scored in full)" if why else ""
        reason = f"{len(values)} questionnaire(s) have this score{out}; at least {FEWEST} are needed"
        return Measurement(
            name=spec.name, value=None, status="unscored", reason=reason, n=n, spec=spec, evidence=evidence
        )
    reach = cluster_t_interval(values, np.arange(len(values)))
    return Measurement(
        name=spec.name,
        value=reach.mean,
        interval=(max(1.0, reach.low), min(float(POINTS), reach.high)),
        status="scored",
        n=n,
        spec=spec,
        evidence={**evidence, "sd": float(values.std(ddof=1))},
        parts=_reliability(spec, rely, n),
    )


def _reliability(spec: MeasureSpec, rely: Reliability | None, n: Mapping[str, Counts]) -> tuple[Measurement, ...]:
    parts = []
    for key, asks in (("alpha", "Do its items hang together (Cronbach)?"), ("omega", "The same by one factor")):
        own = MeasureSpec(f"{spec.name}.{key}", "real", asks, key, (None, 1.0), "higher", SOURCE)
        found = None if rely is None else getattr(rely, key)
        if found is None or not np.isfinite(found.value):
            reason = f"reliability needs {FEWEST_TO_RELY} complete, attentive questionnaires"
            parts.append(Measurement(name=own.name, value=None, status="unscored", reason=reason, n=n, spec=own))
        else:
            parts.append(
                Measurement(
                    name=own.name, value=found.value, interval=found.interval, status="scored", n=n, spec=own
                )
            )  # fmt: skip
    return tuple(parts)
