"""Reading a request: its body within limits, its JSON strictly, its fields by their types."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from understudy.conversations.problems import Broken
from understudy.conversations.strict_json import decode_json
from understudy.web.refusals import RefusedError
from understudy.web.wire import ChatRequest

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
MOST_BYTES = 1 << 20
BODY_SECONDS = 10.0
_DROPPED = 16  # times the limit, after which the connection is cut


class GoneError(Exception):
    """The client went away before it was answered."""


async def read_body(receive: Receive, *, most: int = MOST_BYTES) -> bytes:
    """The body of a request; too large or too slow a one is refused."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GoneError
                part = message.get("body", b"")
                size += len(part)
                if size <= most:
                    parts.append(part)
                # What is too long is dropped as it comes: a client reads no answer before it has sent its request.
                if not message.get("more_body") or size > _DROPPED * most:
                    break
    except TimeoutError as error:
        raise RefusedError(
            408,
            "body_too_slow",
            f"the body did not arrive within {BODY_SECONDS:g} s",
            why="a request that trickles in holds a place that others wait for",
            fix="send the request at once",
            headers={"Connection": "close"},
        ) from error
    if size > most:
        raise RefusedError(
            413,
            "body_too_large",
            f"the body is larger than {most:,} bytes",
            why="a request is held in memory as a whole",
            fix="send fewer or shorter messages",
            headers={"Connection": "close"},
        )
    return b"".join(parts)


def read_chat(body: bytes, content_type: str) -> ChatRequest:
    """The chat request in `body`.

    >>> read_chat(b'{"model": "users", "messages": [], "tools": []}', "application/json").model
    'users'
    >>> read_chat(b'{"model": "users"}', "application/json")
    Traceback (most recent call last):
    understudy.web.refusals.RefusedError: Object missing required field `messages`
      why: the request cannot be read as a chat completion
      fix: see /openapi.json for what is taken
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(
            415,
            "not_json",
            f"the content type is {content_type[:60]!r}" if content_type else "the request has no content type",
            why="a chat completion is asked for in JSON",
            fix="send the header Content-Type: application/json",
        )
    try:
        value, _ = decode_json(body)
    except Broken as error:
        raise RefusedError(
            400,
            "invalid_json",
            f"the body cannot be read: {error.reason}",
            why="a request is one JSON object in UTF-8",
            fix="check how the client encodes it",
        ) from error
    try:
        return msgspec.convert(_whole(value), ChatRequest)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise RefusedError(
            422,
            "invalid_request",
            f"{where.strip('`').removeprefix('$.')}: {what}" if where else what,
            why="the request cannot be read as a chat completion",
            fix="see /openapi.json for what is taken",
            param=where.strip("`").removeprefix("$.") or None,
        ) from error


def _whole(value: Any) -> Any:
    """`value` with 2.0 as 2 in its own fields and in its metadata: in a JSON schema either is an integer."""
    if not isinstance(value, dict):
        return value
    metadata = value.get("metadata")
    fields = {**value, "metadata": _whole(metadata)} if isinstance(metadata, dict) else value
    return {name: int(one) if isinstance(one, float) and one.is_integer() else one for name, one in fields.items()}
