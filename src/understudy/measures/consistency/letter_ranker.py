"""The `letters` judge of persona and line: likeness in runs of letters, weighed by what tells people apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from understudy.measures.consistency.line_judge import Floats
from understudy.measures.consistency.word_ranker import Pairs

DIMENSIONS = 96
BUCKETS = 1 << 14
STRENGTH = 3.0
SHORT = 20.0  # letters at which a likeness counts half


class LetterRanker:
    """The log-odds that a line is by a persona rather than by another, from the directions of both.

    Texts are counted in runs of two to four letters within words, weighted by rarity, and reduced to `DIMENSIONS`
    directions of the training texts (truncated SVD). The features of a pair are the products of its coordinates, the
    cosine in those directions and the cosine of the counts themselves, all shrunk where the line is short; a logistic
    regression weighs them. No words are
    looked up, so it works in any script, and sees other things than `WordRanker`.

    >>> said = ["riding a horse today", "so much honey from one bee"]
    >>> pairs = Pairs(["i keep horses", "i keep bees"] * 30, said * 30)
    >>> ranker = LetterRanker.fit(pairs, rng=np.random.default_rng(0))
    >>> own, other = ranker.ratios(["i keep horses", "i keep bees"], ["my horse", "my horse"])
    >>> bool(own > other)
    True
    """

    def __init__(self, rarity: Floats, basis: Floats, weights: Floats) -> None:
        self.rarity, self.basis, self.weights = rarity, basis, weights

    @classmethod
    def fit(cls, pairs: Pairs, *, rng: np.random.Generator) -> LetterRanker:
        """From people's own lines against the same lines beside other people's descriptions."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.linear_model import LogisticRegression

        texts = list(dict.fromkeys([*pairs.personas, *pairs.lines]))
        counts = _counts(texts)
        rarity = np.log((1.0 + len(texts)) / (1.0 + np.bincount(counts.indices, minlength=BUCKETS))) + 1.0
        weighted = _weighted(counts, rarity)
        rank = max(min(DIMENSIONS, min(weighted.shape) - 1), 1)
        svd = TruncatedSVD(rank, n_iter=3, random_state=int(rng.integers(2**31))).fit(weighted)
        made = cls(rarity, np.asarray(svd.components_, dtype=np.float64), np.zeros(rank + 3))
        others = decoys(pairs.personas, rng)
        features = np.vstack([made.features(pairs.personas, pairs.lines), made.features(others, pairs.lines)])
        own = np.r_[np.ones(len(pairs.lines)), np.zeros(len(pairs.lines))]
        fitted = LogisticRegression(C=STRENGTH, max_iter=500).fit(features, own)
        return cls(rarity, made.basis, np.r_[fitted.coef_[0], fitted.intercept_])

    def features(self, personas: Sequence[str], lines: Sequence[str]) -> Floats:
        """`(n, rank + 2)`: products of coordinates, both cosines."""
        texts = list(dict.fromkeys([*personas, *lines]))
        weighted, turned = self._turned(texts)
        at = {text: k for k, text in enumerate(texts)}
        a = np.array([at[text] for text in personas], dtype=np.int64)
        b = np.array([at[text] for text in lines], dtype=np.int64)
        products = turned[a] * turned[b]
        plain = np.asarray(weighted[a].multiply(weighted[b]).sum(axis=1)).reshape(-1, 1)
        features: Floats = np.hstack(
            [np.sqrt(self.basis.shape[0]) * products, products.sum(axis=1, keepdims=True), plain]
        )
        return _sure(lines) * features

    def ratios(self, personas: Sequence[str], lines: Sequence[str]) -> Floats:
        """The log-odds of each row."""
        found: Floats = self.features(personas, lines) @ self.weights[:-1] + self.weights[-1]
        return found

    def beside(self, personas: Sequence[str], lines: Sequence[str]) -> Floats:
        """`ratios` of every line beside every persona, `(lines, personas)`, far faster than row by row."""
        (told, a), (said, b) = self._turned(personas), self._turned(lines)
        cosine, plain = self.weights[-3:-1]
        alike = (b * (np.sqrt(self.basis.shape[0]) * self.weights[:-3] + cosine)) @ a.T
        return np.asarray(_sure(lines) * (alike + plain * (said @ told.T).toarray()) + self.weights[-1])

    def _turned(self, texts: Sequence[str]) -> tuple[Any, Floats]:
        """The weighted counts of texts, and their directions."""
        weighted = _weighted(_counts(texts), self.rarity)
        turned = np.asarray(weighted @ self.basis.T)
        return weighted, turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)


def _sure(lines: Sequence[str]) -> Floats:
    """How far a likeness counts: a line of a few letters is like many things by chance."""
    letters = np.array([len(text) for text in lines], dtype=np.float64).reshape(-1, 1)
    return np.asarray(letters / (letters + SHORT))


def decoys(personas: Sequence[str], rng: np.random.Generator) -> list[str]:
    """For each row another row's persona, at random among those that differ; the same one where all are one.

    >>> decoys(["a", "a", "b"], np.random.default_rng(0))
    ['b', 'b', 'a']
    """
    every = sorted(set(personas))
    if len(every) < 2:
        return list(personas)
    number = {persona: k for k, persona in enumerate(every)}
    at = np.array([number[persona] for persona in personas])
    moved = (at + rng.integers(1, len(every), len(at))) % len(every)
    return [every[k] for k in moved.tolist()]


def _counts(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    counter = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=BUCKETS, alternate_sign=False, norm=None
    )
    return counter.transform([text.lower() for text in texts]).tocsr()


def _weighted(counts: Any, rarity: Floats) -> Any:
    from sklearn.preprocessing import normalize

    weighted = counts.copy()
    weighted.data = (1.0 + np.log(weighted.data)) * rarity[weighted.indices]
    return normalize(weighted)
