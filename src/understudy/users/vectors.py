"""Word vectors of a corpus, so that a new text embeds as a sum of dictionary look-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations.text import tokens

Floats = npt.NDArray[np.float32]

_VOCABULARY = 30_000
_DIMENSIONS = 48
_MOST_TOKENS = 400  # of one text: the rest of a very long turn hardly turns its direction


class WordVectors(NamedTuple):
    """`matrix[rows[word]]` is the inverse document frequency of a word times its latent direction."""

    rows: dict[str, int]
    matrix: Floats

    @property
    def dimensions(self) -> int:
        return int(self.matrix.shape[1])

    def embed(self, text: str) -> Floats:
        """The unit vector of one text; zeros where no word is known."""
        known = self.rows
        rows = [known[word] for word in tokens(text[:4000])[:_MOST_TOKENS] if word in known]
        if not rows:
            return np.zeros(self.dimensions, dtype=np.float32)
        total: Floats = self.matrix[rows].sum(axis=0)
        length = float(np.sqrt(total @ total))
        return total / np.float32(length) if length > 0 else total

    def embed_many(self, texts: Sequence[str]) -> Floats:
        """A row a text: the same numbers as `embed`, in one sparse product."""
        out: Floats = np.asarray(_counts(texts, self.rows) @ self.matrix, dtype=np.float32)
        length = np.sqrt((out * out).sum(axis=1, keepdims=True))
        return np.asarray(out / np.where(length > 0, length, 1.0), dtype=np.float32)


def _counts(texts: Sequence[str], index: dict[str, int]):  # type: ignore[no-untyped-def]
    from scipy.sparse import csr_matrix

    columns: list[int] = []
    ends = [0]
    for text in texts:
        columns += [index[word] for word in tokens(text[:4000])[:_MOST_TOKENS] if word in index]
        ends.append(len(columns))
    data = np.ones(len(columns), dtype=np.float32)
    return csr_matrix((data, np.array(columns, dtype=np.int64), np.array(ends)), shape=(len(texts), max(len(index), 1)))


def fit_vectors(texts: Sequence[str], *, seed: int) -> WordVectors:
    """Latent semantic vectors (truncated SVD of TF-IDF) of the words of `texts`.

    >>> vectors = fit_vectors(["good film", "bad film", "good food", "a train", "the train"], seed=0)
    >>> film = vectors.embed("film")
    >>> bool(film @ vectors.embed("good film") > film @ vectors.embed("the train"))
    True
    """
    frequency: Counter[str] = Counter()
    for text in texts:
        frequency.update(set(tokens(text[:4000])[:_MOST_TOKENS]))
    least = 2 if len(texts) > 2000 else 1
    ranked = sorted(((n, w) for w, n in frequency.items() if n >= least), key=lambda pair: (-pair[0], pair[1]))
    words = [word for _, word in ranked[:_VOCABULARY]]
    index = {word: row for row, word in enumerate(words)}
    if not words:
        return WordVectors({}, np.zeros((1, 1), dtype=np.float32))
    weight = np.log((1 + len(texts)) / (1 + np.array([frequency[w] for w in words]))) + 0.2
    table = _counts(texts, index)
    table.data = np.ones_like(table.data)
    table.sum_duplicates()
    table = table.multiply(weight.astype(np.float32)).tocsr()
    lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=1))).ravel()
    scale = np.repeat(1 / np.where(lengths > 0, lengths, 1), np.diff(table.indptr))
    table.data = (table.data * scale).astype(np.float32)
    rank = min(_DIMENSIONS, min(table.shape) - 1)
    if rank < 2:
        latent = np.eye(len(words), min(len(words), _DIMENSIONS), dtype=np.float32)
    else:
        from sklearn.utils.extmath import randomized_svd

        latent = randomized_svd(table, n_components=rank, n_iter=3, random_state=seed % 2**32)[2].T
    return WordVectors(index, np.ascontiguousarray(latent * weight[:, None], dtype=np.float32))
