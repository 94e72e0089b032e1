"""The formats, one file each, and which of them a row is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from understudy.conversations.formats import (
    convlab,
    flat,
    messages,
    own,
    shared_data,
    sharegpt,
    trajectories,
    turns,
)
from understudy.conversations.formats.drafts import Draft

__all__ = ["FORMATS", "Format", "detect", "is_flat"]


class Format(NamedTuple):
    """How rows of one format are recognised and read."""

    name: str
    matches: Callable[[Mapping[str, Any]], bool]
    parse: Callable[[Mapping[str, Any]], Draft]


#: The most particular first: a row is read by the first that recognises it.
FORMATS: tuple[Format, ...] = tuple(
    Format(module.NAME, module.matches, module.parse)
    for module in (own, shared_data, trajectories, convlab, sharegpt, messages, turns)
)


def detect(row: object) -> Format | None:
    """The format that `row` is in, by its keys; None where no list of turns is recognised (see also `flat`).

    >>> detect({"messages": [{"role": "user", "content": "hi"}]}).name
    'messages'
    >>> detect({"speaker": "a", "text": "hi"}) is None
    True
    """
    if not isinstance(row, Mapping):
        return None
    return next((kind for kind in FORMATS if kind.matches(row)), None)


def is_flat(row: object) -> bool:
    """Whether `row` is one turn rather than one conversation."""
    return isinstance(row, Mapping) and flat.matches(row)
