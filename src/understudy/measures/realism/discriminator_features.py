"""The nested feature sets a discriminator may look at, one row a conversation, user turns only.

Vocabularies and scales come from the pooled conversations, never from their labels, so that relabelling
permutations of the finished matrix stay exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.classifier import Singles

if TYPE_CHECKING:
    import polars as pl

VOCABULARY = 2000
FREQUENT_WORDS = 150
TURN_MARK = "\x1e"
SETS = ("length", "punctuation", "function_words", "words", "behaviours", "all")
FULL_WIDTH = {
    "。": ".",
    "，": ",",
    "？": "?",
    "！": "!",
    "：": ":",
    "；": ";",
    "（": "(",
    "）": ")",
    "、": ",",
    "…": "...",
}
PUNCTUATION = {
    "period": r"\.", "comma": ",", "question mark": r"\?", "exclamation mark": "!", "apostrophe": "['’]",
    "quotation mark": "[\"“”「」]", "colon": ":", "semicolon": ";", "dash": "[-–—]", "bracket": r"[()\[\]]",
    "slash": "/", "ellipsis": r"\.\.+", "repeated mark": r"[!?]{2,}", "digit": r"\d", "line break": r"\n",
    "space before a mark": r"\s[.,!?]", "double space": r"  +", "symbol": r"[@#$%&*+=<>^~|\\]", "emoji": r"\p{So}",
}  # fmt: skip


class FeatureSet(NamedTuple):
    """A matrix `(conversations, features)` with names; `raw` holds readable rates for dense sets, else None."""

    matrix: Singles
    names: tuple[str, ...]
    raw: npt.NDArray[np.float64] | None


def user_documents(corpus: Corpus) -> list[str]:
    """All user turns of each conversation, each turn opened by a mark so that n-grams see turn starts and ends."""

    def build(source: Corpus) -> list[str]:
        marked = (f"{TURN_MARK} {TURN_MARK} ".join(t.text for t in c.turns if t.role == "user") for c in source)
        return [f"{TURN_MARK} {text} {TURN_MARK}" for text in marked]

    return corpus.memo("discriminator.documents", build)


def _per_conversation(corpus: Corpus, columns: list[pl.Expr]) -> npt.NDArray[np.float64]:
    """Aggregate expressions over the user turns of every conversation; zero rows where there is none."""
    import polars as pl

    frame = corpus.turns.filter(pl.col("is_user")).with_columns(
        pl.col("text").str.replace_many(list(FULL_WIDTH), list(FULL_WIDTH.values()))
    )
    grouped = frame.group_by("conversation").agg(columns).sort("conversation")
    out = np.zeros((len(corpus), len(columns)))
    rows = grouped["conversation"].to_numpy()
    out[rows] = grouped.drop("conversation").fill_null(0.0).fill_nan(0.0).to_numpy()
    return out


def _length(corpus: Corpus) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    import polars as pl

    words = pl.col("text").str.count_matches(TOKEN_PATTERN).cast(pl.Float64)
    log_words = (words + 1).log()
    characters = (pl.col("text").str.len_chars().cast(pl.Float64) + 1).log()
    columns = {
        "user turns (log)": pl.len().cast(pl.Float64).log(),
        "words per turn (log mean)": (words.mean() + 1).log(),
        "typical turn (mean log words)": log_words.mean(),
        "spread of turn length": log_words.std(ddof=0),
        "first turn (log words)": log_words.first(),
        "last turn (log words)": log_words.last(),
        "longest turn (log words)": log_words.max(),
        "shortest turn (log words)": log_words.min(),
        "turns of 1-3 words": (words <= 3).mean().cast(pl.Float64),
        "characters per turn (log)": characters.mean(),
        "characters per word": (pl.col("text").str.len_chars().sum() / (words.sum() + 1)).cast(pl.Float64),
    }
    return _per_conversation(corpus, [e.alias(k) for k, e in columns.items()]), tuple(columns)


def _punctuation(corpus: Corpus) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    import polars as pl

    text = pl.col("text")
    size = text.str.len_chars().sum().cast(pl.Float64) + 1
    letters = text.str.count_matches(r"\p{L}").sum().cast(pl.Float64) + 1
    columns = {
        f"{name} per 100 characters": 100 * text.str.count_matches(pattern).sum() / size
        for name, pattern in PUNCTUATION.items()
    }
    columns |= {
        f"turns with {name}": text.str.contains(PUNCTUATION[name]).mean().cast(pl.Float64)
        for name in ("question mark", "exclamation mark", "comma", "digit", "ellipsis")
    }
    columns |= {
        "capitals per letter": text.str.count_matches(r"\p{Lu}").sum() / letters,
        "turns that open with a capital": text.str.contains(r"^\W*\p{Lu}").mean().cast(pl.Float64),
        "turns that close with a mark": text.str.contains(r"[.!?]\W*$").mean().cast(pl.Float64),
        "turns that close with a period": text.str.contains(r"\.\s*$").mean().cast(pl.Float64),
        "lower-case i": text.str.contains(r"\bi\b").mean().cast(pl.Float64),
        "words in capitals": text.str.count_matches(r"\b\p{Lu}{2,}\b").sum() / size,
    }
    return _per_conversation(corpus, [e.alias(k) for k, e in columns.items()]), tuple(columns)


def _behaviours(corpus: Corpus) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Mean of every behaviour column over the user turns; columns that do not apply to the language are nan."""
    import polars as pl

    from understudy.measures.behaviours import user_turn_behaviours

    frame = user_turn_behaviours(corpus)
    names = tuple(
        name
        for name, kind in frame.schema.items()
        if name not in ("conversation", "position") and (kind.is_numeric() or kind == pl.Boolean)
    )
    grouped = frame.group_by("conversation").agg([pl.col(n).cast(pl.Float64).mean() for n in names])
    out = np.zeros((len(corpus), len(names)))
    out[:, [i for i, n in enumerate(names) if frame[n].null_count() == frame.height]] = np.nan
    rows = grouped["conversation"].to_numpy()
    out[rows] = grouped.select(names).to_numpy()
    return out, names


