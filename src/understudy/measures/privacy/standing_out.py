"""Which one real user does a turn point at, and by how much more than at anyone else?"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from understudy.measures.privacy.spans import Codes, Said
from understudy.measures.resampling import Floats, Ints

SIZE = 3
MOST_TURNS_A_SPAN = 400  # a span in more turns than this points at nobody
_BLOCK = 1024
_EDGE = (0x9E3779B97F4A7C15, 0x61C8864680B583EB)
_ODD = 0xD6E8FEB86659FD93


class Lead(NamedTuple):
    """A row a turn: the real user it points at (-1: none), the spans it shares with that user's nearest turn minus
    those it shares with the nearest of anyone else, and the share of its spans that are in that nearest turn."""

    owner: Ints
    lead: Floats
    share: Floats


def bounded_spans(them: Said, size: int = SIZE) -> tuple[Codes, Ints]:
    """Spans of words with the two ends of a turn as words, so that a short turn repeated whole counts for more."""
    length = them.length + 2
    start = np.cumsum(length) - length
    code = np.empty(int(length.sum()), dtype=np.uint64)
    inner = np.ones(len(code), dtype=bool)
    for place, edge in ((start, _EDGE[0]), (start + length - 1, _EDGE[1])):
        code[place], inner[place] = np.uint64(edge), False
    code[inner] = them.code
    turn = np.repeat(np.arange(len(length)), length)
    count = max(len(code) - size + 1, 0)
    key = np.zeros(count, dtype=np.uint64)
    for k in range(size):
        key += code[k : k + count] * np.uint64(pow(_ODD, k + 1, 2**64))
    whole = turn[:count] == turn[size - 1 :] if count else np.zeros(0, dtype=bool)
    return key[whole], turn[:count][whole]


def leads(turns: Said, real: Said, *, apart: Ints | None = None, own: Ints | None = None) -> Lead:
    """Whom each of `turns` points at, among the users of `real`.

    `apart[t]`: a user whose own turns are not looked at, for turn t. `own[t]`: the user whose lead is asked for,
    whoever shares the most.
    """
    from scipy import sparse

    sides = [bounded_spans(side) for side in (turns, real)]
    keys, column = np.unique(np.concatenate([sides[0][0], sides[1][0]]), return_inverse=True)
    cut = len(sides[0][0])
    made: list[Any] = []
    for (_, row), where, them in zip(sides, (column[:cut], column[cut:]), (turns, real), strict=True):
        ones = np.ones(len(where), dtype=np.float32)
        matrix = sparse.csr_array((ones, (row, where)), shape=(len(them.length), len(keys)))
        matrix.data[:] = 1.0
        made.append(matrix)
    held = np.bincount(made[1].indices, minlength=len(keys))
    useful = np.flatnonzero((held > 0) & (held <= MOST_TURNS_A_SPAN))
    count = np.maximum(np.diff(made[0].indptr), 1)
    ours, theirs = made[0][:, useful], made[1][:, useful].T.tocsr()
    return _leads(ours, theirs, real.unit, count, apart, own)


def _leads(ours: Any, theirs: Any, unit: Ints, count: Ints, apart: Ints | None, own: Ints | None) -> Lead:
    """The user with the most shared spans (with `own`: the given one) and the distance to the next user."""
    turns = ours.shape[0]
    owner = np.full(turns, -1, dtype=np.int64) if own is None else own
    best, second = np.zeros(turns), np.zeros(turns)
    for start in range(0, turns, _BLOCK):
        shared = (ours[start : start + _BLOCK] @ theirs).tocsr()
        length = np.diff(shared.indptr)
        row = np.repeat(np.arange(len(length)), length) + start
        user, spans = unit[shared.indices], shared.data
        if apart is not None:
            spans = np.where(user == apart[row], 0.0, spans)
        if not len(spans):
            continue
        some, first = np.flatnonzero(length) + start, shared.indptr[:-1][length > 0]
        if own is None:
            most = np.zeros(turns, dtype=spans.dtype)
            most[some] = np.maximum.reduceat(spans, first)
            top = np.flatnonzero((spans == most[row]) & (spans > 0))
            owner[row[top]] = user[top]
        mine = user == owner[row]
        best[some] = np.maximum.reduceat(np.where(mine, spans, 0.0), first)
        second[some] = np.maximum.reduceat(np.where(mine, 0.0, spans), first)
    return Lead(owner, np.maximum(best - second, 0.0), best / count)
