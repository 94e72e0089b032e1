"""A model's reasoning is kept apart from what is said: never in a turn, never shown to the other side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import msgspec

from understudy.models.model import Completion, LanguageModel, Request, TransientFault, close_model

_TAG = r"(?:think|thinking|thought|thoughts|reasoning|cot|scratchpad|analysis)"
_BLOCK = re.compile(rf"<(?P<tag>{_TAG})>(?P<body>.*?)</(?P=tag)>", re.DOTALL | re.IGNORECASE)
_LEFT = re.compile(rf"</?{_TAG}>", re.IGNORECASE)


class Apart(NamedTuple):
    """What is to be said, and the reasoning that stood around it."""

    text: str
    reasoning: str


class ReasoningError(ValueError):
    """Reasoning that is not closed off: where it ends, and the speech begins, nobody can tell."""


def split_reasoning(text: str) -> Apart:
    """Take marked reasoning out of an answer.

    Raises `ReasoningError` for a tag without its partner: the rest would be reasoning in a dialogue, or a dialogue
    lost. (DiaSynth, arXiv:2409.19020, stores the whole raw answer as the dialogue where a tag is missing.)

    >>> split_reasoning("<think>She is in a hurry.</think>ok thx")
    Apart(text='ok thx', reasoning='She is in a hurry.')
    >>> split_reasoning("<think>She is in a hurry. ok thx")
    Traceback (most recent call last):
    understudy.models.reasoning.ReasoningError: '<think>' has no partner
    """
    if "<" not in text:
        return Apart(text, "")
    bodies = [match["body"].strip() for match in _BLOCK.finditer(text)]
    parts, rest = bodies, _BLOCK.sub("", text)
    left = _LEFT.search("\n".join([rest, *bodies]))
    if left is not None:
        raise ReasoningError(f"{left[0]!r} has no partner")
    return Apart(rest.strip() if parts else text, "\n".join(part for part in parts if part))


def split_before(text: str) -> Apart:
    """Take reasoning from before an answer alone: what stands inside the answer is not looked at.

    >>> split_before('<think>brief</think> {"text": "<think>x</think>"}')
    Apart(text='{"text": "<think>x</think>"}', reasoning='brief')
    """
    parts, rest = [], text.lstrip()
    while block := _BLOCK.match(rest):
        parts.append(split_reasoning(block[0]).reasoning)
        rest = rest[block.end() :].lstrip()
    left = _LEFT.match(rest)
    if left is not None:
        raise ReasoningError(f"{left[0]!r} has no partner")
    return Apart(rest, "\n".join(part for part in parts if part))


NOTES: ContextVar[list[str] | None] = ContextVar("understudy_reasoning", default=None)


class ReasoningApart:
    """A model whose answers come without reasoning; the reasoning goes to the list in `NOTES`, if one is set.

    An answer that cannot be parted, or has nothing else in it, is a fault.

    >>> import asyncio
    >>> from understudy.models.model import Message, Request
    >>> from understudy.models.scripted import Scripted
    >>> model = ReasoningApart(Scripted(["<think>short</think>ok"]))
    >>> asyncio.run(model.complete(Request((Message("user", "hi"),)))).text
    'ok'
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.identity = model.identity

    async def complete(self, request: Request) -> Completion:
        """The wrapped model's answer, less its reasoning."""
        answer = await self._model.complete(request)
        try:
            apart = split_reasoning(answer.text)
        except ReasoningError as error:
            raise _unusable("reasoning_open", str(error), answer) from error
        if not apart.text.strip():
            raise _unusable("reasoning_only", "the answer holds reasoning and nothing to say", answer)
        notes = NOTES.get()
        if apart.reasoning and notes is not None:
            notes.append(apart.reasoning)
        return msgspec.structs.replace(answer, text=apart.text)

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await close_model(self._model)


REASONING = "reasoning"


class Noted:
    """A simulator or partner whose turns carry the reasoning that went before them, in `meta["reasoning"]`."""

    def __init__(self, inner: Any) -> None:
        self.identity: str = inner.identity
        self.hand = getattr(inner, "hand", None)
        self._inner = inner

    def start(self, *given: Any, **named: Any) -> Any:
        """The session of the one inside, its reasoning noted."""
        return _NotedSession(self._inner.start(*given, **named))

    async def aclose(self) -> None:
        """Close the one inside."""
        await close_model(self._inner)


class _NotedSession:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def reply(self, history: Sequence[Any]) -> Any:
        notes: list[str] = []
        token = NOTES.set(notes)
        try:
            said = await self._inner.reply(history)
        finally:
            NOTES.reset(token)
        return msgspec.structs.replace(said, meta={**said.meta, REASONING: notes}) if notes else said


def _unusable(code: str, what: str, answer: Completion) -> TransientFault:
    return TransientFault(
        code,
        what,
        why="reasoning in a dialogue would be taken for speech",
        fix="raise max_tokens so that the model comes to an end, or turn its reasoning off",
        usage=answer.usage,
    )
