"""Behaviours as binned columns over two corpora, and which of them the two can be compared on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.measures.behaviours import (
    BEHAVIOURS,
    Behaviour,
    conversation_behaviours,
    user_turn_behaviours,
    writing,
)
from understudy.measures.distributions import Labels
from understudy.measures.resampling import Floats, Pool

if TYPE_CHECKING:
    import polars as pl

RAREST = 6
FEWEST_UNITS = 10

# Right-open bins; sizes by their logarithm, counts one by one, shares in uneven steps since most are near 0.
BINS: dict[str, tuple[float, ...]] = {
    "flag": (0.5,),
    "count": (0.5, 1.5, 2.5),
    "size": (1.5, 2.5, 3.5, 5.5, 8.5, 12.5, 18.5, 27.5, 40.5, 70.5, 150.5),
    "share": (1e-9, 0.1, 0.2, 0.35, 0.5, 0.75, 0.999999),
    "letters": (5.5, 12.5, 20.5, 30.5, 45.5, 65.5, 95.5, 140.5, 210.5, 400.5, 900.5),
    "change": (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0),
}
OVER_CONVERSATIONS: tuple[tuple[Behaviour, str], ...] = (
    (Behaviour("user_turns", "size", "any", "user turns in the conversation"), "size"),
    (Behaviour("front_loading", "share", "script", "share of all the user's words in the first turn"), "share"),
    (
        Behaviour("length_decay", "size", "script", "log words, later half of the turns minus the earlier"),
        "change",
    ),
    (Behaviour("reveal_area", "share", "any", "how early the entities are named, 1 = all at once"), "share"),
    (Behaviour("leaves_unsaid", "flag", "list", "leaves without thanks or goodbye"), "flag"),
)


class Column(NamedTuple):
    """One behaviour over both corpora: its values, the conversation of each, and how values are binned."""

    behaviour: Behaviour
    bins: tuple[float, ...]
    conversation: Labels
    value: Floats
    words: Floats | None
    turns: bool

    @property
    def unit(self) -> str:
        if self.words is not None:
            return "per 100 words"
        if self.behaviour.says.startswith("share of "):
            return self.behaviour.says
        over = "turns" if self.turns else "conversations"
        return f"share of user {over}" if self.behaviour.kind == "flag" else f"mean over user {over}"


def incomparable(real: Corpus, synthetic: Corpus) -> dict[str, str]:
    """Scopes on which the two corpora cannot be compared, with the reason."""
    a, b = writing(real), writing(synthetic)
    reasons = {}
    if not (a.cased and b.cased):
        reasons["case"] = "no capitals in this script"
    if a.spaced != b.spaced:
        reasons["script"] = "one side writes spaces between words and the other does not: a word is not the same"
    if a.language != b.language:
        reasons["list"] = f"the real side writes {a.name} and the synthetic side {b.name}: lists do not compare"
    elif not a.language:
        reasons["list"] = "no lexicon for this script or language"
    return reasons


def columns_of(real: Corpus, synthetic: Corpus) -> list[Column]:
    """Every behaviour as a column over both sides laid end to end."""
    import polars as pl

    def both(read: Callable[[Corpus], pl.DataFrame]) -> pl.DataFrame:
        second = read(synthetic).with_columns(pl.col("conversation") + len(real))
        return pl.concat([read(real), second], how="vertical_relaxed")

    turns, talks = both(user_turn_behaviours), both(conversation_behaviours)
    words = turns["n_words"].cast(pl.Float64).to_numpy()

    def column(frame: pl.DataFrame, behaviour: Behaviour, bins: str, over_turns: bool) -> Column:
        value = frame[behaviour.name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        rows = frame["conversation"].to_numpy().astype(np.int64)
        counted = words if behaviour.kind == "count" else None
        return Column(behaviour, BINS[bins], rows, value, counted, over_turns)

    kinds = {"n_chars": "letters"}
    return [column(turns, b, kinds.get(b.name, b.kind), True) for b in BEHAVIOURS] + [
        column(talks, b, bins, False) for b, bins in OVER_CONVERSATIONS
    ]


def why_not(column: Column, barred: Mapping[str, str], pooled: Pool) -> str:
    """The reason for which a behaviour cannot be scored here, or nothing."""
    if column.behaviour.scope in barred:
        return barred[column.behaviour.scope]
    known = ~np.isnan(column.value)
    unit = pooled.unit[column.conversation[known]]
    for flag, side in ((False, "real"), (True, "synthetic")):
        count = len(np.unique(unit[pooled.unit_is_synthetic[unit] == flag]))
        if count < FEWEST_UNITS:
            return f"the {side} side has it for {count} unit(s); at least {FEWEST_UNITS} are needed"
    value = column.value[known]
    common, times = np.unique(value, return_counts=True)
    unusual = len(np.unique(unit[value != common[times.argmax()]]))
    if unusual < RAREST:
        return f"only {unusual} unit(s) on both sides together show it; at least {RAREST} are needed"
    return ""


def between_sd(column: Column, rows: npt.NDArray[np.bool_]) -> float | None:
    """Standard deviation between conversations of their mean (per 100 words: of their rate)."""
    known = ~np.isnan(column.value) & rows[column.conversation]
    where, value = column.conversation[known], column.value[known]
    size = len(rows)
    weight = column.words[known] if column.words is not None else np.ones(len(value))
    mass = np.bincount(where, weight, minlength=size)
    means = np.bincount(where, value, minlength=size)[mass > 0] / mass[mass > 0]
    return None if len(means) < 2 else float(means.std(ddof=1)) * (100 if column.words is not None else 1)
