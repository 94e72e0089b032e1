"""Texts as a column of examples: counted once, however often they are sliced into training sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from understudy.conversations.text import TOKEN_PATTERN
from understudy.transfer.task import Floats, Ints

Sparse: TypeAlias = Any  # scipy.sparse.csr_matrix: scipy is imported where it is used
BUCKETS = 1 << 20


class TextBank:
    """Distinct texts and their word and word-pair counts, hashed into `BUCKETS` columns.

    Words are those of `conversations.text`, so that in scripts without spaces a word is a character and a pair is a
    character bigram. Counting needs no fitting: a text has the same columns in every corpus.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    @cached_property
    def counts(self) -> Sparse:
        from sklearn.feature_extraction.text import HashingVectorizer

        counter = HashingVectorizer(
            n_features=BUCKETS,
            token_pattern=TOKEN_PATTERN,
            ngram_range=(1, 2),
            alternate_sign=False,
            norm=None,
        )
        return counter.transform(self.texts).tocsr()

    def joined(self, other: TextBank) -> tuple[TextBank, int]:
        """Both banks end to end, and by how much the rows of `other` move."""
        return (self, 0) if other is self else (_Joined(self, other), len(self.texts))


class Texts:
    """A column of examples with one or more texts each (the turn; the turn before it).

    >>> column = Texts.of([["yes", "no", "yes"], ["really?", "", "sure?"]])
    >>> column[1], len(column.take(np.array([2, 0]))), column.take(np.array([2]))[0]
    (('no', ''), 2, ('yes', 'sure?'))
    >>> Texts.of([["yes", "no"]])[0]
    'yes'
    """

    def __init__(self, bank: TextBank, rows: Ints) -> None:
        self.bank, self.rows = bank, rows

    @classmethod
    def of(cls, fields: Sequence[Sequence[str]]) -> Texts:
        """A column from its fields, each a list of texts as long as the column."""
        number: dict[str, int] = {}
        rows = [[number.setdefault(text, len(number)) for text in field] for field in fields]
        return cls(TextBank(list(number)), np.array(rows, dtype=np.int64).T)

    @classmethod
    def from_inputs(cls, inputs: Any) -> Texts:
        """`inputs` themselves, or plain texts (or tuples of texts) as a column."""
        if isinstance(inputs, Texts):
            return inputs
        rows = [(text,) if isinstance(text, str) else tuple(text) for text in inputs]
        return cls.of(list(zip(*rows, strict=True)) if rows else [[]])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> str | tuple[str, ...]:
        texts = tuple(self.bank.texts[at] for at in self.rows[index].tolist())
        return texts[0] if len(texts) == 1 else texts

    def __iter__(self) -> Iterator[str | tuple[str, ...]]:
        return (self[index] for index in range(len(self)))

    def take(self, rows: Ints) -> Texts:
        return Texts(self.bank, self.rows[rows])

    def followed_by(self, other: Any) -> Texts:
        theirs = Texts.from_inputs(other)
        bank, shift = self.bank.joined(theirs.bank)
        return Texts(bank, np.concatenate([self.rows, theirs.rows + shift]))

    def counts(self) -> list[Sparse]:
        """The counts of each field, a row an example."""
        return [self.bank.counts[column] for column in self.rows.T]


class _Joined(TextBank):
    """Two banks end to end: what either has counted stays counted."""

    def __init__(self, first: TextBank, second: TextBank) -> None:
        super().__init__([*first.texts, *second.texts])
        self._parts = first, second

    @cached_property
    def counts(self) -> Sparse:
        from scipy import sparse

        return sparse.vstack([part.counts for part in self._parts], format="csr")


class Vocabulary:
    """The columns that a training set uses, weighted (1 + log tf) · idf with unit rows.

    Columns seen in fewer than `fewest` training examples are left out, and so are the rarest beyond `most`.
    """

    def __init__(self, counts: Sparse, *, fewest: int, most: int = BUCKETS) -> None:
        seen = np.bincount(counts.indices, minlength=BUCKETS)
        kept = np.flatnonzero(seen >= fewest)
        self.kept: Ints = np.sort(kept[np.argsort(-seen[kept], kind="stable")[:most]])
        self.idf: Floats = np.log((1.0 + counts.shape[0]) / (1.0 + seen[self.kept])) + 1.0
        self._column = np.full(BUCKETS, -1, dtype=np.int64)
        self._column[self.kept] = np.arange(len(self.kept))

    def weigh(self, counts: Sparse) -> Sparse:
        """The same rows in the vocabulary's columns."""
        from scipy import sparse

        column = self._column[counts.indices]
        used = column >= 0
        row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))[used]
        column = column[used]
        weight = (1.0 + np.log(counts.data[used])) * self.idf[column]
        length = np.sqrt(np.bincount(row, weight**2, minlength=counts.shape[0]))
        weight = weight / length[row]
        starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=counts.shape[0]))])
        return sparse.csr_matrix((weight, column, starts), shape=(counts.shape[0], len(self.kept)))
