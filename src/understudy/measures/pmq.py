"""The Partner Modelling Questionnaire: its 18 items, and the three scores of one person's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from understudy.errors import MeasureError
from understudy.seeds import stream

Factor = Literal["competence", "human_likeness", "flexibility"]
FACTORS: tuple[Factor, ...] = ("competence", "human_likeness", "flexibility")
NAMES: Mapping[Factor, str] = {
    "competence": "Communicative competence and dependability",
    "human_likeness": "Human-likeness in communication",
    "flexibility": "Communicative flexibility",
}
POINTS = 7
MOST_MISSING = 1 / 3  # of a factor's items


class Item(NamedTuple):
    """Two poles with seven points between them. `positive_left`: the favourable pole stands at the left end."""

    key: str
    positive: str
    negative: str
    factor: Factor
    positive_left: bool

    @property
    def left(self) -> str:
        """The pole beside point 1."""
        return self.positive if self.positive_left else self.negative

    @property
    def right(self) -> str:
        """The pole beside point 7."""
        return self.negative if self.positive_left else self.positive


class AttentionCheck(NamedTuple):
    """A line among the items that tells which point to choose; whoever reads the items chooses it."""

    key: str
    asks: str
    expected: int


ITEMS: tuple[Item, ...] = (
    Item("competent", "Competent", "Incompetent", "competence", True),
    Item("dependable", "Dependable", "Unreliable", "competence", False),
    Item("capable", "Capable", "Incapable", "competence", True),
    Item("consistent", "Consistent", "Inconsistent", "competence", False),
    Item("reliable", "Reliable", "Uncertain", "competence", True),
    Item("expert", "Expert", "Amateur", "competence", False),
    Item("efficient", "Efficient", "Inefficient", "competence", True),
    Item("precise", "Precise", "Vague", "competence", False),
    Item("cooperative", "Cooperative", "Uncooperative", "competence", True),
    Item("human_like", "Human-like", "Machine-like", "human_likeness", False),
    Item("life_like", "Life-like", "Tool-like", "human_likeness", True),
    Item("warm", "Warm", "Cold", "human_likeness", False),
    Item("empathetic", "Empathetic", "Apathetic", "human_likeness", True),
    Item("personal", "Personal", "Generic", "human_likeness", False),
    Item("social", "Social", "Transactional", "human_likeness", True),
    Item("flexible", "Flexible", "Inflexible", "flexibility", False),
    Item("interpretive", "Interpretive", "Literal", "flexibility", True),
    Item("spontaneous", "Spontaneous", "Predetermined", "flexibility", False),
)
ATTENTION = AttentionCheck("attention", "Choose the second point from the left on this line.", 2)
_BY_KEY = {item.key: item for item in ITEMS}


class Scores(NamedTuple):
    """Three scores, 1 (negative pole) to 7 (positive pole); None where `reason` says what was missing.

    `answered` counts the answers that each score rests on. There is no total.
    """

    competence: float | None
    human_likeness: float | None
    flexibility: float | None
    answered: Mapping[str, int]
    reason: str = ""

    @property
    def scored(self) -> bool:
        """Whether all three factors have a score."""
        return not self.reason


def presented(*, seed: int) -> tuple[Item | AttentionCheck, ...]:
    """The items and the attention check in one random order, as one person sees them.

    >>> len(presented(seed=0)), presented(seed=0) == presented(seed=0), presented(seed=0) == presented(seed=1)
    (19, True, False)
    """
    lines: tuple[Item | AttentionCheck, ...] = (*ITEMS, ATTENTION)
    return tuple(lines[int(k)] for k in stream(seed, "pmq").permutation(len(lines)))


def oriented(key: str, point: int) -> int:
    """An answer with the favourable pole at 7, from the point as it was ticked (1 = leftmost).

    >>> oriented("competent", 1), oriented("dependable", 1)
    (7, 1)
    """
    item = _BY_KEY.get(key)
    if item is None:
        raise MeasureError(
            f"no item is called {key!r}",
            why="an answer that belongs to no item would be dropped or misplaced",
            fix=f"use the keys of understudy.measures.pmq.ITEMS, or {ATTENTION.key!r}",
        )
    if isinstance(point, bool) or not isinstance(point, int) or not 1 <= point <= POINTS:
        raise MeasureError(
            f"item {key!r}: answer {point!r}",
            why=f"every item has points 1 to {POINTS}",
            fix="give the point as ticked, counted from the left, or None where it was left out",
        )
    return POINTS + 1 - point if item.positive_left else point


def score(answers: Mapping[str, int | None]) -> Scores:
    """What does this person take the partner for: how competent, how human-like, how flexible?

    `answers` holds, by item key, the point ticked, 1 (leftmost) to 7 (rightmost), None or absent where it was left
    out. A factor's score is the mean of its answered items, each turned so that its favourable pole is 7; range 1
    to 7. Nothing is scored where the attention check was answered with another point, or where at least half of
    the items were answered, all with the same extreme point (half of the items are turned round, so that agrees
    with nothing). A factor is unscored where more than a third of its items are missing. Raises MeasureError for an
    unknown item or a point that is not on the scale.

    >>> kind = {item.key: 1 if item.positive_left else 7 for item in ITEMS}
    >>> s = score(kind | {"attention": 2, "warm": 1, "flexible": None})
    >>> s.competence, s.human_likeness, s.flexibility, s.answered["flexibility"], s.reason
    (7.0, 6.0, 7.0, 2, '')
    >>> score(kind | {"attention": 5}).reason
    'the attention check was not passed (5 instead of 2)'

    Source: Doyle, Clark & Cowan (2021), doi:10.1145/3411764.3445206; the 18 items of arXiv:2308.07164. Differences:
    (1) poles are turned round for half of the items, and (2) an attention check stands among them, both to find
    careless answers; (3) the rule for missing answers is ours. It was built and validated for speech partners; no
    validation in text chat is known to us. The scores come from people's answers: nothing computed from text bears
    their name.
    """
    check = answers.get(ATTENTION.key)
    given = {k: v for k, v in answers.items() if k != ATTENTION.key and v is not None}
    turned = {key: oriented(key, point) for key, point in given.items()}
    mine = {f: [v for k, v in turned.items() if _BY_KEY[k].factor == f] for f in FACTORS}
    answered = {str(f): len(mine[f]) for f in FACTORS}
    if check is not None and check != ATTENTION.expected:
        reason = f"the attention check was not passed ({check} instead of {ATTENTION.expected})"
        return Scores(None, None, None, answered, reason)
    if 2 * len(given) >= len(ITEMS) and set(given.values()) in ({1}, {POINTS}):
        reason = "every item has the same extreme point, though half of them are turned round"
        return Scores(None, None, None, answered, reason)
    found: dict[str, float | None] = {}
    lacking = []
    for f in FACTORS:
        of = sum(item.factor == f for item in ITEMS)
        enough = of - len(mine[f]) <= MOST_MISSING * of
        found[f] = float(np.mean(mine[f])) if enough else None
        if not enough:
            lacking.append(f"{f}: {len(mine[f])} of {of} items answered")
    return Scores(**found, answered=answered, reason="; ".join(lacking))
