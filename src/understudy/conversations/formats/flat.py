"""One row a turn: a conversation id, a speaker and a text under their usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from understudy.conversations.formats.drafts import (
    Draft,
    Line,
    draft_from,
    identifier,
    labels,
    plain_text,
    shown_keys,
)
from understudy.conversations.problems import Broken
from understudy.conversations.strict_json import decode_json

NAME = "rows"
_CONVERSATION = (
    "conversation_id",
    "conversation",
    "conversationid",
    "conv_id",
    "convid",
    "dialogue_id",
    "dialog_id",
    "dialogueid",
    "dialogid",
    "session_id",
    "sessionid",
    "chat_id",
    "thread_id",
    "dialogue",
    "dialog",
    "session",
    "id",
)
_SPEAKER = ("role", "speaker", "from", "sender", "author", "participant", "party", "speaker_role", "speaker_type")
_TEXT = ("text", "content", "utterance", "message", "value", "body", "transcript")
_POSITION = ("position", "turn", "turn_id", "turn_index", "turn_no", "turn_number", "turn_idx", "utt_idx", "index")
#: Said once for the whole conversation, on whichever row has it first.
_SHARED = ("user_id", "topic", "domain", "profile", "ending", "provenance", "conversation_meta")
_JSON = frozenset({"acts", "turn_meta", "conversation_meta", "profile", "ending", "provenance"})
_NOT_A_NAME = re.compile(r"[\s-]+")


class Columns:
    """Which column is which; worked out once for each set of names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.plain = {name: _NOT_A_NAME.sub("_", name.strip().lower()) for name in names}
        back = {plain: name for name, plain in reversed(self.plain.items())}

        def pick(aliases: Iterable[str]) -> str | None:
            return next((back[alias] for alias in aliases if alias in back), None)

        self.speaker: str | None = pick(_SPEAKER)
        self.text: str | None = pick(_TEXT)
        self.conversation: str | None = pick(
            [a for a in _CONVERSATION if back.get(a) not in (self.speaker, self.text)]
        )
        self.position: str | None = pick(_POSITION)

    @property
    def usable(self) -> bool:
        return self.speaker is not None and self.text is not None


def matches(row: Mapping[str, Any]) -> bool:
    """Whether the row has a speaker and a text."""
    return Columns(list(row)).usable


def key_of(row: Mapping[str, Any], columns: Columns) -> str:
    """The id of the conversation that the row belongs to."""
    if columns.conversation is None:
        raise Broken(f"no column says which conversation the turn belongs to; columns: {shown_keys(row)}")
    key = identifier(row.get(columns.conversation), columns.conversation)
    if key is None:
        raise Broken(f"the conversation id ({columns.conversation!r}) is empty")
    return key


def check(row: Mapping[str, Any], columns: Columns) -> None:
    """Raise `Broken` for a row that cannot be a turn, so that it spoils itself and not its conversation."""
    _line(row, columns)


def parse(key: str, rows: Sequence[Mapping[str, Any]], columns: Columns) -> Draft:
    """The conversation made of `rows`, in the order of their positions where every row has a number there."""
    places = [_number(row.get(columns.position)) for row in rows] if columns.position is not None else [None]
    if all(place is not None for place in places):
        rows = [rows[i] for i in sorted(range(len(rows)), key=lambda i: (places[i] or 0.0, i))]
    shared: dict[str, Any] = {}
    for row in rows:
        for name, value in row.items():
            plain = columns.plain.get(name, name)
            if plain in _SHARED and plain not in shared and value not in (None, ""):
                shared[plain] = _json_cell(plain, value)
    meta = shared.pop("conversation_meta", None)
    lines = [line for row in rows if (line := _line(row, columns)) is not None]
    draft = draft_from({**shared, "id": key, **({"meta": meta} if meta is not None else {})}, lines)
    return draft._replace(system_speaks=True)


def _line(row: Mapping[str, Any], columns: Columns) -> Line | None:
    speaker, text = row.get(columns.speaker or ""), row.get(columns.text or "")
    if speaker in (None, "") and text in (None, ""):
        return None  # How a conversation without turns is written.
    if not isinstance(speaker, str) or not speaker:
        raise Broken(f"the speaker ({columns.speaker!r}) is not a name")
    if not isinstance(text, str):
        text = plain_text(text, row, 1)
    intent: str | None = None
    acts: tuple[str, ...] = ()
    meta: dict[str, Any] = {}
    inner: object = None
    taken = (columns.speaker, columns.text, columns.conversation, columns.position)
    for name, value in row.items():
        plain = columns.plain.get(name, name)
        if name in taken or plain in _SHARED or value in (None, ""):
            continue
        if plain == "intent" and isinstance(value, str):
            intent = value
        elif plain == "acts" and (found := labels(_json_cell(plain, value))) is not None:
            acts = found
        elif plain == "turn_meta":
            inner = _json_cell(plain, value)
        else:
            meta[name] = value
    if inner is not None:
        meta = {**meta, **inner} if isinstance(inner, dict) else {**meta, "turn_meta": inner}
    return Line(speaker, text, intent, acts, meta or None)


def _json_cell(plain: str, value: object) -> object:
    if plain in _JSON and isinstance(value, str) and value[:1] in ("[", "{"):
        return decode_json(value.encode("utf-8", "replace"))[0]
    return value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number == number else None
