"""OpenTelemetry spans, by the GenAI semantic conventions: around model calls and around the turns of simulated users.

A wrapper is itself a model or a simulator, so it goes wherever one goes. Without a configured tracer provider the spans
cost next to nothing and go nowhere. The conventions are in development; these are those of `semantic-conventions-genai`
v0.1.0. Texts are recorded only where asked for: transcripts of people fitted to real logs belong into no trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from understudy import __version__
from understudy._require import require
from understudy.conversations import Conversation, Turn
from understudy.models.model import Completion, LanguageModel, ModelFault, Request, close_model
from understudy.users import Profile, UserSession, UserSimulator, UserTurn


class TracedModel:
    """A model whose every call is a span `chat MODEL`: parameters, tokens, what it finished with, or its fault.

    `content` records what was asked and answered. `tracer_provider` takes the place of the global one.
    """

    def __init__(self, model: LanguageModel, *, content: bool = False, tracer_provider: Any = None) -> None:
        self.identity = model.identity
        self._model, self._content = model, content
        self._spans = _Spans(tracer_provider)

    async def complete(self, request: Request) -> Completion:
        """The wrapped model's answer."""
        provider, _, rest = self.identity.partition(":")
        name, _, address = rest.partition("@")
        asked = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": name or provider,
            "server.address": address or None,
            "gen_ai.request.temperature": request.temperature,
            "gen_ai.request.top_p": request.top_p,
            "gen_ai.request.max_tokens": request.max_tokens,
            "gen_ai.request.seed": request.seed,
            "gen_ai.request.stop_sequences": request.stop or None,
            "gen_ai.output.type": "text" if request.response_schema is None else "json",
            "understudy.purpose": request.purpose or None,
        }
        if self._content:
            asked["gen_ai.input.messages"] = _messages((m.role, m.content) for m in request.messages)
        with self._spans.open(f"chat {name or provider}", asked, client=True) as tell:
            done = await self._model.complete(request)
            tell(
                {
                    "gen_ai.response.model": done.model,
                    "gen_ai.response.finish_reasons": [done.finish_reason],
                    "gen_ai.usage.input_tokens": None if done.usage is None else done.usage.input,
                    "gen_ai.usage.output_tokens": None if done.usage is None else done.usage.output,
                    "understudy.cached": done.cached or None,
                }
            )
            if self._content:
                tell({"gen_ai.output.messages": _messages([("assistant", done.text)], finish=done.finish_reason)})
        return done

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await close_model(self._model)


class TracedUsers:
    """A user simulator whose every turn is a span `invoke_agent SIMULATOR`, with the model calls it makes inside.

    Spans of one conversation share `gen_ai.conversation.id`. Beside the conventions: `understudy.intent`,
    `understudy.turn` and, at the end, `understudy.ending.reason`. The user is the agent here, so with `content` its own
    turns read `assistant` and the partner's `user`.
    """

    def __init__(self, simulator: UserSimulator, *, content: bool = False, tracer_provider: Any = None) -> None:
        self.identity = simulator.identity
        self.embedded = bool(getattr(simulator, "embedded", False))
        self.hand = getattr(simulator, "hand", None)
        self._simulator, self._content = simulator, content
        self._spans = _Spans(tracer_provider)

    def start(self, profile: Profile, *, seed: int) -> UserSession:
        """A session of the wrapped simulator, traced."""
        talk = f"{profile.id}-{seed:x}"
        return _TracedSession(
            self._simulator.start(profile, seed=seed), self.identity, talk, self._spans, self._content
        )

    async def aclose(self) -> None:
        """Close the wrapped simulator, if it holds anything."""
        close = getattr(self._simulator, "aclose", None)
        if close is not None:
            await close()


class _TracedSession:
    def __init__(self, session: UserSession, name: str, talk: str, spans: _Spans, content: bool) -> None:
        self._session, self._name, self._talk, self._spans, self._content = session, name, talk, spans, content

    async def reply(self, history: Sequence[Turn]) -> UserTurn:
        asked = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": "understudy",
            "gen_ai.agent.name": self._name,
            "gen_ai.conversation.id": self._talk,
            "understudy.turn": sum(turn.role == "user" for turn in history),
        }
        if self._content:
            seen = Conversation(self._talk, tuple(history)).view_for("assistant")
            asked["gen_ai.input.messages"] = _messages((turn.role, turn.text) for turn in seen)
        with self._spans.open(f"invoke_agent {self._name}", asked) as tell:
            said = await self._session.reply(history)
            reason = None if said.ending is None else said.ending.reason
            tell({"understudy.intent": said.intent, "understudy.ending.reason": reason})
            if self._content:
                tell({"gen_ai.output.messages": _messages([("assistant", said.text)], finish="stop")})
        return said


class _Spans:
    """Opens spans on the tracer of this package."""

    def __init__(self, tracer_provider: Any) -> None:
        self._api = require("opentelemetry.trace", extra="otel", purpose="tracing")
        self._tracer = self._api.get_tracer("understudy", __version__, tracer_provider=tracer_provider)

    @contextmanager
    def open(self, name: str, attributes: Mapping[str, Any], *, client: bool = False) -> Iterator[Any]:
        """A span; yields what tells it more. An error is named on it by its kind and passes."""
        kind = self._api.SpanKind.CLIENT if client else self._api.SpanKind.INTERNAL
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=_known(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield lambda more: span.set_attributes(_known(more))
            except Exception as error:
                code = error.code if isinstance(error, ModelFault) else type(error).__qualname__
                span.set_attribute("error.type", code)
                span.set_status(self._api.StatusCode.ERROR, code)
                raise


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _messages(said: Iterable[tuple[str, str]], *, finish: str | None = None) -> str:
    """Messages in the conventions' form, as the JSON text that a span can hold."""
    ended = {} if finish is None else {"finish_reason": finish}
    rows = [{"role": role, "parts": [{"type": "text", "content": text}], **ended} for role, text in said]
    return msgspec.json.encode(rows).decode()
