"""The copy guard: which long word spans of the fitting data a simulated speaker must not repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


class Barred(NamedTuple):
    """Spans of one length that are not to be said; `keys` sorted."""

    hasher: SpanHasher
    keys: Hashes

    def first(self, words: Sequence[str]) -> int | None:
        """The word position at which the first of them starts, or None."""
        spans = self.hasher.spans(words)
        if not len(spans) or not len(self.keys):
            return None
        at = np.minimum(np.searchsorted(self.keys, spans), len(self.keys) - 1)
        hit = self.keys[at] == spans
        return int(hit.argmax()) if hit.any() else None


class CopyGuard:
    """Spans that fewer than `common` units of the fitting data used: nobody's phrase but theirs.

    >>> guard = CopyGuard.of([("my cat sat on the old red mat today", 0)], common=2)
    >>> guard.first_copy("well my cat sat on the old red mat".split()), guard.first_copy(["my", "cat"])
    ((1, 9), None)
    """

    def __init__(self, *barred: Barred) -> None:
        self.barred = barred
        self.widest = max((each.hasher.size for each in barred), default=1)

    @classmethod
    def of(cls, turns: Iterable[tuple[str, int]], *, common: int, size: int = SPAN, rare: int = 0) -> CopyGuard:
        """The spans of `size` words, and with `rare` the pairs of words of which each is used by fewer units than that:
        who, what and where of one person, and their slips, are pairs like these; how people talk is not.

        >>> said = [("meet zorro quux there", 0), ("zorro said so", 1), ("quux", 2)]
        >>> said += [("meet me there", unit) for unit in range(3, 12)]
        >>> guard = CopyGuard.of(said, common=2, rare=5)
        >>> guard.first_copy(["meet", "zorro", "quux"]), guard.first_copy(["meet", "zorro"])
        ((1, 3), None)
        """
        said = list(turns)
        index = SpanIndex.of(said, size=size)
        whole = Barred(index.hasher, index.keys[index.units < common])
        return cls(_rare_pairs(said, common=common, rare=rare), whole) if rare else cls(whole)

    def first_copy(self, words: Sequence[str]) -> tuple[int, int] | None:
        """Where the first span that is not to be said starts, and the word after it; None where there is none."""
        found = [(at, at + each.hasher.size) for each in self.barred if (at := each.first(words)) is not None]
        return min(found, default=None)


def _rare_pairs(said: Sequence[tuple[str, int]], *, common: int, rare: int) -> Barred:
    words, pairs = SpanIndex.of(said, size=1), SpanIndex.of(said, size=2)
    found = [np.zeros(0, dtype=np.uint64)]
    for text, _ in said:
        told = tokens(text)
        if len(told) > 1:
            units = words.counts(words.hasher.spans(told))
            found.append(pairs.hasher.spans(told)[np.maximum(units[1:], units[:-1]) < rare])
    keys = np.unique(np.concatenate(found))
    return Barred(pairs.hasher, keys[pairs.counts(keys) < common])


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
