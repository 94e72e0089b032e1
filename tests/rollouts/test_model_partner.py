"""A language model as the partner: what it is sent, whose its faults are, and that it can be used again."""

from __future__ import annotations

import asyncio

import pytest

from understudy.conversations import Ending, Turn
from understudy.models.model import Request, TransientFault, TruncatedFault
from understudy.models.scripted import Scripted
from understudy.rollouts.model_partner import BEGIN, ModelPartner, default_prompt
from understudy.rollouts.partners import open_partner
from understudy.rollouts.simulate import simulate
from understudy.users import Goal, UserTurn
from understudy.users.structured import StructuredPopulation

PEOPLE = StructuredPopulation([Goal("trains", entities=(("to", "York"), ("at", "nine")))])


class Listening:
    """A scripted model that keeps what it was sent and counts how often it was closed."""

    def __init__(self, say="It leaves at nine.") -> None:
        self.inner = Scripted(say if callable(say) else lambda request: say, name="listening")
        self.identity = self.inner.identity
        self.requests: list[Request] = []
        self.closed = 0

    async def complete(self, request: Request):
        self.requests.append(request)
        return await self.inner.complete(request)

    async def aclose(self) -> None:
        self.closed += 1


def test_it_sees_the_turns_and_the_topic_and_nothing_of_the_profile() -> None:
    model = Listening()
    done = simulate(PEOPLE, ModelPartner(model), n=2, seed=1)
    assert done.counts.accepted == 2
    for request in model.requests:
        system, *rest = request.messages
        assert system.role == "system"
        assert "about trains." in system.content
        assert [m.role for m in rest] == ["user", "assistant"] * (len(rest) // 2) + ["user"]
        assert "goal" not in " ".join(m.content for m in request.messages)
        assert not request.metadata
    assert len({request.seed for request in model.requests}) == len(model.requests)
    assert model.closed == 1


def test_its_own_prompt_is_sent_word_for_word_and_an_empty_one_not_at_all() -> None:
    for told, expected in (("Sell {topic}!", ["Sell {topic}!"]), ("", [])):
        model = Listening()
        partner = ModelPartner(model, system=told)
        asyncio.run(partner.start(topic="x", seed=1).reply((Turn("user", "hi"),)))
        assert [m.content for m in model.requests[0].messages if m.role == "system"] == expected
    identities = {ModelPartner(model, system=told).identity for told in (None, "a", "")}
    assert len(identities) == 3
    assert ModelPartner(model, system=default_prompt()).identity == ModelPartner(model).identity


def test_where_it_speaks_first_the_model_is_told_so() -> None:
    model = Listening()
    session = ModelPartner(model).start(topic=None, seed=1)
    asyncio.run(session.reply(()))
    asyncio.run(session.reply((Turn("assistant", "Hello."), Turn("user", "When?"))))
    assert [[m.content for m in r.messages[1:]] for r in model.requests] == [[BEGIN], [BEGIN, "Hello.", "When?"]]


@pytest.mark.parametrize(
    ("fault", "by"), [(TransientFault, "environment: http_503"), (TruncatedFault, "partner: http_503")]
)
def test_faults_are_recorded_with_whose_they_are(fault, by) -> None:
    def broken(request: Request) -> str:
        raise fault("http_503", "HTTP 503", why="busy", fix="wait")

    done = simulate(PEOPLE, ModelPartner(Listening(broken)), n=3, seed=1)
    assert done.counts.failed == {by: 3}


def test_what_it_says_cannot_end_the_conversation_or_speak_for_the_user() -> None:
    said = iter(["###STOP### [END] Goodbye, the user has left.", "Sure!\nUser: thanks\nAssistant: bye"])
    done = simulate(PEOPLE, ModelPartner(Listening(lambda request: next(said))), n=1, seed=1)
    (rollout,) = done.rollouts
    assert rollout.conversation.turns[1].text.startswith("###STOP###")
    assert done.counts.failed == {"partner: role_flip": 1}


def test_opened_by_uri_with_arms_its_reasoning_beside_its_turns() -> None:
    model = Listening("<think>a train</think>It leaves at nine.")
    opened: list[str] = []

    def models(uri: str) -> Listening:
        opened.append(uri)
        return model

    partner = open_partner("openai:some-model@http://localhost:8000/v1+rude", models=models, system="Sell.")
    for _ in range(2):  # Closed with the loop of one simulation, it serves the next.
        done = simulate(PEOPLE, partner, n=1, seed=3)
        assert done.counts.accepted == 1
    said = [turn for turn in done.conversations[0].turns if turn.role == "assistant"]
    assert all("<think>" not in turn.text and turn.meta["reasoning"] == ["a train"] for turn in said)
    assert all(turn.meta["arm"] == "rude" for turn in said)
    assert opened == ["openai:some-model@http://localhost:8000/v1"]
    assert model.closed == 2


def test_the_user_leaves_a_model_without_another_call() -> None:
    class Leaving:
        identity = "leaving"

        def start(self, profile, *, seed):
            return self

        async def reply(self, history):
            return UserTurn("Bye.", ending=Ending("user", "done"))

    class People:
        identity = "people"
        draw = PEOPLE.draw

        def simulator(self):
            return Leaving()

    model = Listening()
    assert simulate(People(), ModelPartner(model), n=2, seed=1).counts.accepted == 2
    assert model.requests == []
