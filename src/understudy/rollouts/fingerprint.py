"""Whether a run that goes on is the run that was begun: its settings, field by field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from understudy.errors import JournalError

_MOST_SHOWN = 60


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` as a JSON file holds them, so that what was stored compares equal to what is asked for."""
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings, order="deterministic"))
    return made


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for every field that differs, nested ones by their path.

    >>> changes({"seed": 1, "plan": {"n": 5, "topic": "film"}}, {"seed": 2, "plan": {"n": 5}})
    ['plan.topic: "film" before, nothing now', 'seed: 1 before, 2 now']
    """
    old, new = _flat(plain(before)), _flat(plain(now))
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name) or (name in old) != (name in new):
            lines.append(f"{name}: {_shown(old, name)} before, {_shown(new, name)} now")
    return lines


def refuse_changes(
    before: Mapping[str, Any], now: Mapping[str, Any], *, where: str, growing: Collection[str] = ()
) -> None:
    """Raise `JournalError` naming each field, if a run begun with `before` is to go on with `now`.

    Counts in `growing` may be larger now, never smaller: what was done would be thrown away.

    Both hold only what decides the result: how much runs at a time, limits of time and where it runs are not among
    it, and may change.
    """
    grown = {name: now[name] for name in growing if name in before and name in now and now[name] >= before[name]}
    found = changes({**before, **grown}, now)
    if found:
        raise JournalError(
            f"{where} was begun with other settings: {'; '.join(found)}",
            why="one file would hold the results of two different runs",
            fix="go on with the settings it was begun with, or write to another --out",
        )


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {
            name: leaf
            for key, inner in value.items()
            for name, leaf in _flat(inner, f"{path}.{key}" if path else str(key)).items()
        }
    return {path: value}


def _shown(fields: Mapping[str, Any], name: str) -> str:
    if name not in fields:
        return "nothing"
    text = msgspec.json.encode(fields[name]).decode()
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
