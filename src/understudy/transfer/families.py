"""Families of measures, and which of them may still judge once some were used to fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.errors import UsageError
from understudy.measures.classifier import cross_validate, unit_folds
from understudy.measures.comparison import Build
from understudy.measures.distributions import jensen_shannon, shares
from understudy.measures.embeddings import user_texts
from understudy.measures.realism import conditional, coverage, messiness
from understudy.measures.realism.discriminator_features import feature_sets
from understudy.measures.resampling import Floats, Pool, Statistic, pool

# What a mixture may be fitted on: feature sets of a conversation's user turns.
FITTING = ("length", "punctuation", "function_words", "words", "behaviours")
FIT_BY_DEFAULT = ("length", "punctuation", "behaviours")
VOCABULARY = 5000


class Judge(NamedTuple):
    """A family that judges: what its number is, how it is built, and the fitting families that bar it."""

    name: str
    says: str
    build: Build
    barred_by: frozenset[str]


def _words(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """How far a discriminator of words (1- and 2-grams, no marks, no length) is from chance: AUC - .5.

    A resample is a column of labels in which some conversations have none, so that one factorisation a fold serves
    all of them (`measures.classifier`).
    """
    pooled = pool(real, synthetic)
    features = feature_sets(real, synthetic, only=("words",))["words"]
    fold = unit_folds(pooled.unit, pooled.unit_is_synthetic, rng)[pooled.unit]

    def statistic(r: Floats, s: Floats) -> Floats:
        sign = (s > 0).astype(np.int8) - (r > 0).astype(np.int8)
        return cross_validate(features.matrix, sign, fold).auc[:, None] - 0.5

    return statistic, pooled


def _vocabulary(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """Jensen-Shannon distance of the words that users use, every conversation weighing the same.

    Unlike a discriminator it does not saturate: two sets that are both told apart at a glance still differ in how
    much of what people say is in them.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import normalize

    documents = user_texts(real) + user_texts(synthetic)
    counts = CountVectorizer(token_pattern=f"(?u){TOKEN_PATTERN}", dtype=np.float32).fit_transform(documents)
    share = normalize(counts, norm="l1")
    kept = np.sort(np.argsort(-np.diff(share.tocsc().indptr), kind="stable")[:VOCABULARY])
    rest = np.asarray(share.sum(axis=1)).ravel() - np.asarray(share[:, kept].sum(axis=1)).ravel()
    words = share[:, kept].T.tocsr()

    def side(weights: Floats) -> Floats:
        return shares(np.column_stack([np.asarray(words @ weights).T, weights.T @ rest]))

    def statistic(r: Floats, s: Floats) -> Floats:
        return jensen_shannon(side(r), side(s))[:, None]

    return statistic, pool(real, synthetic)


def _uptake(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    return conditional.prepare(real, synthetic, rng, part="uptake")


def _acts(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    return conditional.prepare(real, synthetic, rng, part="acts")


# In the order in which they are preferred for the headline. Acts are read by word lists where the data has no
# labels, and coverage looks at words: each is barred by what it shares.
JUDGES: tuple[Judge, ...] = (
    Judge("vocabulary", "the words that users use, Jensen-Shannon distance", _vocabulary,
          frozenset({"words", "function_words"})),
    Judge("words", "a discriminator of words, AUC - .5", _words, frozenset({"words", "function_words"})),
    Judge("coverage", "share of real conversations that no synthetic one lies near", coverage.prepare,
          frozenset({"words", "function_words"})),
    Judge("uptake", "words taken up from the partner's last turn, synthetic minus real", _uptake, frozenset()),
    Judge("acts", "what users do after what the partner did, total variation", _acts, frozenset({"behaviours"})),
    Judge("messiness", "turn-level behaviours, mean total variation", messiness.prepare,
          frozenset({"behaviours", "length", "punctuation"})),
)  # fmt: skip


def check_fitting(families: Sequence[str]) -> tuple[str, ...]:
    """The fitting families, in their order; raises UsageError for an unknown one or for none."""
    unknown = [name for name in families if name not in FITTING]
    if unknown or not families:
        raise UsageError(
            f"cannot fit on {', '.join(unknown) or 'nothing'}",
            why=f"weights are fitted on one or more of {', '.join(FITTING)}",
            fix=f"for example {','.join(FIT_BY_DEFAULT)}",
        )
    return tuple(name for name in FITTING if name in families)


def judges_for(families: Sequence[str]) -> tuple[Judge, ...]:
    """The families that were not looked at: what is fitted does not judge.

    >>> [judge.name for judge in judges_for(FIT_BY_DEFAULT)]
    ['vocabulary', 'words', 'coverage', 'uptake']
    >>> [judge.name for judge in judges_for(["words"])]
    ['uptake', 'acts', 'messiness']
    """
    return tuple(judge for judge in JUDGES if not judge.barred_by & set(families))
