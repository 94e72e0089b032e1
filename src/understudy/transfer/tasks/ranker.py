"""Rankers for response selection: word overlap that learns nothing, and one that learns what follows what."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.transfer.task import Floats, Ints
from understudy.transfer.tasks.choices import Choices
from understudy.transfer.tasks.texts import BUCKETS, Sparse, Vocabulary

DIMENSIONS = 192
EARLIER_DIMENSIONS = 64
STRENGTH = 0.02  # inverse regularisation, in the units below
SCALE = 3.0  # length of a text's vector
OVERLAP = 30.0  # an overlap of 1: few weights, which need no pulling back
ITERATIONS = 30
BLOCK = 4096
Singles = npt.NDArray[np.float32]


class OverlapRanker:
    """The untrained ranker: the cosine of the words and word pairs of a candidate and of its context."""

    def scores(self, choices: Choices) -> Floats:
        """`(n, candidates)`."""
        alike = np.ones(BUCKETS)
        last, earlier = choices.bank.counts[choices.last], _rows_sum(choices.earlier, choices.bank.counts)
        return _overlap(choices, alike, last) + _overlap(choices, alike, earlier)


class LearnedRanker(NamedTuple):
    """`score = q' W r + w . overlaps`: q describes the context, r the candidate, in the words of the training set."""

    encoder: Encoder
    weights: Floats
    overlap: Floats

    def scores(self, choices: Choices) -> Floats:
        """`(n, candidates)`."""
        starts = range(0, len(choices), BLOCK)
        blocks = [choices.take(np.arange(at, min(at + BLOCK, len(choices)))) for at in starts]
        described = (self.encoder.describe(block) for block in blocks)
        found = [
            _scores(asked, offered, overlaps, self.weights, self.overlap) for asked, offered, overlaps in described
        ]
        return np.concatenate(found) if found else np.zeros(choices.candidates.shape)


def _scores(asked: Singles, offered: Singles, overlaps: Singles, weights: Floats, overlap: Floats) -> Floats:
    wanted = asked @ weights.astype(np.float32)
    found = np.matmul(offered, wanted[:, :, None])[:, :, 0] + overlaps @ overlap.astype(np.float32)
    return np.asarray(found, dtype=np.float64)


class Encoder:
    """Texts as vectors: TF-IDF of the training texts reduced by SVD, their length and marks, and word overlap."""

    def __init__(self, choices: Choices) -> None:
        from sklearn.decomposition import TruncatedSVD

        rows = np.unique(np.concatenate([choices.last, choices.candidates.ravel()]))
        counts = choices.bank.counts[rows]
        self.words = Vocabulary(counts, fewest=2 if len(rows) >= 50 else 1)
        seen = np.bincount(counts.indices, minlength=BUCKETS)
        self.idf: Floats = np.log((1.0 + len(rows)) / (1.0 + seen)) + 1.0
        weighted = self.words.weigh(counts).astype(np.float32)
        self.rank = max(min(DIMENSIONS, min(weighted.shape) - 1), 0)
        self.basis: Singles = np.zeros((weighted.shape[1], 0), dtype=np.float32)
        if self.rank:
            self.basis = TruncatedSVD(self.rank, n_iter=2, random_state=0).fit(weighted).components_.T

    def describe(self, choices: Choices) -> tuple[Singles, Singles, Singles]:
        """Contexts `(n, q)`, candidates `(n, k, r)` and overlaps `(n, k, 3)`."""
        counts = choices.bank.counts
        used = np.unique(np.concatenate([choices.last, choices.candidates.ravel()]))
        described = np.hstack([self._directions(counts[used]), _marks([choices.bank.texts[row] for row in used])])
        own, others = np.searchsorted(used, choices.last), np.searchsorted(used, choices.candidates)
        earlier = _rows_sum(choices.earlier, counts)
        before = self._directions(earlier)[:, :EARLIER_DIMENSIONS]
        place = np.log1p(choices.place)[:, None] - 2.0
        asked = np.hstack([described[own], before, place, np.ones_like(place)]).astype(np.float32)
        offered = described[others].astype(np.float32)
        near = np.matmul(offered[:, :, : self.rank], asked[:, : self.rank, None])[:, :, 0] / SCALE**2
        overlaps = [_overlap(choices, self.idf, counts[choices.last]), _overlap(choices, self.idf, earlier), near]
        return asked, offered, (OVERLAP * np.stack(overlaps, axis=2)).astype(np.float32)

    def _directions(self, counts: Sparse) -> Floats:
        found = np.asarray(self.words.weigh(counts) @ self.basis, dtype=np.float64)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        unit: Floats = np.divide(found, length, out=np.zeros_like(found), where=length > 1e-9)
        return SCALE * unit


def _marks(texts: list[str]) -> Floats:
    """Length and marks of each text, about as large as its words' directions."""
    rows = [
        (
            np.log1p(len(text)) - 3.5,
            "?" in text or "？" in text,
            any(letter.isdigit() for letter in text),
            "!" in text or "！" in text,
        )
        for text in texts
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def fit_ranker(choices: Choices) -> LearnedRanker:
    """The weights under which the right candidate of each training example is likeliest (softmax over its ten)."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    encoder = Encoder(choices)
    asked, offered, overlaps = encoder.describe(choices)
    n, width, height = len(asked), asked.shape[1], offered.shape[2]
    right = choices.right
    at = np.arange(n)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, plain = flat[: width * height].reshape(width, height), flat[width * height :]
        z = _scores(asked, offered, overlaps, weights, plain)
        total = logsumexp(z, axis=1)
        slope = np.exp(z - total[:, None])
        slope[at, right] -= 1.0
        value = (total - z[at, right]).sum() + 0.5 / STRENGTH * (flat @ flat)
        step = slope.astype(np.float32)
        outer = asked.T @ np.matmul(step[:, None, :], offered)[:, 0, :]
        both = np.concatenate([outer.ravel(), np.matmul(step[:, None, :], overlaps)[:, 0, :].sum(axis=0)])
        return float(value) / n, (both + flat / STRENGTH) / n

    start = np.zeros(width * height + overlaps.shape[2])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "ftol": 1e-6}).x
    weights = found[: width * height].reshape(width, height)
    return LearnedRanker(encoder, weights, found[width * height :])


def _rows_sum(rows: Ints, counts: Sparse) -> Sparse:
    """The sum of the rows of `counts` named in each row of `rows`; -1 names none."""
    from scipy import sparse

    there = rows >= 0
    at = np.repeat(np.arange(len(rows)), there.sum(axis=1))
    ones = np.ones(int(there.sum()))
    chooser = sparse.csr_matrix((ones, (at, rows[there])), shape=(len(rows), counts.shape[0]))
    return (chooser @ counts).tocsr()


def _overlap(choices: Choices, idf: Floats, context: Sparse) -> Floats:
    """Cosine of each candidate with its row of `context`, words weighted by (1 + log tf) . idf."""
    used, inverse = np.unique(choices.candidates, return_inverse=True)
    mine = _unit(context, idf)
    theirs = _unit(choices.bank.counts[used], idf)[inverse.ravel()]
    k = choices.candidates.shape[1]
    repeated = mine[np.repeat(np.arange(len(choices)), k)]
    shared: Any = repeated.multiply(theirs).sum(axis=1)
    return np.asarray(shared, dtype=np.float64).reshape(-1, k)


def _unit(counts: Sparse, idf: Floats) -> Sparse:
    from scipy import sparse

    weight = (1.0 + np.log(counts.data)) * idf[counts.indices]
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    length = np.sqrt(np.bincount(row, weight**2, minlength=counts.shape[0]))
    return sparse.csr_matrix((weight / length[row], counts.indices, counts.indptr), shape=counts.shape)
