"""ConvLab's unified format: turns with `speaker`, `utterance` and structured `dialogue_acts`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from understudy.conversations.formats.drafts import Draft, draft_from, lines_from, turn_list

NAME = "convlab"


def matches(row: Mapping[str, Any]) -> bool:
    """Whether the row has a dialogue id and turns with an utterance."""
    turns = row.get("turns")
    if not isinstance(turns, list) or not turns or "dialogue_id" not in row:
        return False
    return isinstance(turns[0], dict) and "utterance" in turns[0] and "speaker" in turns[0]


def parse(row: Mapping[str, Any]) -> Draft:
    """Acts become `domain-intent` (`intent` where there is no domain); slots with a value become entities."""
    turns = turn_list(row["turns"], "turns")
    drawn = [_plain(turn) if isinstance(turn, dict) else turn for turn in turns]
    draft = draft_from(row, lines_from(drawn, ("speaker",), ("utterance",)), "turns", system_speaks=True)
    domains = row.get("domains")
    if draft.topic is None and isinstance(domains, list) and all(isinstance(name, str) for name in domains):
        draft = draft._replace(topic="+".join(domains) or None)
    return draft


def _plain(turn: Mapping[str, Any]) -> dict[str, Any]:
    acts = turn.get("dialogue_acts")
    if not isinstance(acts, dict):
        return dict(turn)
    kept = {key: value for key, value in turn.items() if key != "dialogue_acts"}
    names: dict[str, None] = {}
    entities: list[list[str]] = []
    for act in _each(acts):
        domain, intent = act.get("domain") or "", act.get("intent") or ""
        names[f"{domain}-{intent}" if domain else str(intent)] = None
        slot, value = act.get("slot"), act.get("value")
        if isinstance(slot, str) and slot and isinstance(value, str) and value:
            entities.append([slot, value])
    names.pop("", None)
    if names:
        kept["acts"] = list(names)
    if entities:
        kept["entities"] = entities
    return kept


def _each(acts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("categorical", "non-categorical", "binary"):
        group = acts.get(kind)
        yield from (act for act in group if isinstance(act, dict)) if isinstance(group, list) else ()
