"""What a user turn does, as one label: the corpora's own acts, else from word lists, else from its marks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.measures.behaviours import user_turn_behaviours, writing

if TYPE_CHECKING:
    import polars as pl

MOST_ACTS = 20
LISTED_ACTS = (
    "greeting", "closing", "thanks", "correction", "no preference", "acknowledgement", "question", "request",
    "preference", "rejection", "statement",
)  # fmt: skip
MARKED_ACTS = ("question", "exclamation", "statement", "unfinished")


class ActLabels(NamedTuple):
    """`label` numbers `names`, one a user turn, real turns first; `origin` says how they were read."""

    label: npt.NDArray[np.int64]
    names: tuple[str, ...]
    origin: str


def user_acts(real: Corpus, synthetic: Corpus) -> ActLabels:
    """One act a user turn over both corpora.

    The corpora's own acts (several on one turn joined by `+`; the 20 commonest over both sides) where at least
    half of the user turns of each side carry them, other than as what a simulator planned (`intent`), and the two
    label sets are the same scheme: half of the smaller set is in the other. Else rules over the behaviours of one
    language; else question, exclamation, statement or unfinished, from punctuation alone.

    >>> from understudy.conversations import Conversation, Turn
    >>> side = lambda text: Corpus([Conversation("a", (Turn("user", text),))])
    >>> acts = user_acts(side("thank you so much"), side("what is the phone number"))
    >>> [acts.names[i] for i in acts.label], acts.origin
    (['thanks', 'question'], 'word lists')
    """
    own = [_own_acts(corpus) for corpus in (real, synthetic)]
    if same_scheme(*(labels for labels, _ in own)) and min(share for _, share in own) >= 0.5:
        return _commonest(real, synthetic)
    language = writing(real).language
    if language and language == writing(synthetic).language:
        return ActLabels(_both(_listed(), real, synthetic), LISTED_ACTS, "word lists")
    return ActLabels(_both(_marked(), real, synthetic), MARKED_ACTS, "punctuation")


def same_scheme(first: Iterable[str], second: Iterable[str]) -> bool:
    """Whether two sets of labels can be one scheme: half of the smaller is in the other.

    >>> same_scheme({"inform", "bye"}, {"inform", "request", "thank"}), same_scheme({"inform"}, {"a", "b"})
    (True, False)
    """
    a, b = set(first), set(second)
    return bool(a and b) and 2 * len(a & b) >= min(len(a), len(b))


def _both(rule: pl.Expr, real: Corpus, synthetic: Corpus) -> npt.NDArray[np.int64]:
    import polars as pl

    labels = [user_turn_behaviours(c).select(label=rule) for c in (real, synthetic)]
    return pl.concat(labels)["label"].to_numpy().astype(np.int64)


def _own_acts(corpus: Corpus) -> tuple[set[str], float]:
    import polars as pl

    # What a simulator planned and labelled itself says nothing about what its words do.
    labelled = pl.when(pl.col("intent").is_null()).then(pl.col("acts"))
    acts = corpus.turns.filter(pl.col("is_user")).select(acts=labelled)["acts"]
    share = float((acts.list.len() > 0).fill_null(False).mean() or 0.0)  # type: ignore[arg-type]
    return set(acts.explode(empty_as_null=False).drop_nulls().unique().to_list()) if share else set(), share


def _commonest(real: Corpus, synthetic: Corpus) -> ActLabels:
    import polars as pl

    users = pl.concat([c.turns.filter(pl.col("is_user")).select("acts") for c in (real, synthetic)])
    joined = users.select(act=pl.col("acts").list.unique().list.sort().list.join("+"))["act"]
    named = joined.filter(joined != "").value_counts().sort(["count", "act"], descending=[True, False])["act"]
    kept = sorted(named.head(MOST_ACTS))
    number = {name: i for i, name in enumerate(kept)} | {"": len(kept) + 1}
    label = joined.replace_strict(number, default=len(kept), return_dtype=pl.Int64).to_numpy()
    return ActLabels(label, (*kept, "other", "unlabelled"), "own labels")


def _listed() -> pl.Expr:
    """The first rule that applies, the rarer act before the commoner."""
    import polars as pl

    asks = pl.col("question") | pl.col("unmarked_question")
    rules = (
        pl.col("greeting") & (pl.col("n_words") <= 4),
        pl.col("closing") & ~pl.col("request") & ~asks,
        pl.col("thanks") & ~pl.col("request") & ~asks & (pl.col("n_words") <= 12),
        pl.col("self_correction"),
        pl.col("no_preference"),
        pl.col("acknowledgement"),
        asks,
        pl.col("request"),
        pl.col("explicit_preference") | pl.col("indirect_preference"),
        pl.col("rejection"),
    )
    label = pl.when(rules[0]).then(0)
    for index, rule in enumerate(rules[1:], 1):
        label = label.when(rule).then(index)  # type: ignore[assignment]
    return label.otherwise(len(LISTED_ACTS) - 1)


def _marked() -> pl.Expr:
    import polars as pl

    return (
        pl.when(pl.col("question")).then(0).when(pl.col("exclamation")).then(1).when(pl.col("no_final_mark")).then(3)
    ).otherwise(2)
