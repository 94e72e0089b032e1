"""A whole conversation from one answer of a model: parsed strictly, or a fault with its reason, never raw text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.conversations import Conversation, Ending, Role, Turn
from understudy.models.model import LanguageModel, Message, Request
from understudy.models.parsing import UnparsableError, parse_object
from understudy.models.reasoning import ReasoningError, split_before, split_reasoning
from understudy.scenarios.plan import WritingPlan
from understudy.scenarios.rendering import whole_prompt
from understudy.scenarios.scenario import Scenario, profile_of
from understudy.seeds import derive_seed

_TURN = {
    "type": "object",
    "properties": {"role": {"type": "string", "enum": ["user", "assistant"]}, "text": {"type": "string"}},
    "required": ["role", "text"],
    "additionalProperties": False,
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "turns": {"type": "array", "items": _TURN}},
    "required": ["reasoning", "turns"],
    "additionalProperties": False,
}
_MOST_TURNS = 200
_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant"}


class UnusableError(ValueError):
    """A model's answer that is no conversation; `kind` is for counting."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def whole_request(
    scenario: Scenario,
    attempt: int,
    cuts: Mapping[str, tuple[float, float]],
    shown: Sequence[Conversation],
    writing: WritingPlan,
) -> Request:
    """The one call that a conversation takes. Attempts differ by seed and by `replicate`."""
    return Request(
        (Message("user", whole_prompt(scenario, cuts, shown, writing)),),
        temperature=writing.temperature,
        max_tokens=writing.max_tokens,
        seed=derive_seed(scenario.seed, "attempt", attempt) % 2**31,
        response_schema=SCHEMA,
        replicate=attempt,
        purpose="conversation",
    )


async def write_whole(
    model: LanguageModel,
    scenario: Scenario,
    attempt: int,
    cuts: Mapping[str, tuple[float, float]],
    shown: Sequence[Conversation],
    writing: WritingPlan,
) -> Conversation:
    """Ask for a conversation and read it. Raises `UnusableError`, and the `ModelFault` of the call."""
    answer = await model.complete(whole_request(scenario, attempt, cuts, shown, writing))
    turns, reasoning = read_whole(answer.text)
    return Conversation(
        id=scenario.id,
        turns=turns,
        user_id=scenario.persona.id,
        topic=scenario.topic,
        profile=None,
        ending=Ending("user" if turns[-1].role == "user" else "assistant", "written so"),
        provenance={"model": answer.model, "profile": profile_of(scenario).id},
        meta={"reasoning": [{"text": reasoning}]} if reasoning else {},
    )


def read_whole(text: str) -> tuple[tuple[Turn, ...], str]:
    """Turns and reasoning of an answer. Whatever is not a conversation in full raises `UnusableError`.

    >>> read_whole('{"reasoning": "in a hurry", "turns": [{"role": "user", "text": "hi"}, '
    ...            '{"role": "assistant", "text": "Hello."}]}')[1]
    'in a hurry'
    >>> read_whole("User: hi / Assistant: Hello.")
    Traceback (most recent call last):
    understudy.scenarios.whole.UnusableError: the answer holds no JSON object
    """
    try:
        apart = split_before(text)
        answer = parse_object(apart.text)
    except (UnparsableError, ReasoningError) as error:
        raise UnusableError("unparsable", str(error)) from error
    rows = answer.get("turns")
    if not isinstance(rows, list) or not rows:
        raise UnusableError("unparsable", "the answer has no list of turns")
    if len(rows) > _MOST_TURNS:
        raise UnusableError("runaway", f"{len(rows)} turns")
    turns = tuple(_turn(row, number) for number, row in enumerate(rows, 1))
    if len(turns) < 2 or len({turn.role for turn in turns}) < 2:
        raise UnusableError("one_sided", "one side never speaks")
    reasoning = answer.get("reasoning")
    notes = [part for part in (apart.reasoning, reasoning if isinstance(reasoning, str) else "") if part]
    return turns, "\n".join(notes)


def _turn(row: Any, number: int) -> Turn:
    if not isinstance(row, dict) or row.get("role") not in _ROLES or not isinstance(row.get("text"), str):
        raise UnusableError("unparsable", f"turn {number} is not of the form role, text")
    try:
        said = split_reasoning(row["text"])
    except ReasoningError as error:
        raise UnusableError("unparsable", f"turn {number}: {error}") from error
    if said.reasoning:
        raise UnusableError("reasoning_in_turn", f"turn {number} holds reasoning")
    if not said.text.strip():
        raise UnusableError("empty", f"turn {number} is empty")
    return Turn(_ROLES[row["role"]], said.text.strip())
