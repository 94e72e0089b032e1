"""Spans: what they are called, what they carry, what they keep to themselves."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integrations.talking import SEED, partner_says, population
from understudy.integrations.otel import TracedModel, TracedUsers
from understudy.models.model import Completion, Message, RateLimitFault, Request, Usage
from understudy.rollouts.loop import roll_out
from understudy.rollouts.partners import function_partner
from understudy.testing.checks import failures
from understudy.testing.simulators import check_user_simulator

trace = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra otel is not installed")
id_generator = pytest.importorskip("opentelemetry.sdk.trace.id_generator")


class _Model:
    identity = "openai:gpt-x@http://127.0.0.1:1/v1"
    closed = False

    def __init__(self, fault: Exception | None = None) -> None:
        self._fault = fault

    async def complete(self, request: Request) -> Completion:
        if self._fault is not None:
            raise self._fault
        return Completion("a secret answer", "gpt-x-1", usage=Usage(7, 3))

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def spans() -> Any:
    """A provider that keeps its spans, and the way to read them."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), trace.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter.get_finished_spans
    provider.shutdown()


REQUEST = Request(
    (Message("system", "a secret prompt"), Message("user", "hi")), temperature=0.5, max_tokens=9, seed=0, stop=("\n",),
    purpose="user turn",
)  # fmt: skip


def test_a_call_is_a_span(spans: tuple[Any, Callable[[], Any]]) -> None:
    provider, finished = spans
    done = asyncio.run(TracedModel(_Model(), tracer_provider=provider).complete(REQUEST))
    assert done.text == "a secret answer"
    (span,) = finished()
    assert (span.name, span.kind.name) == ("chat gpt-x", "CLIENT")
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "server.address": "http://127.0.0.1:1/v1",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.seed": 0,
        "gen_ai.request.stop_sequences": ("\n",),
        "gen_ai.output.type": "text",
        "understudy.purpose": "user turn",
        "gen_ai.response.model": "gpt-x-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
    }
    assert "secret" not in span.to_json()


def test_content_is_recorded_where_asked_for(spans: tuple[Any, Callable[[], Any]]) -> None:
    provider, finished = spans
    asyncio.run(TracedModel(_Model(), content=True, tracer_provider=provider).complete(REQUEST))
    (span,) = finished()
    assert json.loads(span.attributes["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "a secret prompt"}]},
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
    ]
    (answer,) = json.loads(span.attributes["gen_ai.output.messages"])
    assert (answer["role"], answer["finish_reason"]) == ("assistant", "stop")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(RateLimitFault("http_429", "a secret limit", why="-", fix="-"), "http_429"), (KeyError("secret"), "KeyError")],
)
def test_a_fault_is_named_and_passes(spans: tuple[Any, Callable[[], Any]], error: Exception, kind: str) -> None:
    provider, finished = spans
    with pytest.raises(type(error)) as raised:
        asyncio.run(TracedModel(_Model(error), tracer_provider=provider).complete(REQUEST))
    assert raised.value is error
    (span,) = finished()
    assert span.attributes["error.type"] == kind
    assert span.status.status_code.name == "ERROR"
    assert "secret" not in span.to_json()


def test_wrappers_close_what_they_wrap(spans: tuple[Any, Callable[[], Any]]) -> None:
    model = _Model()
    asyncio.run(TracedModel(model, tracer_provider=spans[0]).aclose())
    assert model.closed
    asyncio.run(TracedUsers(population().simulator(), tracer_provider=spans[0]).aclose())


def test_a_rollout_is_a_span_a_turn(spans: tuple[Any, Callable[[], Any]]) -> None:
    provider, finished = spans
    profile = population().draw(3, seed=SEED)

    def roll(simulator: Any) -> Any:
        return asyncio.run(roll_out(simulator, profile, function_partner(partner_says), seed=1)).conversation

    plain = roll(population().simulator())
    traced = roll(TracedUsers(population().simulator(), tracer_provider=provider))
    assert traced == plain  # tracing changes nothing
    said = [turn for turn in plain.turns if turn.role == "user"]
    attributes = [dict(span.attributes) for span in finished()]
    assert len(attributes) in (len(said), len(said) + 1)  # one more where the user left without a word
    assert {(span.name, span.kind.name) for span in finished()} == {
        (f"invoke_agent {plain.provenance['simulator']}", "INTERNAL")
    }
    assert len({one["gen_ai.conversation.id"] for one in attributes}) == 1
    assert [one["understudy.turn"] for one in attributes] == list(range(len(attributes)))
    assert [one["understudy.intent"] for one in attributes[: len(said)]] == [turn.intent for turn in said]
    assert [one.get("understudy.ending.reason") for one in attributes] == [None] * (len(attributes) - 1) + [
        plain.ending.reason
    ]
    assert not any("messages" in name for one in attributes for name in one)


def test_the_user_is_the_agent_of_its_span(spans: tuple[Any, Callable[[], Any]]) -> None:
    provider, finished = spans
    profile = population().draw(3, seed=SEED)
    users = TracedUsers(population().simulator(), content=True, tracer_provider=provider)
    talk = asyncio.run(roll_out(users, profile, function_partner(partner_says), seed=1)).conversation
    second = dict(finished()[1].attributes)
    seen = [(m["role"], m["parts"][0]["content"]) for m in json.loads(second["gen_ai.input.messages"])]
    assert seen == [(turn.role, turn.text) for turn in talk.view_for("assistant")[: len(seen)]]
    assert {role for role, _ in seen} == {"user", "assistant"}


def test_a_traced_simulator_is_one() -> None:
    class Counted(id_generator.IdGenerator):
        """Ids one after another; the SDK's own draw from the global generator."""

        def __init__(self) -> None:
            self.generate_span_id = self.generate_trace_id = itertools.count(1).__next__

        def generate_span_id(self) -> int: ...
        def generate_trace_id(self) -> int: ...

    provider = trace.TracerProvider(id_generator=Counted())
    simulator = TracedUsers(population().simulator(), tracer_provider=provider)
    assert failures(check_user_simulator(simulator, population().draw(1, seed=2))) == {}


def test_spans_of_model_calls_stand_inside_the_turn(spans: tuple[Any, Callable[[], Any]]) -> None:
    provider, finished = spans
    model = TracedModel(_Model(), tracer_provider=provider)

    class _Prompted:
        identity = "prompted"

        def start(self, profile: Any, *, seed: int) -> Any:
            return self

        async def reply(self, history: Any) -> Any:
            from understudy.users import UserTurn

            return UserTurn((await model.complete(REQUEST)).text)

    session = TracedUsers(_Prompted(), tracer_provider=provider).start(population().draw(0, seed=1), seed=1)
    asyncio.run(session.reply(()))
    call, turn = finished()
    assert call.parent.span_id == turn.context.span_id
