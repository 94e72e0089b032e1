"""Worlds with a known truth: kinds of users with habits of their own, and people mixed from them in known shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.transfer.mixtures import Distances

WORDS = ["film", "song", "town", "boat", "tree", "cake", "dog", "road", "game", "team", "shop", "door", "lake", "bird"]
ASKED = ("What would you like?", "Which one do you mean?", "Anything else?")


def user_of(kind: int, rng: np.random.Generator, name: str) -> Conversation:
    """Kind 0 writes long turns with marks, 1 short lower-case ones, 2 asks; each prefers other words."""
    turns = []
    for k in range(int(rng.integers(2, 5))):
        turns.append(Turn("assistant", ASKED[k % 3]))
        size = int(rng.integers(2, 5)) + (6 if kind == 0 else 0)
        words = rng.choice(WORDS[4 * kind : 4 * kind + 8], size).tolist()
        text = " ".join(["i want", *words]) if rng.random() < 0.8 else " ".join(words)
        if kind == 0:
            text = text.capitalize() + ("." if rng.random() < 0.9 else "")
        elif kind == 2:
            text += "?" if rng.random() < 0.7 else " please"
        turns.append(Turn("user", text))
    return Conversation(name, tuple(turns))


def people(shares: Sequence[float], n: int, seed: int, name: str = "c") -> Corpus:
    """`n` users, each of a kind drawn by `shares`."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(len(shares), n, p=np.array(shares) / sum(shares))
    return Corpus([user_of(int(kind), rng, f"{name}{i}") for i, kind in enumerate(kinds)])


def clouds(shares: Sequence[float], *, real: int, each: int, shift: float, seed: int, dimensions: int = 5) -> Distances:
    """The same in numbers: Gaussian clouds `shift` apart, real points drawn from them by `shares`."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(len(shares), dimensions)) * shift
    x = centres[rng.choice(len(shares), real, p=shares)] + rng.normal(size=(real, dimensions))
    member = np.repeat(np.arange(len(shares)), each)
    y = centres[member] + rng.normal(size=(len(member), dimensions))
    unit = np.arange(len(member))

    def far(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).astype(np.float32)

    return Distances(
        far(x, y), far(y, y), unit[:, None] != unit[None], np.arange(real), unit, member, unit, len(shares)
    )
