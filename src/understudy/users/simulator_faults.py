"""What simulated users do that people do not: flipped roles, front-loading, recitals, leaving too soon or never."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import msgspec

from understudy.conversations import Conversation, Turn
from understudy.conversations.text import tokens

FaultName = Literal["role_flip", "front_loading", "persona_recital", "premature_stop", "never_stopping"]
NAMES: tuple[FaultName, ...] = ("role_flip", "front_loading", "persona_recital", "premature_stop", "never_stopping")
_RUN = 8  # words of a private line in a row that nobody says by chance
_RUN_UNSPACED = 16  # the same in characters, for scripts without spaces
_WHOLE = 12  # letters and digits from which a whole private line counts, however it is spaced
_MANY = 3
_ALIKE = 0.8
_LABEL = re.compile(r"^[\s>*#\"'\[(]*(assistant|ai|bot|agent|system|model)[\s*\])]*:", re.IGNORECASE)
_SERVES = re.compile(
    r"\bas an? (?:ai|artificial intelligence|language model|(?:virtual |ai |helpful )?assistant)\b"
    r"|\bi(?:'m| am) (?:an? )?(?:ai|language model|(?:virtual|ai|helpful|digital) assistant|chatbot)\b"
    r"|\bhow (?:can|may) i (?:help|assist) you\b|\bis there anything else i can (?:help|assist|do)\b"
    r"|\bi(?:'d| would) be happy to (?:help|assist) you\b",
    re.IGNORECASE,
)


class SimulatorFault(msgspec.Struct, frozen=True):
    """One fault of a simulated user. `turn` is the position in the conversation, None where it is of the whole."""

    name: FaultName
    turn: int | None
    evidence: str


def flips_role(text: str) -> bool:
    """Whether a user's turn speaks as the one who serves: under such a label in any language, in such words in English.

    >>> flips_role("Assistant: sure"), flips_role("How can I help you today?"), flips_role("Can you help me?")
    (True, True, False)
    """
    return bool(_LABEL.match(text) or _SERVES.search(text))


def recital(text: str, private: Iterable[str]) -> str | None:
    """The private line that `text` gives away word for word, if any: eight words of it in a row, or all of it.

    All of it counts however it is spaced, cased and pointed; paraphrase and codes are not seen.

    >>> recital("Sure. I-am-a r.e.t.i.r.e.d nurse!", ["I am a retired nurse"])
    'I am a retired nurse'
    >>> recital("I used to be a nurse.", ["I am a retired nurse"]) is None
    True
    """
    words, letters = tokens(text), _letters(text)
    spans = {size: {tuple(words[k : k + size]) for k in range(len(words) - size + 1)} for size in (_RUN, _RUN_UNSPACED)}
    for line in private:
        known = _read(line)
        if known.letters and (known.letters in letters or known.backwards in letters):
            return line
        if known.runs and not known.runs.isdisjoint(spans[known.size]):
            return line
    return None


class _Line(NamedTuple):
    letters: str  # empty where the line is too short to count as a whole
    backwards: str
    size: int
    runs: frozenset[tuple[str, ...]]


@lru_cache(maxsize=4096)  # The lines of one briefing are looked for in every turn.
def _read(line: str) -> _Line:
    told, bare = tokens(line), _letters(line)
    size = _RUN_UNSPACED if told and sum(map(len, told)) < 1.5 * len(told) else _RUN
    runs = frozenset(tuple(told[k : k + size]) for k in range(len(told) - size + 1))
    whole = bare if len(bare) >= _WHOLE else ""
    return _Line(whole, whole[::-1], size, runs)


def front_loads(text: str, entities: Sequence[tuple[str, str]]) -> bool:
    """Whether one turn brings up all that the user has in mind, where that is three things or more.

    >>> goal = [("area", "north"), ("stars", "4"), ("price", "cheap")]
    >>> front_loads("A cheap 4 star place in the north", goal), front_loads("Something cheap", goal)
    (True, False)
    """
    values = {value.lower() for _, value in entities if value.strip()}
    return len(values) >= _MANY and all(value in text.lower() for value in values)


def simulator_faults(talk: Conversation) -> tuple[SimulatorFault, ...]:
    """The faults of the simulated user of one conversation, from the record alone: any simulator's can be checked.

    - `role_flip`, `persona_recital`: a turn, by `flips_role`, and by `recital` of the facts and knowledge of the
      stored profile;
    - `front_loading`: the first user turn holds the whole goal;
    - `premature_stop`: the user wanted to leave before it was due (`meta["asked_to_leave"]`), or was gone after one
      turn although more were planned;
    - `never_stopping`: still there at the limit, past its plan, or saying the same thing again and again.
    """
    profile: Mapping[str, Any] = talk.profile or {}
    persona, goal = profile.get("persona") or {}, profile.get("goal") or {}
    private = [*(persona.get("facts") or ()), *(profile.get("knowledge") or ())]
    entities = [(str(kind), str(value)) for kind, value in goal.get("entities") or ()]
    own = [(at, turn) for at, turn in enumerate(talk.turns) if turn.role == "user"]
    found: list[SimulatorFault] = []
    for number, (at, turn) in enumerate(own):
        if flips_role(turn.text):
            found.append(SimulatorFault("role_flip", at, _shown(turn.text)))
        if (line := recital(turn.text, private)) is not None:
            found.append(SimulatorFault("persona_recital", at, _shown(line)))
        if number == 0 and front_loads(turn.text, entities):
            found.append(SimulatorFault("front_loading", at, _shown(turn.text)))
    return (*found, *_stops(talk, own))


def _stops(talk: Conversation, own: Sequence[tuple[int, Turn]]) -> list[SimulatorFault]:
    by = talk.ending.by if talk.ending is not None else ""
    planned = next((p for _, t in reversed(own) if isinstance(p := _state(t).get("planned"), int)), None)
    early = [at for at, turn in own[:-1] if turn.meta.get("asked_to_leave") is True]
    if own and by != "user" and own[-1][1].meta.get("asked_to_leave") is True:
        early.append(own[-1][0])
    if early:
        return [SimulatorFault("premature_stop", early[0], "wanted to leave before it was due")]
    if by == "user" and len(own) == 1 and (planned or 0) > 1:
        return [SimulatorFault("premature_stop", own[0][0], f"gone after 1 of {planned} turns")]
    if by == "limit" and planned is not None and len(own) > planned:
        return [SimulatorFault("never_stopping", None, f"{len(own)} turns where {planned} were planned")]
    if by == "limit" and planned is None and len(own) >= _MANY and _same([turn.text for _, turn in own[-_MANY:]]):
        return [SimulatorFault("never_stopping", own[-1][0], _shown(own[-1][1].text))]
    return []


def fault_rates(talks: Iterable[Conversation]) -> dict[str, float | int]:
    """The share of conversations with each fault, and `conversations`, how many there were.

    >>> fault_rates([Conversation("a", (Turn("user", "How can I help you?"),))])["role_flip"]
    1.0
    """
    sets = [{fault.name for fault in simulator_faults(talk)} for talk in talks]
    rates: dict[str, float | int] = (
        {name: sum(name in found for found in sets) / len(sets) for name in NAMES} if sets else {}
    )
    return {**rates, "conversations": len(sets)}


def _state(turn: Turn) -> Mapping[str, Any]:
    state = turn.meta.get("state")
    return state if isinstance(state, Mapping) else {}


def _same(texts: Sequence[str]) -> bool:
    sets = [set(tokens(text)) for text in texts]
    return all(a and b and len(a & b) / len(a | b) >= _ALIKE for a, b in pairwise(sets))


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:119] + "…"
