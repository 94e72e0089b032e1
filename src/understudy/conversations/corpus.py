"""Corpus: a lazy sequence of conversations with a card, and the same as one polars frame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations.records import Conversation

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")


class CorpusCard(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a corpus comes from. `digest` is filled in from the conversations when asked for."""

    origin: Literal["real", "synthetic", "mixed", "unknown"] = "unknown"
    source: str = ""
    licence: str = ""


class Corpus(Sequence[Conversation]):
    """Conversations + card. Loads on first use, keeps what it derives, and never changes.

    `turns` is one polars frame, a row a turn, in order:
    `conversation` (u32 row of the conversation), `position` (u16, from 0 within it), `is_user` (bool), `text`,
    `intent` (str|null), `acts` (list[str]). Per-conversation arrays (`unit_ids`, `topics`) align with
    `conversation`.

    >>> from understudy.conversations import Turn
    >>> corpus = Corpus([Conversation("a", (Turn("user", "hi"), Turn("assistant", "hello")), user_id="u1")])
    >>> corpus.turns.select("conversation", "position", "is_user", "text").rows()
    [(0, 0, True, 'hi'), (0, 1, False, 'hello')]
    >>> corpus.unit_ids.tolist(), corpus.has_users
    (['u1'], False)
    """

    def __init__(
        self,
        conversations: Iterable[Conversation] | Callable[[], Iterable[Conversation]],
        card: CorpusCard | None = None,
    ) -> None:
        self._source = conversations
        self.card = card or CorpusCard()
        self._memo: dict[object, Any] = {}

    @cached_property
    def conversations(self) -> tuple[Conversation, ...]:
        source = self._source
        return tuple(source() if callable(source) else source)

    def __len__(self) -> int:
        return len(self.conversations)

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self.conversations)

    @overload
    def __getitem__(self, index: int) -> Conversation: ...
    @overload
    def __getitem__(self, index: slice) -> Corpus: ...
    def __getitem__(self, index: int | slice) -> Conversation | Corpus:
        if isinstance(index, slice):
            return Corpus(self.conversations[index], self.card)
        return self.conversations[index]

    def __repr__(self) -> str:
        return f"Corpus({len(self)} conversations, origin={self.card.origin!r}, source={self.card.source!r})"

    def subset(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Corpus:
        """The conversations at `rows`, in that order, as a corpus of its own."""
        kept = self.conversations
        return Corpus([kept[int(row)] for row in rows], self.card)

    def memo(self, key: object, build: Callable[[Corpus], T]) -> T:
        """What `build(self)` returns, computed once: how measures share features without knowing each other."""
        if key not in self._memo:
            self._memo[key] = build(self)
        value: T = self._memo[key]
        return value

    @cached_property
    def has_users(self) -> bool:
        """Whether every conversation names its user and some user has more than one."""
        ids = [conversation.user_id for conversation in self.conversations]
        return bool(ids) and None not in ids and len(set(ids)) < len(ids)

    @cached_property
    def unit_ids(self) -> npt.NDArray[np.str_]:
        """The unit of analysis of each conversation: its user where known, else the conversation itself."""
        return np.array([f"c:{c.id}" if c.user_id is None else c.user_id for c in self.conversations], dtype=np.str_)

    @cached_property
    def n_units(self) -> int:
        """How many units there are."""
        return len(set(self.unit_ids.tolist()))

    @cached_property
    def topics(self) -> tuple[str | None, ...]:
        return tuple(c.topic for c in self.conversations)

    @cached_property
    def turns(self) -> pl.DataFrame:
        import polars as pl

        talks = self.conversations
        lengths = np.fromiter((len(c.turns) for c in talks), dtype=np.int64, count=len(talks))
        flat = [turn for c in talks for turn in c.turns]
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        return pl.DataFrame(
            {
                "conversation": pl.Series(np.repeat(np.arange(len(talks), dtype=np.uint32), lengths)),
                "position": pl.Series((np.arange(len(flat)) - starts).astype(np.uint16)),
                "is_user": pl.Series([turn.role == "user" for turn in flat], dtype=pl.Boolean),
                "text": pl.Series([turn.text for turn in flat], dtype=pl.String),
                "intent": pl.Series([turn.intent for turn in flat], dtype=pl.String),
                "acts": pl.Series([list(turn.acts) for turn in flat], dtype=pl.List(pl.String)),
            }
        )

    @cached_property
    def digest(self) -> str:
        """BLAKE2b of the ids, roles and texts, so that a report can say what it was computed on."""
        state = hashlib.blake2b(digest_size=16)
        for c in self.conversations:
            state.update(msgspec.json.encode([c.id, c.user_id, [[t.role, t.text] for t in c.turns]]))
        return state.hexdigest()
