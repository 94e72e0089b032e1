"""What every format is read into: a draft, whose speakers still carry the names of the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from understudy.conversations.problems import Broken, kind, shown
from understudy.conversations.records import Ending
from understudy.conversations.strict_json import decode_json

ID_KEYS = (
    "id",
    "conversation_id",
    "conversationId",
    "dialogue_id",
    "dialog_id",
    "dialogueId",
    "conv_id",
    "session_id",
    "chat_id",
    "thread_id",
    "conversation_hash",
    "qid",
    "uuid",
)
_USER_KEYS = ("user_id", "userId", "user_uuid")
_TOPIC_KEYS = ("topic", "domain", "task", "category")
_ACT_KEYS = ("acts", "dialogue_acts", "dialog_acts", "act", "dialogue_act")


class Line(NamedTuple):
    """One contribution as the file has it. `text` is None where an assistant only called a tool."""

    speaker: str
    text: str | None
    intent: str | None = None
    acts: tuple[str, ...] = ()
    meta: Mapping[str, Any] | None = None


class Draft(NamedTuple):
    """One conversation as the file has it. `user_ids` maps a speaker's name to the id of the person behind it.

    `system_speaks`: a speaker called `system` is the partner, unless another one is; otherwise it is a prompt.
    """

    id: str | None
    lines: Sequence[Line]
    user_id: str | None = None
    topic: str | None = None
    profile: Mapping[str, Any] | None = None
    ending: Ending | None = None
    provenance: Mapping[str, Any] | None = None
    meta: Mapping[str, Any] | None = None
    user_ids: Mapping[str, str] | None = None
    system_speaks: bool = False


def first_key(row: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The first of `keys` that `row` has."""
    return next((key for key in keys if key in row), None)


def identifier(value: object, what: str) -> str | None:
    """An id as text: None and "" mean that there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Broken(f"{what} is {kind(value)}, not a text or a whole number")
    return str(value)


def object_cell(value: object) -> object:
    """An object that a table kept as JSON text; anything else as it is."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            return decode_json(value.encode("utf-8", "replace"))[0]
        except Broken:
            return value
    return value


def turn_list(value: object, key: str) -> list[Any]:
    """The list of turns, which some files keep as JSON inside a string."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        value, _ = decode_json(value.encode("utf-8", "replace"))
    if not isinstance(value, list):
        raise Broken(f"{key!r} is {kind(value)}, not a list of turns")
    return value


def draft_from(row: Mapping[str, Any], lines: Sequence[Line], *used: str, system_speaks: bool = False) -> Draft:
    """A draft of `row`: known fields by their names, everything else (but `used`) kept in `meta`."""
    rest = {key: value for key, value in row.items() if key not in used}
    id_key = first_key(row, ID_KEYS)
    found_id = identifier(rest.pop(id_key), id_key) if id_key in rest and id_key is not None else None
    user_key = first_key(row, _USER_KEYS)
    user_id = identifier(rest.pop(user_key), user_key) if user_key in rest and user_key is not None else None
    topic = None
    for key in _TOPIC_KEYS:
        if isinstance(rest.get(key), str):
            topic = rest.pop(key) or None
            break
    if "topic" in rest and rest["topic"] is None:
        del rest["topic"]
    profile, provenance = (_popped(rest, key) for key in ("profile", "provenance"))
    ending = _ending(object_cell(rest.get("ending")))
    if ending is not None:
        del rest["ending"]
    inner = object_cell(rest.pop("meta", None))
    meta = {**rest, **inner} if isinstance(inner, dict) else rest if inner is None else {**rest, "meta": inner}
    return Draft(found_id, lines, user_id, topic, profile, ending, provenance, meta, None, system_speaks)


def _popped(rest: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The object under `key`, taken out of `rest`; what is no object stays there."""
    value = object_cell(rest.get(key))
    if not isinstance(value, dict):
        return None
    del rest[key]
    return value


def _ending(value: object) -> Ending | None:
    if not isinstance(value, dict) or value.keys() != {"by", "reason"}:
        return None
    try:
        return msgspec.convert(value, Ending)
    except msgspec.ValidationError:
        return None  # Something else of that name; it stays in meta.


