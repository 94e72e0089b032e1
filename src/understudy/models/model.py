"""What a language model is here: a request goes in; a finished answer or a classified fault comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from understudy.errors import UnderstudyError

MessageRole = Literal["system", "user", "assistant"]
FaultKind = Literal["transient", "terminal", "rate_limit", "refusal", "truncated"]


class Message(msgspec.Struct, frozen=True):
    """One message as the model sees it: the model itself is the `assistant`."""

    role: MessageRole
    content: str


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call. All fields decide the answer, except `purpose` and `metadata`, which only say what it is for.

    `replicate` tells apart calls that are alike on purpose; it is not sent, only told apart by the cache.
    `response_schema` is a JSON schema that the answer has to follow.

    >>> Request((Message("user", "Hi"),), temperature=0.7, max_tokens=64, seed=3).max_tokens
    64
    """

    messages: tuple[Message, ...]
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    response_schema: Mapping[str, Any] | None = None
    replicate: int = 0
    purpose: str = ""
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Usage(msgspec.Struct, frozen=True):
    """Tokens that were read and written, as the model reports them."""

    input: int
    output: int


NOTHING_USED = Usage(0, 0)


class Completion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finished answer: never empty, never cut off, never a refusal. `usage` is None where none was reported."""

    text: str
    model: str
    finish_reason: str = "stop"
    usage: Usage | None = None
    cached: bool = False
    latency_s: float = 0.0
    notes: tuple[str, ...] = ()


class ModelFault(UnderstudyError):
    """A call without a usable answer. `code` is for machines; what/why/fix are for people.

    `usage`: tokens known to have been used, `Usage(0, 0)` where the call was turned away unread, None where nobody
    can tell. `stops_run`: no further call can succeed until somebody mends something (key, URL, model, quota).
    `attempts`: calls made for this request.
    """

    kind: ClassVar[FaultKind]

    def __init__(
        self,
        code: str,
        what: str,
        *,
        why: str,
        fix: str,
        usage: Usage | None = None,
        retry_after: float | None = None,
        stops_run: bool = False,
    ) -> None:
        super().__init__(what, why=why, fix=fix)
        self.code = code
        self.usage = usage
        self.retry_after = retry_after
        self.stops_run = stops_run
        self.attempts = 1

    @property
    def reason(self) -> str:
        """`kind: code: what`, on one line.

        >>> TransientFault("http_503", "HTTP 503", why="the server is busy", fix="try again").reason
        'transient: http_503: HTTP 503'
        """
        return f"{self.kind}: {self.code}: {self.what}"


class TransientFault(ModelFault):
    """May go away by itself: the network, the server, an answer that broke off."""

    kind = "transient"


class TerminalFault(ModelFault):
    """The same request would fail again."""

    kind = "terminal"


class RateLimitFault(ModelFault):
    """Turned away for now; `retry_after` in seconds where the server says so."""

    kind = "rate_limit"


class RefusalFault(ModelFault):
    """The model or its filter declined to answer."""

    kind = "refusal"


class TruncatedFault(ModelFault):
    """The answer hit a length limit before its end."""

    kind = "truncated"


FAULTS: Mapping[str, type[ModelFault]] = {
    fault.kind: fault for fault in (TransientFault, TerminalFault, RateLimitFault, RefusalFault, TruncatedFault)
}


@runtime_checkable
class LanguageModel(Protocol):
    """Anything that answers requests. `identity` names all that decides its answers, and goes into every report.

    `complete` returns a finished answer or raises a `ModelFault`.
    """

    identity: str

    async def complete(self, request: Request) -> Completion: ...


async def close_model(model: LanguageModel) -> None:
    """Close what the model holds (connections, files), if it holds anything."""
    close = getattr(model, "aclose", None)
    if close is not None:
        await close()


def semantic_fields(request: Request) -> dict[str, Any]:
    """The fields of a request that decide its answer, as plain data.

    >>> semantic_fields(Request((Message("user", "Hi"),), purpose="greeting"))["messages"]
    [{'role': 'user', 'content': 'Hi'}]
    """
    return {
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
        "stop": list(request.stop),
        "response_schema": request.response_schema,
        "replicate": request.replicate,
    }
