"""How often does a user take back what the same user said, unasked?"""

from __future__ import annotations

import re

import numpy as np

from understudy.conversations import Conversation, Corpus
from understudy.measures.consistency.line_judge import LineJudge, calibration_note
from understudy.measures.consistency.prompt_to_line import NO_JUDGE
from understudy.measures.consistency.word_ranker import content
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet

THRESHOLD = 0.5
SPEC = MeasureSpec(
    name="consistency.line_to_line",
    question="real",
    asks="Do users take back what they said as often as people do?",
    unit="contradictions per 100 own lines, synthetic minus real; 0 = as people",
    range=(-100.0, 100.0),
    better="match",
    source="line-to-line consistency, arXiv:2511.00222, per line instead of per pair",
)
_CHANGED = re.compile(
    r"\b(?:changed? my mind|on second thought|actually|in that case|then|now that|since you|you(?:'re| are) right|"
    r"you convinced|i was wrong|correction|i meant|sorry|no longer|not any ?more|used to|ok(?:ay)?,? so)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|actually|in fact|turns out|no longer|closed|sold out|not available|unavailable|instead|"
    r"however|but|recommend|suggest|should|better|did you know|the truth is|are you sure)\b",
    re.IGNORECASE,
)


def licensed(earlier: str, later: str, between: list[str]) -> bool:
    """Whether the partner gave a reason in between for what the user now says otherwise.

    A turn of the partner after the earlier line speaks of the same thing and gives a reason, and the later line marks
    the change or takes up that turn's words.

    >>> licensed("i want the hotel", "then i do not want the hotel", ["the hotel is closed this week, sorry"])
    True
    >>> licensed("i want the hotel", "i do not want the hotel", ["which day?"])
    False
    """
    about = set(content(earlier)) | set(content(later))
    for turn in between:
        words = set(content(turn))
        if (
            words & about
            and _REASON.search(turn)
            and (_CHANGED.search(later) or words & set(content(later)) - set(content(earlier)))
        ):
            return True
    return bool(_CHANGED.search(later) and any(set(content(turn)) & about for turn in between))


def contradicted(talk: Conversation, judge: LineJudge) -> list[tuple[int, int]]:
    """Own lines of the user that take back an earlier one: (line, lag in own lines), the surest earlier one each."""
    places = [k for k, turn in enumerate(talk.turns) if turn.role == "user" and turn.text.strip()]
    pairs = [(a, b) for b in range(1, len(places)) for a in range(b)]
    if not pairs:
        return []
    texts = [talk.turns[k].text for k in places]
    scores = judge.contradicts([texts[a] for a, _ in pairs], [texts[b] for _, b in pairs])
    surest: dict[int, tuple[float, int]] = {}
    for (a, b), value, fine in zip(pairs, scores.value.tolist(), scores.scorable.tolist(), strict=True):
        if fine and value > max(THRESHOLD, surest.get(b, (0.0, 0))[0]):
            surest[b] = (value, a)
    found = []
    for b, (_, a) in sorted(surest.items()):
        between = [t.text for t in talk.turns[places[a] : places[b]] if t.role == "assistant"]
        if not licensed(texts[a], texts[b], between):
            found.append((b, b - a))
    return found


@measure(SPEC)
def line_to_line(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    judge: LineJudge | None = None,
    permutations: int = 999,
) -> Measurement:
    """Do users take back what they said as often as people do?

    Level: own lines that contradict an earlier own line of the conversation (judge's probability above .5), per 100
    own lines after the first. A change for which the partner gave a reason in between is none (`licensed`). Value:
    synthetic minus real. Parts: `any`, the share of conversations with a contradiction. `evidence["hazard"]` is the
    chance of the first one at own line 2, 3, .. among conversations that got there without; `evidence["pairwise"]` the
    published score, 1 - contradicted pairs / pairs, which long conversations drive to 1 whatever happens in them.

    >>> from understudy.measures.consistency.embedded_judge import fit_judge
    >>> from understudy.testing.personas import persona_world, taking_back
    >>> judge = fit_judge([persona_world(60, seed=9)], "words", seed=0)
    >>> people = persona_world(40, seed=0)
    >>> others = taking_back(people, seed=1)
    >>> m = line_to_line(people, others, rng=np.random.default_rng(0), judge=judge, permutations=99)
    >>> bool(m.value > 5), m.p_value
    (True, 0.01)

    Source: arXiv:2511.00222. Differences: (1) per line and as a hazard, not per pair: one contradiction among 60 lines
    moves the published score by 1/435 at most; (2) licensed change is none; (3) beside people, with an interval.
    """
    if judge is None:
        return unscored(SPEC, real, synthetic, NO_JUDGE)
    talk, taken_back, any_of, pairs = [], [], [], []
    firsts: dict[str, list[tuple[int, int]]] = {"real": [], "synthetic": []}
    for number, conversation in enumerate([*real, *synthetic]):
        own = sum(turn.role == "user" and bool(turn.text.strip()) for turn in conversation.turns)
        found = dict(contradicted(conversation, judge)) if own > 1 else {}
        talk += [number] * max(own - 1, 0)
        taken_back += [100.0 * (k in found) for k in range(1, own)]
        any_of.append(float(bool(found)) if own > 1 else np.nan)
        pairs.append(1 - len(found) / (own * (own - 1) / 2) if own > 1 else np.nan)
        firsts["real" if number < len(real) else "synthetic"].append((min(found, default=0), own))
    sheet = Sheet(SPEC, real, synthetic)
    every = np.arange(len(any_of), dtype=np.int64)
    rows = np.array(talk, dtype=np.int64)
    sheet.ratio("", SPEC.asks, rows, np.array(taken_back), unit="per 100 own lines", bounds=SPEC.range)
    sheet.ratio("any", "conversations with one", every, np.array(any_of), unit="share", bounds=(-1.0, 1.0))
    sides = {"real": slice(0, len(real)), "synthetic": slice(len(real), None)}
    evidence = {
        "hazard": {side: _hazard(rows_) for side, rows_ in firsts.items()},
        "pairwise": {side: _mean(np.array(pairs)[rows_]) for side, rows_ in sides.items()},
        "judge": {"identity": judge.identity, "note": calibration_note(judge)},
    }
    return sheet.measured(rng, permutations, evidence)


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _hazard(firsts: list[tuple[int, int]], most: int = 20) -> list[float]:
    """The chance of the first contradiction at own line 2, 3, ... among those that reach it without."""
    out = []
    for line in range(1, most):
        there = [first for first, own in firsts if own > line and (first == 0 or first >= line)]
        if not there:
            break
        out.append(sum(first == line for first in there) / len(there))
    return out
