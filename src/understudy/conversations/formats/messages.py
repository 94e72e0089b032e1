"""OpenAI and TRL rows: `messages` (or `conversation`) with `role` and `content`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from understudy.conversations.formats.drafts import Draft, draft_from, first_key, lines_from, turn_list

NAME = "messages"
_KEYS = ("messages", "conversation_messages", "conversation", "chat", "dialog_messages")


def matches(row: Mapping[str, Any]) -> bool:
    """Whether the row has a list of messages, perhaps as JSON text."""
    key = first_key(row, _KEYS)
    if key is None:
        return False
    return isinstance(row[key], list) or (isinstance(row[key], str) and row[key].lstrip()[:1] == "[")


def parse(row: Mapping[str, Any]) -> Draft:
    """The draft of a row."""
    key = first_key(row, _KEYS) or _KEYS[0]
    lines = lines_from(turn_list(row[key], key), ("role", "from", "speaker"), ("content", "text", "value"))
    return draft_from(row, lines, key, "schema")
