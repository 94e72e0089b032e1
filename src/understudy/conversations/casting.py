"""From a draft to a conversation: who is the user, where prompts and tool calls go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from understudy.conversations.formats.drafts import Draft, Line
from understudy.conversations.problems import Broken, Notes, shown
from understudy.conversations.records import Conversation, Role, Turn
from understudy.conversations.roles import (
    INSTRUCTION_ROLES,
    TOOL_ROLES,
    assign_roles,
    known_role,
    normalised,
)

_REMEMBERED = 512
_CALLS = ("tool_calls", "function_call")


Part = Literal["user", "assistant", "instruction", "tool"]


class _Cast(NamedTuple):
    """What each speaker of a conversation is. `several`: some part is shared; `guess`: the remark it deserves."""

    parts: Mapping[str, Part]
    several: bool
    guess: str | None


class Casting:
    """Gives every speaker of a file its role. Remembers which names it met, for the error that lists them."""

    def __init__(self, user_role: str | None, notes: Notes) -> None:
        self.user_role = None if user_role is None else normalised(user_role)
        self.notes = notes
        self.found = False
        self.names: dict[str, None] = {}
        self._memo: dict[tuple[frozenset[str], bool], _Cast] = {}

    def cast(self, draft: Draft, fallback_id: str) -> Conversation:
        """The conversation of `draft`; raises `Broken` where nobody says anything."""
        cast = self._cast_for(frozenset([line.speaker for line in draft.lines]), draft.system_speaks)
        turns, meta = _turns(draft.lines, cast)
        if not turns:
            if draft.lines:
                raise Broken("nobody says anything: no turn of a user or an assistant")
            self.notes.add("a conversation has no turns; it was kept")
        user_id = draft.user_id
        if user_id is None and draft.user_ids is not None:
            users = [draft.user_ids[name] for name in draft.user_ids if cast.parts.get(name) == "user"]
            user_id = users[0] if len(users) == 1 else None
        return Conversation(
            draft.id or fallback_id,
            turns,
            user_id,
            draft.topic,
            draft.profile,
            draft.ending,
            draft.provenance,
            {**meta, **(draft.meta or {})} if meta else draft.meta or {},
        )

    def _cast_for(self, names: frozenset[str], system_speaks: bool) -> _Cast:
        key = (names, system_speaks)
        cast = self._memo.get(key)
        if cast is None:
            cast = self._decide(names, system_speaks)
            if len(self._memo) < _REMEMBERED:
                self._memo[key] = cast
            if len(self.names) < _REMEMBERED:
                self.names.update(dict.fromkeys(sorted(names)))
        if cast.guess is not None:
            self.notes.add(cast.guess)
        return cast

    def _decide(self, names: frozenset[str], system_speaks: bool) -> _Cast:
        roles: dict[str, Part] = {}
        guess: str | None = None
        speakers: list[str] = []
        for name in sorted(names):
            plain = normalised(name)
            if self.user_role == plain:
                roles[name] = "user"
                self.found = True
            elif plain in TOOL_ROLES:
                roles[name] = "tool"
            elif plain in INSTRUCTION_ROLES and not (system_speaks and _partner_is_missing(names)):
                roles[name] = "instruction"
            elif plain in INSTRUCTION_ROLES or self.user_role is not None:
                roles[name] = "assistant"
            else:
                speakers.append(name)
        if self.user_role is None and speakers:
            others = [name for name, role in roles.items() if role == "assistant"]
            given, guessed = assign_roles([*speakers, *(["assistant"] if others else [])])
            roles.update({name: given[name] for name in speakers})
            guess = _guess(sorted(names), given) if guessed else None
        several = sum(part in ("user", "assistant") for part in roles.values()) > 2
        return _Cast(roles, several, guess)


def _partner_is_missing(names: frozenset[str]) -> bool:
    return not any(known_role(name) == "assistant" for name in names)


def _guess(names: list[str], roles: Mapping[str, Role]) -> str:
    user = next((name for name in names if roles.get(name) == "user"), None)
    # Only names that look like labels are spelled out: people's names would make one note a conversation.
    labels = all(len(name) <= 16 and name.rstrip("0123456789 _-").lower() in _LABELS for name in names)
    which = f"{shown(user)} was" if labels and user else "the first name in natural order was"
    return f"no speaker's name says who the user is: {which} taken as the user (--user-role names another)"


_LABELS = frozenset({"speaker", "person", "participant", "p", "s", "a", "b", "agent", "user", "spk", "party", "worker"})


def _turns(lines: Iterable[Line], cast: _Cast) -> tuple[tuple[Turn, ...], dict[str, Any]]:
    turns: list[Turn] = []
    meta: dict[str, Any] = {}
    waiting: dict[str, dict[str, list[Any]]] = {}
    for line in lines:
        role = cast.parts[line.speaker]
        if role == "user" or role == "assistant":
            if line.text is None or (line.text == "" and line.meta and any(line.meta.get(k) for k in _CALLS)):
                _collect(line, role, waiting)
                continue
            extra = line.meta
            if cast.several:
                extra = {**(extra or {}), "speaker": line.speaker}
            if role in waiting:
                extra = {**(extra or {}), **_merged(extra or {}, waiting.pop(role))}
            if extra:
                turns.append(Turn(role, line.text, line.intent, line.acts, extra))
            elif line.acts or line.intent is not None:
                turns.append(Turn(role, line.text, line.intent, line.acts))
            else:
                turns.append(Turn(role, line.text))
        elif role == "instruction":
            meta["system"] = f"{meta['system']}\n\n{line.text}" if "system" in meta else line.text
        else:
            _tool_result(line, turns, waiting)
    for side, calls in waiting.items():
        _attach_to_last(side, calls, turns, meta)
    return tuple(turns), meta


def _collect(line: Line, role: str, waiting: dict[str, dict[str, list[Any]]]) -> None:
    """Keep a tool call without words for the next turn of the same side."""
    held = waiting.setdefault(role, {})
    for key in _CALLS:
        calls = (line.meta or {}).get(key)
        if calls:
            held.setdefault("tool_calls", []).extend(calls if isinstance(calls, list) else [calls])


def _tool_result(line: Line, turns: list[Turn], waiting: dict[str, dict[str, list[Any]]]) -> None:
    side = "user" if (line.meta or {}).get("requestor") == "user" else "assistant"
    result = {"content": line.text, **(line.meta or {})}
    if side not in waiting and turns and turns[-1].role == side:
        _attach_to_last(side, {"tool_results": [result]}, turns, {})
        return
    waiting.setdefault(side, {}).setdefault("tool_results", []).append(result)


def _merged(extra: Mapping[str, Any], calls: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {key: [*held, *_listed(extra.get(key))] for key, held in calls.items()}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _attach_to_last(role: str, calls: Mapping[str, list[Any]], turns: list[Turn], meta: dict[str, Any]) -> None:
    for place in range(len(turns) - 1, -1, -1):
        if turns[place].role == role:
            last = turns[place]
            held = {key: [*_listed(last.meta.get(key)), *found] for key, found in calls.items()}
            turns[place] = Turn(last.role, last.text, last.intent, last.acts, {**last.meta, **held})
            return
    meta.update({key: found for key, found in calls.items() if found})
