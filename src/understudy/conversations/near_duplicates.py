"""Conversations that are almost the same text, found in time that grows with the corpus, not with its square."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations.corpus import Corpus
from understudy.conversations.records import Conversation
from understudy.conversations.text import tokens

_WIDTH = 4
_BANDS, _ROWS = 16, 4
_MIN_SHINGLES = 16
_NEIGHBOURS = 8
_BLOCK = 1 << 16
_ODD = np.uint64(0x9E3779B97F4A7C15)

Words = npt.NDArray[np.uint64]


class NearDuplicate(NamedTuple):
    """Rows `first` < `second` whose sets of word shingles have this Jaccard index."""

    first: int
    second: int
    jaccard: float


def near_duplicates(corpus: Corpus, *, threshold: float = 0.8) -> tuple[NearDuplicate, ...]:
    """Which conversations are nearly the same text?

    Both sides' words in order, lower-cased (`text.tokens`, so any script), are cut into shingles of 4; pairs whose
    MinHash signatures (64 hashes, 16 bands of 4) meet are candidates, and a candidate counts only when the exact
    Jaccard index of its shingle sets is at least `threshold`. A pair at .8 is missed with probability .0002, one
    at .6 with .11; one below the threshold is never reported.

    Conversations with fewer than 16 different shingles are left out: short exchanges of greetings agree by chance.
    Of more than 8 conversations in one band's bucket, each is compared with its 8 neighbours in signature order,
    and equal shingle sets are linked in a chain: groups stay connected, though not every pair in them is listed.
    The cost grows linearly; the answer does not depend on the order of the corpus.

    Source: Broder 1997 (MinHash); Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, ch. 3 (banding).

    >>> from understudy.conversations import Turn
    >>> words = " ".join(f"word{i}" for i in range(40))
    >>> texts = [words, words + " bye", words + " 1 2 3"]
    >>> talks = [Conversation(str(row), (Turn("user", text),)) for row, text in enumerate(texts)]
    >>> [(pair.first, pair.second) for pair in near_duplicates(Corpus(talks), threshold=0.95)]
    [(0, 1)]
    """
    return corpus.memo(("near_duplicates", threshold), lambda c: find_near_duplicates(c, threshold))


def find_near_duplicates(talks: Sequence[Conversation], threshold: float) -> tuple[NearDuplicate, ...]:
    """`near_duplicates` for any sequence, remembering nothing."""
    shingles = _shingles(talks)
    rows = np.array([row for row, mine in enumerate(shingles) if len(mine) >= _MIN_SHINGLES], dtype=np.int64)
    if len(rows) < 2:
        return ()
    signatures = _signatures([shingles[row] for row in rows])
    # Between equal signatures the content decides, so that the corpus's order never does.
    content = np.array([np.bitwise_xor.reduce(shingles[row]) for row in rows], dtype=np.uint64)
    found: dict[tuple[int, int], float] = {}
    for a, b in _candidates(signatures, content).tolist():
        pair = (int(rows[a]), int(rows[b]))
        jaccard = _jaccard(shingles[pair[0]], shingles[pair[1]])
        if jaccard >= threshold:
            found[min(pair), max(pair)] = jaccard
    return tuple(NearDuplicate(a, b, jaccard) for (a, b), jaccard in sorted(found.items()))


def _shingles(talks: Sequence[Conversation]) -> list[Words]:
    """For each conversation the sorted set of its shingles' hashes, equal in every process."""
    codes: dict[str, int] = {}
    shingles: list[Words] = []
    for talk in talks:
        words = tokens("\n".join([turn.text for turn in talk.turns]))
        for word in words:
            if word not in codes:
                data = word.encode("utf-8", "surrogatepass")
                codes[word] = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
        hashed = np.array([codes[word] for word in words], dtype=np.uint64)
        shingles.append(np.unique(_windows(hashed)))
    return shingles


def _windows(words: Words) -> Words:
    if len(words) < _WIDTH:
        return np.empty(0, dtype=np.uint64)
    count = len(words) - _WIDTH + 1
    state = np.zeros(count, dtype=np.uint64)
    for offset in range(_WIDTH):
        state = _mixed((state ^ words[offset : offset + count]) * _ODD)
    return state


def _mixed(state: Words) -> Words:
    state = state ^ (state >> np.uint64(32))
    state = state * np.uint64(0xD6E8FEB86659FD93)
    mixed: Words = state ^ (state >> np.uint64(32))
    return mixed


def _signatures(sets: list[Words]) -> npt.NDArray[np.uint64]:
    """(conversations, 64): the smallest value of each hash function over each set."""
    generator = np.random.default_rng(20230517)
    factors = generator.integers(0, 2**63, _BANDS * _ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    sizes = np.array([len(mine) for mine in sets])
    ends = np.cumsum(sizes)
    signatures = np.empty((len(sets), _BANDS * _ROWS), dtype=np.uint64)
    start = 0
    while start < len(sets):
        # Blocks that fit the processor's cache: each is read 64 times.
        base = ends[start] - sizes[start]
        stop = max(start + 1, int(np.searchsorted(ends, base + _BLOCK)))
        block = np.concatenate(sets[start:stop])
        offsets = ends[start:stop] - sizes[start:stop] - base
        for column, factor in enumerate(factors):
            signatures[start:stop, column] = np.minimum.reduceat(_mixed(block * factor), offsets)
        start = stop
    return signatures


def _candidates(signatures: npt.NDArray[np.uint64], content: Words) -> npt.NDArray[np.int64]:
    """Pairs of rows that share all hashes of some band."""
    order = np.lexsort((content, *signatures.T[::-1]))
    ranked = signatures[order]
    pairs: list[npt.NDArray[np.int64]] = []
    for band in range(_BANDS):
        key = np.full(len(ranked), band, dtype=np.uint64)
        for column in range(band * _ROWS, (band + 1) * _ROWS):
            key = _mixed((key ^ ranked[:, column]) * _ODD)
        # Stable, so that inside a bucket the rows keep the order of their whole signatures.
        place = np.argsort(key, kind="stable")
        bucket = key[place]
        for step in range(1, min(_NEIGHBOURS, len(place) - 1) + 1):
            same = np.flatnonzero(bucket[step:] == bucket[:-step])
            if len(same) == 0:
                break
            pairs.append(np.column_stack([order[place[same]], order[place[same + step]]]).astype(np.int64))
    if not pairs:
        return np.empty((0, 2), dtype=np.int64)
    both = np.sort(np.concatenate(pairs), axis=1)
    distinct: npt.NDArray[np.int64] = np.unique(both, axis=0)
    return distinct


def _jaccard(first: Words, second: Words) -> float:
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / (len(first) + len(second) - common)