def lines_from(items: list[Any], role_keys: Sequence[str], text_keys: Sequence[str]) -> list[Line]:
    """The lines of a list of turn objects; the first of the keys that a turn has is taken."""
    lines: list[Line] = []
    role_key, text_key = role_keys[0], text_keys[0]
    for number, item in enumerate(items, start=1):
        if type(item) is not dict:
            raise Broken(f"turn {number} is {kind(item)}, not an object")
        if role_key not in item:
            role_key = _required(item, role_keys, number, "speaker")
        if text_key not in item:
            if "tool_calls" not in item:
                text_key = _required(item, text_keys, number, "text")
            text: object = item.get(text_key)
        else:
            text = item[text_key]
        speaker = item[role_key]
        if type(speaker) is not str or not speaker:
            raise Broken(f"turn {number}: the speaker ({role_key!r}) is not a name")
        if type(text) is not str:
            text = plain_text(text, item, number)
        if len(item) == 2:
            lines.append(Line(speaker, text))
        else:
            lines.append(Line(speaker, text, *_extras(item, role_key, text_key)))
    return lines


def _required(item: Mapping[str, Any], keys: Sequence[str], number: int, what: str) -> str:
    key = first_key(item, keys)
    if key is None:
        raise Broken(f"turn {number} has no {what}: none of {', '.join(keys)} among {shown_keys(item)}")
    return key


def shown_keys(row: Mapping[str, Any]) -> str:
    """The first keys of `row`, for a message."""
    names = [shown(key) for key in list(row)[:8]]
    return ", ".join(names) + (", …" if len(row) > 8 else "") if names else "no keys at all"


def plain_text(value: object, item: Mapping[str, Any], number: int) -> str | None:
    """Text out of a content that is not a string: a list of parts, or None where a tool was called."""
    if value is None and (item.get("tool_calls") or item.get("function_call")):
        return None
    if isinstance(value, list):
        texts = [part if isinstance(part, str) else part.get("text") for part in value if _is_text_part(part)]
        if all(isinstance(text, str) for text in texts) and (texts or value):
            return "\n".join(str(text) for text in texts)
    elif isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    raise Broken(f"turn {number}: the text is {kind(value)}")


def _is_text_part(part: object) -> bool:
    if isinstance(part, str):
        return True
    if not isinstance(part, dict):
        raise Broken(f"a part of the content is {kind(part)}, not an object")
    return part.get("type", "text") in ("text", "input_text", "output_text")


def _extras(
    item: Mapping[str, Any], role_key: str, text_key: str
) -> tuple[str | None, tuple[str, ...], dict[str, Any] | None]:
    intent: str | None = None
    acts: tuple[str, ...] = ()
    meta: dict[str, Any] = {}
    inner: object = None
    for key, value in item.items():
        if key in (role_key, text_key):
            continue
        if key in _ACT_KEYS and not acts and (found := labels(value)) is not None:
            acts = found
        elif key == "intent" and (value is None or isinstance(value, str)):
            intent = value or None
        elif key == "meta" and isinstance(found_meta := object_cell(value), dict):
            inner = found_meta
        else:
            meta[key] = value
    if isinstance(inner, dict):
        meta.update(inner)
    return intent, acts, meta or None


def labels(value: object) -> tuple[str, ...] | None:
    """Act labels out of a list of names, a single name, or a list of objects that name an act; else None.

    >>> labels(["inform", "thank"]), labels("greet"), labels(None), labels([{"act": "INFORM"}]), labels(3)
    (('inform', 'thank'), ('greet',), (), ('INFORM',), None)
    """
    if type(value) is list:
        if set(map(type, value)) <= {str}:
            return tuple(value)
    elif value is None or value == "":
        return ()
    elif isinstance(value, str):
        return (value,)
    else:
        return None
    named: list[str] = []
    for entry in value:
        if isinstance(entry, dict):
            entry = next((entry[key] for key in ("act", "intent", "type") if key in entry), None)
        if not isinstance(entry, str):
            return None
        named.append(entry)
    return tuple(named)