def _comparable(features: FeatureSet, real: Corpus, synthetic: Corpus) -> FeatureSet:
    """Without the behaviours that the two corpora's languages or scripts do not share."""
    from understudy.measures.behaviours import BEHAVIOURS
    from understudy.measures.realism.messiness_columns import incomparable

    barred = incomparable(real, synthetic)
    out = {b.name for b in BEHAVIOURS if b.scope in barred}
    kept = [column for column, name in enumerate(features.names) if name not in out]
    if features.raw is None or len(kept) == len(features.names):
        return features
    raw = features.raw[:, kept]
    return FeatureSet(_standardised(raw), tuple(features.names[column] for column in kept), raw)


def _standardised(raw: npt.NDArray[np.float64]) -> Singles:
    """z-scores and their squares (dispersion shows there), the block scaled to unit mean square row norm."""
    centre, spread = raw.mean(axis=0), raw.std(axis=0)
    z = np.clip((raw - centre) / np.where(spread > 0, spread, 1.0), -4, 4)
    both = np.concatenate([z, (z * z - 1) / np.sqrt(2)], axis=1)
    return np.asarray(both / np.sqrt(both.shape[1]), dtype=np.float32)


def _dense(
    real: Corpus, synthetic: Corpus, build: Callable[[Corpus], tuple[npt.NDArray[np.float64], tuple[str, ...]]]
) -> FeatureSet:
    key = ("discriminator", build.__name__)
    (a, names), (b, _) = real.memo(key, build), synthetic.memo(key, build)
    raw = np.concatenate([a, b])
    absent = np.isnan(a).all(axis=0) | np.isnan(b).all(axis=0)
    raw[:, absent] = 0.0
    # A conversation that gave no occasion (no question to ignore) sits at the pooled mean: it tells nothing.
    gaps = np.isnan(raw)
    raw[gaps] = np.broadcast_to(np.nanmean(raw, axis=0), raw.shape)[gaps]
    usable = ~absent & (raw.std(axis=0) > 1e-9 * (1 + np.abs(raw).max(axis=0)))
    raw = raw[:, usable]
    return FeatureSet(_standardised(raw), tuple(n for n, keep in zip(names, usable, strict=True) if keep), raw)


def _scaled_counts(counts: Any) -> Singles:
    """Log term frequency x inverse document frequency, rows of unit length: conversation length drops out."""
    from sklearn.feature_extraction.text import TfidfTransformer

    return np.asarray(TfidfTransformer(sublinear_tf=True).fit_transform(counts).toarray(), dtype=np.float32)


def _words(documents: list[str]) -> FeatureSet:
    from sklearn.feature_extraction.text import CountVectorizer

    pattern = rf"(?u){TURN_MARK}|{TOKEN_PATTERN}"
    vectoriser = CountVectorizer(
        token_pattern=pattern, ngram_range=(1, 2), min_df=2 if len(documents) > 20 else 1, dtype=np.float32
    )
    counts = vectoriser.fit_transform(documents).tocsc()
    names = vectoriser.get_feature_names_out()
    marks_only = np.array([not name.replace(TURN_MARK, "").strip() for name in names])
    frequency = np.where(marks_only, 0, np.diff(counts.indptr))
    order = np.argsort(-frequency, kind="stable")[: min(VOCABULARY, int((~marks_only).sum()))]
    names = names[order]
    return FeatureSet(_scaled_counts(counts[:, order].tocsr()), tuple(n.replace(TURN_MARK, "⏎") for n in names), None)


def _function_words(documents: list[str]) -> FeatureSet:
    """The most frequent words of the pooled conversations: closed-class words in any language (Burrows' Delta)."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectoriser = CountVectorizer(token_pattern=f"(?u){TOKEN_PATTERN}", dtype=np.float32)
    counts = vectoriser.fit_transform(documents).tocsc()
    order = np.argsort(-np.diff(counts.indptr), kind="stable")[:FREQUENT_WORDS]
    return FeatureSet(_scaled_counts(counts[:, order].tocsr()), tuple(vectoriser.get_feature_names_out()[order]), None)


def feature_sets(real: Corpus, synthetic: Corpus, *, only: Collection[str] = SETS) -> dict[str, FeatureSet]:
    """The feature sets `only` names, for the two corpora laid end to end; `all` is the others side by side."""
    documents = user_documents(real) + user_documents(synthetic)
    makers: dict[str, Callable[[], FeatureSet]] = {
        "length": lambda: _dense(real, synthetic, _length),
        "punctuation": lambda: _dense(real, synthetic, _punctuation),
        "function_words": lambda: _function_words(documents),
        "words": lambda: _words(documents),
        "behaviours": lambda: _comparable(_dense(real, synthetic, _behaviours), real, synthetic),
    }
    sets = {name: make() for name, make in makers.items() if name in only or "all" in only}
    sets = {name: each for name, each in sets.items() if each.matrix.shape[1]}
    if "all" not in only:
        return sets
    matrix = np.concatenate([each.matrix for each in sets.values()], axis=1)
    names = tuple(n for each in sets.values() for n in each.names)
    return {**sets, "all": FeatureSet(matrix, names, None)}
