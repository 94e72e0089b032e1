"""A model's answer is a conversation in full, or a fault: never raw text, never reasoning in a turn."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.scenarios.making import ready
from understudy.models.model import Message, Request, TransientFault
from understudy.models.reasoning import NOTES, ReasoningApart, ReasoningError, split_reasoning
from understudy.models.scripted import Scripted
from understudy.scenarios.subtopics import ask_subtopics
from understudy.scenarios.whole import UnusableError, read_whole, whole_request

TURNS = [{"role": "user", "text": "hi"}, {"role": "assistant", "text": "Hello."}]


def answer(turns=TURNS, **more) -> str:
    return json.dumps({"reasoning": "", "turns": turns, **more})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("User: hi\nAssistant: Hello.", "unparsable"),
        ("", "unparsable"),
        ("<dialogue>hi</dialogue>", "unparsable"),
        (answer()[:-20], "unparsable"),
        (answer([]), "unparsable"),
        (answer("hi"), "unparsable"),
        (answer([*TURNS, {"role": "narrator", "text": "They part."}]), "unparsable"),
        (answer([*TURNS, {"role": "user"}]), "unparsable"),
        (answer([*TURNS, "bye"]), "unparsable"),
        (answer([*TURNS, {"role": "user", "text": "  "}]), "empty"),
        (answer(TURNS[:1]), "one_sided"),
        (answer([TURNS[0], TURNS[0]]), "one_sided"),
        (answer([*TURNS, {"role": "user", "text": "<cot>I will leave now</cot> bye"}]), "reasoning_in_turn"),
        (answer([*TURNS, {"role": "user", "text": "<think>I will leave"}]), "unparsable"),
        ("<think>never closed " + answer(), "unparsable"),
        (answer() + " or " + answer([*TURNS, TURNS[0]]), "unparsable"),
        (answer(TURNS * 200), "runaway"),
    ],
)
def test_what_is_no_conversation_is_a_fault(text, kind) -> None:
    with pytest.raises(UnusableError) as caught:
        read_whole(text)
    assert caught.value.kind == kind


def test_reasoning_is_kept_apart() -> None:
    turns, reasoning = read_whole("<think>brisk today</think>" + answer(reasoning="she is in a hurry"))
    assert [turn.text for turn in turns] == ["hi", "Hello."]
    assert reasoning == "brisk today\nshe is in a hurry"


def test_every_attempt_is_another_request() -> None:
    prepared = ready()
    scenario, writing = prepared.scenarios[0], prepared.plan.writing
    first, again = (whole_request(scenario, k, prepared.cuts, (), writing) for k in (0, 1))
    assert first.messages == again.messages
    assert (first.seed, first.replicate) != (again.seed, again.replicate)


def test_the_prompt_says_what_was_asked_and_holds_the_exemplars() -> None:
    from tests.scenarios.making import talk

    prepared = ready()
    scenario = prepared.scenarios[0]
    text = whole_request(scenario, 0, prepared.cuts, [talk(7)], prepared.plan.writing).messages[0].content
    assert scenario.subtopic in text
    assert f"medium: {scenario.context.medium}" in text
    assert talk(7).turns[0].text in text


@pytest.mark.parametrize("text", ["<think>a", "a</think>b", "<think>a</cot>", "<think><think>a</think>"])
def test_open_reasoning_is_an_error(text) -> None:
    with pytest.raises(ReasoningError):
        split_reasoning(text)


def test_a_models_reasoning_goes_to_the_notes_and_not_to_the_other_side() -> None:
    model = ReasoningApart(Scripted(["<think>he bluffs</think>ok", "<think>only this</think>", "<think>open"]))
    notes: list[str] = []

    async def ask() -> str:
        NOTES.set(notes)
        return (await model.complete(Request((Message("user", "hi"),)))).text

    assert asyncio.run(ask()) == "ok"
    assert notes == ["he bluffs"]
    for code in ("reasoning_only", "reasoning_open"):
        with pytest.raises(TransientFault) as caught:
            asyncio.run(ask())
        assert caught.value.code == code


def test_subtopics_are_asked_again_for_what_is_missing() -> None:
    script = [
        "not json",
        '{"subtopics": ["late trains", "the late trains", "lost luggage"]}',
        '{"subtopics": ["seats"]}',
    ]
    found = asyncio.run(ask_subtopics(Scripted(script), "trains", 3, seed=0))
    assert found.names == ("late trains", "lost luggage", "seats")
    assert found.alike == 1
    assert len(found.faults) == 1
    assert found.faults[0].startswith("unparsable")


def test_a_topic_without_subtopics_is_told_and_not_lost() -> None:
    found = asyncio.run(ask_subtopics(Scripted(["no", '{"subtopics": []}', '["a"]']), "trains", 3, seed=0))
    assert found.names == ()
    assert len(found.faults) == 3


def test_a_fault_that_stops_the_run_is_raised() -> None:
    from understudy.models.model import TerminalFault

    def refuse(request: Request) -> str:
        raise TerminalFault("http_401", "wrong key", why="no", fix="another key", stops_run=True)

    with pytest.raises(TerminalFault):
        asyncio.run(ask_subtopics(Scripted(refuse), "trains", 3, seed=0))
