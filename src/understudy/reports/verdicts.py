"""One sentence a question, from the measurements and by rule: what was shown, what was not, what was not asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from understudy.measures.measurement import Measurement
from understudy.reports.wording import (
    amounts,
    evidence_number,
    headlines_of,
    interval,
    number,
    part_label,
    parts_of,
    rates,
    title_of,
    unit_of,
    with_unit,
    words,
)

Status = Literal["told_apart", "not_told_apart", "measured", "unscored", "not_asked"]
LEVEL = 0.05
NAMED = 3
FURTHEST = "Furthest from people:"
QUESTIONS = {
    "real": "Do they look real?",
    "rank": "Do they rank right?",
    "train": "Do they train well?",
    "carry": "What else do they carry?",
}
# From the half-width of a 95 % interval to the effect found four times in five: (z.975 + z.80) / z.975.
DETECTABLE = 1.43


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one of the audit's four questions.

    `told_apart`: some headline test rejects after Holm; `not_told_apart`: none does, which is not sameness;
    `measured`: numbers without a test; `unscored`: no number could be computed; `not_asked`: nothing was run.
    `findings` are the further sentences, one a headline measurement that matters for the answer.
    """

    question: Literal["real", "rank", "train", "carry"]
    sentence: str
    status: Status
    findings: tuple[str, ...] = ()


def p_of(m: Measurement) -> float | None:
    """The p-value to judge by: adjusted where it was adjusted."""
    return m.p_value if m.adjusted_p is None else m.adjusted_p


def differs(m: Measurement) -> bool:
    """Whether a difference was shown at the 5 % level."""
    p = p_of(m)
    return m.status == "scored" and p is not None and p <= LEVEL


def verdicts_of(measurements: Sequence[Measurement]) -> dict[str, Verdict]:
    """The verdict on each of the four questions, from a flat list of measurements.

    >>> verdicts_of([])["train"].sentence
    'Not asked in this run.'
    """
    verdicts = {}
    for question in QUESTIONS:
        own = [m for m in measurements if m.spec.question == question]
        verdicts[question] = _verdict(question, own)
    return verdicts


def _verdict(question: Any, own: Sequence[Measurement]) -> Verdict:
    heads = headlines_of(own)
    scored = [m for m in heads if m.status == "scored"]
    if not heads:
        return Verdict(question, "Not asked in this run.", "not_asked")
    if not scored:
        return Verdict(question, f"Could not be answered: {_stop(heads[0].reason)}", "unscored", _unscored(heads))
    if question == "real" and any(p_of(m) is not None for m in scored):
        return _looks_real(heads, scored, own)
    findings = tuple(_plain_finding(m) for m in scored[1:]) + _unscored(heads)
    return Verdict(question, _plain_finding(scored[0]), "measured", findings)


def _looks_real(
    heads: Sequence[Measurement], scored: Sequence[Measurement], own: Sequence[Measurement]
) -> Verdict:
    found = [m for m in scored if differs(m)]
    judge = next((m for m in scored if m.name == "realism.discriminator"), None)
    behaviours = worst_behaviours(own)
    missing = _unscored(heads)
    if not found:
        open_ = _not_shown(scored, judge)
        return Verdict("real", open_, "not_told_apart", (*_tried(scored, judge), *missing))
    named = _named(behaviours[:NAMED])
    if judge is not None and judge in found:
        sentence = f"Told apart. {_pairs(judge)}{named}"
    else:
        by = _listed([title_of(m).lower() for m in found])
        sentence = f"Told apart, by {by}{_though(judge)}.{named}"
    rest = tuple(finding(m, parts_of(m, own)) for m in found if m is not judge)
    return Verdict(
        "real", sentence, "told_apart", (*_ceiling(judge), *rest, *_undetected(scored, found), *missing)
    )


def _pairs(m: Measurement) -> str:
    """The AUC as what it means: pairs of one real and one synthetic user side."""
    assert m.value is not None
    hits = "every time" if m.value >= 0.995 else f"{100 * m.value:.0f} times in 100"
    floor = (
        "" if m.floor is None else f"; between two halves of the real users it is {100 * m.floor.value:.0f} in 100"
    )
    return f"Shown one real and one synthetic user, a classifier picks out the synthetic one {hits}{floor}."


def _ceiling(m: Measurement | None) -> tuple[str, ...]:
    if m is None or m.value is None or m.ceiling is None:
        return ()
    less = m.value < m.ceiling.value
    note = m.ceiling.note or "another real corpus"
    return (
        f"For scale, {note} is told from these real users at {number(m.ceiling.value, 2)}: these synthetic users "
        f"({number(m.value, 2)}) stand {'nearer to' if less else 'no nearer to'} them than that.",
    )


def _though(judge: Measurement | None) -> str:
    if judge is None or judge.value is None:
        return ""
    return f", though not by the discriminator (AUC {number(judge.value, 2)})"


def _not_shown(scored: Sequence[Measurement], judge: Measurement | None) -> str:
    n = (judge or scored[0]).n
    sizes = " and ".join(f"{n[side].conversations:,} {side}" for side in n)
    sentence = f"Not told apart at n = {sizes} conversations, which does not show that they are alike"
    least = None if judge is None else evidence_number(judge, "detectable_auc")
    if judge is None or judge.value is None or least is None:
        return f"{sentence}."
    return (
        f"{sentence}: the smallest effect that so many find four times in five is an AUC of {number(least, 2)}, "
        f"and this one is {number(judge.value, 2)}."
    )


