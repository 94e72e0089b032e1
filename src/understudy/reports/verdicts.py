"""One sentence a question, from the measurements and by rule: what was shown, what was not, what was not asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from understudy.measures.measurement import Measurement
from understudy.reports.findings import (
    LEVEL,
    NAMED,
    Gap,
    TooFew,
    closer,
    differs,
    finding,
    listed,
    p_of,
    pairs,
    plain_finding,
    too_close,
    too_few,
    worst_behaviours,
)
from understudy.reports.ranking_findings import ranked_right
from understudy.reports.rater_findings import TOLD, by_people, people_tell
from understudy.reports.trait_findings import carried
from understudy.reports.transfer_findings import trained_well
from understudy.reports.wording import (
    asked_besides,
    decimals_of,
    evidence_number,
    figures_of,
    headlines_of,
    number,
    parts_of,
    stopped,
    title_of,
    words,
)

__all__ = ["QUESTIONS", "Verdict", "differs", "p_of", "verdicts_of"]
Status = Literal["told_apart", "not_told_apart", "measured", "alarm", "descriptive", "unscored", "not_asked"]
FURTHEST = "Furthest from people:"
QUESTIONS = {
    "real": "Do they look real?",
    "rank": "Do they rank right?",
    "train": "Do they train well?",
    "carry": "What else do they carry?",
}
# From the half-width of a 95 % interval to the effect found four times in five: (z.975 + z.80) / z.975.
DETECTABLE = 1.43
NO_PROOF = "That does not show that they are alike."


def family_title(family: str, members: Sequence[Measurement]) -> str:
    """The heading over the measurements of a family of tests (`family_of`): p values are adjusted within one."""
    tests = sum(m.p_value is not None for m in members)
    adjusted = f" (adjusted for {tests} tests)" if tests > 1 else ""
    return f"{QUESTIONS.get(family) or f'Asked besides: {words(family)}'}{adjusted}"


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one of the audit's four questions.

    `told_apart`: some headline test rejects after Holm, or human raters can tell; `not_told_apart`: none does, which
    is not sameness; `measured`: numbers without a test; `alarm`: the false-progress monitor found simulated and real
    scores parting; `descriptive`: too few systems for a claim about their order; `unscored`: no number could be
    computed; `not_asked`: nothing was run.
    `findings` are the further sentences, one a headline measurement that matters for the answer.
    """

    question: Literal["real", "rank", "train", "carry"]
    sentence: str
    status: Status
    findings: tuple[str, ...] = ()


def verdicts_of(measurements: Sequence[Measurement]) -> dict[str, Verdict]:
    """The verdict on each of the four questions, from a flat list of measurements.

    >>> verdicts_of([])["train"].sentence
    'Not asked in this run.'
    """
    verdicts = {}
    few = too_few([m for m in headlines_of(measurements) if m.spec.question == "real" and not asked_besides(m)])
    for question in QUESTIONS:
        own = [m for m in measurements if m.spec.question == question and not asked_besides(m)]
        verdicts[question] = _verdict(question, own, few)
    verdicts["real"] = _with_people(verdicts["real"], measurements)
    return verdicts


def _with_people(looks: Verdict, measurements: Sequence[Measurement]) -> Verdict:
    """The answer on looks with what human raters say, before the behaviours that are named last.

    Raters who can tell answer the question, whatever the measures found.
    """
    said = by_people(measurements)
    if not said:
        return looks
    apart = any(m.name == TOLD and people_tell(m) for m in measurements)
    if looks.status == "not_asked":
        return Verdict("real", said, "told_apart" if apart else "measured")
    if apart and looks.status != "told_apart":
        sentence = f"Told apart by people. {said} By the measures: {looks.sentence}"
        return msgspec.structs.replace(looks, sentence=sentence, status="told_apart")
    lead, mark, worst = looks.sentence.partition(FURTHEST)
    return msgspec.structs.replace(looks, sentence=f"{lead.rstrip()} {said} {mark}{worst}".rstrip())


def _verdict(question: Any, own: Sequence[Measurement], few: TooFew | None) -> Verdict:
    heads = headlines_of(own)
    scored = [m for m in heads if m.status == "scored"]
    if not heads:
        return Verdict(question, "Not asked in this run.", "not_asked")
    if not scored:
        return Verdict(question, f"Could not be answered: {stopped(heads[0].reason)}", "unscored", _unscored(heads))
    if question == "real" and any(p_of(m) is not None for m in scored):
        return _looks_real(heads, scored, own, few)
    if question == "train":
        lead, alarm, more = trained_well(own)
        return Verdict(question, lead, "alarm" if alarm else "measured", more + _unscored(heads))
    if question == "rank":
        lead, few_systems, more = ranked_right(own)
        return Verdict(question, lead, "descriptive" if few_systems else "measured", more + _unscored(heads))
    told = [carried(m, parts_of(m, own)) for m in scored]
    return Verdict(question, told[0], "measured", (*told[1:], *_unscored(heads)))


