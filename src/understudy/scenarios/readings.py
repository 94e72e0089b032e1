"""What the text of a conversation shows of its setting: an index a characteristic, and the level it falls into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus
from understudy.measures.behaviours import user_turn_behaviours
from understudy.scenarios.characteristics import BY_NAME, READABLE
from understudy.scenarios.joint import Component

if TYPE_CHECKING:
    import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Cuts = Mapping[str, tuple[float, float]]
UNREAD = -1
_ENOUGH = 30
_CAREFUL = ("polite", "capital_start", "final_mark")
_CASUAL = ("contractions", "shorthand", "lower_case", "emoji", "exclamation", "repeated_characters")
RATES: Mapping[str, tuple[str, str]] = {
    "fillers": ("fillers", "n_words"),
    "hedges": ("hedges", "n_words"),
    "short_turns": ("short", "turns"),
    "typos": ("shorthand", "turns"),
    "questions": ("question", "turns"),
    "words_per_turn": ("n_words", "turns"),
}


class Readings(NamedTuple):
    """One row a conversation. `values` holds NaN where nothing can be read; `sums` feed the rates of a whole set."""

    values: Mapping[str, Floats]
    sums: Mapping[str, Floats]

    def levels(self, name: str, cuts: Cuts) -> Ints:
        """The level number of each conversation, `UNREAD` where it cannot be read."""
        read, (low, high) = self.values[name], cuts[name]
        level = (read > low).astype(np.int64) + (read > high)
        return np.where(np.isnan(read), UNREAD, level)


def read_conversations(talks: Sequence[Conversation]) -> Readings:
    """The indices of `characteristics.READABLE` for each conversation, from rules and word lists.

    Rates are over the user's turns; `duration` counts the turns of both sides. Where a language has no word list,
    the indices that need one are NaN, never 0.

    >>> from understudy.conversations import Turn
    >>> read = read_conversations([Conversation("a", (Turn("user", "um, I think so"), Turn("user", "what is it?")))])
    >>> {name: round(float(v[0]), 2) for name, v in read.values.items() if name in ("duration", "fillers", "hedges")}
    {'duration': 2.0, 'fillers': 14.29, 'hedges': 14.29}
    """
    corpus = talks if isinstance(talks, Corpus) else Corpus(talks)
    n = len(corpus)
    frame = _sums(corpus)
    at = frame["conversation"].to_numpy()

    def column(name: str) -> Floats:
        out = np.full(n, np.nan)
        out[at] = frame[name].cast(float).fill_null(np.nan).to_numpy()
        return out

    turns, words = column("turns"), column("n_words")
    with np.errstate(divide="ignore", invalid="ignore"):
        index = {
            "emotion": 100 * (column("positive") - column("negative")) / words,
            "formality": column("form") / turns,
            "duration": np.array([float(len(talk.turns)) for talk in corpus]).reshape(n),
            "agreement": column("rejection") / turns,
            "fillers": 100 * column("fillers") / words,
            "hedges": 100 * column("hedges") / words,
            "short_turns": column("short") / turns,
            "typos": column("shorthand") / turns,
        }
    needed = sorted({name for pair in RATES.values() for name in pair})
    return Readings({name: index[name] for name in READABLE}, {name: column(name) for name in needed})


def _sums(corpus: Corpus) -> pl.DataFrame:
    import polars as pl

    frame = user_turn_behaviours(corpus).with_columns(final_mark=~pl.col("no_final_mark"), turns=pl.lit(1))

    def total(name: str) -> pl.Expr:
        # A sum over nothing but nulls is null: there was no list to read with.
        return pl.when(pl.col(name).count() > 0).then(pl.col(name).cast(pl.Float64).sum()).alias(name)

    wanted = ("turns", "n_words", "positive", "negative", "rejection", "fillers", "hedges", "short", "shorthand")
    careful = pl.sum_horizontal(pl.col(name).cast(pl.Float64) for name in _CAREFUL)
    casual = pl.sum_horizontal(pl.col(name).cast(pl.Float64) for name in _CASUAL)
    # Without a word list for politeness and contractions the index would compare marks alone.
    listed = pl.col("polite").count() > 0
    return frame.group_by("conversation", maintain_order=True).agg(
        *(total(name) for name in (*wanted, "question")),
        pl.when(listed).then((careful - casual).sum()).alias("form"),
    )


def choose_cuts(reference: Readings | None, given: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Where levels are told apart: a plan's own cuts, else the reference's, else those of `CHARACTERISTICS`.

    From a reference of 30 conversations or more, the thirds of its distribution; where the first level means
    *none*, it stays at 0 and the others part at the median of what is above 0.
    """
    cuts: dict[str, tuple[float, float]] = {}
    for name in READABLE:
        kind = BY_NAME[name]
        low, high = kind.cuts
        values = np.zeros(0) if reference is None else reference.values[name]
        values = values[~np.isnan(values)]
        if len(values) >= _ENOUGH:
            above = values[values > low]
            if kind.zero_means_none:
                high = float(np.median(above)) if len(above) else high
            else:
                a, b = (float(q) for q in np.quantile(values, [1 / 3, 2 / 3]))
                low, high = (a, b) if a < b else (low, high)
        cuts[name] = given.get(name, (low, high))
    return cuts


def fit_contexts(readings: Readings, names: Sequence[str], cuts: Cuts) -> Component | None:
    """The joint distribution of characteristics as a reference corpus has them, smoothed towards independence.

    Counts of the cells plus as many pseudo-counts as there are cells, spread as the product of the margins. A
    characteristic that cannot be read there is left to its declared table; None where that is all of them.
    """
    read = {name: readings.levels(name, cuts) for name in names}
    usable = [name for name in names if (read[name] != UNREAD).mean() > 0.5]
    if not usable:
        return None
    rows = np.all([read[name] != UNREAD for name in usable], axis=0)
    sizes = [len(BY_NAME[name].base) for name in usable]
    cells = np.zeros(sizes)
    np.add.at(cells, tuple(read[name][rows] for name in usable), 1.0)
    product = np.ones(sizes)
    for axis in range(len(usable)):
        margin = cells.sum(axis=tuple(k for k in range(len(usable)) if k != axis)) + 0.5
        product = product * (margin / margin.sum()).reshape([-1 if k == axis else 1 for k in range(len(usable))])
    cells = cells + min(float(product.size), 0.25 * rows.sum()) * product
    return Component(tuple(usable), cells / cells.sum())
