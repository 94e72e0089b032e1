"""New wordings out of attested ones: local substitutions and splices until no protected span is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.users.copy_guard import CopyGuard
from understudy.users.phrases import END, START, WIDEST, Ints, PhraseBook, Piece, words_of

Rng = np.random.Generator

_NARROWEST_OUT = 2  # pieces that one substitution may take out
_REACH = 5  # pieces from the end of a span in which it is broken: later breaks need fewer changes
_STRETCH = 64  # pieces looked at together for a copied span; punctuation runs longer than that may hide one
_SAMPLED = 10  # attested alternatives looked at for one gap
_POOR = -8.0  # log weight of the best substitution below which splices are considered too


class Tastes(NamedTuple):
    """Log weights of a change. Apart from `odd`, all treat a change and its reverse alike: then drawing changes
    by the attested frequency of what goes in leaves the frequencies of words where they were (detailed balance),
    while choosing the likeliest would pile up commonplaces."""

    around: float = 2.0  # a second piece of context the same, on each side
    shift: float = 1.0  # a piece more or less
    rare: float = 0.5  # what goes in is rarer or commoner, per nat
    content: float = 0.1  # content words touched, per nat of rarity
    late: float = 0.5  # a piece nearer to the end of the span
    near: float = 2.0  # the source is about the same things
    kin: float = 0.5  # the source is the same person's
    manner: float = 4.0  # what goes in stands in the same places as what comes out
    odd: float = 2.5  # a triple of pieces that nobody ever wrote
    splice: float = 4.0  # the rest of the turn from somewhere else
    length: float = 0.5  # a piece more or less in the rest
    improbable: float = 3.0  # a join less probable than `probable`, per nat
    probable: float = -3.0


class Options(NamedTuple):
    """Ways to change a wording: replace `width` pieces at `gap` by `length` pieces of the text at `source`."""

    gap: Ints
    width: Ints
    source: Ints
    length: Ints
    score: npt.NDArray[np.float64]


TASTES = Tastes()


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

    def __init__(
        self,
        book: PhraseBook,
        guard: CopyGuard,
        affinity: npt.NDArray[np.float32],
        speakers: Ints,
        tastes: Tastes = TASTES,
    ) -> None:
        self.book = book
        self.guard = guard
        self.tastes = tastes
        self.speakers = speakers  # who said each row
        self.affinity = affinity  # unit vectors of the rows: what is about the same thing splices better
        passes = {text: guard.first_copy(words_of(text)) is None for text in set(book.surfaces)}
        clean = np.array([passes[text] for text in book.surfaces], dtype=bool)
        self._unclean = np.r_[0, np.cumsum(~clean)]
        self._names = {kind: np.flatnonzero((book.flat == kind) & clean) for kind in book.kinds}

    def reword(self, pieces: list[Piece], row: int, *, rng: Rng) -> list[Piece] | None:
        """`pieces` (of the turn in `row`) without protected spans, or None where no attested change does it."""
        scanned = 0
        for _ in range(4 + len(pieces) // 2):
            copied = self.copied(pieces, scanned)
            if copied is None:
                return pieces
            changed = self._change(pieces, copied, row, rng)
            if changed is None:
                return None
            scanned = max(copied[0] - self.guard.widest, 0)
            pieces = changed
        return None

    def copied(self, pieces: Sequence[Piece], scanned: int = 0) -> tuple[int, int] | None:
        """The first and the last piece of the first protected span from piece `scanned` on, or None."""
        size = self.guard.widest
        for begin in range(scanned, max(len(pieces) - 1, scanned + 1), _STRETCH - 2 * size):
            words: list[str] = []
            owner: list[int] = []
            for k in range(begin, min(begin + _STRETCH, len(pieces))):
                parts = words_of(pieces[k].surface)
                words += parts
                owner += [k] * len(parts)
            at = self.guard.first_copy(words)
            if at is not None:
                return owner[at[0]], owner[at[1] - 1]
        return None

    def _change(self, pieces: list[Piece], window: tuple[int, int], row: int, rng: Rng) -> list[Piece] | None:
        renamed = self._renamed(pieces, window, rng)
        if renamed is not None:
            return renamed
        ids = np.array([START, START, *(p.id for p in pieces), END, END], dtype=np.int64)
        options = self._edits(ids, window, row, rng)
        if not len(options.score) or options.score.max() < _POOR:
            splices = self._splices(ids, window, row, rng)
            options = Options(*(np.concatenate(pair) for pair in zip(options, splices, strict=True)))
        if not len(options.score):
            return None
        k = int((options.score + rng.gumbel(size=len(options.score))).argmax())
        gap, width = int(options.gap[k]) - 2, int(options.width[k])
        middle = self.book.pieces_at(int(options.source[k]), int(options.length[k]))
        return _joined(pieces, gap, width, middle)

    def _renamed(self, pieces: list[Piece], window: tuple[int, int], rng: Rng) -> list[Piece] | None:
        """`pieces` with another name of its kind for one that is not to be said; None where there is none."""
        for at in range(window[0], window[1] + 1):
            places = self._names.get(pieces[at].id)
            if places is not None and len(places) and self.guard.first_copy(words_of(pieces[at].surface)) is not None:
                surface = self.book.surfaces[int(places[rng.integers(len(places))])]
                return [*pieces[:at], pieces[at]._replace(surface=surface), *pieces[at + 1 :]]
        return None

    def _edits(self, ids: Ints, window: tuple[int, int], row: int, rng: Rng) -> Options:
        book, taste = self.book, self.tastes
        first, last = window[0] + 2, window[1] + 2
        words = book.plain[ids]
        gaps, widths = [], []
        for width in range(_NARROWEST_OUT + 1):
            floor = max(first if width else first + 1, last - _REACH)
            for place in range(floor, last - max(width, 1) + 2):
                if words[place : place + width].all():
                    gaps.append(place)
                    widths.append(width)
        gap: Ints = np.array(gaps, dtype=np.int64)
        wide: Ints = np.array(widths, dtype=np.int64)
        keys = ids[gap - 1] * book.size + ids[gap + wide]
        begin = np.searchsorted(book.gap_keys, keys, "left")
        end = np.searchsorted(book.gap_keys, keys, "right")
        which, at = _sampled(begin, end, _SAMPLED, rng)
        source, length = book.gap_places[at], book.gap_lengths[at]
        gap, wide = gap[which], wide[which]
        share = -np.log(np.minimum(end - begin, _SAMPLED)[which])
        keep = (book.row_of[source] != row) & ~((length == 0) & (wide == 0))
        keep &= self._unclean[source + length] == self._unclean[source]
        same = (length == wide) & (length > 0)
        for k in range(_NARROWEST_OUT):
            within = k < length
            same &= ~within | (book.flat[source + k * within] == ids[gap + k * within])
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
        score = share - taste.odd * stilted + taste.around * around - taste.shift * np.abs(length - wide)
        score = score - taste.rare * np.abs(gained - lost) - taste.content * (gained + lost)
        score = score + taste.late * (gap - last) + taste.near * (self.affinity[rows] @ self.affinity[row])
        score = score + taste.manner * self._likeness(ids, gap, wide, source, length)
        score = score + taste.kin * (self.speakers[rows] == self.speakers[row])
        return Options(gap, wide, source, length, score)

    def _likeness(self, ids: Ints, gap: Ints, wide: Ints, source: Ints, length: Ints) -> npt.NDArray[np.float32]:
        """How far what goes in stands in the same places as what comes out; 0 where one of them is nothing."""
        manner, flat = self.book.manner, self.book.flat
        out, into = np.zeros((2, len(gap), manner.shape[1]), dtype=np.float32)
        for k in range(WIDEST):
            into += (k < length)[:, None] * manner[flat[np.minimum(source + k, len(flat) - 1)]]
            out += (k < wide)[:, None] * manner[ids[np.minimum(gap + k, len(ids) - 1)]]
        norm = np.sqrt((out * out).sum(axis=1) * (into * into).sum(axis=1))
        return np.asarray((out * into).sum(axis=1) / np.where(norm > 0, norm, 1), dtype=np.float32)

    def _oddness(self, ids: Ints, gap: Ints, wide: Ints, source: Ints, length: Ints) -> npt.NDArray[np.float64]:
        """How many of the triples of pieces that a change makes were never written by anybody."""
        book, n = self.book, len(gap)
        row = np.zeros((n, WIDEST + 4), dtype=np.int64)
        row[:, 0], row[:, 1] = ids[gap - 2], ids[gap - 1]
        for k in range(WIDEST + 2):
            new = k < length
            old = np.minimum(gap + wide + k - length, len(ids) - 1)
            row[:, 2 + k] = np.where(new, book.flat[np.minimum(source + k, len(book.flat) - 1)], ids[old])
        steps = np.arange(WIDEST + 2)
        used = steps[None, :] < (length + 2)[:, None]
        at_row, at_step = np.nonzero(used)
        known = book.trigrams.attested(row[at_row, at_step], row[at_row, at_step + 1], row[at_row, at_step + 2])
        return np.bincount(at_row, weights=(~known).astype(np.float64), minlength=n).astype(np.float64)

    def _splices(self, ids: Ints, window: tuple[int, int], row: int, rng: Rng) -> Options:
        book, taste = self.book, self.tastes
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
        keep &= self._unclean[source + length] == self._unclean[source]
        source, length, gap, wide, rows = source[keep], length[keep], gap[keep], wide[keep], rows[keep]
        if not len(source):
            return Options(gap, wide, source, length, np.zeros(0))
        two = np.minimum(source + 1, len(book.flat) - 1)
        fluency = 0.5 * book.trigrams.log_probability(ids[gap - 2], ids[gap - 1], book.flat[source])
        fluency += 0.5 * book.trigrams.log_probability(ids[gap - 1], book.flat[source], book.flat[two])
        near = self.affinity[rows] @ self.affinity[row]
        score = taste.improbable * np.minimum(fluency - taste.probable, 0.0) - taste.splice - np.log(_SAMPLED)
        score = score + taste.near * near - taste.length * np.abs(length - wide)
        score = score + taste.kin * (self.speakers[rows] == self.speakers[row])
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
