"""The seven style measures of a conversation's user side, the same wherever style is fitted or measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN

Floats = npt.NDArray[np.float64]

STYLE_FEATURES = (
    "words_per_turn",
    "user_turns",
    "opening_length",
    "length_variation",
    "question_rate",
    "exclamation_rate",
    "final_punctuation_rate",
)
_QUESTION = r"[?？؟\u037e]"
_EXCLAMATION = r"[!！]"
_FINAL = r"[.!?…。！？｡؟।॥\u037e][\"'”’)\]）」』»]*\s*$"


def style_matrix(corpus: Corpus) -> Floats:
    """How does the user of each conversation write? Shape `(conversations, 7)`, columns `STYLE_FEATURES`.

    Over the user turns, in any language (a word is a token of `conversations.text`):

    - `words_per_turn`: log(1 + mean words a turn)
    - `user_turns`: log(1 + turns)
    - `opening_length`: log(1 + words of the first user turn)
    - `length_variation`: standard deviation of words a turn over their mean; 0 for one turn or no words
    - `question_rate`, `exclamation_rate`: share of turns with such a mark
    - `final_punctuation_rate`: share of turns that end in a sentence mark

    Never NaN. A conversation without a user turn is a row of zeros and False in `speaks`: leave it out.
    Computed once a corpus.

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = Conversation("a", (Turn("user", "hi there"), Turn("assistant", "Hello."), Turn("user", "a film?")))
    >>> dict(zip(STYLE_FEATURES, style_matrix(Corpus([talk]))[0].round(2).tolist()))
    {'words_per_turn': 1.1, 'user_turns': 1.1, 'opening_length': 1.1, 'length_variation': 0.0,
     'question_rate': 0.5, 'exclamation_rate': 0.0, 'final_punctuation_rate': 0.5}
    """
    return corpus.memo("style.matrix", _build)


def speaks(corpus: Corpus) -> npt.NDArray[np.bool_]:
    """Which conversations have a user turn at all, so that their row of `style_matrix` means something."""
    present: npt.NDArray[np.bool_] = style_matrix(corpus)[:, 1] > 0
    return present


def _build(corpus: Corpus) -> Floats:
    import polars as pl

    text = pl.col("text")
    turns = corpus.turns.lazy().filter(pl.col("is_user"))
    measured = turns.select(
        "conversation",
        words=text.str.count_matches(TOKEN_PATTERN).cast(pl.Float64),
        question=text.str.contains(_QUESTION).cast(pl.Float64),
        exclamation=text.str.contains(_EXCLAMATION).cast(pl.Float64),
        final=text.str.contains(_FINAL).cast(pl.Float64),
    )
    words = pl.col("words")
    columns = {
        "words_per_turn": words.mean().log1p(),
        "user_turns": pl.len().cast(pl.Float64).log1p(),
        "opening_length": words.first().log1p(),
        "length_variation": pl.when(words.mean() > 0).then(words.std(ddof=0) / words.mean()).otherwise(0.0),
        "question_rate": pl.col("question").mean(),
        "exclamation_rate": pl.col("exclamation").mean(),
        "final_punctuation_rate": pl.col("final").mean(),
    }
    grouped = measured.group_by("conversation", maintain_order=True).agg(**columns).collect()
    matrix = np.zeros((len(corpus), len(STYLE_FEATURES)))
    matrix[grouped["conversation"].to_numpy()] = grouped.select(STYLE_FEATURES).to_numpy()
    matrix.setflags(write=False)
    return matrix
