"""Which real behaviours do the simulated users never show, and which of theirs does no real user show?"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus
from understudy.measures.embeddings import conversation_embeddings
from understudy.measures.measurement import Measurement, MeasureSpec, counts, floor_of, measure
from understudy.measures.resampling import Floats, Ints, Pool, Statistic, permutation_p, pool, two_sample
from understudy.measures.sampling import equal_sample, without

NEIGHBOURS = 5
MOST_CONVERSATIONS = 1500
DEPTH = 64
EXAMPLES = 8
Singles = npt.NDArray[np.float32]

SPEC = MeasureSpec(
    name="realism.coverage",
    question="real",
    asks="What share of real behaviour do the simulated users show at all?",
    unit="share of real conversations with a synthetic neighbour; about .97 for real against real",
    range=(0.0, 1.0),
    better="higher",
    source="coverage and density, arXiv:2002.09797",
    headline=True,
)
DENSITY = MeasureSpec(
    name="realism.coverage",
    question="real",
    asks="Do the simulated users stay where real users are?",
    unit="synthetic conversations in a real neighbourhood, relative to real ones; 1 = as real users",
    range=(0.0, None),
    better="match",
    source="coverage and density, arXiv:2002.09797",
)


class Neighbourhoods(NamedTuple):
    """Every pooled conversation's neighbours in other units, nearest first; -1 where there are no more."""

    order: npt.NDArray[np.int32]
    distance: Singles


def squared_distances(vectors: Singles) -> Singles:
    """Between all rows, never below 0; equal rows are exactly 0 apart as far as rounding allows."""
    lengths = np.einsum("nd,nd->n", vectors, vectors)
    far = lengths[:, None] + lengths[None, :] - 2.0 * (vectors @ vectors.T)
    far[far < 1e-5] = 0.0
    return np.asarray(far, dtype=np.float32)


def neighbourhoods(vectors: Singles, unit: Ints, rng: np.random.Generator) -> Neighbourhoods:
    """All neighbours of other units, sorted. Ties fall at random, whatever the labels."""
    far = squared_distances(vectors)
    far[unit[:, None] == unit[None, :]] = np.inf
    shuffle = rng.permutation(len(vectors))
    order = shuffle[np.argsort(far[:, shuffle], axis=1, kind="stable")]
    distance = np.take_along_axis(far, order, axis=1)
    return Neighbourhoods(np.where(np.isinf(distance), -1, order).astype(np.int32), distance)


def coverage_statistic(near: Neighbourhoods, k: int = NEIGHBOURS) -> Statistic:
    """Columns: share of real conversations that no synthetic one covers, and density.

    A real conversation's ball reaches to its k-th real neighbour, so how many synthetic ones lie inside can be
    read off the order of its neighbours alone.
    """

    def statistic(real: Floats, synthetic: Floats) -> Floats:
        rows = np.empty((real.shape[1], 2))
        for column in range(real.shape[1]):
            is_real, is_synthetic = real[:, column] > 0, synthetic[:, column] > 0
            inside = _inside(near.order, np.flatnonzero(is_real), is_real, is_synthetic, k)
            rows[column] = (inside == 0).mean(), inside.sum() / (k * max(int(is_synthetic.sum()), 1))
        return rows

    return statistic


