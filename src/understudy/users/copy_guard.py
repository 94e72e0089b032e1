"""The copy guard: which long word spans of the fitting data a simulated speaker must not repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import tokens

Hashes = npt.NDArray[np.uint64]
SPAN = 8
_MULTIPLIER = 0x9E3779B97F4A7C15


class SpanHasher:
    """Order-sensitive 64-bit hashes of all spans of `size` words; the same in every process."""

    def __init__(self, size: int = SPAN) -> None:
        self.size = size
        self._words: dict[str, int] = {}
        powers = [pow(_MULTIPLIER, k, 2**64) for k in range(size)]
        self._powers = np.array(powers, dtype=np.uint64)

    def word(self, word: str) -> int:
        value = self._words.get(word)
        if value is None:
            digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            value = self._words[word] = int.from_bytes(digest, "big")
        return value

    def spans(self, words: Sequence[str]) -> Hashes:
        """One hash a start position; empty where there are fewer than `size` words."""
        if len(words) < self.size:
            return np.zeros(0, dtype=np.uint64)
        known = self._words
        try:
            values = [known[w] for w in words]
        except KeyError:
            values = [self.word(w) for w in words]
        return self.windows(np.array(values, dtype=np.uint64))

    def windows(self, values: Hashes) -> Hashes:
        n = len(values) - self.size + 1
        total = np.zeros(max(n, 0), dtype=np.uint64)
        for k in range(self.size if n > 0 else 0):
            total += values[k : k + n] * self._powers[k]
        return total


class SpanIndex:
    """The spans of many turns with the number of units (users, else conversations) that used each.

    >>> index = SpanIndex.of([("a b c", 0), ("x a b c", 1), ("b c d", 1)], size=3)
    >>> index.counts(index.hasher.spans(["a", "b", "c", "d"])).tolist()
    [2, 1]
    """

    def __init__(self, hasher: SpanHasher, keys: Hashes, units: npt.NDArray[np.int64]) -> None:
        self.hasher, self.keys, self.units = hasher, keys, units

    @classmethod
    def of(cls, turns: Iterable[tuple[str, int]], *, size: int = SPAN) -> SpanIndex:
        hasher = SpanHasher(size)
        hashes, owners = [], []
        for text, unit in turns:
            spans = hasher.spans(tokens(text))
            if len(spans):
                hashes.append(spans)
                owners.append(np.full(len(spans), unit, dtype=np.int64))
        if not hashes:
            return cls(hasher, np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))
        key, unit_of = np.concatenate(hashes), np.concatenate(owners)
        order = np.lexsort((unit_of, key))
        key, unit_of = key[order], unit_of[order]
        first = np.r_[True, (key[1:] != key[:-1]) | (unit_of[1:] != unit_of[:-1])]
        keys, counts = np.unique(key[first], return_counts=True)
        return cls(hasher, keys, counts.astype(np.int64))

    def counts(self, spans: Hashes) -> npt.NDArray[np.int64]:
        """How many units used each span; 0 where none did."""
        if not len(self.keys) or not len(spans):
            return np.zeros(len(spans), dtype=np.int64)
        at = np.minimum(np.searchsorted(self.keys, spans), len(self.keys) - 1)
        return np.where(self.keys[at] == spans, self.units[at], 0)


class CopyGuard:
    """Spans that fewer than `common` units of the fitting data used: nobody's phrase but theirs.

    >>> guard = CopyGuard.of([("my cat sat on the old red mat today", 0)], common=2)
    >>> guard.first_copy("well my cat sat on the old red mat".split()), guard.first_copy(["my", "cat"])
    (1, None)
    """

    def __init__(self, hasher: SpanHasher, protected: Hashes, common: int) -> None:
        self.hasher, self.protected, self.common = hasher, protected, common

    @classmethod
    def of(cls, turns: Iterable[tuple[str, int]], *, common: int, size: int = SPAN) -> CopyGuard:
        index = SpanIndex.of(turns, size=size)
        return cls(index.hasher, index.keys[index.units < common], common)

    def first_copy(self, words: Sequence[str]) -> int | None:
        """The word position at which the first protected span starts, or None."""
        spans = self.hasher.spans(words)
        if not len(spans) or not len(self.protected):
            return None
        at = np.minimum(np.searchsorted(self.protected, spans), len(self.protected) - 1)
        hit = self.protected[at] == spans
        return int(hit.argmax()) if hit.any() else None


def _user_turns(corpus: Corpus) -> list[tuple[str, int]]:
    _, units = np.unique(corpus.unit_ids, return_inverse=True)
    return [
        (turn.text, int(unit))
        for talk, unit in zip(corpus, units, strict=True)
        for turn in talk.turns
        if turn.role == "user"
    ]


def verbatim_rate(corpus: Corpus, train: Corpus, *, size: int = SPAN) -> float | None:
    """What share of the user turns of at least `size` words holds a `size`-word span of a user turn of `train`?

    Unit: turn. Range 0-1; None where no turn is long enough. Words as `conversations.text.tokens` has them, so
    case and punctuation do not hide a copy; in scripts without spaces a word is a character.

    >>> from understudy.conversations import Conversation, Turn
    >>> def one(text): return Corpus([Conversation(id="c", turns=(Turn("user", text),))])
    >>> verbatim_rate(one("well: I SAW my old cat on the red mat"), one("I saw my old cat on the red mat"))
    1.0
    >>> verbatim_rate(one("too short"), one("I saw my old cat on the red mat")) is None
    True
    """
    index = SpanIndex.of(_user_turns(train), size=size)
    return _rate(_user_turns(corpus), index, least=1)


def _rate(turns: Iterable[tuple[str, int]], index: SpanIndex, *, least: int) -> float | None:
    long = copied = 0
    for text, _ in turns:
        spans = index.hasher.spans(tokens(text))
        if len(spans):
            long += 1
            copied += bool((index.counts(spans) >= least).any())
    return copied / long if long else None


def calibrate(turns: Sequence[tuple[str, int]]) -> tuple[int, float]:
    """From how many units on is a span common property, and how often do unseen units repeat it?

    The expected share of an unseen unit's long turns that hold a span of the fitting data is estimated by leaving
    each unit out in turn: a span counts where another unit used it. So spans of two units or more are common
    property (`common` is 2), and a speaker who repeats no others copies as often as unseen people do. Returns
    `(common, shared)`, `shared` being that estimate; `common` is 3 where fewer than ten units cannot tell.

    >>> calibrate([("one two three four five six seven eight", unit) for unit in range(12)])
    (2, 1.0)
    """
    index = SpanIndex.of(turns)
    most = np.array([n.max() for n in (index.counts(index.hasher.spans(tokens(text))) for text, _ in turns) if len(n)])
    shared = float(np.mean(most >= 2)) if len(most) else 0.0
    return (2 if len({unit for _, unit in turns}) >= 10 else 3), shared
