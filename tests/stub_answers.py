"""What the stub server sends when all goes well, and the ways in which it goes wrong."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

# Which status, and which headers beside it. All but the last group pass or fail a single request.
STATUS_FAULTS: dict[str, tuple[int, dict[str, str], dict[str, Any]]] = {
    "400": (400, {}, {"message": "a field is wrong"}),
    "400_context": (400, {}, {"message": "too long", "code": "context_length_exceeded"}),
    "408": (408, {}, {"message": "request timeout"}),
    "409": (409, {}, {"message": "conflict"}),
    "413": (413, {}, {"message": "too large"}),
    "422": (422, {}, {"message": "unprocessable"}),
    "429_bare": (429, {}, {"message": "slow down"}),
    "429_seconds": (429, {"Retry-After": "1"}, {"message": "slow down"}),
    "429_date": (429, {"Retry-After": "DATE"}, {"message": "slow down"}),
    "429_ms": (429, {"retry-after-ms": "40"}, {"message": "slow down"}),
    "429_duration": (429, {"Retry-After": "500ms"}, {"message": "slow down"}),
    "429_reset": (429, {"x-ratelimit-reset-tokens": "1m30s"}, {"message": "slow down"}),
    "429_garbage": (429, {"Retry-After": "soon"}, {"message": "slow down"}),
    "429_600s": (429, {"Retry-After": "600"}, {"message": "slow down"}),
    "500": (500, {}, {"message": "internal"}),
    "502": (502, {}, {"message": "bad gateway"}),
    "503": (503, {"Retry-After": "2"}, {"message": "unavailable"}),
    "504": (504, {}, {"message": "gateway timeout"}),
    "529": (529, {}, {"message": "overloaded"}),
}
FATAL_FAULTS: dict[str, tuple[int, dict[str, str], dict[str, Any]]] = {
    "401": (401, {}, {"message": "incorrect API key provided: KEY", "code": "invalid_api_key"}),
    "402": (402, {}, {"message": "payment required"}),
    "403": (403, {}, {"message": "no access to this model"}),
    "404": (404, {}, {"message": "the model does not exist", "code": "model_not_found"}),
    "429_quota": (429, {}, {"message": "you exceeded your current quota", "code": "insufficient_quota"}),
    "307": (307, {"Location": "http://127.0.0.1:9/elsewhere"}, {}),
}
# The connection goes wrong under an answer that was right.
TRANSPORT_FAULTS = (
    "reset_early",
    "reset_body",
    "short_body",
    "slow_loris",
    "hang",
    "stream_eof",
    "half_utf8",
    "garbage",
)
# The answer itself is wrong: (content, finish_reason, more fields of the message).
MESSAGE_FAULTS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "empty": ("", "stop", {}),
    "blank": (" \n\t", "stop", {}),
    "null": (None, "stop", {}),
    "finish_length": ("I would like a hotel in the", "length", {}),
    "finish_filter": ("I would", "content_filter", {}),
    "finish_null": ("I would like a hotel", None, {}),
    "finish_unknown": ("I would like a hotel", "maybe", {}),
    "refusal": (None, "stop", {"refusal": "I cannot do that."}),
    "tool_call": (None, "tool_calls", {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}),
}
ENVELOPE_FAULTS = (
    "html_200",
    "no_choices",
    "content_type",
    "huge",
    "error_200",
    "wrong_model",
    "duplicated_chunk",
)
FAULTS: tuple[str, ...] = (*STATUS_FAULTS, *TRANSPORT_FAULTS, *MESSAGE_FAULTS, *ENVELOPE_FAULTS)
# These do not spoil the answer where it is not streamed (or at all): it has to come through whole.
HARMLESS = {"wrong_model", "duplicated_chunk"}
HUGE = 10 * 2**20


class StubMessage(msgspec.Struct):
    role: str
    content: str


class StubRequest(msgspec.Struct):
    model: str
    messages: list[StubMessage]
    stream: bool = False
    seed: Any = None


REQUEST = msgspec.json.Decoder(StubRequest)


def expected_answer(last: str) -> str:
    """What the stub answers when all goes well: it depends on the last message and shows where it ends."""
    digest = hashlib.blake2b(last.encode("utf-8", "replace"), digest_size=6).hexdigest()
    return f"Grüße, I would like number {digest} for tonight, that is all."


def events_of(request: StubRequest, content: Any, reason: Any, more: dict[str, Any], fault: str | None) -> list[bytes]:
    """The events of a stream, one a word, with what the fault does to them."""
    model = "another-model" if fault == "wrong_model" else request.model
    pieces = [word + " " for word in content.split(" ")] if isinstance(content, str) else []
    if pieces:
        pieces[-1] = pieces[-1][:-1]
    if fault == "huge":
        pieces = ["na " * (HUGE // 3)]

    def event(delta: dict[str, Any], finish: Any = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return msgspec.json.encode({"object": "chat.completion.chunk", "model": model, "choices": [choice]})

    events = [event({"role": "assistant", "content": ""})]
    events += [event({"content": piece}) for piece in pieces]
    if fault == "duplicated_chunk":
        events.insert(3, events[3])
    if more:
        events.append(event(more))
    if fault in ("stream_eof", "short_body"):
        return events[: max(2, len(events) // 2)]
    if fault == "garbage":
        events.insert(2, b'{"choices": [{"delta": {"con')
    if fault == "error_200":
        events.insert(2, b'{"error": {"message": "upstream failed", "code": 502}}')
    if fault == "no_choices":
        events = []
    else:
        events.append(event({}, reason))
    used = {"prompt_tokens": usage_of(request, "")["prompt_tokens"], "completion_tokens": max(1, len(pieces))}
    events.append(msgspec.json.encode({"model": model, "choices": [], "usage": used}))
    return [*events, b"[DONE]"]


def usage_of(request: StubRequest, text: str) -> dict[str, int]:
    read = sum(len(m.content) for m in request.messages) // 4 + 1
    return {"prompt_tokens": read, "completion_tokens": text.count(" ") + 1}


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def head_of(status: int, kind: str, length: int, headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Stub", f"Content-Type: {kind}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
