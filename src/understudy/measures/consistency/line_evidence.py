"""How much a line speaks for its own persona or against it, by everything that the embedded judges see."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.measures.consistency import contradiction
from understudy.measures.consistency.letter_ranker import LetterRanker
from understudy.measures.consistency.line_judge import Floats
from understudy.measures.consistency.personas import sentences
from understudy.measures.consistency.word_ranker import WordRanker, content

OTHERS = 24  # personas beside the own one
STRENGTH = 1.0


@lru_cache(maxsize=65536)
def facts(persona: str) -> frozenset[str]:
    """The sentences of a persona, for comparison.

    >>> sorted(facts("I sail. I have two dogs."))
    ['i have two dogs', 'i sail']
    """
    return frozenset(sentence.strip(" .!?").lower() for sentence in sentences(persona))


def strangers(persona: str, told: Sequence[str], rng: np.random.Generator, most: int = OTHERS) -> list[str]:
    """Up to `most` of the personas told that are not this one, in whatever order of sentences, at random."""
    mine = facts(persona)
    apart = [other for other in told if facts(other) != mine]
    return [apart[k] for k in rng.permutation(len(apart))[:most].tolist()]


def features(
    rankers: Sequence[WordRanker | LetterRanker], persona: str, lines: Sequence[str], others: Sequence[str]
) -> Floats:
    """`(lines, 5 * 2 * rankers + 1 + contradiction.FEATURES)`.

    Of each ranker twice, beside the persona as a whole and beside the sentence of it that fits best: the own ratio, the
    mean of the others', the own one above what the others would give together (log of their mean odds), its rank among
    them as log odds, and its distance in their spread. Then how many words the line has, and what of it stands against
    a sentence of the persona.
    """
    parts = [sentences(text) for text in (persona, *others)]
    texts = [persona, *others, *(sentence for part in parts for sentence in part)]
    ends = np.cumsum([len(parts), *(len(part) for part in parts)])
    columns = []
    for ranker in rankers:
        table = ranker.beside(texts, lines)
        best = [table[:, a:b].max(axis=1) for a, b in pairwise(ends)]
        for view in (table[:, : len(parts)], np.stack(best, axis=1)):
            own, rest = view[:, :1], view[:, 1:]
            rank = ((own > rest).sum(axis=1) + 0.5) / (rest.shape[1] + 1)
            mean = rest.mean(axis=1)
            above = own[:, 0] - np.log(np.exp(np.clip(rest, -50, 50)).mean(axis=1))
            apart = (own[:, 0] - mean) / (rest.std(axis=1) + 0.3)
            columns += [own[:, 0], mean, above, np.log(rank / (1 - rank)), apart]
    columns.append(np.log1p([len(set(content(line))) for line in lines]))
    against = [contradiction.features(parts[0], [line] * len(parts[0])).max(axis=0) for line in lines]
    return np.column_stack([*columns, np.array(against).reshape(len(lines), -1)])


class LineEvidence:
    """The log likelihood ratio of a line: said by the person described, over said by somebody else.

    A logistic regression on `features`, learned from people whom the rankers have not seen: each line beside the own
    persona, and beside another's.
    """

    def __init__(self, rankers: Sequence[WordRanker | LetterRanker], weights: Floats) -> None:
        self.rankers, self.weights = tuple(rankers), weights

    def ratios(self, persona: str, lines: Sequence[str], others: Sequence[str]) -> Floats:
        """The log ratio of each line; `others` are personas to hold beside, at least one."""
        x = features(self.rankers, persona, lines, others)
        return np.asarray(x @ self.weights[:-1] + self.weights[-1])


def fit_weights(x: Floats, own: npt.NDArray[np.bool_]) -> Floats:
    """Weights of the features, then the intercept: both kinds of line count the same, so that the score is a ratio."""
    from sklearn.linear_model import LogisticRegression

    centre, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    model: Any = LogisticRegression(C=STRENGTH, max_iter=500, class_weight="balanced")
    fitted = model.fit((x - centre) / spread, own)
    weights = fitted.coef_[0] / spread
    return np.append(weights, fitted.intercept_[0] - weights @ centre)
