"""What can a reader learn about a user from what the user said, without having seen the persona?"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.measures.consistency.line_judge import Floats, LineJudge, calibration_note
from understudy.measures.consistency.lines import Ints, Lines, lines_of
from understudy.measures.consistency.personas import persona_of
from understudy.measures.consistency.prompt_to_line import NO_JUDGE
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet

OPTIONS = 4
MOST_FACTS = 3  # of one conversation, drawn
SPEC = MeasureSpec(
    name="consistency.recoverability",
    question="real",
    asks="Can a reader tell users' facts from their lines as often as people's?",
    unit="questions answered right beyond chance, synthetic minus real; 0 = as people",
    range=(-1.0, 1.0),
    better="match",
    source="question-and-answer consistency, arXiv:2511.00222, with a reader who has not seen the persona",
)


@measure(SPEC)
def recoverability(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    judge: LineJudge | None = None,
    permutations: int = 999,
) -> Measurement:
    """Can a reader tell users' facts from their lines as often as people's?

    A closed question for each of up to three facts of a user: the fact beside three facts of others, that begin with
    the same two words where there are enough. The reader takes the option to which one of the user's lines belongs
    most, by the judge's score. Level: answers that are right, less 1/4; where no line can be scored, or options tie,
    the reader guesses. Value: synthetic minus real. Part: `answered`, the share of questions for which the reader did
    not guess. People do not tell all of their facts either: the target is their level, not 3/4.

    Unscored without a judge, or where personas are unknown or one for all.

    >>> from understudy.measures.consistency.embedded_judge import fit_judge
    >>> from understudy.testing.personas import persona_world
    >>> judge = fit_judge([persona_world(60, seed=9)], "words", seed=0)
    >>> people, vague = persona_world(40, seed=0), persona_world(40, seed=1, generic=0.95)
    >>> m = recoverability(people, vague, rng=np.random.default_rng(0), judge=judge, permutations=99)
    >>> bool(m.value < -0.2), m.p_value
    (True, 0.01)

    Source: arXiv:2511.00222. Differences: (1) the released code shows the reader the persona, so that it measures the
    reader; here the transcript is all there is; (2) closed options from other people, so that chance is known;
    (3) beside people, with an interval over users.
    """
    if judge is None:
        return unscored(SPEC, real, synthetic, NO_JUDGE)
    lines = lines_of(real, synthetic)
    facts = [persona_of(talk, "user") for talk in (*real, *synthetic)]
    talk, options = _questions(facts, len(real), rng)
    if not len(talk):
        return unscored(SPEC, real, synthetic, "no persona is told beside the conversations, or one for all")
    right, answered = _answers(talk, options, lines, judge)
    sheet = Sheet(SPEC, real, synthetic)
    sheet.ratio("", SPEC.asks, talk, right - 1 / OPTIONS, unit="share of questions beyond chance", bounds=SPEC.range)
    says = "questions for which the reader did not guess"
    sheet.ratio("answered", says, talk, answered, unit="share of questions", bounds=(-1.0, 1.0))
    return sheet.measured(
        rng, permutations, {"judge": {"identity": judge.identity, "note": calibration_note(judge)}, "options": OPTIONS}
    )


def _questions(facts: list[tuple[str, ...]], real: int, rng: np.random.Generator) -> tuple[Ints, list[tuple[str, ...]]]:
    """Conversation and options of each question; the right option first. Others' facts are of the same side."""
    talk, options = [], []
    for first, last in ((0, real), (real, len(facts))):
        side = facts[first:last]
        told = sorted({fact for mine in side for fact in mine})
        alike = defaultdict(list)
        for fact in told:
            alike[_kind(fact)].append(fact)
        for number, mine in enumerate(side, start=first):
            asked = sorted(mine[k] for k in rng.permutation(len(mine))[:MOST_FACTS].tolist())
            for fact in asked:
                near = [other for other in alike[_kind(fact)] if other not in mine]
                others = near if len(near) >= OPTIONS - 1 else [other for other in told if other not in mine]
                if len(others) >= OPTIONS - 1:
                    chosen = rng.choice(len(others), OPTIONS - 1, replace=False).tolist()
                    talk.append(number)
                    options.append((fact, *(others[k] for k in chosen)))
    return np.array(talk, dtype=np.int64), options


def _kind(fact: str) -> tuple[str, ...]:
    return tuple(tokens(fact)[:2])


def _answers(talk: Ints, options: list[tuple[str, ...]], lines: Lines, judge: LineJudge) -> tuple[Floats, Floats]:
    """The credit of each answer, shared among options that tie, and whether it was more than a guess."""
    said: dict[int, list[int]] = defaultdict(list)
    for k, (number, why) in enumerate(zip(lines.talk.tolist(), lines.why, strict=True)):
        if not why:
            said[number].append(k)
    question: list[int] = []
    option: list[int] = []
    row: list[int] = []
    for k, number in enumerate(talk.tolist()):
        for at in range(OPTIONS):
            mine = said[number]
            question += [k] * len(mine)
            option += [at] * len(mine)
            row += mine
    best = np.full((len(talk), OPTIONS), -np.inf)
    if row:
        of = [options[k][at] for k, at in zip(question, option, strict=True)]
        scores = judge.belongs(of, [lines.text[r] for r in row])
        value = np.where(scores.scorable, scores.value, -np.inf)
        np.maximum.at(best, (np.array(question), np.array(option)), value)
    top = best == best.max(axis=1, keepdims=True)
    credit: Floats = top[:, 0] / top.sum(axis=1)
    return credit, (top.sum(axis=1) == 1).astype(np.float64)
