"""What a mixture is made of: corpora, their cells, and the same through noise channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus
from understudy.errors import UsageError
from understudy.transfer.channels import through_channel

FEWEST_IN_CELL = 20
OTHER = "other"
_CORPUS_FIELDS = ("topic", "user_id")

Ints = npt.NDArray[np.int64]


class Member(NamedTuple):
    """A part of a mixture: `rows` of the corpus called `source`, read through `channel` ("" for none)."""

    name: str
    source: str
    cell: str
    channel: str
    corpus: Corpus
    rows: Ints


def apart(corpora: Mapping[str, Corpus]) -> dict[str, Corpus]:
    """The corpora with conversation and user ids that no two of them share: `name/id` where they would.

    Two simulators both number from 0: without this, conversations of one would count as those of the other.
    """
    seen = Counter(key for corpus in corpora.values() for key in _keys(corpus))
    out = {}
    for name, corpus in corpora.items():
        if all(seen[key] == 1 for key in _keys(corpus)):
            out[name] = corpus
            continue
        talks = [
            msgspec.structs.replace(
                talk, id=f"{name}/{talk.id}", user_id=None if talk.user_id is None else f"{name}/{talk.user_id}"
            )
            for talk in corpus
        ]
        out[name] = Corpus(talks, corpus.card)
    return out


def _keys(corpus: Corpus) -> set[tuple[str, str]]:
    ids = {("id", talk.id) for talk in corpus}
    return ids | {("user", talk.user_id) for talk in corpus if talk.user_id is not None}


def members_of(
    corpora: Mapping[str, Corpus], *, cells: Sequence[str] = (), channels: Sequence[str] = (), seed: int
) -> list[Member]:
    """Every corpus, cut into cells by the fields `cells` names, plain and through each of `channels`.

    A cell is a value of `topic` or of a field of the conversation's meta, provenance or profile (`user_mode`);
    several fields make their product. Cells of fewer than 20 conversations go together as `other`. A noisy twin
    holds the same conversations as its plain member; a mixture takes each conversation at most once, one way.

    Raises UsageError for a field that no conversation has.

    >>> from understudy.conversations import Turn
    >>> talks = [Conversation(str(i), (Turn("user", "hi"),), topic="ab"[i % 2]) for i in range(50)]
    >>> [m.name for m in members_of({"x": Corpus(talks)}, cells=["topic"], channels=["typos"], seed=0)]
    ['x[a]', 'x[b]', 'x[a]+typos', 'x[b]+typos']
    """
    labels = {name: _cells(corpus, cells) for name, corpus in corpora.items()}
    for field in cells:
        if not any(_field(talk, field) for corpus in corpora.values() for talk in corpus):
            raise UsageError(
                f"no conversation has a {field!r}",
                why="a cell is a value of topic, or of a field of meta, provenance or profile",
                fix="name a field that the synthetic conversations carry, or leave --cells out",
            )
    found = []
    for channel in ("", *channels):
        for name, corpus in corpora.items():
            read = through_channel(corpus, channel, seed=seed) if channel else corpus
            for cell in sorted(set(labels[name])):
                rows = np.array([i for i, label in enumerate(labels[name]) if label == cell], dtype=np.int64)
                title = name + (f"[{cell}]" if cell else "") + (f"+{channel}" if channel else "")
                found.append(Member(title, name, cell, channel, read, rows))
    return found


def _cells(corpus: Corpus, fields: Sequence[str]) -> list[str]:
    if not fields:
        return [""] * len(corpus)
    labels = [" × ".join(_field(talk, field) or "none" for field in fields) for talk in corpus]
    sizes = Counter(labels)
    return [label if sizes[label] >= FEWEST_IN_CELL else OTHER for label in labels]


def _field(talk: Conversation, field: str) -> str | None:
    if field in _CORPUS_FIELDS:
        value: Any = getattr(talk, field)
    else:
        held = (talk.meta, talk.provenance or {}, talk.profile or {})
        value = next((found[field] for found in held if field in found), None)
    if isinstance(value, list | tuple):
        value = "+".join(str(part) for part in value)
    return None if value is None or value == "" else str(value)
