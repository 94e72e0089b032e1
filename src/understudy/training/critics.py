"""Two small critics learned from people: does a line read like theirs, and does it answer what it was said to?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.conversations.text import tokens
from understudy.measures.behaviour_lexicons import FUNCTION_WORDS
from understudy.measures.classifier import cross_validate, unit_folds
from understudy.seeds import stream

Floats = npt.NDArray[np.float64]
BUCKETS = 1 << 13
MOST_TOLD = 500  # lines a side
_ROUNDS = 20


def _hashed(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    counter = HashingVectorizer(
        analyzer=_marks_of, n_features=BUCKETS, alternate_sign=False, norm=None, binary=True, dtype=np.float64
    )
    return counter.transform(texts)


def _marks_of(text: str) -> list[str]:
    """Runs of up to three words with their marks, and how long the line is."""
    words = text.lower().split()
    runs = [" ".join(words[k : k + n]) for n in (1, 2, 3) for k in range(len(words) - n + 1)]
    return [*runs, f"^{len(words) // 3}", f"^^{' '.join(words[:2])}", f"$${' '.join(words[-1:])}"]


class RealismCritic:
    """How surely a line is a person's, by a logistic over words: learns on, from every batch, against people's lines.

    Its whole state is one vector of weights, so that it is stored and goes on where it was.
    """

    def __init__(self, people: Sequence[str], weights: Floats | None = None) -> None:
        self._people = list(people)
        self._hashed = _hashed(self._people)
        self.weights = np.zeros(BUCKETS) if weights is None else weights

    def score(self, lines: Sequence[str]) -> Floats:
        """The probability that each line is a person's, where half of all are."""
        return self._probability(_hashed(lines))

    def _probability(self, x: Any) -> Floats:
        size = np.sqrt(np.asarray(x.sum(axis=1)).ravel()).clip(1)
        z = np.clip((x @ self.weights) / size, -12, 12)
        p: Floats = 1 / (1 + np.exp(-z))
        return p

    def told(self, made: Sequence[str], who: Sequence[str], rng: np.random.Generator) -> float:
        """How surely these lines stand apart from people's: the AUC of another discriminator, .5 where not at all.

        Fitted afresh to runs of letters, which the critic that rewards does not read, and scored on lines by others:
        `who` said each.
        """
        from sklearn.feature_extraction.text import HashingVectorizer

        chosen = rng.permutation(len(made))[:MOST_TOLD].tolist()
        rows = rng.permutation(len(self._people))[: len(chosen)].tolist()
        lines = [*(made[k] for k in chosen), *(self._people[k] for k in rows)]
        counter = HashingVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), n_features=1 << 12, alternate_sign=False, dtype=np.float32
        )
        _, unit = np.unique([*(who[k] for k in chosen), *(f"\x1f{k}" for k in rows)], return_inverse=True)
        sign = np.r_[np.ones(len(chosen)), -np.ones(len(rows))].astype(np.int8)
        is_made = np.zeros(unit.max() + 1, dtype=bool)
        is_made[unit[: len(chosen)]] = True
        fold = unit_folds(unit, is_made, rng)[unit]
        return round(float(cross_validate(counter.transform(lines).toarray(), sign[:, None], fold).auc[0]), 4)

    def learn(self, made: Sequence[str], rng: np.random.Generator, *, rate: float = 5.0, decay: float = 1e-3) -> None:
        """A few steps on these lines against as many of people's."""
        from scipy import sparse

        x, label = _hashed(made), np.repeat([0.0, 1.0], len(made))
        for _ in range(_ROUNDS):
            both = sparse.vstack([x, self._hashed[rng.integers(len(self._people), size=len(made))]]).tocsr()
            size = np.sqrt(np.asarray(both.sum(axis=1)).ravel()).clip(1)
            slope = (label - self._probability(both)) / len(made)
            self.weights += rate * (both.T @ (slope / size) - decay * self.weights)


class ContingencyCritic:
    """How surely a line was said to this turn of the partner and not to another, by how people answer.

    A logistic over what both have in common and over pairs of form: last mark and first words of what was heard with
    the first words of what is said.
    """

    def __init__(self, weights: Floats, rarity: dict[str, float]) -> None:
        self.weights, self._rarity = weights, rarity

    @classmethod
    def fit(cls, heard: Sequence[str], said: Sequence[str], *, seed: int) -> ContingencyCritic:
        """From people's turns, each with the partner's turn before it, against the same with another's."""
        from sklearn.linear_model import LogisticRegression

        counts: dict[str, int] = {}
        for text in (*heard, *said):
            for word in set(tokens(text)):
                counts[word] = counts.get(word, 0) + 1
        rarity = {word: float(np.log(2 * len(said) / n)) for word, n in counts.items() if word not in FUNCTION_WORDS}
        made = cls(np.zeros(BUCKETS + 3), rarity)
        others = [heard[k] for k in stream(seed, "others").permutation(len(heard)).tolist()]
        x = made._features([*heard, *others], [*said, *said])
        fitted = LogisticRegression(C=0.3, max_iter=300).fit(x, np.r_[np.ones(len(said)), np.zeros(len(said))])
        made.weights = np.r_[fitted.coef_[0], fitted.intercept_]
        return made

    def score(self, heard: Sequence[str], said: Sequence[str]) -> Floats:
        """The probability that each line was said to what was heard, where half of all were."""
        p: Floats = 1 / (1 + np.exp(-(self._features(heard, said) @ self.weights[:-1] + self.weights[-1])))
        return p

    def _features(self, heard: Sequence[str], said: Sequence[str]) -> Any:
        from scipy import sparse

        shared = np.array([self._shared(a, b) for a, b in zip(heard, said, strict=True)])
        return sparse.hstack([_hashed_pairs(heard, said), sparse.csr_matrix(shared.reshape(-1, 2))]).tocsr()

    def _shared(self, heard: str, said: str) -> tuple[float, float]:
        a, b = set(tokens(heard)), set(tokens(said))
        both = sum(self._rarity.get(word, 0.0) for word in a & b)
        sizes = [sum(self._rarity.get(word, 0.0) for word in words) for words in (a, b)]
        return both / max(*sizes, 1.0), min(both / 5.0, 2.0)


def _hashed_pairs(heard: Sequence[str], said: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import FeatureHasher

    def forms(a: str, b: str) -> list[str]:
        x, y = a.lower().split(), b.lower().split()
        left = {*x[-1:], " ".join(x[:2]), " ".join(x[-3:]), "?" if "?" in a else "."}
        right = {" ".join(y[:1]), " ".join(y[:2]), "?" if "?" in b else ".", f"^{len(y) // 4}"}
        return sorted(f"{p}|{q}" for p in left for q in right)

    hasher = FeatureHasher(n_features=BUCKETS, input_type="string", alternate_sign=False)
    return hasher.transform([forms(a, b) for a, b in zip(heard, said, strict=True)])
