"""Subtopics by a model: strict parsing, alike ones dropped, asked again for what is missing, every answer kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from understudy.conversations.text import tokens
from understudy.models.model import LanguageModel, Message, ModelFault, Request
from understudy.models.parsing import UnparsableError, parse_object
from understudy.models.reasoning import ReasoningError, split_before
from understudy.scenarios.rendering import prompt
from understudy.seeds import derive_seed

_ROUNDS = 3
_ALIKE = 0.5
_LONGEST = 120
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"subtopics": {"type": "array", "items": {"type": "string"}}},
    "required": ["subtopics"],
    "additionalProperties": False,
}


class Subtopics(msgspec.Struct, frozen=True):
    """What a model named for one topic, how many it dropped as alike, and what went wrong on the way."""

    topic: str
    names: tuple[str, ...]
    alike: int = 0
    faults: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()


def subtopic_request(topic: str, count: int, known: Sequence[str], round_: int, *, seed: int) -> Request:
    """The call for `count` subtopics that are not among `known`."""
    avoid = "Not among these: " + "; ".join(known) + "\n" if known else ""
    return Request(
        (Message("user", prompt("subtopics").format(count=count, topic=topic, avoid=avoid)),),
        temperature=0.7,
        max_tokens=1024,
        seed=derive_seed(seed, "subtopics", topic, round_) % 2**31,
        response_schema=_SCHEMA,
        replicate=round_,
        purpose="subtopics",
    )


async def ask_subtopics(model: LanguageModel, topic: str, count: int, *, seed: int) -> Subtopics:
    """`count` different subtopics of a topic, asked for in up to three rounds.

    One is dropped where its words overlap those of a kept one by a Jaccard index of .5 or more. An answer that
    does not parse is recorded and asked for again; a fault that stops the run is raised. Fewer than `count`, even
    none, is a result: the caller accounts for it. (DiaSynth, arXiv:2409.19020, loses the whole topic in silence.)
    """
    names: list[str] = []
    faults: list[str] = []
    notes: list[str] = []
    alike = 0
    for round_ in range(_ROUNDS):
        missing = count - len(names)
        if missing <= 0:
            break
        try:
            answer = await model.complete(subtopic_request(topic, missing, names, round_, seed=seed))
            found, reasoning = _read(answer.text)
        except ModelFault as error:
            if error.stops_run:
                raise
            faults.append(error.reason)
            continue
        except (UnparsableError, ReasoningError) as error:
            faults.append(f"unparsable: {error}")
            continue
        notes += [reasoning] if reasoning else []
        for name in found:
            if any(overlap(name, kept) >= _ALIKE for kept in names):
                alike += 1
            elif len(names) < count:
                names.append(name)
    return Subtopics(topic, tuple(names), alike, tuple(faults), tuple(notes))


def _read(text: str) -> tuple[list[str], str]:
    apart = split_before(text)
    found = parse_object(apart.text).get("subtopics")
    if not isinstance(found, list) or not found:
        raise UnparsableError("the answer has no list of subtopics")
    names = [" ".join(name.split()) for name in found if isinstance(name, str)]
    if len(names) < len(found) or any(not name or len(name) > _LONGEST for name in names):
        raise UnparsableError("a subtopic is no short text")
    return names, apart.reasoning


def overlap(first: str, second: str) -> float:
    """The Jaccard index of the words of two phrases.

    >>> overlap("late train", "the late train"), overlap("late train", "seat")
    (0.6666666666666666, 0.0)
    """
    a, b = set(tokens(first)), set(tokens(second))
    return len(a & b) / len(a | b) if a | b else 1.0
