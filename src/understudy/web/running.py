"""Running an application: bound where nobody else reaches it, with patience for no client that stalls."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from understudy._require import require
from understudy.errors import UsageError
from understudy.web.guard import App, check_bind

HEADER_SECONDS = 10.0
IDLE_SECONDS = 30
GRACE_SECONDS = 10
_LONGEST_HEAD = 32 * 1024
_BACKLOG = 2048


def serve(app: App, *, host: str, port: int, token: str | None, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve `app` until a signal ends the process: what is being answered is answered first.

    `on_ready` is called with the URL once connections are taken. Raises `UsageError` where the address is taken, or
    reaches beyond this machine without a `token`.
    """
    check_bind(host, token)
    with _bound(host, port) as sock:
        server = _server(app, sock, on_ready)
        server.run(sockets=[sock])


@contextmanager
def in_background(app: App) -> Iterator[str]:
    """Serve `app` on a free port of the loopback, in a thread, and give its URL (without `/v1`).

    >>> from urllib.request import urlopen
    >>> async def app(scope, receive, send):
    ...     await send({"type": "http.response.start", "status": 200, "headers": []})
    ...     await send({"type": "http.response.body", "body": b"hi"})
    >>> with in_background(app) as url, urlopen(url, timeout=10) as answer:
    ...     print(answer.read())
    b'hi'
    """
    ready = threading.Event()
    with _bound("127.0.0.1", 0) as sock:
        server = _server(app, sock, lambda url: ready.set())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="understudy-web", daemon=True)
        thread.start()
        try:
            while not ready.wait(0.2):
                if not thread.is_alive():
                    raise UsageError("the server did not start", why="its thread ended", fix="look at its log")
            yield url_of(sock)
        finally:
            server.should_exit = True
            thread.join(GRACE_SECONDS + 5)


def url_of(sock: socket.socket) -> str:
    """The address of a listening socket as a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    bare = host.strip("[]")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        raise UsageError(
            f"--host {host} is no address: {error.strerror or error}",
            why="the server listens on an address of this machine",
            fix="leave --host out, or give an address such as 0.0.0.0",
        ) from error
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen(_BACKLOG)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise UsageError(
                f"{host}:{port} cannot be listened on: {error.strerror or error}",
                why="another program has the port" if taken else "the system does not let this program have it",
                fix="choose another with --port (0: any free one)" if taken else "choose another --host or --port",
            ) from error
        sock.setblocking(False)
        yield sock


def _server(app: App, sock: socket.socket, on_ready: Callable[[str], None] | None) -> Any:
    uvicorn = require("uvicorn", extra="web", purpose="serving over HTTP")
    config = uvicorn.Config(
        app,
        http=_hurried(),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
    )

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if on_ready is not None and self.started:
                on_ready(url_of(sock))

    return Server(config)


def _hurried() -> type:
    """uvicorn's protocol, closing a connection on which the head of a request takes longer than `HEADER_SECONDS`."""
    h11_impl = require("uvicorn.protocols.http.h11_impl", extra="web", purpose="serving over HTTP")

    class Hurried(h11_impl.H11Protocol):  # type: ignore[misc, name-defined]
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._hurry()

        def data_received(self, data: bytes) -> None:
            if self._deadline is None and self._waits():
                self._hurry()
            super().data_received(data)
            if self._deadline is not None and not self._waits():
                self._rest()

        def connection_lost(self, exc: Exception | None) -> None:
            self._rest()
            super().connection_lost(exc)

        def _waits(self) -> bool:
            return self.cycle is None or bool(self.cycle.response_complete)

        def _hurry(self) -> None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

        def _rest(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Hurried
