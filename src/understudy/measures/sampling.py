"""Equal samples of two corpora, by unit, for measures whose value depends on sample size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.measures.resampling import FEWEST_CLUSTERS, Pool

# As many units as a real-against-real floor needs.
FEWEST_UNITS = 2 * FEWEST_CLUSTERS


def unit_order(corpus: Corpus, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """All rows, units shuffled and each unit's rows together."""
    _, member = np.unique(corpus.unit_ids, return_inverse=True)
    rank = rng.permutation(int(member.max()) + 1)[member]
    return np.argsort(rank, kind="stable")


def equal_sample(real: Corpus, synthetic: Corpus, *, most: int, rng: np.random.Generator) -> tuple[Corpus, Corpus]:
    """The same number of conversations of both sides, at most `most`, from as many units as the smaller side has.

    A side that is cut gives as many units as the other side has (at least `FEWEST_UNITS`, more where they hold too
    few conversations), drawn at random, and one conversation of each in turn until there are enough: fifty
    conversations of one talkative user would say little about people, and nothing about how they differ. Rows keep
    their order. A side that is already of that size comes back as it is.

    >>> from understudy.conversations import Conversation, Turn
    >>> side = lambda n: Corpus([Conversation(str(i), (Turn("user", "hi"),)) for i in range(n)])
    >>> [len(c) for c in equal_sample(side(5), side(9), most=100, rng=np.random.default_rng(0))]
    [5, 5]
    """
    size = min(len(real), len(synthetic), most)
    units = [corpus.n_units for corpus in (real, synthetic)]
    first, second = (
        corpus if len(corpus) == size else corpus.subset(_in_turn(corpus, size, max(other, FEWEST_UNITS), rng))
        for corpus, other in ((real, units[1]), (synthetic, units[0]))
    )
    return first, second


def _in_turn(corpus: Corpus, size: int, units: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """`size` rows of about `units` units: everyone's first, in random order, then everyone's second."""
    _, member = np.unique(corpus.unit_ids, return_inverse=True)
    rank = rng.permutation(int(member.max()) + 1)[member]
    by_unit = np.lexsort((rng.random(len(member)), rank))
    held = np.bincount(rank)
    chosen = max(min(units, len(held)), int(np.searchsorted(np.cumsum(held), size)) + 1)
    turn = np.arange(len(member)) - np.repeat(np.cumsum(held) - held, held)
    few = np.flatnonzero(rank[by_unit] < chosen)
    return np.sort(by_unit[few[np.lexsort((rank[by_unit][few], turn[few]))][:size]])


def without(pooled: Pool, *, interval: bool, floor: bool) -> dict[str, str]:
    """Why a measurement on equal samples has no interval or no floor, for its evidence."""
    synthetic = int(pooled.unit_is_synthetic.sum())
    real = len(pooled.unit_is_synthetic) - synthetic
    reasons = {}
    if not interval:
        reasons["no_interval"] = (
            f"{real} real and {synthetic} synthetic units in equal samples, {FEWEST_CLUSTERS} a side are needed"
        )
    if not floor:
        reasons["no_floor"] = (
            f"{real} real units in equal samples; at least {2 * FEWEST_CLUSTERS} are needed to halve them"
        )
    return reasons
