"""Who may ask: browsers of other origins and callers without the token are turned away before anything is read."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from understudy.errors import UsageError
from understudy.web.refusals import RefusedError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
WILDCARDS = frozenset({"", "0.0.0.0", "::"})
OPEN_PATH = "/healthz"


def check_bind(host: str, token: str | None) -> None:
    """Refuse an address that others can reach where no token keeps them out.

    >>> check_bind("127.0.0.1", None)
    >>> check_bind("0.0.0.0", None)
    Traceback (most recent call last):
    understudy.errors.UsageError: --host 0.0.0.0 without a token
      why: everybody who reaches this machine could use the server
      fix: set UNDERSTUDY_TOKEN (or --token), or leave --host out to serve this machine alone
    """
    if host.strip("[]") not in LOOPBACK and not token:
        raise UsageError(
            f"--host {host} without a token",
            why="everybody who reaches this machine could use the server",
            fix="set UNDERSTUDY_TOKEN (or --token), or leave --host out to serve this machine alone",
        )


def allowed_hosts(host: str, more: Iterable[str] = ()) -> frozenset[str] | None:
    """The names under which the server may be asked; None where any goes, because it listens everywhere and a token
    is asked for."""
    named = frozenset(name.strip("[]").lower() for name in more)
    if host.strip("[]") in WILDCARDS:
        return named | LOOPBACK if named else None
    return named | LOOPBACK | {host.strip("[]").lower()}


class Guard:
    """Wraps an application. On every path but `/healthz`:

    - `Host` must name this server (a page that makes its own name point here is turned away: DNS rebinding);
    - `Origin` and `Sec-Fetch-Site`, where a browser sends them, must be this server's own;
    - with a `token`, `Authorization: Bearer TOKEN` is asked for, and compared in constant time.

    With `linked`, a page of another site may lead a person here by a link: a GET that opens a page is let through.
    """

    def __init__(
        self, app: App, *, token: str | None = None, hosts: frozenset[str] | None = LOOPBACK, linked: bool = False
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._linked = linked
        self._expected = f"Bearer {token}".encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != OPEN_PATH:
            try:
                self._check(scope["headers"], opens=self._linked and scope["method"] == "GET")
            except RefusedError as refused:
                await refuse(refused, send)
                return
        await self._app(scope, receive, send)

    def _check(self, headers: Iterable[tuple[bytes, bytes]], *, opens: bool = False) -> None:
        found: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in found and name in _SINGLE:
                raise _untrusted(f"the header {name.decode()} stands twice")
            found[name] = value
        host = found.get(b"host", b"").decode("latin-1").lower()
        if self._hosts is not None and _bare(host) not in self._hosts:
            raise _untrusted(f"the request is for the host {host[:80]!r}")
        origin = found.get(b"origin")
        if origin is not None and origin.decode("latin-1").lower().partition("://")[2] != host:
            raise _untrusted(f"the request comes from the page {origin.decode('latin-1')[:80]!r}")
        opens = opens and found.get(b"sec-fetch-mode") == b"navigate"
        if not opens and found.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            raise _untrusted("the request comes from a page of another site")
        if self._expected is None:
            return
        scheme, _, given = found.get(b"authorization", b"").partition(b" ")
        if not hmac.compare_digest(b"Bearer " + given.strip() if scheme.lower() == b"bearer" else b"", self._expected):
            raise RefusedError(
                401,
                "invalid_api_key",
                "the request has no token" if not given else "the token is another",
                why="this server was started with a token",
                fix="send the header Authorization: Bearer TOKEN (an OpenAI client's api_key)",
                headers={"WWW-Authenticate": "Bearer"},
            )


_SINGLE = frozenset({b"host", b"origin", b"authorization", b"sec-fetch-site", b"content-length", b"content-type"})


def _bare(host: str) -> str:
    """A host header without its port.

    >>> _bare("localhost:8033"), _bare("[::1]:8033"), _bare("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _untrusted(what: str) -> RefusedError:
    return RefusedError(
        403,
        "untrusted_origin",
        what,
        why="a page in somebody's browser must not be able to use this server",
        fix="ask for it by its own address; name others with --allow-host",
    )


async def refuse(refused: RefusedError, send: Send) -> None:
    """Answer with the error object."""
    body = msgspec.json.encode(refused.body())
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
