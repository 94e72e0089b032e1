"""Structured answers out of what models write: prose around JSON, fences, trailing commas; never a guess."""

from __future__ import annotations

from typing import Any

from understudy.conversations.problems import Broken
from understudy.conversations.strict_json import decode_json

_MOST_CHARS = 200_000
_MOST_OBJECTS = 20


class UnparsableError(ValueError):
    """The text holds no answer, or more than one; the message says which."""


def parse_object(text: str) -> dict[str, Any]:
    """The one JSON object in `text`. None, several different ones, or a key given twice: `UnparsableError`.

    Read are bare JSON, JSON in a fence, JSON with prose around it, and trailing commas. Equal objects count as
    one.

    >>> parse_object('Here you are: {"verdict": "consistent",}  Anything else?')
    {'verdict': 'consistent'}
    >>> parse_object('{"verdict": "consistent"} or rather {"verdict": "inconsistent"}')
    Traceback (most recent call last):
    understudy.models.parsing.UnparsableError: the answer holds 2 different objects
    """
    if len(text) > _MOST_CHARS:
        raise UnparsableError(f"the answer has {len(text):,} characters")
    whole = text.strip()
    if whole.startswith("{") and whole.endswith("}") and (value := _strictly(whole)) is not None:
        return value  # By far the commonest answer: one object and nothing else.
    found = _objects(text)
    if not found:
        raise UnparsableError("the answer holds no JSON object")
    distinct = [value for i, value in enumerate(found) if value not in found[:i]]
    if len(distinct) > 1:
        raise UnparsableError(f"the answer holds {len(distinct)} different objects")
    return distinct[0]


def parse_choice(text: str, field: str, choices: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Which of `choices` the answer gives in `field`, and the whole object; one bare word is an answer too.

    >>> parse_choice('{"verdict": "Consistent"}', "verdict", ("consistent", "inconsistent"))[0]
    'consistent'
    >>> parse_choice("**Inconsistent.**", "verdict", ("consistent", "inconsistent"))[0]
    'inconsistent'
    >>> parse_choice("consistent or not", "verdict", ("consistent", "inconsistent"))
    Traceback (most recent call last):
    understudy.models.parsing.UnparsableError: the answer holds no JSON object
    """
    bare = text.strip().strip("*_`'\".!\n ").casefold()
    if bare in choices:
        return bare, {field: bare}
    answer = parse_object(text)
    if field not in answer:
        raise UnparsableError(f"the answer has no field {field!r}")
    value = answer[field]
    if isinstance(value, str) and (word := value.strip().casefold()) in choices:
        return word, answer
    raise UnparsableError(f"{field} is {str(value)[:60]!r}, not one of {', '.join(choices)}")


def _objects(text: str) -> list[dict[str, Any]]:
    """All outermost objects of the text, in order. A broken one raises: what it meant to say cannot be known."""
    found = []
    position = 0
    while (start := text.find("{", position)) >= 0:
        end = _closing(text, start)
        if end is None:
            raise UnparsableError("an object in the answer does not end")
        value = _decode(text[start:end])
        if value is None and not _is_prose(text[start:end]):
            raise UnparsableError("an object in the answer is not valid JSON")
        if value is not None:
            found.append(value)
        if len(found) > _MOST_OBJECTS:
            raise UnparsableError(f"the answer holds more than {_MOST_OBJECTS} objects")
        position = end
    return found


def _is_prose(text: str) -> bool:
    """Braces without any quote mark are prose or markup (`{name}`), not an attempt at JSON."""
    return '"' not in text and "'" not in text


def _closing(text: str, start: int) -> int | None:
    """Where the object that opens at `start` has closed; braces inside strings do not count."""
    depth = 0
    in_string = escaped = False
    for i in range(start, len(text)):
        char = text[i]
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return i + 1
    return None


def _decode(text: str) -> dict[str, Any] | None:
    value = _strictly(text)
    return _strictly(_without_trailing_commas(text)) if value is None else value


def _strictly(text: str) -> dict[str, Any] | None:
    try:
        value, _ = decode_json(text.encode("utf-8", "surrogatepass"))
    except Broken as error:
        if "stands twice" in str(error):
            raise UnparsableError(str(error)) from error
        return None
    return value if isinstance(value, dict) else None


def _without_trailing_commas(text: str) -> str:
    out: list[str] = []
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "}]":
            last = len(out) - 1
            while last >= 0 and out[last] in " \t\r\n":
                last -= 1
            if last >= 0 and out[last] == ",":
                del out[last]
        out.append(char)
    return "".join(out)
