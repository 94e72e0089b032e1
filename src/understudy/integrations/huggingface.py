"""Export to Hugging Face `datasets`: a folder as the Hub keeps one, and a `Dataset` in memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from understudy._require import require
from understudy.conversations import Conversation
from understudy.conversations.lineage import simulated
from understudy.conversations.writing import atomically, conversation_frame, write_corpus

_DATA = "data/train-00000-of-00001.parquet"
_CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
tags:
- conversational
{kind}---

# {name}

{conversations} conversations, {turns} turns, {users}.

Made by: {makers}. Ended by: {endings}.

A row a conversation: `id`, `messages` (`role`, `content`, and where known the planned `intent`, the `acts` and, as
JSON, the `meta` of the turn), `user_id`, `topic`, and as JSON `profile`, `ending`, `provenance`, `meta`.
{warning}"""
_WARNING = """
These users are simulated. Whether what works on them works on people is not in this file: hold it against real
conversations with `understudy audit`, and say which.
"""


def to_dataset(conversations: Iterable[Conversation]) -> Any:
    """A `datasets.Dataset`, a row a conversation with its `messages`. Needs the extra `hf`."""
    datasets = require("datasets", extra="hf", purpose="making a Hugging Face data set")
    return datasets.Dataset.from_polars(conversation_frame(conversations))


def write_dataset(folder: str | os.PathLike[str], conversations: Iterable[Conversation]) -> int:
    """Write Parquet and a card (`README.md`) as the Hub lays them out, and say how many conversations.

    `datasets.load_dataset(folder)` and `read_corpus(folder)` read it; nothing has to be installed to write it. The
    card says how many conversations, users and turns there are, who made them, and how they ended.
    """
    kept = list(conversations)
    target = Path(folder)
    (target / "data").mkdir(parents=True, exist_ok=True)
    write_corpus(target / _DATA, kept)
    with atomically(target / "README.md") as file:
        file.write(card_of(kept, name=target.resolve().name).encode("utf-8", "replace"))
    return len(kept)


def card_of(conversations: Iterable[Conversation], *, name: str) -> str:
    """The card of a data set, with what the conversations themselves say about their making."""
    talks = list(conversations)
    users = {talk.user_id for talk in talks if talk.user_id is not None}
    makers = Counter(_maker(talk) for talk in talks)
    endings = Counter("not said" if talk.ending is None else talk.ending.by for talk in talks)
    synthetic = any(map(simulated, talks))
    return _CARD.format(
        name=_line(name),
        kind="- synthetic\n- user-simulation\n" if synthetic else "",
        conversations=f"{len(talks):,}",
        turns=f"{sum(len(talk.turns) for talk in talks):,}",
        users=f"{len(users):,} user{'' if len(users) == 1 else 's'}" if users else "users not told apart",
        makers=_listed(makers),
        endings=_listed(endings),
        warning=_WARNING if synthetic else "",
    )


def _maker(talk: Conversation) -> str:
    made = talk.provenance
    if not made:
        return "not said"
    named = {key: made[key] for key in ("generator", "simulator", "partner") if key in made}
    return ", ".join(f"{key} `{_line(str(value))}`" for key, value in named.items()) or _line(
        msgspec.json.encode(made).decode()
    )


def _line(text: str) -> str:
    """Text from outside on one line of Markdown, without its marks."""
    return " ".join(text.replace("`", "'").replace("<", "‹").split())[:200]


def _listed(counts: Counter[str], most: int = 8) -> str:
    shown = [f"{what} ({count:,})" for what, count in counts.most_common(most)]
    return "; ".join(shown) + (f"; {len(counts) - most} more" if len(counts) > most else "") or "nobody"
