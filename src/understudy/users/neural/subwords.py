"""Pieces of words learned from a corpus by byte-pair merging over characters; plain JSON, any script."""

from __future__ import annotations

import heapq
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# A word with the space before it, marks with the space before them, other white space. Together every character.
_WORD = re.compile(r" ?[^\W_]+(?:['’][^\W_]+)*| ?[^\w\s]+|_+|\s+")
FEWEST = 3  # times that two pieces have to stand together before they become one
UNKNOWN = "<unknown>"
_SPACED = 0.7  # share of words in one piece above which words are what is said

Pair = tuple[str, str]


class Pieces(NamedTuple):
    """What is stored: the marks (names that no text is read as), the characters, and the pairs in order of merging."""

    marks: tuple[str, ...]
    characters: tuple[str, ...]
    merges: tuple[Pair, ...]


class Subwords:
    """Text as numbers and back. A character that was never seen is read as `<unknown>`, which is never written.

    >>> pieces = learn_pieces(["low lower lowest"] * 3, marks=("<unknown>", "<end>"), most=40)
    >>> words = Subwords(pieces)
    >>> words.decode(words.encode("lower")), len(words.encode("low")), words.decode(words.encode("lowx"))
    ('lower', 1, 'low')
    """

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self._texts = [*("" for _ in pieces.marks), *pieces.characters, *(a + b for a, b in pieces.merges)]
        self._numbers = {text: k for k, text in enumerate(self._texts) if text}
        self._marks = {mark: k for k, mark in enumerate(pieces.marks)}
        self._ranks = {pair: k for k, pair in enumerate(pieces.merges)}
        self._seen: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def mark(self, name: str) -> int:
        """The number of a mark."""
        return self._marks[name]

    def whole(self, texts: Iterable[str]) -> list[int]:
        """The pieces that are words or marks of their own in these texts, `FEWEST` times at least.

        None where words are mostly of several pieces, as in scripts without spaces: there every piece is as good.
        """
        words = [self._word(word) for text in texts for word in _WORD.findall(f" {text}")]
        counts = Counter(word[0] for word in words if len(word) == 1)
        if counts.total() < _SPACED * len(words):
            return []
        return sorted(number for number, count in counts.items() if count >= FEWEST)

    def text(self, number: int) -> str:
        """The piece of a number; nothing for marks."""
        return self._texts[number]

    def encode(self, text: str) -> list[int]:
        """The numbers of a text. A first space is put before it, so that a word is the same wherever it stands."""
        return [number for word in _WORD.findall(f" {text}") for number in self._word(word)]

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of numbers; marks say nothing."""
        return "".join(self._texts[number] for number in numbers).removeprefix(" ")

    def _word(self, word: str) -> tuple[int, ...]:
        found = self._seen.get(word)
        if found is None:
            unknown = self._marks[UNKNOWN]
            found = tuple(self._numbers.get(piece, unknown) for piece in self._merged(word))
            if len(self._seen) < 100_000:  # a partner may send anything
                self._seen[word] = found
        return found

    def _merged(self, word: str) -> list[str]:
        parts = list(word)
        never = len(self._ranks)
        while len(parts) > 1:
            rank, at = min((self._ranks.get((a, b), never), k) for k, (a, b) in enumerate(itertools.pairwise(parts)))
            if rank == never:
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return parts


def learn_pieces(texts: Iterable[str], *, marks: Sequence[str], most: int) -> Pieces:
    """The pieces of a corpus: its characters, then the commonest neighbours merged until there are `most` in all.

    Ties go to what sorts first, so that the same texts give the same pieces in any order.
    """
    counts = Counter(word for text in texts for word in _WORD.findall(f" {text}"))
    characters = sorted({c for word in counts for c in word if c.isprintable() or c == "\n"})
    words = [(list(word), count) for word, count in sorted(counts.items())]
    together: Counter[Pair] = Counter()
    where: dict[Pair, set[int]] = defaultdict(set)
    for k, (parts, count) in enumerate(words):
        for pair in itertools.pairwise(parts):
            together[pair] += count
            where[pair].add(k)
    heap = [(-count, pair) for pair, count in together.items()]
    heapq.heapify(heap)
    known, merges = set(characters), list[Pair]()
    while len(marks) + len(characters) + len(merges) < most and heap:
        negative, pair = heapq.heappop(heap)
        count = together.get(pair, 0)
        if count != -negative:
            continue  # it has changed since, and stands in the heap again
        if count < FEWEST:
            break
        if pair[0] in known and pair[1] in known and pair[0] + pair[1] not in known:
            merges.append(pair)
            known.add(pair[0] + pair[1])
            for changed in _merge(words, pair, together, where):
                heapq.heappush(heap, (-together[changed], changed))
    return Pieces(tuple(marks), tuple(characters), tuple(merges))


def _merge(
    words: list[tuple[list[str], int]], pair: Pair, together: Counter[Pair], where: dict[Pair, set[int]]
) -> set[Pair]:
    """Make one piece of `pair` in every word and keep the counts of neighbours true; which counts have changed."""
    changed: set[Pair] = set()
    for k in sorted(where.pop(pair, ())):
        parts, count = words[k]
        merged, at = list[str](), 0
        while at < len(parts):
            both = at + 1 < len(parts) and (parts[at], parts[at + 1]) == pair
            merged.append(parts[at] + parts[at + 1] if both else parts[at])
            at += 2 if both else 1
        for old in itertools.pairwise(parts):
            together[old] -= count
            changed.add(old)
        for new in itertools.pairwise(merged):
            together[new] += count
            where[new].add(k)
            changed.add(new)
        words[k] = (merged, count)
    together.pop(pair, None)
    return changed - {pair}
