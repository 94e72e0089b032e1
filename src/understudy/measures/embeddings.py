"""Conversation embeddings: TF-IDF and SVD of the user side by default, a sentence encoder by choice."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from understudy._require import require
from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.errors import MeasureError

Singles = npt.NDArray[np.float32]
DIMENSIONS = 64
VOCABULARY = 20_000
SENTENCE_MODEL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"


def user_texts(corpus: Corpus) -> list[str]:
    """The user turns of each conversation, one document each."""
    return corpus.memo(
        "embeddings.user_texts",
        lambda source: ["\n".join(t.text for t in c.turns if t.role == "user") for c in source],
    )


def conversation_embeddings(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    method: Literal["tfidf", "sentence"] = "tfidf",
    dimensions: int = DIMENSIONS,
    model: str = SENTENCE_MODEL,
) -> Singles:
    """Where does each conversation's user side lie? One unit vector a conversation, real rows first.

    `tfidf`: words (`conversations.text`) weighted by (1 + log tf) · idf, unit rows, projected on the first
    `dimensions` singular vectors, unit rows again. Vocabulary, weights and projection come from both sides
    together and never from their labels, so that relabelling conversations needs no refit. A conversation
    without words is a zero row. `sentence`: a sentence encoder instead (extra `hf`).

    The projection is randomised (Halko et al. 2011, arXiv:0909.4061): the same `rng` state gives the same bits.

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = lambda i, text: Conversation(str(i), (Turn("user", text),))
    >>> real = Corpus([talk(i, f"a good film number {i}") for i in range(4)])
    >>> synthetic = Corpus([talk(i, f"a cheap hotel number {i}") for i in range(4)])
    >>> conversation_embeddings(real, synthetic, rng=np.random.default_rng(0)).shape
    (8, 7)
    """
    documents = user_texts(real) + user_texts(synthetic)
    if method == "sentence":
        return _sentences(documents, model)
    if method != "tfidf":
        raise MeasureError(
            f"embedding method {method!r}", why="there is no such encoder", fix="use 'tfidf' or 'sentence'"
        )
    return _unit_rows(_tfidf_svd(documents, dimensions, rng))


def _tfidf_svd(documents: list[str], dimensions: int, rng: np.random.Generator) -> Singles:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    seed = int(rng.integers(2**31))
    if not any(text.strip() for text in documents):
        return np.zeros((len(documents), 1), dtype=np.float32)
    vectorizer = TfidfVectorizer(
        token_pattern=TOKEN_PATTERN,
        sublinear_tf=True,
        max_features=VOCABULARY,
        dtype=np.float32,
    )
    try:
        counts = vectorizer.fit_transform(documents)
    except ValueError as error:
        # scikit-learn's way to say that no document has a word: punctuation only.
        if "empty vocabulary" not in str(error):
            raise
        return np.zeros((len(documents), 1), dtype=np.float32)
    rank = min(dimensions, min(counts.shape) - 1)
    if rank < 1:
        return np.asarray(counts.toarray(), dtype=np.float32)
    svd = TruncatedSVD(rank, n_iter=3, random_state=seed)
    return np.asarray(svd.fit_transform(counts), dtype=np.float32)


def _sentences(documents: list[str], model: str) -> Singles:
    library = require("sentence_transformers", extra="hf", purpose="sentence embeddings")
    encoder = library.SentenceTransformer(model)
    vectors = encoder.encode(documents, batch_size=64, show_progress_bar=False, convert_to_numpy=True)
    return _unit_rows(np.asarray(vectors, dtype=np.float32))


def _unit_rows(matrix: Singles) -> Singles:
    length = np.linalg.norm(matrix, axis=1, keepdims=True)
    # Rounding noise of a wordless document must not become a direction.
    unit: Singles = np.divide(matrix, length, out=np.zeros_like(matrix), where=length > 1e-6)
    return unit
