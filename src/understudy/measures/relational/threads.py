"""Replies with their histories, and for each reply the histories of other conversations that it could have had."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.classifier import unit_folds
from understudy.measures.distributions import Labels
from understudy.measures.resampling import pool
from understudy.seeds import stream

if TYPE_CHECKING:
    import polars as pl

Flags = npt.NDArray[np.bool_]
DEPTH = 4
OTHERS = 8
FOLDS = 3
FEWEST_IN_STRATUM = 8
LENGTHS = (3.5, 7.5, 15.5)
BANDS = (1.5, 3.5, 6.5)
MOST_REPLIES = 16_000
MATCHES = ("role", "role and length", "role, length and place", "role, length, place and topic")


class Threads(NamedTuple):
    """Replies of both sides, real first: turns with words whose turn just before is the other speaker's, with words.

    `row` numbers turns over both corpora laid end to end; `history[:, d - 1]` is the row of the turn `d` turns
    before, -1 where there is none; `others` holds entries whose history serves as a matched shuffle, -1 where the
    fold has no second unit; `match` indexes `MATCHES`; `place` counts the speaker's own turns from 0. `fold` deals
    the units of either side into three parts: what is learned from some is applied to the others, shuffles included.
    """

    row: Labels
    conversation: Labels
    unit: Labels
    is_synthetic: Flags
    by_user: Flags
    place: Labels
    words: Labels
    history: Labels
    others: Labels
    match: Labels
    fold: Labels


def kept_for(real: Corpus, synthetic: Corpus, key: str, build: Any) -> Any:
    """What `build()` returns, kept for the last synthetic set that `real` was compared with."""
    last: dict[str, Any] = real.memo(f"relational.{key}", lambda _: {})
    if last.get("of", lambda: None)() is not synthetic:
        last.update(value=build(), of=weakref.ref(synthetic))
    return last["value"]


def threads(real: Corpus, synthetic: Corpus) -> Threads:
    """The replies of two corpora, with matched shuffles drawn from a fixed stream, so that all measures share them.

    A shuffle keeps the reply and takes the history of another unit's reply in the same fold of the same side, by the
    same role, in the same band of place (its speaker's first, second to third, fourth to sixth, later turn), of the
    same length band as this reply, on the same topic; topic, place and length are given up in that order where fewer
    than 8 units are left. Of at most 16,000 replies a side (whole conversations, drawn at random).

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = lambda i: Conversation(str(i), (Turn("user", "hi"), Turn("assistant", "hello"), Turn("user", "a film")))
    >>> side = Corpus([talk(i) for i in range(3)])
    >>> t = threads(side, side)
    >>> t.by_user[:2].tolist(), t.history[:2, :2].tolist(), bool((t.unit[t.others[0]] != t.unit[0]).all())
    ([False, True], [[0, -1], [1, 0]], True)
    """
    found: Threads = kept_for(real, synthetic, "threads", lambda: _threads(real, synthetic))
    return found


def laid_out(real: Corpus, synthetic: Corpus) -> pl.DataFrame:
    """Turns of both corpora end to end: `row`, `conversation`, `is_user`, `text`, `words`, `place`."""
    import polars as pl

    first = pl.col("conversation").cast(pl.Int64)
    sides = [
        corpus.turns.select(
            (first + start).alias("conversation"), "position", "is_user", "text", synthetic=pl.lit(bool(start))
        )
        for corpus, start in ((real, 0), (synthetic, len(real)))
    ]
    return (
        pl.concat(sides)
        .with_columns(
            words=pl.col("text").str.to_lowercase().str.count_matches(TOKEN_PATTERN).cast(pl.Int64),
            place=pl.int_range(pl.len()).over("conversation", "is_user"),
        )
        .with_row_index("row")
        .with_columns(pl.col("row").cast(pl.Int64))
    )


def _threads(real: Corpus, synthetic: Corpus) -> Threads:
    import polars as pl

    rng = stream(0, "relational.threads")
    pooled = pool(real, synthetic)
    frame = laid_out(real, synthetic)
    before = (pl.col("conversation") == pl.col("conversation").shift(1)).fill_null(False)
    frame = frame.filter(
        before
        & (pl.col("is_user") != pl.col("is_user").shift(1))
        & (pl.col("words") > 0)
        & (pl.col("words").shift(1) > 0)
    )
    conversation = frame["conversation"].to_numpy()
    kept = _within_reach(conversation, frame["synthetic"].to_numpy(), rng)
    frame, conversation = frame.filter(pl.Series(kept)), conversation[kept]
    row, position = frame["row"].to_numpy(), frame["position"].to_numpy().astype(np.int64)
    back = np.arange(1, DEPTH + 1)
    history = np.where(position[:, None] >= back, row[:, None] - back, -1)
    by_user, is_synthetic = frame["is_user"].to_numpy(), frame["synthetic"].to_numpy()
    unit, words, place = pooled.unit[conversation], frame["words"].to_numpy(), frame["place"].to_numpy()
    names = np.array([c.topic or "" for c in (*real, *synthetic)], dtype=np.str_)
    topic = np.unique(names, return_inverse=True)[1][conversation] if len(names) else conversation
    fold = unit_folds(unit, pooled.unit_is_synthetic, rng, FOLDS)[unit]
    role = (2 * is_synthetic + by_user) * FOLDS + fold
    length = role * 8 + np.searchsorted(LENGTHS, words)
    banded = length * 8 + np.searchsorted(BANDS, place)
    keys = [role, length, banded, banded * (int(topic.max(initial=0)) + 1) + topic]
    others, match = _draw([key.astype(np.int64) for key in keys], unit, rng)
    return Threads(row, conversation, unit, is_synthetic, by_user, place, words, history, others, match, fold)


def _within_reach(conversation: Labels, is_synthetic: Flags, rng: np.random.Generator) -> Flags:
    """Whole conversations, in random order, until a side has its most replies."""
    kept = np.ones(len(conversation), dtype=bool)
    for side in (False, True):
        own = conversation[is_synthetic == side]
        if len(own) <= MOST_REPLIES:
            continue
        names, size = np.unique(own, return_counts=True)
        order = rng.permutation(len(names))
        chosen = names[order[np.cumsum(size[order]) <= MOST_REPLIES]]
        kept &= (is_synthetic != side) | np.isin(conversation, chosen)
    return kept


def _draw(keys: list[Labels], unit: Labels, rng: np.random.Generator) -> tuple[Labels, Labels]:
    """For each entry, entries of other units from the finest stratum that has enough units."""
    others = np.full((len(unit), OTHERS), -1, dtype=np.int64)
    match = np.zeros(len(unit), dtype=np.int64)
    if not len(unit):
        return others, match
    coded = [np.unique(key, return_inverse=True)[1] for key in keys]
    for level, code in enumerate(coded):
        pairs = np.unique(np.stack([code, unit]), axis=1)
        match[np.bincount(pairs[0])[code] >= FEWEST_IN_STRATUM] = level
    for level, code in enumerate(coded):
        mine = np.flatnonzero(match == level)
        order = np.argsort(code, kind="stable")
        size = np.bincount(code)
        start = np.cumsum(size) - size
        open_rows = np.repeat(mine, OTHERS)
        open_columns = np.tile(np.arange(OTHERS), len(mine))
        for _ in range(20):  # a draw of one's own unit is drawn again
            drawn = order[
                start[code[open_rows]] + (rng.random(len(open_rows)) * size[code[open_rows]]).astype(np.int64)
            ]
            good = unit[drawn] != unit[open_rows]
            others[open_rows[good], open_columns[good]] = drawn[good]
            open_rows, open_columns = open_rows[~good], open_columns[~good]
            if not len(open_rows):
                break
    return others, match


def crossed_with(corpus: Corpus, unit: Labels, others: int = 1) -> Labels:
    """For each conversation up to `others` of other units, `(conversations, others)`: of the same topic (where there
    is one) and of a like size, which is the number of turns, and among equals how much the partner says, because long
    turns meet long turns and share more by chance.

    -1 where there are fewer. Ties are broken by a fixed stream.
    """
    rng = stream(0, "relational.crossed")
    size = np.array([len(talk.turns) for talk in corpus], dtype=np.int64)
    told = np.array([sum(len(t.text) for t in talk.turns if t.role != "user") for talk in corpus], dtype=np.int64)
    names = np.array([talk.topic or "" for talk in corpus], dtype=np.str_)
    topic = np.unique(names, return_inverse=True)[1]
    found = np.full((len(corpus), others), -1, dtype=np.int64)
    for key in (topic, np.zeros_like(topic)):
        order = np.lexsort((rng.random(len(size)), told, size, key))
        lacks = found[order, 0] < 0
        for step in (1, -1, 2, -2, 3, -3, len(order) // 2):
            other = np.roll(order, -step)
            good = (unit[other] != unit[order]) & (key[other] == key[order]) & lacks & (found[order, -1] < 0)
            free = (found[order[good]] >= 0).sum(axis=1)
            found[order[good], free] = other[good]
    return found
