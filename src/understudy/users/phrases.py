"""All turns of one side as pieces, with the contexts that each run of pieces stands in, and a trigram model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations.text import TOKEN_PATTERN, tokens
from understudy.users.entities import Entity

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

START, END = 0, 1
WIDEST = 3  # pieces that one substitution may put in
_PIECE = re.compile(rf"(\s*)(?:({TOKEN_PATTERN})|([^\w\s]|_))")
_LANDMARKS = 400  # commonest pieces that describe the places of the others
_MANNERS = 24


class Piece(NamedTuple):
    """A word, a punctuation mark or a whole entity with the space before it, exactly as written. All entities of
    a kind share an id, so that wordings around one serve for another."""

    id: int
    lead: str
    surface: str


class Trigrams:
    """An interpolated (Witten-Bell) trigram model over pieces; all look-ups are by the batch.

    >>> flat = np.array([0, 0, 2, 3, 1, 0, 0, 2, 4, 1])
    >>> model = Trigrams(flat, 5)
    >>> seen, unseen = model.log_probability(np.array([0, 0]), np.array([2, 2]), np.array([3, 2]))
    >>> bool(seen > unseen)
    True
    """

    def __init__(self, flat: Ints, size: int) -> None:
        self.size = size
        counts = np.bincount(flat, minlength=size).astype(np.float64)
        self.single = (counts + 0.5) / (counts.sum() + 0.5 * size)
        pair = flat[:-1] * size + flat[1:]
        self.pairs, self.pair_n = np.unique(pair, return_counts=True)
        self.triples, self.triple_n = np.unique(pair[:-1] * size + flat[2:], return_counts=True)
        heads = self.pairs // size
        self.after_one_n = np.bincount(heads, weights=self.pair_n, minlength=size)
        self.after_one_types = np.bincount(heads, minlength=size).astype(np.float64)
        at = np.searchsorted(self.pairs, self.triples // size)
        self.after_two_n = np.bincount(at, weights=self.triple_n, minlength=len(self.pairs))
        self.after_two_types = np.bincount(at, minlength=len(self.pairs)).astype(np.float64)

    def log_probability(self, a: Ints, b: Ints, c: Ints) -> npt.NDArray[np.float64]:
        """log p(c | a, b), element by element."""
        head = a * self.size + b
        n3 = _looked_up(self.triples, self.triple_n, head * self.size + c)
        n2 = _looked_up(self.pairs, self.pair_n, b * self.size + c)
        types1, total1 = self.after_one_types[b], self.after_one_n[b]
        lower = (n2 + (types1 + 1) * self.single[c]) / (total1 + types1 + 1)
        at = np.minimum(np.searchsorted(self.pairs, head), len(self.pairs) - 1)
        known = self.pairs[at] == head
        types2 = np.where(known, self.after_two_types[at], 0.0)
        total2 = np.where(known, self.after_two_n[at], 0.0)
        return np.asarray(np.log((n3 + (types2 + 1) * lower) / (total2 + types2 + 1)))

    def attested(self, a: Ints, b: Ints, c: Ints) -> Bools:
        """Whether the three pieces follow each other anywhere."""
        wanted = (a * self.size + b) * self.size + c
        at = np.minimum(np.searchsorted(self.triples, wanted), len(self.triples) - 1)
        return np.asarray(self.triples[at] == wanted)


def _manners(flat: Ints, size: int) -> npt.NDArray[np.float32]:
    """Unit vectors of the pieces by their immediate neighbours: what stands in the same places is alike.

    Truncated SVD of the positive pointwise mutual information with the commonest pieces on either side.
    """
    from scipy.sparse import coo_matrix, hstack
    from sklearn.utils.extmath import randomized_svd

    common = np.argsort(-np.bincount(flat, minlength=size), kind="stable")[:_LANDMARKS]
    column = np.full(size, -1)
    column[common] = np.arange(len(common))
    sides = []
    for here, there in ((flat[1:], flat[:-1]), (flat[:-1], flat[1:])):
        kept = column[there] >= 0
        table = coo_matrix((np.ones(kept.sum()), (here[kept], column[there[kept]])), (size, len(common))).tocsr()
        table.sum_duplicates()
        rows = np.repeat(np.arange(size), np.diff(table.indptr))
        total = np.asarray(table.sum(axis=1)).ravel()[rows] * np.asarray(table.sum(axis=0)).ravel()[table.indices]
        table.data = np.maximum(np.log(table.data * table.sum() / total), 0.0)
        sides.append(table)
    joint = hstack(sides).tocsr()
    rank = min(_MANNERS, min(joint.shape) - 1)
    if rank < 2 or not joint.nnz:
        return np.zeros((size, 1), dtype=np.float32)
    left, weight, _ = randomized_svd(joint, n_components=rank, n_iter=3, random_state=0)
    place = left * np.sqrt(weight)
    length = np.sqrt((place * place).sum(axis=1, keepdims=True))
    return np.asarray(place / np.where(length > 1e-9, length, 1), dtype=np.float32)


def _looked_up(keys: Ints, values: Ints, wanted: Ints) -> npt.NDArray[np.float64]:
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0).astype(np.float64)


class PhraseBook:
    """All turns of one side as pieces, indexed by the contexts in which each run of pieces stands."""

    def __init__(self, texts: Sequence[str], entities: Sequence[Sequence[Entity]]) -> None:
        self.ids: dict[str, int] = {"\x02": START, "\x03": END}
        plain: list[bool] = [False, False]
        flat: list[int] = []
        self.leads: list[str] = []
        self.surfaces: list[str] = []
        self.begins = np.zeros(len(texts) + 1, dtype=np.int64)
        for row, (text, named) in enumerate(zip(texts, entities, strict=True)):
            pieces = self._split(text, named, plain)
            flat += [START, START, *(p.id for p in pieces), END, END]
            self.leads += ["", "", *(p.lead for p in pieces), "", ""]
            self.surfaces += ["", "", *(p.surface for p in pieces), "", ""]
            self.begins[row + 1] = len(flat)
        self.flat = np.array(flat or [START, START, END, END], dtype=np.int64)
        self.size = len(self.ids)
        self.kinds = {number: key[1:] for key, number in self.ids.items() if key.startswith("\x04")}  # of entities
        self.plain = np.array(plain, dtype=bool)
        self.row_of = np.repeat(np.arange(len(texts)), np.diff(self.begins))
        self.trigrams = Trigrams(self.flat, self.size)
        self.marks = np.r_[0, np.cumsum(~self.plain[self.flat])]
        self.rarity = -np.log(self.trigrams.single)
        self.rarity_sum = np.r_[0.0, np.cumsum(self.rarity[self.flat])]
        self.manner = _manners(self.flat, self.size)
        self._index_gaps()

    def _split(self, text: str, entities: Sequence[Entity], plain: list[bool]) -> list[Piece]:
        """The pieces of a text, learning new ones."""

        def number(key: str, is_plain: bool) -> int:
            known = self.ids.get(key)
            if known is None:
                known = self.ids[key] = len(plain)
                plain.append(is_plain)
            return known

        out: list[Piece] = []
        at = 0
        for entity in [*entities, Entity(len(text), len(text), "", "")]:
            lead = ""
            for match in _PIECE.finditer(text, at, entity.start):
                surface = match.group(2) or match.group(3)
                out.append(Piece(number(surface.lower(), match.group(2) is not None), match.group(1), surface))
                at = match.end()
            if entity.kind:
                lead = text[at : entity.start]
                out.append(Piece(number(f"\x04{entity.kind}", False), lead, entity.surface))
                at = entity.end
        return out

    def pieces_of(self, row: int) -> list[Piece]:
        """The pieces of one of the texts."""
        return self.pieces_at(int(self.begins[row]) + 2, int(self.begins[row + 1] - self.begins[row]) - 4)

    def _index_gaps(self) -> None:
        """Sort every run of 0..`WIDEST` words by the pieces on its two sides."""
        keys, places, lengths = [], [], []
        for length in range(WIDEST + 1):
            last = len(self.flat) - length
            at = np.arange(1, last)
            inside = self.marks[at + length] == self.marks[at]
            at = at[inside]
            keys.append(self.flat[at - 1] * self.size + self.flat[at + length])
            places.append(at)
            lengths.append(np.full(len(at), length))
        key = np.concatenate(keys)
        order = np.argsort(key, kind="stable")
        self.gap_keys = key[order]
        self.gap_places = np.concatenate(places)[order]
        self.gap_lengths = np.concatenate(lengths)[order]
        pair = self.flat[:-1] * self.size + self.flat[1:]
        self.pair_order = np.argsort(pair, kind="stable")
        self.pair_keys = pair[self.pair_order]

    def pieces_at(self, place: int, length: int) -> list[Piece]:
        return [Piece(int(self.flat[k]), self.leads[k], self.surfaces[k]) for k in range(place, place + length)]


@lru_cache(maxsize=65536)
def words_of(surface: str) -> tuple[str, ...]:
    """The words of a piece as the copy guard counts them."""
    return tuple(tokens(surface))


def written(pieces: Sequence[Piece]) -> str:
    """The text of the pieces, space at both ends dropped."""
    return "".join(p.lead + p.surface for p in pieces).strip()