def _looks_real(
    heads: Sequence[Measurement], scored: Sequence[Measurement], own: Sequence[Measurement], few: TooFew | None
) -> Verdict:
    found = [m for m in scored if differs(m)]
    judge = next((m for m in scored if m.name == "realism.discriminator"), None)
    behaviours = worst_behaviours(own)
    missing = _unscored(heads)
    if few:
        return Verdict("real", _out_of_reach(few), "unscored", (*map(plain_finding, scored), *missing))
    if not found:
        open_ = _not_shown(scored, judge)
        return Verdict("real", open_, "not_told_apart", (*_tried(scored, judge), *missing))
    named = _named(behaviours[:NAMED])
    if judge is not None and judge in found:
        sentence = f"Told apart. {pairs(judge)}{named}"
    else:
        by = listed([title_of(m).lower() for m in found])
        sentence = f"Told apart, by {by}{_though(judge)}.{named}"
    rest = tuple(finding(m, parts_of(m, own)) for m in found if m is not judge)
    return Verdict(
        "real",
        sentence,
        "told_apart",
        (*_ceiling(judge), *_closer(judge), *rest, *_undetected(scored, found), *missing),
    )


def _out_of_reach(few: TooFew) -> str:
    """The sentence for a run with too few relabellings for its tests."""
    enough = math.ceil(few.tests / LEVEL / 100) * 100 - 1
    told = f"{few.relabellings} relabellings are too few for {few.tests} tests: adjusted, no p can fall below .05"
    return f"Could not be answered: {told}. Run the audit with --permutations {enough} or more."


def _ceiling(m: Measurement | None) -> tuple[str, ...]:
    """The discriminator held against another real corpus; nearer or further only where the intervals part."""
    if m is None or m.value is None or m.ceiling is None:
        return ()
    other, own = m.ceiling.interval or (m.ceiling.value,) * 2, m.interval or (m.value,) * 2
    where = "nearer than that" if own[1] < other[0] else "further than that" if own[0] > other[1] else "as far"
    name = m.ceiling.note.removeprefix("another real corpus: ") or "another real corpus"
    theirs, ours = number(m.ceiling.value, 2), number(m.value, 2)
    told = f"{name}, other people, is told from these real users at an AUC of {theirs}"
    return (f"For scale: {told}; these synthetic users stand {where}, at {ours}.",)


def _closer(judge: Measurement | None) -> tuple[str, ...]:
    return (closer(judge),) if judge is not None and too_close(judge) else ()


def _though(judge: Measurement | None) -> str:
    if judge is None or judge.value is None:
        return ""
    return f", though not by the discriminator (AUC {number(judge.value, 2)})"


def _not_shown(scored: Sequence[Measurement], judge: Measurement | None) -> str:
    n = (judge or scored[0]).n
    sizes = " and ".join(f"{n[side].conversations:,} {side}" for side in n)
    if judge is None:
        return f"Not told apart at n = {sizes} conversations. {NO_PROOF}"
    if too_close(judge):
        return f"Not told apart. {closer(judge)}"
    value, _, floor, _ = figures_of(judge)
    beside = "" if judge.floor is None else f"; real against real {floor}"
    least = evidence_number(judge, "detectable_auc")
    told = f"Not told apart (AUC {value}{beside})"
    if least is None:
        return f"{told} at n = {sizes} conversations. {NO_PROOF}"
    power = f"an AUC of {number(least, 2)} would have been found four times in five"
    return f"{told}. At n = {sizes} conversations, {power}. {NO_PROOF}"


def _tried(scored: Sequence[Measurement], judge: Measurement | None) -> tuple[str, ...]:
    """What each other measure could have found."""
    rest = [m for m in scored if m is not judge]
    return tuple(f"{plain_finding(m)} {_detectable(m)}".rstrip() for m in rest)


def _detectable(m: Measurement) -> str:
    if m.interval is None:
        return "No interval below ten units a side."
    least = DETECTABLE * (m.interval[1] - m.interval[0]) / 2
    return f"Smallest detectable difference: about {number(least, max(2, decimals_of(m)))}."


def _undetected(scored: Sequence[Measurement], found: Sequence[Measurement]) -> tuple[str, ...]:
    quiet = [title_of(m).lower() for m in scored if m not in found and p_of(m) is not None]
    return (f"No difference detected at this n in: {listed(quiet)}.",) if quiet else ()


def _unscored(heads: Sequence[Measurement]) -> tuple[str, ...]:
    return tuple(f"{title_of(m)}: not scored, {stopped(m.reason)}" for m in heads if m.status == "unscored")


def _named(gaps: Sequence[Gap]) -> str:
    return f" {FURTHEST} {'; '.join(g.phrase() for g in gaps)}." if gaps else ""
