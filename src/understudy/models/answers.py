"""From what an endpoint sent to a finished answer. Whatever is not certainly finished is a fault, never text."""

from __future__ import annotations

from typing import Any

import msgspec

from understudy.models.model import Completion, ModelFault, RefusalFault, TransientFault, TruncatedFault, Usage
from understudy.models.statuses import error_fault, error_message

_STOPPED = {"stop", "eos", "stop_sequence", "end_turn"}
_CUT = {"length", "max_tokens", "model_length"}
_FILTERED = {"content_filter", "safety", "recitation", "refusal"}
_AGAIN = "it is tried again; if it stays so, ask the endpoint's maintainers or use another one"


class _Message(msgspec.Struct):
    content: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct):
    index: Any = 0
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: Any = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    usage: Any = None
    model: Any = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Answer)


def broken(
    code: str, what: str, *, why: str = "an endpoint must send a complete answer", usage: Usage | None = None
) -> TransientFault:
    """A fault of the answer itself, which another try may not have."""
    return TransientFault(code, what, why=why, fix=_AGAIN, usage=usage)


def _decode(data: bytes, where: str) -> _Answer:
    try:
        answer = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # By its version msgspec tells bytes that are no UTF-8 from bad JSON, or does not.
        try:
            data.decode()
        except UnicodeDecodeError as wrong:
            raise broken("not_utf8", f"{where} is not UTF-8: {wrong.reason}") from error
        raise broken("malformed", f"{where} is not a chat completion: {error}") from error
    if answer.error is not None:
        found, message = error_message(data)
        code = found.get("code", found.get("status"))
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        raise error_fault(status, found, f"{where} is an error: {message}")
    return answer


def read_body(data: bytes, *, model: str) -> Completion:
    """The answer in the body of a response with status 200, or the fault that it is.

    >>> body = b'{"choices": [{"message": {"content": "Hi!"}, "finish_reason": "stop"}], "model": "m"}'
    >>> read_body(body, model="m").text
    'Hi!'
    >>> read_body(body.replace(b"stop", b"length"), model="m")
    Traceback (most recent call last):
    understudy.models.model.TruncatedFault: the answer was cut off (finish_reason 'length')
      why: half a sentence is no turn
      fix: raise max_tokens
    """
    answer = _decode(data, "the body")
    usage = _usage(answer.usage)
    if not answer.choices:
        raise broken("no_choices", "the answer has no choices", usage=usage)
    choice = answer.choices[0]
    message = choice.message
    if message is None:
        raise broken("no_message", "the answer's first choice has no message", usage=usage)
    return finish(
        message.content,
        finish_reason=choice.finish_reason,
        refusal=message.refusal,
        tool_call=bool(message.tool_calls or message.function_call),
        usage=usage,
        asked=model,
        echoed=answer.model,
    )


