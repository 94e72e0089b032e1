"""The one-line-a-conversation format of common corpora: `id, source, split, turns: [{role, content, …}], meta`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from understudy.conversations.formats.drafts import Draft, draft_from, lines_from, turn_list

NAME = "corpus-jsonl"


def matches(row: Mapping[str, Any]) -> bool:
    """Whether the row has turns, a source and a split."""
    return "turns" in row and "source" in row and "split" in row and "schema" not in row


def parse(row: Mapping[str, Any]) -> Draft:
    """The draft of a row; `split` and `source` go to `meta`."""
    lines = lines_from(turn_list(row["turns"], "turns"), ("role",), ("content",))
    return draft_from(row, lines, "turns", system_speaks=True)
