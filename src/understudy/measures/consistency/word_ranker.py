"""The `words` judge of persona and line: which words go with which, learned from people and their own descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations.text import tokens
from understudy.measures.behaviour_lexicons import FUNCTION_WORDS, UNSPACED_FUNCTION
from understudy.measures.consistency.line_judge import Floats

Ints = npt.NDArray[np.int64]
ROUNDS = 6
FEWEST = 2  # times a pair of words has to meet before it says anything
_ENDINGS = ("ing", "ies", "ed", "es", "s")


class Pairs(NamedTuple):
    """What is learned from: the persona of each line, and the line."""

    personas: Sequence[str]
    lines: Sequence[str]


@lru_cache(maxsize=65536)
def content(text: str) -> tuple[str, ...]:
    """The words that carry something, without English endings.

    >>> content("I am working with my two dogs")
    ('work', 'two', 'dog')
    """
    words = (w for w in tokens(text) if w not in FUNCTION_WORDS and w not in UNSPACED_FUNCTION)
    return tuple(_stem(word) for word in words)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


class WordRanker:
    """How much likelier is a line's every word if this persona speaks than if anybody does?

    Each word of the line comes from one of three places: what anybody says (`background`), a word of the persona
    itself, or a word that goes with one (`table`), with shares learned by EM: the first translation model of Brown et
    al. (1993), with a copying channel. `ratios` gives each line the sum over its words of log p(word | persona) -
    log p(word): near 0 for what anybody might say, whoever the persona is.

    >>> said = ["the hospital again"] * 8 + ["sailing today"] * 8
    >>> pairs = Pairs(["I am a nurse."] * 8 + ["I love the sea."] * 8, said)
    >>> ranker = WordRanker.fit(pairs)
    >>> own, other = ranker.ratios(["I am a nurse.", "I love the sea."], ["at the hospital", "at the hospital"])
    >>> bool(own > 0.5 > other)
    True
    """

    def __init__(
        self, words: Sequence[str], background: Floats, table: Mapping[tuple[int, int], float], shares: Floats
    ):
        self.words = list(words)
        self.number = {word: k for k, word in enumerate(self.words)}
        self.background, self.shares = background, shares
        self.table = dict(table)
        self._of: dict[str, list[int]] = {}
        self._table: Any = None  # `table` as a sparse matrix, once it was needed

    @classmethod
    def fit(cls, pairs: Pairs, *, rounds: int = ROUNDS) -> WordRanker:
        """From people's own lines."""
        lines = [content(line) for line in pairs.lines]
        told = [tuple(dict.fromkeys(content(persona))) for persona in pairs.personas]
        words = sorted({word for text in (*lines, *set(told)) for word in text})
        number = {word: k for k, word in enumerate(words)}
        counts = np.bincount([number[w] for line in lines for w in line], minlength=len(words) or 1)
        background = (counts + 0.5) / (counts.sum() + 0.5 * max(len(words), 1))
        line_of, said, by, size = [], [], [], []
        for k, (line, persona) in enumerate(zip(lines, told, strict=True)):
            for word in set(line):
                for other in persona:
                    line_of.append(k * len(words) + number[word])
                    said.append(number[word])
                    by.append(number[other])
                    size.append(len(persona))
        shares = np.array([0.8, 0.1, 0.1])
        if not said:
            return cls(words, background, {}, np.array([1.0, 0.0, 0.0]))
        table, shares = _expectation(
            np.array(line_of), np.array(said), np.array(by), np.array(size), background, shares, rounds
        )
        return cls(words, background, table, shares)

    def ratios(self, personas: Sequence[str], lines: Sequence[str]) -> Floats:
        """The log ratio of each row."""
        return np.array([self._ratio(p, line) for p, line in zip(personas, lines, strict=True)], dtype=np.float64)

    def beside(self, personas: Sequence[str], lines: Sequence[str]) -> Floats:
        """`ratios` of every line beside every persona, `(lines, personas)`, far faster than row by row.

        >>> ranker = WordRanker.fit(Pairs(["i sail"] * 4, ["my boat", "a boat", "my sail", "the sea"]))
        >>> bool(ranker.beside(["i sail"], ["boat"])[0, 0] == ranker.ratios(["i sail"], ["boat"])[0])
        True
        """
        from scipy.sparse import csr_matrix

        said, told = [set(content(line)) for line in lines], [tuple(dict.fromkeys(content(p))) for p in personas]
        words = sorted({word for line in said for word in line})
        number = {word: k for k, word in enumerate(words)}
        known = len(self.words)
        rare = min(0.5 / max(known, 1), float(self.background.min(initial=1e-6 if not known else np.inf)))
        rows = [self.number.get(word, known) for word in words]
        alone = np.append(self.background, rare)[rows][:, None]
        spoken = [(number[word], at) for at, persona in enumerate(told) for word in persona if word in number]
        by = [(self.number[word], at) for at, persona in enumerate(told) for word in persona if word in self.number]
        copied = _marked(spoken, (len(words), len(told))).toarray()
        if self._table is None:
            keys = np.array(list(self.table), dtype=np.int64).reshape(-1, 2)
            self._table = csr_matrix((list(self.table.values()), keys.T), shape=(known + 1, known + 1))
        met = (self._table[rows] @ _marked(by, (known + 1, len(told)))).toarray()
        share = (self.shares[1] * copied + self.shares[2] * met) / np.maximum([len(p) for p in told], 1)
        earned = np.log((self.shares[0] * alone + share) / alone)
        return np.asarray(_marked([(at, number[w]) for at, line in enumerate(said) for w in line],
                                  (len(said), len(words))) @ earned)  # fmt: skip

    def _ratio(self, persona: str, line: str) -> float:
        if persona not in self._of:
            self._of[persona] = [self.number.get(word, -1) for word in dict.fromkeys(content(persona))]
        by = self._of[persona]
        names = set(content(persona))
        rare = 0.5 / len(self.words) if self.words else 1e-6
        total = 0.0
        for word in set(content(line)):
            k = self.number.get(word)
            alone = float(self.background[k]) if k is not None else min(rare, float(self.background.min(initial=rare)))
            copied = float(word in names) / max(len(names), 1)
            met = sum(self.table.get((k, other), 0.0) for other in by) / max(len(by), 1) if k is not None else 0.0
            total += np.log((self.shares[0] * alone + self.shares[1] * copied + self.shares[2] * met) / alone)
        return float(total)


