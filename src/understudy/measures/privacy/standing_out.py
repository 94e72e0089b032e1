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
    """A row a turn: the real user it points at (-1: none; users of the second set are numbered after the first's),
    and the spans it shares with that user's nearest turn minus those it shares with the nearest of anyone else."""

    owner: Ints
    lead: Floats


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


def leads(turns: Said, first: Said, second: Said) -> Lead:
    """Whom each of `turns` points at, among the users of both real sets."""
    sides = [bounded_spans(side) for side in (turns, first, second)]
    real = np.concatenate([sides[1][0], sides[2][0]])
    place = np.concatenate([sides[1][1], sides[2][1] + len(first.length)])
    unit = np.concatenate([first.unit, second.unit + first.units])
    ours, theirs = _matrices(sides[0], (real, place), len(turns.length), len(unit))
    return _leads(ours, theirs, unit, own=None)


def lead_of_own(first: Said, second: Said) -> Floats:
    """For each turn of `first`: the lead that its user would have, were it repeated word for word."""
    sides = [bounded_spans(side) for side in (first, second)]
    real = np.concatenate([sides[0][0], sides[1][0]])
    place = np.concatenate([sides[0][1], sides[1][1] + len(first.length)])
    unit = np.concatenate([first.unit, second.unit + first.units])
    ours, theirs = _matrices(sides[0], (real, place), len(first.length), len(unit))
    return _leads(ours, theirs, unit, own=first.unit).lead


def _matrices(ours: tuple[Codes, Ints], theirs: tuple[Codes, Ints], turns: int, others: int) -> tuple[Any, Any]:
    """Turns by spans, ones and zeros; only spans that the other side has and that are not everybody's."""
    from scipy import sparse

    keys, column = np.unique(np.concatenate([ours[0], theirs[0]]), return_inverse=True)
    made = []
    for row, where, count in ((ours[1], column[: len(ours[0])], turns), (theirs[1], column[len(ours[0]) :], others)):
        matrix = sparse.csr_array((np.ones(len(where), dtype=np.float32), (row, where)), shape=(count, len(keys)))
        matrix.data[:] = 1.0
        made.append(matrix)
    held = np.bincount(made[1].indices, minlength=len(keys))
    useful = np.flatnonzero((held > 0) & (held <= MOST_TURNS_A_SPAN))
    return made[0][:, useful], made[1][:, useful].T.tocsr()


def _leads(ours: Any, theirs: Any, unit: Ints, *, own: Ints | None) -> Lead:
    """The user with the most shared spans (with `own`: the given one) and the distance to the next user."""
    turns = ours.shape[0]
    owner = np.full(turns, -1, dtype=np.int64) if own is None else own
    best, second = np.zeros(turns), np.zeros(turns)
    for start in range(0, turns, _BLOCK):
        shared = (ours[start : start + _BLOCK] @ theirs).tocsr()
        row = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr)) + start
        user = unit[shared.indices]
        if own is None:
            order = np.lexsort((user, -shared.data, row))
            top = order[np.r_[True, row[order][1:] != row[order][:-1]]] if len(order) else order
            owner[row[top]] = user[top]
        mine = user == owner[row]
        np.maximum.at(best, row[mine], shared.data[mine])
        np.maximum.at(second, row[~mine], shared.data[~mine])
    return Lead(owner, np.maximum(best - second, 0.0))
