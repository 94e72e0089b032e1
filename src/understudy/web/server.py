"""Simulated users behind an OpenAI-compatible API: `/v1/chat/completions` and `/v1/models`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from understudy._require import require
from understudy.users.opening import SimulatedUsers
from understudy.web.casting import POPULATION, number_of
from understudy.web.chat import Chat, events, unless_gone
from understudy.web.guard import LOOPBACK, OPEN_PATH, App, Guard
from understudy.web.openapi import document
from understudy.web.reading import MOST_BYTES, GoneError, read_body, read_chat
from understudy.web.refusals import RefusedError
from understudy.web.wire import Health, ModelCard, ModelList

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MOST_AT_ONCE = 256
READ_SECONDS = 30.0
_LISTED = 100
_BLOCK = 32  # events of a stream that are written at once
_JSON = "application/json"
_NOT_KEPT = {"Cache-Control": "no-store"}
_STREAM_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]


def build_app(
    people: SimulatedUsers,
    *,
    seed: int = 0,
    token: str | None = None,
    hosts: frozenset[str] | None = LOOPBACK,
    stop_token: str = "",
    max_concurrency: int = MOST_AT_ONCE,
    max_bytes: int = MOST_BYTES,
) -> App:
    """An ASGI application in which simulated users answer chat completions.

    The client holds the partner's side: its `user` messages are what the partner said, and the simulated user answers
    as `assistant`. `seed` draws the users; `token` is asked for on every route but `/healthz`; `hosts` are the names
    under which it may be asked (None: any); `stop_token` is said after a user's last words where a request names no
    other; above `max_concurrency` requests at a time the answer is 429. Nothing is kept between requests that
    changes an answer.
    """
    require("starlette", extra="web", purpose="serving simulated users")
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    chat = Chat(people, seed=seed, stop_token=stop_token)
    served = _Served(chat, max_concurrency, max_bytes)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        await chat.sessions.warm()
        yield
        close: Callable[[], Awaitable[None]] | None = getattr(people, "aclose", None)
        if close is not None:
            await close()

    app = Starlette(
        routes=[
            Route(OPEN_PATH, served.health),
            Route("/openapi.json", served.openapi),
            Route("/v1/models", served.models),
            Route("/v1/models/{model:path}", served.model),
            Route("/v1/chat/completions", served.chat, methods=["POST"]),
        ],
        exception_handlers={RefusedError: _refused, HTTPException: _http_error, 500: _broken},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Guard(app, token=token, hosts=hosts)


class _Served:
    """The routes."""

    def __init__(self, chat: Chat, max_concurrency: int, max_bytes: int) -> None:
        self._chat = chat
        self._most, self._max_bytes = max_concurrency, max_bytes
        self._at_once = 0

    async def health(self, request: Request) -> Response:
        return _json(Health())

    async def openapi(self, request: Request) -> Response:
        return _json(document())

    async def models(self, request: Request) -> Response:
        names = [POPULATION, *(f"{POPULATION}/{k}" for k in range(min(self._chat.size, _LISTED)))]
        return _json(ModelList(data=[ModelCard(id=name) for name in names]))

    async def model(self, request: Request) -> Response:
        name = request.path_params["model"]
        number_of(name)
        return _json(ModelCard(id=name))

    async def chat(self, request: Request) -> Response:
        from starlette.responses import Response

        with self._place():
            try:
                body = await read_body(request.receive, most=self._max_bytes)
                asked = read_chat(body, request.headers.get("content-type", ""))
                answer = await unless_gone(request.receive, self._chat.answer(asked, request.headers))
            except GoneError:
                return Response(status_code=499)  # Nobody reads it.
        if not asked.stream:
            return _json(answer)
        usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)
        return _streamed()(events(answer, usage=usage))

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places for requests at work; refused where all are taken."""
        if self._at_once >= self._most:
            raise RefusedError(
                429,
                "too_many_requests",
                f"{self._at_once:,} requests are being answered",
                why="more at a time would make all of them late",
                fix="try again in a second, or start the server with a higher --max-concurrency",
                headers={"Retry-After": "1"},
            )
        self._at_once += 1
        try:
            yield
        finally:
            self._at_once -= 1


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(msgspec.json.encode(value), status, {**_NOT_KEPT, **(headers or {})}, _JSON)


@cache
def _streamed() -> type[Response]:
    """A response that is sent in blocks: what is said is known when it begins, so a write for each word would only
    cost. (Starlette's own response would take each part from a thread.)"""
    from starlette.responses import Response

    class Streamed(Response):
        def __init__(self, parts: Iterator[bytes]) -> None:
            super().__init__()
            self._parts = parts

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
            with suppress(TimeoutError):  # Left unfinished, the connection of a client that reads nothing is closed.
                async with asyncio.timeout(READ_SECONDS):
                    while block := b"".join(islice(self._parts, _BLOCK)):
                        await send({"type": "http.response.body", "body": block, "more_body": True})
                    await send({"type": "http.response.body", "body": b""})

    return Streamed


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _json(error.body(), error.status, error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """No such path or method, in the shape of every other error."""
    status, headers = getattr(error, "status_code", 404), dict(getattr(error, "headers", None) or {})
    path = request.url.path[:80]
    if status == 405:
        what, fix = f"{request.method} is no method of {path}", f"it takes {headers.get('Allow', 'others')}"
    else:
        what, fix = f"there is no {path!r} here", "give clients a base URL that ends in /v1; see /openapi.json"
    refused = RefusedError(status, "no_such_route", what, why="the server answers a few paths only", fix=fix)
    return _json(refused.body(), status, headers)


async def _broken(request: Request, error: Exception) -> Response:
    """A bug: told without its insides, which go to the server's own log."""
    refused = RefusedError(
        500,
        "internal_error",
        f"the server failed with {type(error).__name__}",
        why="this is a fault in understudy, not in the request",
        fix="see the server's log, and report it",
    )
    return _json(refused.body(), 500)
