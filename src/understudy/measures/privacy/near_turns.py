"""For each turn, the nearest turn of another set by edit distance over words: copies that were touched up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.measures.privacy.spans import Codes, Said, spans
from understudy.measures.resampling import Floats, Ints

FEWEST_WORDS = 5
MOST_TURNS_A_PAIR = 100  # word pairs in more turns than this are nobody's mark
CANDIDATES = 4
_BLOCK = 4096


class Nearest(NamedTuple):
    """A row a query turn: edit similarity to the nearest turn of the pool (0 where none comes near), and its row."""

    similarity: Floats
    turn: Ints


def edit_distance(first: Codes, second: Codes) -> int:
    """Insertions, deletions and replacements of words between two turns.

    Bit-parallel: a column of the usual table is one integer. Myers (1999), doi:10.1145/316542.316550, in the form
    of Hyyrö (2003).

    >>> a, b = np.array([1, 2, 3, 4], dtype=np.uint64), np.array([1, 9, 3, 4, 5], dtype=np.uint64)
    >>> edit_distance(a, b), edit_distance(a, a)
    (2, 0)
    """
    size = len(first)
    if not size:
        return len(second)
    where: dict[int, int] = {}
    for place, code in enumerate(first.tolist()):
        where[code] = where.get(code, 0) | (1 << place)
    full, last = (1 << size) - 1, 1 << (size - 1)
    plus, minus, distance = full, 0, size
    for code in second.tolist():
        match = where.get(code, 0)
        diagonal = (((match & plus) + plus) ^ plus) | match | minus
        up = minus | (~(diagonal | plus) & full)
        down = diagonal & plus
        if up & last:
            distance += 1
        if down & last:
            distance -= 1
        up = ((up << 1) | 1) & full
        down = (down << 1) & full
        plus, minus = down | (~(diagonal | up) & full), up & diagonal
    return distance


def nearest_turns(queries: Said, pool: Said) -> Nearest:
    """The nearest turn of `pool` to each turn of `queries`: similarity `1 - distance / longer length`, in [0, 1].

    Turns of fewer than five words are left at 0: they agree by chance. Candidates are the four turns that share
    the most pairs of neighbouring words, of those that at most a hundred turns hold, and every exact copy; with a
    similarity of at least .8 some such pair is always left whole.

    >>> from understudy.conversations import Conversation, Corpus, Turn
    >>> from understudy.measures.privacy.spans import said
    >>> def one(text): return said(Corpus([Conversation("c", (Turn("user", text),))]))
    >>> nearest_turns(one("my old cat sat on a mat"), one("my old cat sits on a mat")).similarity.round(2).tolist()
    [0.86]
    """
    similarity, turn = np.zeros(len(queries.length)), np.full(len(queries.length), -1, dtype=np.int64)
    rows, columns = _candidates(queries, pool)
    ours, theirs = (
        np.split(queries.code, np.cumsum(queries.length)[:-1]),
        np.split(pool.code, np.cumsum(pool.length)[:-1]),
    )
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        a, b = ours[row], theirs[column]
        longer = max(len(a), len(b))
        if min(len(a), len(b)) / longer <= similarity[row]:
            continue
        near = 1.0 - edit_distance(a, b) / longer
        if near > similarity[row]:
            similarity[row], turn[row] = near, column
    return Nearest(similarity, turn)


def _candidates(queries: Said, pool: Said) -> tuple[Ints, Ints]:
    """Pairs of turns worth comparing, those that share the most pairs of words first."""
    from scipy import sparse

    sides = []
    for them in (queries, pool):
        found = spans(them, 2)
        turn = them.turn[found.start]
        long = them.length[turn] >= FEWEST_WORDS
        sides.append((found.key[long], turn[long], len(them.length)))
    keys, column = np.unique(np.concatenate([sides[0][0], sides[1][0]]), return_inverse=True)
    cut = len(sides[0][0])
    matrices = []
    for (_, turn, count), own in zip(sides, (column[:cut], column[cut:]), strict=True):
        ones = np.ones(len(own), dtype=np.float32)
        matrix = sparse.csr_array((ones, (turn, own)), shape=(count, len(keys)))
        matrix.data[:] = 1.0
        matrices.append(matrix)
    held = np.bincount(matrices[1].indices, minlength=len(keys))
    useful = np.flatnonzero((held > 0) & (held <= MOST_TURNS_A_PAIR))
    first, second = matrices[0][:, useful], matrices[1][:, useful].T.tocsc()
    rows, columns = [], []
    for start in range(0, first.shape[0], _BLOCK):
        shared = (first[start : start + _BLOCK] @ second).tocsr()
        row = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))
        order = np.lexsort((shared.indices, -shared.data, row))
        place = np.arange(len(row)) - shared.indptr[row]
        keep = order[place < CANDIDATES]
        rows.append(row[keep] + start)
        columns.append(shared.indices[keep])
    exact = _exact(queries, pool)
    row, column = np.concatenate([exact[0], *rows]), np.concatenate([exact[1], *columns])
    return row.astype(np.int64), column.astype(np.int64)


def _exact(queries: Said, pool: Said) -> tuple[Ints, Ints]:
    """Turns that are word for word the same: one row of the pool for each."""
    whole = {}
    for side, them in ((0, queries), (1, pool)):
        parts = np.split(them.code, np.cumsum(them.length)[:-1])
        whole[side] = [part.tobytes() if len(part) >= FEWEST_WORDS else b"" for part in parts]
    first: dict[bytes, int] = {}
    for row, key in enumerate(whole[1]):
        first.setdefault(key, row)
    found = [(row, first[key]) for row, key in enumerate(whole[0]) if key and key in first]
    both = np.array(found, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
