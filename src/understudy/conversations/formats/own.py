"""The project's own rows: the fields of `Conversation`, marked with their schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from understudy.conversations.formats.drafts import Draft, lines_from, shown_keys, turn_list
from understudy.conversations.problems import Broken, shown
from understudy.conversations.records import SCHEMA, Conversation, Turn

NAME = "understudy"
_FIELDS = frozenset({*Conversation.__struct_fields__, "schema"})
_TURN_FIELDS = frozenset(Turn.__struct_fields__)


def matches(row: Mapping[str, Any]) -> bool:
    """Whether the row says that it is one of ours, of any version."""
    return isinstance(row.get("schema"), str) and row["schema"].startswith("understudy.conversation/")


def read_directly(row: Mapping[str, Any]) -> Conversation:
    """The conversation itself: roles are already `user` and `assistant`."""
    if row["schema"] != SCHEMA:
        raise Broken(f"schema {shown(row['schema'])} is not {SCHEMA!r}: written by another version of Understudy")
    if not _FIELDS.issuperset(row):
        unknown = {key: None for key in row if key not in _FIELDS}
        raise Broken(f"fields that {SCHEMA} does not have: {shown_keys(unknown)}; keep them in 'meta'")
    turns = row.get("turns")
    for number, turn in enumerate(turns if isinstance(turns, list) else (), start=1):
        if isinstance(turn, dict) and not _TURN_FIELDS.issuperset(turn):
            unknown = {key: None for key in turn if key not in _TURN_FIELDS}
            raise Broken(f"turn {number} has fields that {SCHEMA} does not have: {shown_keys(unknown)}")
    try:
        return msgspec.convert(row, Conversation)
    except msgspec.ValidationError as error:
        raise Broken(f"does not fit {SCHEMA}: {error}") from error


def parse(row: Mapping[str, Any]) -> Draft:
    """The same as a draft, for a reader that was told another user."""
    talk = read_directly(row)
    lines = lines_from(turn_list(row["turns"], "turns"), ("role",), ("text",))
    return Draft(
        talk.id,
        lines,
        talk.user_id,
        talk.topic,
        talk.profile,
        talk.ending,
        talk.provenance,
        talk.meta,
    )
