"""Rows with a list of turns under a usual name; also sdialog's `speaker`/`text` and DialogSum-like files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from understudy.conversations.formats.drafts import Draft, draft_from, first_key, lines_from, turn_list

NAME = "turns"
ROLE_KEYS = ("role", "speaker", "from", "sender", "author", "participant", "party", "agent", "name")
TEXT_KEYS = ("text", "content", "utterance", "value", "message", "body")
_KEYS = ("turns", "dialogue", "dialog", "utterances", "log", "history", "dialogues", "content")


def matches(row: Mapping[str, Any]) -> bool:
    """Whether the row has a list of turn objects under a usual name."""
    key = first_key(row, _KEYS)
    if key is None:
        return False
    value = row[key]
    return key == "turns" or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def parse(row: Mapping[str, Any]) -> Draft:
    """The draft of a row."""
    key = first_key(row, _KEYS) or _KEYS[0]
    lines = lines_from(turn_list(row[key], key), ROLE_KEYS, TEXT_KEYS)
    return draft_from(row, lines, key, system_speaks=True)
