"""Equal samples of two corpora, by unit, for measures whose value depends on sample size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus


def unit_order(corpus: Corpus, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """All rows, units shuffled and each unit's rows together."""
    _, member = np.unique(corpus.unit_ids, return_inverse=True)
    rank = rng.permutation(int(member.max()) + 1)[member]
    return np.argsort(rank, kind="stable")


def equal_sample(real: Corpus, synthetic: Corpus, *, most: int, rng: np.random.Generator) -> tuple[Corpus, Corpus]:
    """The same number of conversations of both sides, at most `most`: units at random, the last one cut short.

    Rows keep their order. A side that is already of that size comes back as it is.

    >>> from understudy.conversations import Conversation, Turn
    >>> side = lambda n: Corpus([Conversation(str(i), (Turn("user", "hi"),)) for i in range(n)])
    >>> [len(c) for c in equal_sample(side(5), side(9), most=100, rng=np.random.default_rng(0))]
    [5, 5]
    """
    size = min(len(real), len(synthetic), most)
    first, second = (
        corpus if len(corpus) == size else corpus.subset(np.sort(unit_order(corpus, rng)[:size]))
        for corpus in (real, synthetic)
    )
    return first, second