def prepare(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """For `comparison.closer`, on every conversation: column 0 is the uncovered share, column 1 density."""
    pooled = pool(real, synthetic)
    vectors = conversation_embeddings(real, synthetic, rng=rng)
    return coverage_statistic(neighbourhoods(vectors, pooled.unit, rng)), pooled


def _inside(
    order: npt.NDArray[np.int32],
    rows: npt.NDArray[np.intp],
    is_real: npt.NDArray[np.bool_],
    is_synthetic: npt.NDArray[np.bool_],
    k: int,
) -> Ints:
    """For each of `rows`, the synthetic conversations nearer than its k-th real neighbour."""
    inside = np.zeros(len(rows), dtype=np.int64)
    todo, depth = np.arange(len(rows)), DEPTH
    while len(todo):
        near = order[rows[todo], :depth]
        present = near >= 0
        seen = np.cumsum(is_real[near] & present, axis=1, dtype=np.int16)
        inside[todo] = (is_synthetic[near] & present & (seen < k)).sum(axis=1)
        if depth >= order.shape[1]:
            break
        todo = todo[seen[:, -1] < k]
        depth = min(depth * 8, order.shape[1])
    return inside


def _opening(conversation: Conversation) -> str:
    return next((t.text[:300] for t in conversation.turns if t.role == "user" and t.text.strip()), "")


def _examples(corpus: Corpus, rows: npt.NDArray[np.intp], distance: Floats) -> list[dict[str, Any]]:
    return [
        {"id": corpus[int(row)].id, "first_user_turn": _opening(corpus[int(row)]), "distance": float(far)}
        for row, far in zip(rows, distance, strict=True)
    ]


def _missing_and_strange(
    real: Corpus, synthetic: Corpus, pooled: Pool, near: Neighbourhoods, vectors: Singles
) -> dict[str, Any]:
    """Real conversations in the densest places that nothing covers; synthetic ones farthest outside."""
    is_synthetic = pooled.is_synthetic
    n = pooled.n_real
    order, far = near.order[:n], near.distance[:n]
    kth = (np.cumsum(~is_synthetic[order] & (order >= 0), axis=1, dtype=np.int16) >= NEIGHBOURS).argmax(axis=1)
    radius = np.sqrt(far[np.arange(n), kth])
    inside = _inside(near.order, np.arange(n), ~is_synthetic, is_synthetic, NEIGHBOURS)
    uncovered = np.flatnonzero(inside == 0)
    uncovered = uncovered[np.argsort(radius[uncovered], kind="stable")][:EXAMPLES]
    across = np.clip(2.0 - 2.0 * (vectors[n:] @ vectors[:n].T), 0.0, None)
    outside = (np.sqrt(across) - radius).min(axis=1)
    strange = np.argsort(-outside, kind="stable")[:EXAMPLES]
    strange = strange[outside[strange] > 1e-6]
    return {
        "uncovered_real": _examples(real, uncovered, radius[uncovered]),
        "off_support_synthetic": _examples(synthetic, strange, outside[strange]),
        "share_off_support": float((outside > 1e-6).mean()),
    }


@measure(SPEC)
def coverage(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    permutations: int = 499,
    method: Literal["tfidf", "sentence"] = "tfidf",
) -> Measurement:
    """What share of real behaviour do the simulated users show at all, and do they stay where real users are?

    Conversations are points (`embeddings.conversation_embeddings` of the user side, both sides together). The ball
    of a real conversation reaches to its k-th nearest real conversation of another unit, k = 5.

        coverage = share of real balls that hold a synthetic conversation, in [0, 1]
        density  = synthetic conversations per real ball, over k (part `density`)

    For real against real, coverage is about 1 - 2^-5 = .97 and density 1, whatever the number of dimensions, and
    coverage is less where each user's conversations clump; the floor measures both. Low coverage: behaviours that
    the simulated users lack, listed in the evidence. Low density: they do what no real user does; high density:
    they crowd into the commonest places. Both sides give the same number of conversations, at most 1,500, one of
    each unit in turn. p: units permuted between the sides, one-sided for coverage, two-sided for density. Interval:
    delete-a-group jackknife over units.

    >>> from understudy.conversations import Turn
    >>> def side(words, n=60):
    ...     pick = np.random.default_rng(n).choice(words, (n, 6))
    ...     return Corpus([Conversation(str(i), (Turn("user", " ".join(row)),)) for i, row in enumerate(pick)])
    >>> wide, narrow = side(list("abcdefgh")), side(list("abc"), n=61)
    >>> m = coverage(wide, narrow, rng=np.random.default_rng(0), permutations=99)
    >>> bool(m.value < 0.6), m.p_value, bool(m.floor.value > 0.85)
    (True, 0.01, True)

    Source: Naeem et al. (2020), arXiv:2002.09797. Differences: (1) neighbours of the same unit do not count, so
    that a user who repeats himself does not shrink his own balls; (2) a permutation test.
    """
    drawn = equal_sample(real, synthetic, most=MOST_CONVERSATIONS, rng=rng)
    pooled = pool(*drawn)
    vectors = conversation_embeddings(*drawn, rng=rng, method=method)
    near = neighbourhoods(vectors, pooled.unit, rng)
    result = two_sample(coverage_statistic(near), pooled, rng=rng, permutations=permutations)
    bounds = None if result.interval is None else result.interval
    evidence = {
        "k": NEIGHBOURS,
        "conversations_used": {"real": len(drawn[0]), "synthetic": len(drawn[1])},
        "expected_if_equal": 1.0 - 2.0**-NEIGHBOURS,
        "permutations": permutations,
        **without(pooled, interval=bounds is not None, floor=len(result.floor) > 0),
        **_missing_and_strange(*drawn, pooled, near, vectors),
    }
    density_p = permutation_p(result.value[1:2], result.null[:, 1:2], two_sided=True)
    density = Measurement(
        name=f"{SPEC.name}.density",
        value=float(result.value[1]),
        status="scored",
        n=counts(*drawn),
        spec=DENSITY,
        interval=None if bounds is None else (max(float(bounds[1, 0]), 0.0), float(bounds[1, 1])),
        p_value=float(density_p[0]),
        floor=floor_of(result.floor[:, 1]),
    )
    return Measurement(
        name=SPEC.name,
        value=1.0 - float(result.value[0]),
        status="scored",
        n=counts(*drawn),
        spec=SPEC,
        interval=None if bounds is None else (max(1.0 - float(bounds[0, 1]), 0.0), min(1.0 - float(bounds[0, 0]), 1.0)),
        p_value=float(result.p_value[0]),
        floor=floor_of(1.0 - result.floor[:, 0]),
        evidence=evidence,
        parts=(density,),
    )
