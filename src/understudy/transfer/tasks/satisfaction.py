"""Task `satisfaction`: how satisfied is the user at this turn?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from understudy.conversations import Corpus, Turn
from understudy.transfer.tasks.labelled import LabelledTextTask, Row, turn_before

CLASSES = ("1 below", "2 middle", "3 above")
_SLACK = 0.05  # of the scale: a mean of raters this near the middle is the middle


class SatisfactionTask(LabelledTextTask):
    """Is the user's satisfaction at a rated turn below, at or above the middle of the scale?

    Rated turns are those with `meta["satisfaction"]` (a number, a numeral, or the raters' numbers, of which the mean
    is taken), else, in simulated users, `meta["state"]["satisfaction"]`. The input is the user's turn and the
    partner's turn before it; where it is the partner's turn that is rated, that turn and the user's answer to it, in
    which it shows. Where no turn is rated, conversations with `meta["satisfaction"]` or `meta["overall_satisfaction"]`
    are the examples, with all that their user says.

    The scale is read off the corpus's ratings: 0 to 1 where none is above 1, 1 to 5 where none is above 5, 1 to 7
    where none is above 7, else 0 to the next ten. Three ordered classes, and not the raters' own steps, because
    corpora differ in their steps and the ends are rare.

    >>> from understudy.conversations import Conversation
    >>> talk = Conversation("c", (Turn("user", "great", meta={"satisfaction": [4, 5, 4]}),))
    >>> SatisfactionTask().examples(Corpus([talk])).labels
    [('3 above',)]
    """

    name = "satisfaction"
    metric = "accuracy over three classes"
    needs = "satisfaction ratings of turns or conversations"
    strength = 0.5  # raters agree little, so that single words tell little

    def rows(self, corpus: Corpus) -> list[Row]:
        rated = _rated_turns(corpus) or _rated_conversations(corpus)
        if not rated:
            return []
        low, high = scale([value for _, _, value in rated])
        return [Row(row, texts, (satisfaction_class(value, low, high),)) for row, texts, value in rated]


def satisfaction_of(raw: Any) -> float | None:
    """A satisfaction label as one number: itself, a numeral, or the mean of several raters'. None for anything else.

    >>> satisfaction_of([3, 4, "5"]), satisfaction_of("4"), satisfaction_of("fine"), satisfaction_of(True)
    (4.0, 4.0, None, None)
    """
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int | float | str):
        try:
            value = float(raw)
        except ValueError:
            return None
        return value if math.isfinite(value) else None
    if isinstance(raw, Sequence) and raw:
        values = [satisfaction_of(one) for one in raw]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None
    return None


def scale(values: Sequence[float]) -> tuple[float, float]:
    """The rating scale that these values are on.

    >>> scale([0.2, 0.9]), scale([3.0, 4.5]), scale([2.0, 7.0]), scale([88.0])
    ((0.0, 1.0), (1.0, 5.0), (1.0, 7.0), (0.0, 90.0))
    """
    top = max(values)
    for low, high in ((0.0, 1.0), (1.0, 5.0), (1.0, 7.0)):
        if top <= high:
            return low, high
    return 0.0, 10.0 * math.ceil(top / 10.0)


def satisfaction_class(value: float, low: float, high: float) -> str:
    """One of `CLASSES`.

    >>> satisfaction_class(2.67, 1.0, 5.0), satisfaction_class(3.0, 1.0, 5.0), satisfaction_class(0.7, 0.0, 1.0)
    ('1 below', '2 middle', '3 above')
    """
    middle, slack = (low + high) / 2.0, _SLACK * (high - low)
    return CLASSES[1] if abs(value - middle) <= slack + 1e-9 else CLASSES[0] if value < middle else CLASSES[2]


def _rated_turns(corpus: Corpus) -> list[tuple[int, tuple[str, ...], float]]:
    found: list[tuple[int, tuple[str, ...], float]] = []
    for row, talk in enumerate(corpus):
        for at, turn in enumerate(talk.turns):
            value = _turn_rating(turn)
            if value is None or not turn.text.strip():
                continue
            after = next((t.text for t in talk.turns[at + 1 :] if t.role == "user"), "")
            own = turn.text if turn.role == "user" else after
            other = turn_before(talk, at) if turn.role == "user" else turn.text
            found.append((row, (own, other), value))
    return found


def _turn_rating(turn: Turn) -> float | None:
    if "satisfaction" in turn.meta:
        return satisfaction_of(turn.meta["satisfaction"])
    state = turn.meta.get("state")
    return satisfaction_of(state.get("satisfaction")) if isinstance(state, dict) else None


def _rated_conversations(corpus: Corpus) -> list[tuple[int, tuple[str, ...], float]]:
    found: list[tuple[int, tuple[str, ...], float]] = []
    for row, talk in enumerate(corpus):
        value = satisfaction_of(talk.meta.get("satisfaction", talk.meta.get("overall_satisfaction")))
        said = "\n".join(turn.text for turn in talk.turns if turn.role == "user" and turn.text.strip())
        if value is not None and said:
            found.append((row, (said, ""), value))
    return found
