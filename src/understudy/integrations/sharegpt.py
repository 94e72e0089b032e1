"""Export to ShareGPT: `conversations` of `from` and `value`, which trainers of chat models read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from understudy.conversations import Conversation
from understudy.conversations.writing import conversation_to_messages, write_rows

_FROM: Mapping[str, str] = {"user": "human", "assistant": "gpt", "system": "system"}


def sharegpt_row(conversation: Conversation) -> dict[str, Any]:
    """One row; what ShareGPT has no place for stands beside it and is read back by `read_corpus`.

    >>> from understudy.conversations import Turn
    >>> sharegpt_row(Conversation("c1", (Turn("user", "hi"), Turn("assistant", "Hello."))))
    {'id': 'c1', 'conversations': [{'from': 'human', 'value': 'hi'}, {'from': 'gpt', 'value': 'Hello.'}]}
    """
    row = conversation_to_messages(conversation)
    said = [
        {"from": _FROM[message.pop("role")], "value": message.pop("content"), **message}
        for message in row.pop("messages")
    ]
    return {"id": row.pop("id"), "conversations": said, **row}


def write_sharegpt(path: str | os.PathLike[str], conversations: Iterable[Conversation]) -> int:
    """Write a `.json` array, or `.jsonl` (also `.gz`, `.zst`), and say how many conversations."""
    return write_rows(path, map(sharegpt_row, conversations))
