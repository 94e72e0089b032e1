"""What a fit learns, as plain columns: everything else is derived from these, at fit and at load alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.users.partner_model import PartnerModel

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Mentions = tuple[tuple[str, str], ...]


class Turns(NamedTuple):
    """The turns of the fitting corpus, flat and in order; users and topics by index, real ids left behind."""

    talk: Ints
    is_user: Bools
    texts: list[str]
    acts: list[tuple[str, ...]]
    mentions: list[Mentions]
    satisfaction: list[float | None]
    user_of_talk: Ints
    topic_of_talk: Ints
    topics: list[str]
    has_users: bool

    @property
    def n_talks(self) -> int:
        return len(self.user_of_talk)


class Side(NamedTuple):
    """What was learned about one role's turns: a label a turn (in order), and the cells of their contexts."""

    labels: list[str]
    label: Ints
    centroids: Floats
    from_acts: bool


class Material(NamedTuple):
    """All that is stored of a fitted population."""

    turns: Turns
    words: list[str]
    matrix: Floats
    user: Side
    assistant: Side
    common: int
    shared_rate: float
    seed: int
    corpus_digest: str
    partner_model: PartnerModel | None = None


def flatten(corpus: Corpus) -> Turns:
    """The columns of a corpus. Turns without any text are left out: nobody can say them again."""
    talk, is_user, texts, acts, mentions, satisfaction = [], [], [], [], [], []
    for number, conversation in enumerate(corpus):
        for turn in conversation.turns:
            if turn.text.strip():
                talk.append(number)
                is_user.append(turn.role == "user")
                texts.append(turn.text)
                acts.append(turn.acts)
                mentions.append(_mentions(turn.meta.get("entities")))
                satisfaction.append(satisfaction_of(turn.meta.get("satisfaction")))
    _, user_of_talk = np.unique(corpus.unit_ids, return_inverse=True)
    topics = sorted({topic for topic in corpus.topics if topic is not None})
    number_of = {topic: k for k, topic in enumerate(topics)}
    return Turns(
        np.array(talk, dtype=np.int64),
        np.array(is_user, dtype=bool),
        texts,
        acts,
        mentions,
        satisfaction,
        np.asarray(user_of_talk, dtype=np.int64),
        np.array([-1 if t is None else number_of[t] for t in corpus.topics], dtype=np.int64),
        topics,
        corpus.has_users,
    )


def _mentions(raw: Any) -> Mentions:
    """The `[type, surface]` pairs of a turn, whatever else may stand in the field."""
    if not isinstance(raw, (list, tuple)):
        return ()
    pairs = [tuple(item[:2]) for item in raw if isinstance(item, (list, tuple)) and len(item) >= 2]
    return tuple((str(kind), str(surface)) for kind, surface in pairs if isinstance(surface, str) and surface.strip())


def satisfaction_of(raw: Any) -> float | None:
    """A satisfaction label as one number: itself, a numeral, or the mean of several raters'. None for anything else.

    >>> satisfaction_of([3, 4, 3]), satisfaction_of("4"), satisfaction_of("fine")
    (3.333, 4.0, None)
    """
    several = raw if isinstance(raw, list | tuple) else [raw]
    numbers = [number for number in map(_number, several) if number is not None]
    return round(sum(numbers) / len(numbers), 3) if numbers and len(numbers) == len(several) else None


def _number(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        number = float(raw)
    except ValueError:
        return None
    return number if abs(number) < 1e9 else None
