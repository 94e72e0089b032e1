"""What goes over the wire: chat completions as OpenAI defines them, as far as a simulated user needs them.

Unknown fields are taken and ignored, and so are those that steer a language model (`temperature`, `tools`, ...):
what a simulated user says is decided by who it is, its seed and the history. The OpenAPI document is made from
these structs, so it says what is checked.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MOST_MESSAGES = 500
LONGEST_TEXT = 100_000
MOST_CHOICES = 16

Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Count = Annotated[int, Meta(ge=1, le=2**31)]
UserNumber = Annotated[int, Meta(ge=0, lt=10**9)]


class TextPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a message. Only text is read; nothing that a URL points to is ever fetched."""

    type: Literal["text", "input_text", "output_text", "refusal"]
    text: Text | None = None


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message. `user` messages are what the partner said, `assistant` messages what the simulated user said;
    `system` and `developer` messages are not obeyed, but where no session is named they decide who answers."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | Annotated[list[TextPart], Meta(max_length=MOST_MESSAGES)] | None = None


class StreamOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """`include_usage`: a last chunk without choices says what was used."""

    include_usage: bool | None = None


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """`session_id` names a conversation: its user and its random stream. `user`: the number of a user, instead of
    `model: users/NUMBER`. `stop_token`: said after the last words, for clients that know an end by it."""

    session_id: Annotated[str, Meta(max_length=512)] | None = None
    user: UserNumber | Annotated[str, Meta(pattern="^[0-9]{1,9}$")] | None = None
    stop_token: Name | None = None


class ResponseFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """`json_object` and `json_schema` put what is said into an object: see `understudy.web.shaping`."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, Any] | None = None


class ChatRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """`POST /v1/chat/completions`. `model`: `users` (the session decides who of the population) or `users/NUMBER`."""

    model: Name
    messages: Annotated[list[Message], Meta(max_length=MOST_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=MOST_CHOICES)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    stop: Name | Annotated[list[Name], Meta(max_length=16)] | None = None
    user: Annotated[str, Meta(max_length=512)] | None = None
    metadata: Metadata | None = None
    response_format: ResponseFormat | None = None


class EndingTold(msgspec.Struct, frozen=True):
    """Who ended the conversation and why: data beside the text."""

    by: Literal["user"]
    reason: str


class Told(msgspec.Struct, frozen=True):
    """What a client may know beside the text: which simulated user answers, and whether it leaves."""

    user: str
    ending: EndingTold | None = None


class Said(msgspec.Struct, frozen=True):
    """The message of a choice: what the simulated user says, in the role of its client's `assistant`."""

    content: str
    role: Literal["assistant"] = "assistant"
    refusal: None = None


class Choice(msgspec.Struct, frozen=True):
    """One answer. `finish_reason` is `length` where `max_tokens` cut it short."""

    index: int
    message: Said
    finish_reason: Literal["stop", "length"]
    understudy: Told
    logprobs: None = None


class Usage(msgspec.Struct, frozen=True):
    """Sizes at four characters a token: nothing is paid for here, and clients add it up."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a chat request that does not stream."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(msgspec.Struct, frozen=True):
    """A piece of one choice; the last of a choice says why it ended."""

    index: int
    delta: Delta
    finish_reason: Literal["stop", "length"] | None = None
    understudy: Told | msgspec.UnsetType = msgspec.UNSET


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: Usage | msgspec.UnsetType | None = msgspec.UNSET


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """A name that requests may give as their model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "understudy"


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """The population, and the first of its users."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(msgspec.Struct, frozen=True):
    """The server takes requests."""

    status: Literal["ok"] = "ok"


class ErrorDetail(msgspec.Struct, frozen=True):
    """What is wrong, why that matters and what to do (`message`); `code` is for machines."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(msgspec.Struct, frozen=True):
    """Every error has this shape."""

    error: ErrorDetail
