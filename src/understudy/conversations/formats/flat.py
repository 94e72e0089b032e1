"""One row a turn: a conversation id, a speaker and a text under their usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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
        self.conversation: str | None = pick([a for a in _CONVERSATION if back.get(a) not in (self.speaker, self.text)])
        self.position: str | None = pick(_POSITION)

        taken = (self.speaker, self.text, self.conversation, self.position)
        self.extra = tuple((name, plain, plain in _SHARED) for name, plain in self.plain.items() if name not in taken)

    @property
    def usable(self) -> bool:
        return self.speaker is not None and self.text is not None


class Entry(NamedTuple):
    """One row, read: its place in the conversation, its turn, and what it says about the whole."""

    place: float | None
    line: Line | None
    shared: dict[str, Any]


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


def entry(row: Mapping[str, Any], columns: Columns) -> Entry:
    """The row as a turn; raises `Broken` where it is none, so that it spoils itself and not its conversation."""
    intent: str | None = None
    acts: tuple[str, ...] = ()
    meta: dict[str, Any] = {}
    inner: object = None
    shared: dict[str, Any] = {}
    for name, plain, common in columns.extra:
        value = row.get(name)
        if value is None or value == "":
            continue
        if common:
            shared[plain] = _json_cell(plain, value)
        elif plain == "intent" and isinstance(value, str):
            intent = value
        elif plain == "acts" and (found := labels(_json_cell(plain, value))) is not None:
            acts = found
        elif plain == "turn_meta":
            inner = _json_cell(plain, value)
        else:
            meta[name] = value
    if inner is not None:
        meta = {**meta, **inner} if isinstance(inner, dict) else {**meta, "turn_meta": inner}
    place = None if columns.position is None else _number(row.get(columns.position))
    speaker, text = row.get(columns.speaker or ""), row.get(columns.text or "")
    if speaker in (None, "") and text in (None, ""):
        return Entry(place, None, shared)  # How a conversation without turns is written.
    if not isinstance(speaker, str) or not speaker:
        raise Broken(f"the speaker ({columns.speaker!r}) is not a name")
    if not isinstance(text, str):
        text = plain_text(text, row, 1)
    return Entry(place, Line(speaker, text, intent, acts, meta or None), shared)


def parse(key: str, entries: Sequence[Entry]) -> Draft:
    """The conversation made of `entries`, in the order of their places where every one has a number there."""
    if all(entry.place is not None for entry in entries):
        entries = sorted(entries, key=lambda entry: entry.place or 0.0)
    shared: dict[str, Any] = {}
    for each in reversed(entries):
        shared.update(each.shared)
    meta = shared.get("conversation_meta")
    about = {name: value for name, value in shared.items() if name != "conversation_meta"}
    lines = [each.line for each in entries if each.line is not None]
    draft = draft_from({**about, "id": key, **({"meta": meta} if meta is not None else {})}, lines)
    return draft._replace(system_speaks=True)


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
