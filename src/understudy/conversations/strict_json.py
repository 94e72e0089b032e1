"""JSON from outside, fast and strict: duplicate keys, NaN, infinities and numbers without end are refused.

msgspec decodes five times faster than the standard library but silently keeps the last of two equal keys. The
check for that costs one encoding of the decoded value: in JSON text `":` stands once for every key, plus once for
every such pair inside a string, where both sides write it alike. Equal counts therefore prove that no key was
lost; the few spellings that would break the proof (white space before the colon, an escaped quote mark or colon)
go the slow and exact way.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

from understudy.conversations.problems import Broken, shown

_SPACE_BEFORE_COLON = re.compile(rb'"[ \t\r\n]+:')
_LONE = re.compile("[\ud800-\udfff]")
_MAX_DIGITS = 400


class _Refused:
    """Stands in the decoded tree where something must not pass, until the row that holds it is known."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def decode_json(data: bytes, *, per_item: bool = False) -> tuple[Any, bool]:
    """The value in `data`, and whether lone surrogates in it were replaced by U+FFFD.

    Raises `Broken` with the reason. With `per_item`, what is wrong inside one item of a list only spoils that
    item, which then stands in the list as a `Broken`.

    >>> decode_json(b'{"a": [1, 2]}')
    ({'a': [1, 2]}, False)
    >>> decode_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    understudy.conversations.problems.Broken: the key 'a' stands twice in one object
    """
    try:
        value = msgspec.json.decode(data)
        if _no_key_was_lost(data, value):
            return value, False
    except UnicodeDecodeError as error:
        raise Broken(_not_utf8(data, error)) from error
    except RecursionError as error:
        raise Broken("nested too deeply") from error
    except msgspec.DecodeError:
        pass  # The standard library says better what is wrong, or finds it only unusual.
    return _decode_slowly(data, per_item)


def _no_key_was_lost(data: bytes, value: Any) -> bool:
    if b"\\u0022" in data or b"\\u003" in data:
        return False
    if (b" :" in data or b"\t:" in data or b"\n:" in data or b"\r:" in data) and _SPACE_BEFORE_COLON.search(data):
        return False
    return data.count(b'":') == msgspec.json.encode(value).count(b'":')


def _decode_slowly(data: bytes, per_item: bool) -> tuple[Any, bool]:
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=lambda name: _Refused(f"{name} is not a JSON number"),
        )
        cleaned = scrub_surrogates(value)
        if per_item and isinstance(cleaned, list):
            items = [item if (why := _first_refused(item)) is None else Broken(why) for item in cleaned]
            return items, cleaned is not value
        refused = _first_refused(cleaned)
    except UnicodeDecodeError as error:
        raise Broken(_not_utf8(data, error)) from error
    except json.JSONDecodeError as error:
        raise Broken(f"not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise Broken("nested too deeply") from error
    if refused is not None:
        raise Broken(refused)
    return cleaned, cleaned is not value


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as exact:
        return f"byte {exact.start + 1} is not UTF-8 (0x{data[exact.start]:02x}); is the file in another encoding?"
    return f"not UTF-8: {error.reason}"


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return _Refused(f"the key {shown(key)} stands twice in one object")
        seen.add(key)
    raise AssertionError("unreachable: fewer keys than pairs")


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) <= _MAX_DIGITS else _Refused(f"an integer of {len(digits):,} digits")


def _float(text: str) -> Any:
    value = float(text)
    return value if math.isfinite(value) else _Refused(f"the number {shown(text)} is out of range")


def _first_refused(value: Any) -> str | None:
    if isinstance(value, _Refused):
        return value.reason
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        if (found := _first_refused(child)) is not None:
            return found
    return None


def scrub_surrogates(value: Any) -> Any:
    """`value` with every lone surrogate replaced by U+FFFD; the very same object where there is none.

    >>> scrub_surrogates({"a": ["x\\ud800"]})
    {'a': ['x�']}
    """
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value) if _LONE.search(value) else value
    if isinstance(value, (list, tuple)):
        items = [scrub_surrogates(item) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
    if isinstance(value, dict):
        pairs = [(scrub_surrogates(key), scrub_surrogates(item)) for key, item in value.items()]
        same = all(a is c and b is d for (a, b), (c, d) in zip(pairs, value.items(), strict=True))
        return value if same else dict(pairs)
    return value
