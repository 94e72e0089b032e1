"""Small requests and models for the tests."""

from __future__ import annotations

from typing import Any

from understudy.models.model import Completion, Message, ModelFault, RateLimitFault, Request, TransientFault, Usage

Step = str | ModelFault


def ask(text: str = "hello", **fields: Any) -> Request:
    """A request of one message."""
    return Request((Message("user", text),), **fields)


def busy(code: str = "http_503", **fields: Any) -> TransientFault:
    return TransientFault(code, "HTTP 503", why="busy", fix="wait", **fields)


def limited(retry_after: float | None = None) -> RateLimitFault:
    return RateLimitFault(
        "rate_limited", "HTTP 429", why="too many", fix="wait", retry_after=retry_after, usage=Usage(0, 0)
    )


class Playing:
    """A model that goes through steps: texts are said, faults raised; the last one for ever."""

    identity = "playing"

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests: list[Request] = []
        self.closed = False

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, ModelFault):
            raise step
        return Completion(step, self.identity, usage=Usage(10, 5))

    async def aclose(self) -> None:
        self.closed = True