class StreamReader:
    """Puts a server-sent event stream together, however it is sliced; `finish` says what it came to.

    Slices may cut lines and characters anywhere. An event repeated under one id is dropped; more pieces of text
    than tokens prove that a piece was repeated without one.
    """

    def __init__(self, model: str) -> None:
        self._asked = model
        self._echoed: Any = None
        self._rest = b""
        self._pieces: list[str] = []
        self._reason: Any = None
        self._refusal: list[str] = []
        self._tool_call = False
        self._usage: Usage | None = None
        self._event_id: bytes | None = None
        self._last_id: bytes | None = None
        self.done = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes; raises as soon as something in them cannot be right."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.rstrip(b"\r"))

    def _line(self, line: bytes) -> None:
        if not line or line.startswith((b":", b"event:", b"retry:")):
            return
        if line.startswith(b"id:"):
            self._event_id = line[3:].strip()
        elif line.startswith(b"data:"):
            repeated = self._event_id is not None and self._event_id == self._last_id
            self._last_id, self._event_id = self._event_id, None
            payload = line[5:].strip()
            if payload == b"[DONE]":
                self.done = True
            elif payload and not repeated:
                self._chunk(payload)
        else:
            shown = line[:60].decode("utf-8", "replace")
            raise broken("bad_stream", f"a line of the stream is no event: {shown!r}")

    def _chunk(self, payload: bytes) -> None:
        answer = _decode(payload, "an event of the stream")
        self._echoed = answer.model or self._echoed
        self._usage = _usage(answer.usage) or self._usage
        for choice in answer.choices:
            if choice.index not in (0, None):
                continue
            delta = choice.delta or choice.message or _Message()
            if isinstance(delta.content, str):
                if delta.content:
                    self._pieces.append(delta.content)
            elif delta.content is not None:
                raise broken("malformed", f"a piece of the answer is a {type(delta.content).__name__}, not text")
            if isinstance(delta.refusal, str):
                self._refusal.append(delta.refusal)
            self._tool_call = self._tool_call or bool(delta.tool_calls or delta.function_call)
            self._reason = choice.finish_reason or self._reason

    def finish(self) -> Completion:
        """The answer, now that the stream has ended."""
        if self._rest.strip():
            self._line(self._rest.strip())
        if self._reason is None:
            raise broken(
                "stream_cut",
                "the stream ended before the answer did"
                if not self.done
                else "the stream ended without a finish_reason",
                why="an answer that breaks off reads like a person who does",
            )
        if self._usage is not None and 0 < self._usage.output < len(self._pieces):
            raise broken(
                "repeated_chunk",
                f"the stream has {len(self._pieces)} pieces of text for {self._usage.output} tokens",
                why="a piece came twice, so that words are repeated",
                usage=self._usage,
            )
        return finish(
            "".join(self._pieces),
            finish_reason=self._reason,
            refusal="".join(self._refusal),
            tool_call=self._tool_call,
            usage=self._usage,
            asked=self._asked,
            echoed=self._echoed,
        )


def finish(
    text: Any,
    *,
    finish_reason: Any,
    refusal: Any,
    tool_call: bool,
    usage: Usage | None,
    asked: str,
    echoed: Any,
) -> Completion:
    """The completion, if every sign says that it is one."""
    fault = _objection(text, finish_reason, refusal, tool_call, usage)
    if fault is not None:
        raise fault
    model = echoed if isinstance(echoed, str) and echoed else asked
    # Providers echo a dated name for an alias: that is the same model.
    same = model.startswith(asked) or asked.startswith(model) or asked.endswith("/" + model)
    notes = () if same else (f"asked for {asked}, answered as {model[:100]}",)
    return Completion(text, model[:100], "stop", usage, notes=notes)


def _objection(text: Any, reason: Any, refusal: Any, tool_call: bool, usage: Usage | None) -> ModelFault | None:
    if refusal or reason in _FILTERED:
        return RefusalFault(
            "refused" if refusal else "content_filter",
            "the model declined to answer" if refusal else f"the answer was withheld (finish_reason {reason!r})",
            why="a refusal is not what this user would have said",
            fix="change the scenario or the prompt, or use another model",
            usage=usage,
        )
    if reason in _CUT:
        return TruncatedFault(
            "length",
            f"the answer was cut off (finish_reason {reason!r})",
            why="half a sentence is no turn",
            fix="raise max_tokens",
            usage=usage,
        )
    if tool_call or reason in ("tool_calls", "function_call"):
        return broken(
            "tool_call", "the model called a tool instead of answering", why="no tool was offered", usage=usage
        )
    if reason is None:
        return broken("no_finish_reason", "the answer has no finish_reason", usage=usage)
    if reason not in _STOPPED:
        return broken("unknown_finish", f"the answer ended for an unknown reason ({str(reason)[:60]!r})", usage=usage)
    if text is None:
        return broken("null", "the answer's content is null", usage=usage)
    if not isinstance(text, str):
        return broken("malformed", f"the answer's content is a {type(text).__name__}, not text", usage=usage)
    if not text.strip():
        return broken("empty" if not text else "blank", "the answer is empty", usage=usage)
    return None


def _usage(value: Any) -> Usage | None:
    """Token counts, if both are there and make sense; an endpoint that reports nonsense reports nothing."""
    if not isinstance(value, dict):
        return None
    read, written = value.get("prompt_tokens"), value.get("completion_tokens")
    for count in (read, written):
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            return None
    return Usage(int(read), int(written))  # type: ignore[arg-type]