def _marked(places: list[tuple[int, int]], shape: tuple[int, int]) -> Any:
    """A sparse matrix with 1 at the places."""
    from scipy.sparse import csr_matrix

    at = np.array(places, dtype=np.int64).reshape(-1, 2)
    return csr_matrix((np.ones(len(at)), at.T), shape=shape)


def _expectation(
    line_of: Ints, said: Ints, by: Ints, size: Ints, background: Floats, shares: Floats, rounds: int
) -> tuple[dict[tuple[int, int], float], Floats]:
    """The table of words that go together, and the share of each place that words come from."""
    keys, pair, met = np.unique(by * len(background) + said, return_inverse=True, return_counts=True)
    _, event = np.unique(line_of, return_inverse=True)
    copied = (by == said) / size
    usable = (met >= FEWEST)[pair] & (by != said)
    events = int(event.max()) + 1
    alone = np.zeros(events)
    alone[event] = background[said]
    owner = keys // len(background)
    table = np.ones(len(keys)) / np.bincount(owner)[owner]
    for _ in range(rounds):
        through = np.where(usable, table[pair] / size, 0.0)
        channels = np.stack(
            [
                shares[0] * alone,
                shares[1] * np.bincount(event, copied, events),
                shares[2] * np.bincount(event, through, events),
            ]
        )
        whole = channels.sum(axis=0)
        shares = (channels / whole).mean(axis=1)
        weight = np.bincount(pair, shares[2] * through / whole[event], len(keys))
        table = weight / np.maximum(np.bincount(owner, weight)[owner], 1e-12)
    kept = table > 1e-4
    names = np.stack([keys % len(background), owner], axis=1)[kept]
    return {(int(a), int(b)): float(v) for (a, b), v in zip(names.tolist(), table[kept], strict=True)}, shares
