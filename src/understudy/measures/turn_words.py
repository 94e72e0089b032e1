"""The content words of every turn, as a frame, and turns as vectors of them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.behaviour_lexicons import FUNCTION_WORDS, UNSPACED_FUNCTION
from understudy.seeds import stream

if TYPE_CHECKING:
    import polars as pl

Singles = npt.NDArray[np.float32]
VOCABULARY = 6000
DIMENSIONS = 32
FIT_TURNS = 20_000
FIT_ROWS = 8_000
LONGEST = 2000


def turn_words(corpus: Corpus) -> pl.DataFrame:
    """The distinct content words of each turn: `row` (u32, of `corpus.turns`) and `word`, lower-cased.

    A content word is a token outside a fixed list of English and Chinese function words, of two letters or more
    unless its script writes no spaces. Of each turn the first 2,000 characters. Computed once a corpus.

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = Conversation("a", (Turn("user", "I want the Thai place, the Thai one"),))
    >>> sorted(turn_words(Corpus([talk]))["word"])
    ['one', 'place', 'thai', 'want']
    """
    return corpus.memo("turn_words", _turn_words)


def _turn_words(corpus: Corpus) -> pl.DataFrame:
    import polars as pl

    dropped = pl.Series([*FUNCTION_WORDS, *UNSPACED_FUNCTION], dtype=pl.String)
    low = pl.col("text").str.head(LONGEST).str.to_lowercase().str.replace_all("[’`´]", "'")
    return (
        corpus.turns.lazy()
        .select(word=low.str.extract_all(TOKEN_PATTERN))
        .with_row_index("row")
        .explode("word", empty_as_null=False, keep_nulls=False)
        .filter(~pl.col("word").str.contains(r"^[a-z']$") & ~pl.col("word").is_in(dropped.implode()))
        .unique(["row", "word"])
        .collect()
    )


class TurnSpace(NamedTuple):
    """Turns of both corpora as vectors, real rows first, one row a turn of `corpus.turns`.

    `rare` is sparse `(turns, words)`: inverse document frequency where the word occurs. `meaning` is its dense
    projection on singular vectors, unit rows; a turn without known words is a zero row. `words` names the columns.
    """

    rare: Any
    meaning: Singles
    words: tuple[str, ...]


def turn_space(real: Corpus, synthetic: Corpus) -> TurnSpace:
    """Where does each turn lie? TF-IDF over content words, then SVD, fitted on both sides together, unlabelled.

    Words of fewer than two turns, and beyond the 6,000 most frequent, are left out; the projection is fitted on at
    most 20,000 turns. The random stream is fixed, so that every measure sees one space; kept for the last pair.

    >>> from understudy.conversations import Conversation, Turn
    >>> side = lambda text: Corpus([Conversation(str(i), (Turn("user", text),)) for i in range(3)])
    >>> space = turn_space(side("cheap hotel"), side("good film"))
    >>> space.words, space.rare.shape
    (('cheap', 'film', 'good', 'hotel'), (6, 4))
    """
    last: dict[str, Any] = real.memo("turn_words.space", lambda _: {})
    if last.get("of", lambda: None)() is not synthetic:
        last.update(space=_turn_space(real, synthetic), of=weakref.ref(synthetic))
    space: TurnSpace = last["space"]
    return space


def _turn_space(real: Corpus, synthetic: Corpus) -> TurnSpace:
    import polars as pl
    from scipy import sparse

    first = real.turns.height
    words = pl.concat([turn_words(real), turn_words(synthetic).with_columns(pl.col("row") + first)])
    # Alphabetical among equals, so that the order of rows decides nothing.
    kept = words.group_by("word").agg(turns=pl.len()).filter(pl.col("turns") >= 2)
    kept = kept.sort(["turns", "word"], descending=[True, False]).head(VOCABULARY).sort("word").with_row_index("column")
    coded = words.join(kept, on="word").sort("row", "column")
    total = first + synthetic.turns.height
    idf = np.log((1 + total) / (1 + kept["turns"].to_numpy())).astype(np.float32) + 1
    columns = coded["column"].to_numpy()
    shape = (total, max(1, kept.height))
    rare = sparse.csr_matrix((idf[columns], (coded["row"].to_numpy(), columns)), shape=shape, dtype=np.float32)
    return TurnSpace(rare, _meaning(rare, stream(0, "turn_space")), tuple(kept["word"]))


def _meaning(rare: Any, rng: np.random.Generator) -> Singles:
    from sklearn.preprocessing import normalize
    from sklearn.utils.extmath import randomized_svd

    unit = normalize(rare)
    filled = np.flatnonzero(np.diff(unit.indptr))
    chosen = np.sort(rng.permutation(filled)[:FIT_TURNS])
    rank = min(DIMENSIONS, unit.shape[1] - 1, len(chosen) - 1)
    if rank < 1:
        return np.zeros((unit.shape[0], 1), dtype=np.float32)
    _, _, components = randomized_svd(unit[chosen], rank, n_iter=2, random_state=int(rng.integers(2**31)))
    projected = np.asarray(unit @ components.T.astype(np.float32), dtype=np.float32)
    return unit_rows(projected)


def unit_rows(matrix: Singles) -> Singles:
    """Rows of length one; a row of (rounding) noise stays zero and gets no direction."""
    length = np.linalg.norm(matrix, axis=1, keepdims=True)
    rows: Singles = np.divide(matrix, length, out=np.zeros_like(matrix), where=length > 1e-6)
    return rows


def clusters(vectors: Singles, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """k-means labels 0 .. count-1 of the rows, fitted on at most 8,000 of them; `count` for zero rows."""
    from sklearn.cluster import KMeans

    filled = np.flatnonzero(np.abs(vectors).sum(axis=1) > 0)
    label = np.full(len(vectors), count, dtype=np.int64)
    sample = np.sort(rng.permutation(filled)[:FIT_ROWS])
    count = min(count, len(np.unique(vectors[sample].round(5), axis=0)))
    if count < 1:
        return label
    model = KMeans(count, n_init=2, max_iter=50, random_state=int(rng.integers(2**31))).fit(vectors[sample])
    label[filled] = model.predict(vectors[filled])
    return label
