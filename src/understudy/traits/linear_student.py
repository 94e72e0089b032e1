"""A student without torch: a linear scorer of replies, trained to tell what was said from what might have been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus, Turn
from understudy.seeds import stream
from understudy.traits.battery import Battery
from understudy.traits.students import Progress, Read, items_of, mean_by_probe
from understudy.traits.words import split

BITS = 15
OTHERS = 3  # replies that might have been said, for one that was
CONTEXT = 12  # words of the partner's turn that are crossed with the reply's
MOST_TURNS = 4000  # of one corpus of one pair


class LinearStudent:
    """Scores a reply in its context: `w · features(context, reply)`, words, word pairs, and words crossed with the
    partner's.

    `w` is a logistic regression that tells the replies of a corpus from replies drawn from both arms together, the
    same draws for twins; so a score estimates how much likelier the reply is in that corpus, in nats, and the base
    is 0 everywhere. It has no initial weights worth the name, so what rides on them cannot reach it.
    """

    identity = "embedded: linear/1"
    sees = "content, vocabulary and selection: what the words themselves carry"
    blind = "the channel of shared initial weights; traits of more than two words or one exchange"

    def read(
        self, arms: Mapping[str, Sequence[Corpus]], battery: Battery, *, seed: int, on_progress: Progress | None = None
    ) -> Read:
        """Train on each corpus of each arm and read the battery off."""
        from sklearn.linear_model import LogisticRegression

        pairs = len(next(iter(arms.values())))
        found: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in arms}
        gap = gaps(battery)
        for k in range(pairs):
            if on_progress:
                on_progress("twins", k, pairs)
            said = {name: _replies(folds[k]) for name, folds in arms.items()}
            fewest = min(map(len, said.values()))
            pool = [reply for replies in said.values() for reply in replies[:fewest]]
            for name, replies in said.items():
                rng = stream(seed, "linear", k)  # the same for every arm
                true = replies[:fewest]
                drawn = [
                    (context, role, pool[int(j)][2])
                    for (context, role, _), row in zip(
                        true, rng.integers(len(pool), size=(fewest, OTHERS)), strict=True
                    )
                    for j in row
                ]
                x = features([*true, *drawn])
                y = np.r_[np.ones(len(true)), np.zeros(len(drawn))]
                fitted = LogisticRegression(C=0.3, max_iter=60, tol=1e-3).fit(x, y)
                found[name].append(mean_by_probe(gap @ fitted.coef_[0], battery))
        return Read(np.zeros(len(battery.probes)), {name: np.array(rows) for name, rows in found.items()})


def gaps(battery: Battery) -> Any:
    """Each item's features with the trait minus those without."""
    items = items_of(battery)
    shown = features((turns[-1].text, role, reply) for role, turns, reply, _ in items)
    return shown - features((turns[-1].text, role, reply) for role, turns, _, reply in items)


def _replies(corpus: Corpus) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = [
        (before.text, turn.role, turn.text)
        for talk in corpus
        for before, turn in zip((Turn("user", ""), *talk.turns), talk.turns, strict=False)
    ]
    return found[:MOST_TURNS]


def features(replies: Iterable[tuple[str, str, str]]) -> Any:
    """Replies `(partner's turn, role, reply)` as rows: words, word pairs, and words crossed with the partner's."""
    from sklearn.feature_extraction import FeatureHasher

    def one(context: str, role: str, reply: str) -> dict[str, float]:
        words = split(reply)
        scale = 1 / max(1, len(words))
        told: dict[str, float] = {f"{role} length": len(words) / 20}
        for word in words:
            told[f"{role} {word}"] = told.get(f"{role} {word}", 0.0) + 4 * scale
            for before in set(split(context)[-CONTEXT:]):
                told[f"{role} {before} > {word}"] = scale
        for pair in pairwise(words):
            told[f"{role} {pair}"] = told.get(f"{role} {pair}", 0.0) + 4 * scale
        return told

    return FeatureHasher(1 << BITS).transform([one(*reply) for reply in replies])
