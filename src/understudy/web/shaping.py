"""What a user says, in the JSON object that a client asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from understudy.web.wire import ResponseFormat

_WORDS = re.compile(r"[A-Z]?[a-z]+")
_ENDS = frozenset(
    {"end", "ends", "ended", "ending", "stop", "stopped", "done", "finish", "finished", "leave", "leaving", "complete"}
)
_DEEPEST = 8
_BARE: Mapping[str, Any] = {"integer": 0, "number": 0, "boolean": False, "array": [], "null": None}


def shaped(text: str, form: ResponseFormat, *, ended: bool) -> str:
    """`text` as JSON. Without a schema: `{"text": ..., "ended": ...}`.

    By a schema of an object, its first property that is a string holds the text, and true-or-false properties whose
    names speak of an end say whether the user leaves; whatever else is required is filled in with nothing.

    >>> schema = {"properties": {"said": {"type": "string"}, "is_done": {"type": "boolean"}}}
    >>> shaped("bye", ResponseFormat("json_schema", {"schema": schema}), ended=True)
    '{"said":"bye","is_done":true}'
    >>> shaped("hi", ResponseFormat("json_object"), ended=False)
    '{"text":"hi","ended":false}'
    """
    schema = (form.json_schema or {}).get("schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        return _json({"text": text, "ended": ended})
    filled: dict[str, Any] = {}
    untold = True
    for name, kind in properties.items():
        value = _empty(kind, 0)
        if untold and value == "":
            value, untold = text, False
        elif value is False and not _ENDS.isdisjoint(word.lower() for word in _WORDS.findall(name)):
            value = ended
        filled[name] = value
    return _json(filled)


def _empty(schema: Any, depth: int) -> Any:
    """The least that a schema lets stand."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return None
    if isinstance(options := schema.get("enum"), list) and options:
        return options[0]
    if "const" in schema:
        return schema["const"]
    kinds = schema.get("type")
    kind = kinds[0] if isinstance(kinds, list) and kinds else kinds
    if kind == "object" and isinstance(properties := schema.get("properties"), dict):
        return {name: _empty(inner, depth + 1) for name, inner in properties.items()}
    if kind == "object":
        return {}
    return "" if kind == "string" else _BARE.get(str(kind))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode("utf-8")
