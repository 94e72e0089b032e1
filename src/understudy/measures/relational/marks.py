"""Turns of both corpora with the marks that word lists find in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from understudy.conversations import Corpus
from understudy.measures.behaviours import writing
from understudy.measures.relational.grounding_lexicons import LISTS, listed
from understudy.measures.relational.threads import kept_for, laid_out

if TYPE_CHECKING:
    import polars as pl

ASKS = r"[?？؟;]\W*$"


def marked_turns(real: Corpus, synthetic: Corpus) -> pl.DataFrame | str:
    """`laid_out` with one boolean column a list, `asks`, and `replies` (the turn before is the other speaker's).

    A reason where the two sides do not write one language that has lists.
    """
    a, b = writing(real), writing(synthetic)
    if a.language != b.language:
        return f"the real side writes {a.name} and the synthetic side {b.name}: lists do not compare"
    if a.language not in LISTS:
        return "no word list for this script or language"
    found: pl.DataFrame = kept_for(real, synthetic, "marks", lambda: _marked(real, synthetic, a.language))
    return found


def _marked(real: Corpus, synthetic: Corpus, language: str) -> pl.DataFrame:
    import polars as pl

    low = pl.col("text").str.to_lowercase().str.replace_all("[’`´]", "'")
    low = low.str.replace_all(r"\s+(n't|'(?:s|m|re|ve|ll|d))\b", "$1")
    same = (pl.col("conversation") == pl.col("conversation").shift(1)).fill_null(False)
    frame = laid_out(real, synthetic).with_columns(low=low)
    return frame.with_columns(
        **{name: pl.col("low").str.contains(listed(language, name)) for name in LISTS[language]},
        asks=pl.col("low").str.contains(ASKS),
        replies=same & (pl.col("is_user") != pl.col("is_user").shift(1)),
    ).drop("low")