def _tried(scored: Sequence[Measurement], judge: Measurement | None) -> tuple[str, ...]:
    """What each other measure could have found."""
    rest = [m for m in scored if m is not judge]
    return tuple(f"{_plain_finding(m)} {_detectable(m)}".rstrip() for m in rest)


def _detectable(m: Measurement) -> str:
    if m.interval is None:
        return "No interval below ten units a side."
    least = DETECTABLE * (m.interval[1] - m.interval[0]) / 2
    return f"Smallest detectable difference: about {number(least)}."


def _undetected(scored: Sequence[Measurement], found: Sequence[Measurement]) -> tuple[str, ...]:
    quiet = [title_of(m).lower() for m in scored if m not in found and p_of(m) is not None]
    return (f"No difference detected at this n in: {_listed(quiet)}.",) if quiet else ()


def _unscored(heads: Sequence[Measurement]) -> tuple[str, ...]:
    return tuple(f"{title_of(m)}: not scored, {_stop(m.reason)}" for m in heads if m.status == "unscored")


def _stop(text: str) -> str:
    return text if text.endswith((".", "!", "?", "。")) else text + "."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


class Gap(msgspec.Struct, frozen=True):
    """A behaviour that is off: what it is, on which side how much, and how far apart on a common scale."""

    label: str
    unit: str
    real: float
    synthetic: float
    weight: float

    def phrase(self) -> str:
        """`hedges: 0.07 per 100 words where people show 0.50`."""
        real, synthetic = amounts((self.real, self.synthetic), self.unit)
        return f"{self.label}: {with_unit(synthetic, self.unit)} where people show {real}"


def worst_behaviours(measurements: Sequence[Measurement]) -> list[Gap]:
    """Behaviours whose gap was shown, furthest first: by distance between distributions, else by relative gap."""
    gaps = []
    for m in measurements:
        pair = rates(m)
        if not m.name.startswith("realism.messiness.") or pair is None or not differs(m):
            continue
        real, synthetic = pair
        apart = abs(synthetic - real) / (abs(synthetic) + abs(real)) if synthetic or real else 0.0
        weight = evidence_number(m, "total_variation", "distance")
        label = words(m.name.removeprefix("realism.messiness."))
        gaps.append(Gap(label, unit_of(m), real, synthetic, apart if weight is None else weight))
    return sorted(gaps, key=lambda g: (-g.weight, g.label))


def _named(gaps: Sequence[Gap]) -> str:
    return f" {FURTHEST} {'; '.join(g.phrase() for g in gaps)}." if gaps else ""


def finding(m: Measurement, parts: Sequence[Measurement]) -> str:
    """What a headline measurement found, in a sentence."""
    told = _TOLD[m.name](m, parts) if m.name in _TOLD else None
    return told or _plain_finding(m)


def _icc(m: Measurement, _: Sequence[Measurement]) -> str | None:
    rows = [r for r in m.evidence.get("features") or () if isinstance(r, Mapping)]
    pairs = [(r["real"], r["synthetic"]) for r in rows if _numeric(r.get("real")) and _numeric(r.get("synthetic"))]
    if not pairs:
        return None
    real, synthetic = (sum(p[side] for p in pairs) / len(pairs) for side in (0, 1))
    says = "Users blur into one another" if synthetic < real else "Users are overdrawn"
    return (
        f"{says}: who writes accounts for {number(synthetic, 2)} of the variation in style, where among people it "
        f"accounts for {number(real, 2)} (mean of {len(pairs)} features)."
    )


def _messiness(m: Measurement, parts: Sequence[Measurement]) -> str | None:
    tested = [p for p in parts if p.status == "scored"]
    if not tested:
        return None
    off = [p for p in tested if differs(p)]
    most = [p for p in off if p.value is not None and p.value > 0]
    label = [part_label(p, m) for p in off]
    few = f" ({_listed(label)})" if 0 < len(off) <= NAMED else ""
    ways = f"{len(most)} overdone, {len(off) - len(most)} underdone"
    return f"Of {len(tested)} behaviours {len(off)} are off{few}: {ways}."


def _recognised(m: Measurement, _: Sequence[Measurement]) -> str | None:
    real, synthetic, chance = (evidence_number(m, k) for k in ("real_accuracy", "synthetic_accuracy", "chance"))
    if real is None or synthetic is None or chance is None:
        return None
    ours, people, luck = amounts((synthetic, real, chance), "share")
    return f"A user is recognised again from style {ours} of the time, real ones {people}; chance is {luck}."


_TOLD = {"separability.icc": _icc, "realism.messiness": _messiness, "separability.identification": _recognised}


def _plain_finding(m: Measurement) -> str:
    value = number(m.value)
    reach = f" ({interval(m.interval)})" if m.interval is not None else ""
    floor = f"; real against real {number(m.floor.value)}" if m.floor is not None else ""
    return f"{title_of(m)}: {value}{reach}{floor}."


def _numeric(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
