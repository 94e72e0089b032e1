"""New wordings out of attested ones: local substitutions and splices until no protected span is left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations.text import TOKEN_PATTERN, tokens
from understudy.users.copy_guard import CopyGuard
from understudy.users.entities import Entity

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rng = np.random.Generator

START, END = 0, 1
_PIECE = re.compile(rf"(\s*)(?:({TOKEN_PATTERN})|([^\w\s]|_))")
_WIDEST = 3  # pieces that one substitution may put in
_NARROWEST_OUT = 2  # and take out
_LANDMARKS = 400  # commonest pieces that describe the places of the others
_MANNERS = 24
_STRETCH = 64  # pieces looked at together for a copied span; punctuation runs longer than that may hide one
_SAMPLED = 10  # attested alternatives looked at for one gap


class Piece(NamedTuple):
    """A word, a punctuation mark or a whole entity with the space before it, exactly as written. All entities of
    a kind share an id, so that wordings around one serve for another."""

    id: int
    lead: str
    surface: str


class Options(NamedTuple):
    """Ways to change a wording: replace `width` pieces at `gap` by `length` pieces of the text at `source`."""

    gap: Ints
    width: Ints
    source: Ints
    length: Ints
    score: npt.NDArray[np.float64]


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
        """Sort every run of 0..`_WIDEST` words by the pieces on its two sides."""
        keys, places, lengths = [], [], []
        for length in range(_WIDEST + 1):
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
        return [
            Piece(int(self.flat[k]), self.leads[k], self.surfaces[k]) for k in range(place, place + length)
        ]

    def mean_log_probability(self, pieces: Sequence[Piece]) -> float:
        """How well a wording reads: log probability a piece, its end included."""
        row = np.array([START, START, *(p.id for p in pieces), END], dtype=np.int64)
        return float(self.trigrams.log_probability(row[:-2], row[1:-1], row[2:]).mean())


@lru_cache(maxsize=65536)
def _words_of(surface: str) -> tuple[str, ...]:
    return tuple(tokens(surface))


def written(pieces: Sequence[Piece]) -> str:
    return "".join(p.lead + p.surface for p in pieces).strip()


def _sampled(low: Ints, high: Ints, most: int, rng: Rng) -> tuple[Ints, Ints]:
    """Up to `most` places of each slice [low, high): (which slice, place); strided from a random start."""
    n = np.minimum(high - low, most)
    which = np.repeat(np.arange(len(low)), n)
    within = np.arange(len(which)) - np.repeat(np.cumsum(n) - n, n)
    span = (high - low)[which]
    start = (rng.random(len(low))[which] * span).astype(np.int64)
    return which, low[which] + (start + within * np.maximum(span // most, 1)) % np.maximum(span, 1)


class Splicer:
    """Rewords a turn until the guard lets it pass. Holds no state between calls."""

    def __init__(self, book: PhraseBook, guard: CopyGuard, affinity: npt.NDArray[np.float32]) -> None:
        self.book = book
        self.guard = guard
        self.affinity = affinity  # unit vectors of the rows: what is about the same thing splices better

    cap, reach = -3.0, 5
    poor, p_odd = -8.0, 2.5
    p_around, p_shift, p_rare, p_lost, p_late, p_splice, p_len, p_near, p_kin, p_lm, p_manner = 2.0, 1.0, 0.5, 0.1, 0.5, 4.0, 0.5, 2.0, 0.5, 3.0, 4.0

    def reword(self, pieces: list[Piece], row: int, *, kin: Bools | None, rng: Rng) -> list[Piece] | None:
        """`pieces` (of the turn in `row`) without protected spans, or None where no attested change does it."""
        scanned = 0
        for _ in range(4 + len(pieces) // 2):
            copied = self.copied(pieces, scanned)
            if copied is None:
                return pieces
            changed = self._change(pieces, copied, row, kin, rng)
            if changed is None:
                return None
            scanned = max(copied[0] - self.guard.hasher.size, 0)
            pieces = changed
        return None

    def copied(self, pieces: Sequence[Piece], scanned: int = 0) -> tuple[int, int] | None:
        """The first and the last piece of the first protected span from piece `scanned` on, or None."""
        size = self.guard.hasher.size
        for begin in range(scanned, max(len(pieces) - 1, scanned + 1), _STRETCH - 2 * size):
            words: list[str] = []
            owner: list[int] = []
            for k in range(begin, min(begin + _STRETCH, len(pieces))):
                parts = _words_of(pieces[k].surface)
                words += parts
                owner += [k] * len(parts)
            at = self.guard.first_copy(words)
            if at is not None:
                return owner[at], owner[at + size - 1]
        return None

    def _change(
        self, pieces: list[Piece], window: tuple[int, int], row: int, kin: Bools | None, rng: Rng
    ) -> list[Piece] | None:
        ids = np.array([START, START, *(p.id for p in pieces), END, END], dtype=np.int64)
        options = self._edits(ids, window, row, kin, rng)
        if not len(options.score) or options.score.max() < self.poor:
            splices = self._splices(ids, window, row, kin, rng)
            options = Options(*(np.concatenate(pair) for pair in zip(options, splices, strict=True)))
        if not len(options.score):
            return None
        k = int((options.score + rng.gumbel(size=len(options.score))).argmax())
        gap, width = int(options.gap[k]) - 2, int(options.width[k])
        middle = self.book.pieces_at(int(options.source[k]), int(options.length[k]))
        return _joined(pieces, gap, width, middle)

    def _edits(self, ids: Ints, window: tuple[int, int], row: int, kin: Bools | None, rng: Rng) -> Options:
        book = self.book
        first, last = window[0] + 2, window[1] + 2
        words = book.plain[ids]
        gaps, widths = [], []
        for width in range(_NARROWEST_OUT + 1):
            low = max(first if width else first + 1, last - self.reach)
            for gap in range(low, last - max(width, 1) + 2):
                if words[gap : gap + width].all():
                    gaps.append(gap)
                    widths.append(width)
        gap, wide = np.array(gaps, dtype=np.int64), np.array(widths, dtype=np.int64)
        keys = ids[gap - 1] * book.size + ids[gap + wide]
        low_, high_ = np.searchsorted(book.gap_keys, keys, "left"), np.searchsorted(book.gap_keys, keys, "right")
        which, at = _sampled(low_, high_, _SAMPLED, rng)
        source, length = book.gap_places[at], book.gap_lengths[at]
        gap, wide = gap[which], wide[which]
        share = -np.log(np.minimum(high_ - low_, _SAMPLED))[which]
        keep = (book.row_of[source] != row) & ~((length == 0) & (wide == 0))
        same = (length == wide) & (length > 0)
        for k in range(_NARROWEST_OUT):
            inside = k < length
            same &= ~inside | (book.flat[source + k * inside] == ids[gap + k * inside])
        keep &= ~same
        source, length, gap, wide, share = source[keep], length[keep], gap[keep], wide[keep], share[keep]
        if not len(source):
            return Options(gap, wide, source, length, np.zeros(0))
        stilted = self._oddness(ids, gap, wide, source, length)
        rarity = book.rarity_sum
        gained = rarity[source + length] - rarity[source]
        prefix = np.r_[0.0, np.cumsum(book.rarity[ids])]
        lost = prefix[gap + wide] - prefix[gap]
        around = (book.flat[source - 2] == ids[gap - 2]).astype(float)
        after = np.minimum(source + length + 1, len(book.flat) - 1)
        around += book.flat[after] == ids[np.minimum(gap + wide + 1, len(ids) - 1)]
        rows = book.row_of[source]
        score = share - self.p_odd * stilted + self.p_around * around - self.p_shift * np.abs(length - wide)
        score = score - self.p_rare * np.abs(gained - lost) - self.p_lost * (gained + lost)
        score = score + self.p_late * (gap - last) + self.p_near * (self.affinity[rows] @ self.affinity[row])
        score = score + self.p_manner * self._likeness(ids, gap, wide, source, length)
        if kin is not None:
            score = score + self.p_kin * kin[rows]
        return Options(gap, wide, source, length, score)

    def _likeness(self, ids: Ints, gap: Ints, wide: Ints, source: Ints, length: Ints) -> npt.NDArray[np.float32]:
        """How far what goes in stands in the same places as what comes out; 0 where one of them is nothing."""
        manner, flat = self.book.manner, self.book.flat
        out, into = np.zeros((2, len(gap), manner.shape[1]), dtype=np.float32)
        for k in range(_WIDEST):
            into += (k < length)[:, None] * manner[flat[np.minimum(source + k, len(flat) - 1)]]
            out += (k < wide)[:, None] * manner[ids[np.minimum(gap + k, len(ids) - 1)]]
        norm = np.sqrt((out * out).sum(axis=1) * (into * into).sum(axis=1))
        return np.asarray((out * into).sum(axis=1) / np.where(norm > 0, norm, 1), dtype=np.float32)

    def _oddness(self, ids: Ints, gap: Ints, wide: Ints, source: Ints, length: Ints) -> npt.NDArray[np.float64]:
        """How many of the triples of pieces that a change makes were never written by anybody."""
        book, n = self.book, len(gap)
        row = np.zeros((n, _WIDEST + 4), dtype=np.int64)
        row[:, 0], row[:, 1] = ids[gap - 2], ids[gap - 1]
        for k in range(_WIDEST + 2):
            new = k < length
            old = np.minimum(gap + wide + k - length, len(ids) - 1)
            row[:, 2 + k] = np.where(new, book.flat[np.minimum(source + k, len(book.flat) - 1)], ids[old])
        steps = np.arange(_WIDEST + 2)
        used = steps[None, :] < (length + 2)[:, None]
        at_row, at_step = np.nonzero(used)
        known = book.trigrams.attested(row[at_row, at_step], row[at_row, at_step + 1], row[at_row, at_step + 2])
        return np.bincount(at_row, weights=~known, minlength=n)

    def _splices(self, ids: Ints, window: tuple[int, int], row: int, kin: Bools | None, rng: Rng) -> Options:
        book = self.book
        gap = np.arange(window[0] + 3, window[1] + 3, dtype=np.int64)
        keys = ids[gap - 2] * book.size + ids[gap - 1]
        low, high = np.searchsorted(book.pair_keys, keys, "left"), np.searchsorted(book.pair_keys, keys, "right")
        which, at = _sampled(low, high, _SAMPLED, rng)
        source, gap = book.pair_order[at] + 2, gap[which]
        rows = book.row_of[source]
        length = book.begins[rows + 1] - 2 - source
        wide = len(ids) - 2 - gap
        ending = book.flat[book.begins[rows + 1] - 3]
        both = (ending == ids[-3]) | (book.plain[ending] & bool(book.plain[ids[-3]]))
        keep = (rows != row) & both & (length >= 1) & (np.abs(length - wide) <= 2 + wide // 2)
        source, length, gap, wide, rows = source[keep], length[keep], gap[keep], wide[keep], rows[keep]
        if not len(source):
            return Options(gap, wide, source, length, np.zeros(0))
        two = np.minimum(source + 1, len(book.flat) - 1)
        fluency = 0.5 * book.trigrams.log_probability(ids[gap - 2], ids[gap - 1], book.flat[source])
        fluency += 0.5 * book.trigrams.log_probability(ids[gap - 1], book.flat[source], book.flat[two])
        near = self.affinity[rows] @ self.affinity[row]
        score = self.p_lm * np.minimum(fluency - self.cap, 0.0) - self.p_splice - np.log(_SAMPLED)
        score = score + self.p_near * near - self.p_len * np.abs(length - wide)
        if kin is not None:
            score = score + self.p_kin * kin[rows]
        return Options(gap, wide, source, length, score)


def _joined(pieces: list[Piece], gap: int, width: int, middle: list[Piece]) -> list[Piece]:
    """`pieces` with `middle` at `gap`, written as the turn around it is written (case, first letter)."""
    letters = "".join(p.surface for p in pieces)
    if letters.upper() == letters and letters.lower() != letters and len(letters) > 3:
        middle = [p._replace(surface=p.surface.upper()) for p in middle]
    elif letters.lower() == letters:
        middle = [p._replace(surface=p.surface.lower()) for p in middle]
    after = pieces[gap + width :]
    opening = gap == 0 or pieces[gap - 1].surface in ".?!。？！"
    follows = middle[0] if middle else (after[0] if after else None)
    replaced = pieces[gap] if gap < len(pieces) else None
    if opening and follows and replaced and replaced.surface[:1].isupper():
        follows = follows._replace(surface=follows.surface[:1].upper() + follows.surface[1:])
        middle, after = ([follows, *middle[1:]], after) if middle else (middle, [follows, *after[1:]])
    return [*pieces[:gap], *middle, *after]
