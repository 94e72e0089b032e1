"""Generators with a known truth: feature rows and conversations with planted effects of users."""

from __future__ import annotations

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.separability.styles import Styles, styles_of


def user_effects(
    rng: np.random.Generator, users: int, icc: float, *, features: int = 1, shift: float = 0.0, topics: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gaussian features whose ICC(user | topic) is `icc`, with unequal sessions and topic effects of size 1."""
    sessions = rng.integers(2, 13, users)
    unit = np.repeat(np.arange(users), sessions)
    topic = rng.integers(0, topics, len(unit))
    who = rng.normal(0, np.sqrt(icc), (users, features))[unit]
    noise = rng.normal(0, np.sqrt(1 - icc), (len(unit), features))
    return shift + who + noise + rng.normal(0, 1, (topics, features))[topic], unit, topic


def two_sides(
    rng: np.random.Generator,
    users: int,
    real_icc: float,
    synthetic_icc: float,
    *,
    features: int = 1,
    shift: float = 0.0,
) -> Styles:
    real = user_effects(rng, users, real_icc, features=features)
    synthetic = user_effects(rng, users, synthetic_icc, features=features, shift=shift)
    unit = np.concatenate([real[1], synthetic[1] + users])
    return styles_of(
        np.concatenate([real[0], synthetic[0]]),
        unit,
        np.concatenate([real[2], synthetic[2]]),
        np.arange(2 * users) >= users,
    )


FILLER = ["the", "a", "so", "my", "it", "on", "we", "at", "go", "in", "up", "do", "if", "no", "by"]
NOUNS = [
    "film",
    "song",
    "town",
    "car",
    "boat",
    "tree",
    "cake",
    "dog",
    "road",
    "game",
    "team",
    "shop",
    "door",
    "lake",
]


def corpus_of_users(
    rng: np.random.Generator, users: int, *, sessions: int = 4, own: float = 1.0, name: str = "u"
) -> Corpus:
    """Conversations of users with a style of their own: `own` scales how far users differ, the noise makes up for
    it, so that means and spread over conversations hardly move with it."""
    talks = []
    for u in range(users):
        who = own * rng.normal(0, 1, 5)
        for s in range(sessions):
            mood = who + np.sqrt(max(1.4 - own**2, 0.4)) * rng.normal(0, 1, 5)
            turns = []
            for _ in range(int(np.clip(round(4 * np.exp(0.25 * mood[0])), 1, 15))):
                words = max(1, round(7 * np.exp(0.35 * mood[1] + 0.4 * rng.normal())))
                text = " ".join(rng.choice(NOUNS if rng.random() < 0.4 else FILLER) for _ in range(words))
                ends = (mood[2] + rng.normal() > 0.8, mood[3] + rng.normal() > 1, mood[4] + rng.normal() > 0)
                turns += [Turn("assistant", "What else?"), Turn("user", text + _mark(*ends))]
            talks.append(Conversation(f"{name}{u}-{s}", tuple(turns), user_id=f"{name}{u}"))
    return Corpus(talks)


def _mark(question: bool, exclamation: bool, stop: bool) -> str:
    if question:
        return "?"
    if exclamation:
        return "!"
    return "." if stop else ""
