"""What is remembered of a person: episodes, to be found again by likeness, and what they come to. Never their words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
HALF_LIFE = 10.0  # sessions after which an episode counts half
MOST_EPISODES = 48


class Episode(msgspec.Struct, frozen=True, omit_defaults=True):
    """One session of the person's log: what it was about and how it went.

    `session` is its provenance: a digest of the conversation, by which the log's owner finds it again. `direction` is
    where its words lie among the population's (`vectors.WordVectors`), from which they cannot be read back. `did` are
    the deeds of `users.deeds` done more, or less, often than expected, in turns.
    """

    session: str
    topic: str | None = None
    turns: int = 0
    direction: tuple[float, ...] = ()
    did: Mapping[str, float] = msgspec.field(default_factory=dict)


class Recalled(NamedTuple):
    """An episode as it was found again: how alike, how many sessions ago, and how much it counts by both."""

    episode: Episode
    similarity: float
    age: int
    weight: float


class EpisodicMemory:
    """Episodes in the order they happened.

    An episode counts `(1 + cos(query, episode)) / 2 * 2^(-age / half_life)`, age in sessions.

    >>> memory = EpisodicMemory([Episode("a", "film", 3, (1.0, 0.0)), Episode("b", "food", 3, (0.0, 1.0))])
    >>> [(r.episode.session, r.age) for r in memory.recall(np.array([1.0, 0.0]), count=1)]
    [('a', 1)]
    """

    def __init__(self, episodes: Sequence[Episode], *, half_life: float = HALF_LIFE) -> None:
        self.episodes = tuple(episodes)
        self._half_life = half_life

    def recall(self, query: Array | None = None, *, topic: str | None = None, count: int = 5) -> list[Recalled]:
        """The `count` episodes that count most; of `topic` alone, where there is any of it."""
        ages = range(len(self.episodes) - 1, -1, -1)
        alike = [(e, age) for e, age in zip(self.episodes, ages, strict=True) if topic is None or e.topic == topic]
        found = []
        for episode, age in alike or zip(self.episodes, ages, strict=True):
            similarity = 1.0 if query is None or not episode.direction else _cosine(query, np.array(episode.direction))
            weight = (1 + similarity) / 2 * 0.5 ** (age / self._half_life)
            found.append(Recalled(episode, similarity, age, weight))
        return sorted(found, key=lambda r: (-r.weight, r.age))[:count]

    def direction(self, *, topic: str | None = None) -> Array | None:
        """Where the person's words lie, of that topic and lately; None where nothing is known of it."""
        found = [r for r in self.recall(topic=topic, count=len(self.episodes)) if r.episode.direction]
        if not found:
            return None
        total = np.sum([r.weight * np.array(r.episode.direction) for r in found], axis=0)
        length = float(np.linalg.norm(total))
        return np.asarray(total / length) if length > 0 else None


class SemanticMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the episodes come to: how many, what about, and for each slot of the persona the evidence in it.

    `evidence[slot]` is `(pull, weight)`: the log likelihood of all that was seen is about `pull s - weight s^2 / 2` at
    the value s. By it what is no longer in a log is still replayed.
    """

    sessions: int = 0
    topics: Mapping[str, int] = msgspec.field(default_factory=dict)
    evidence: Mapping[str, tuple[float, float]] = msgspec.field(default_factory=dict)

    def summary(self) -> tuple[str, ...]:
        """In words, for a profile's `knowledge`.

        >>> SemanticMemory(12, {"film": 9, "food": 3}).summary()
        ('12 sessions before this one', 'most of them about film (9) and food (3)')
        """
        if not self.sessions:
            return ()
        told = [f"{self.sessions} session{'s' * (self.sessions > 1)} before this one"]
        most = Counter(self.topics).most_common(3)
        if most:
            *first, last = [f"{name} ({count})" for name, count in most]
            told.append(f"most of them about {' and '.join([', '.join(first), last] if first else [last])}")
        return tuple(told)


def _cosine(one: Array, other: Array) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length > 0 else 0.0
