"""ShareGPT rows: `conversations` with `from` and `value`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from understudy.conversations.formats.drafts import Draft, draft_from, lines_from, turn_list

NAME = "sharegpt"


def matches(row: Mapping[str, Any]) -> bool:
    """Whether `conversations` is a list of turns rather than of conversations."""
    turns = row.get("conversations")
    if isinstance(turns, str):
        return turns.lstrip()[:1] == "["
    return isinstance(turns, list) and (not turns or (isinstance(turns[0], dict) and bool(turns[0].keys() & _ROLES)))


_ROLES = {"from", "role"}


def parse(row: Mapping[str, Any]) -> Draft:
    """The draft of a row."""
    lines = lines_from(turn_list(row["conversations"], "conversations"), ("from", "role"), ("value", "content", "text"))
    return draft_from(row, lines, "conversations")
