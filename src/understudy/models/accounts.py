"""An account at an endpoint: its base URL, its key, and the connections that all models on it share."""

from __future__ import annotations

import asyncio
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit
from weakref import WeakSet, WeakValueDictionary

from understudy.errors import UsageError
from understudy.models.concurrency import Limiter

if TYPE_CHECKING:
    import aiohttp
    import yarl

KEEP_ALIVE_S = 30.0


class Timeouts(NamedTuple):
    """Seconds to connect, without a byte of a stream, and for the whole call."""

    connect: float = 10.0
    idle: float = 120.0
    total: float = 600.0


class Account:
    """Shared by all models with the same base URL and key: one pool of connections, one limit of concurrency.

    Serves one event loop at a time; close its models before their loop ends.

    `name` is the base URL without anything secret in it; a query stands there as a digest.
    """

    def __init__(self, base_url: str, key: str | None) -> None:
        parts = checked_url(base_url)
        path = parts.path.rstrip("/")
        digest = "?" + hashlib.blake2b(parts.query.encode(), digest_size=4).hexdigest() if parts.query else ""
        self.name = urlunsplit((parts.scheme, parts.netloc, path, "", "")) + digest
        self._url = urlunsplit((parts.scheme, parts.netloc, path + "/chat/completions", parts.query, ""))
        self.limiter = Limiter(name=self.name)
        self.members: WeakSet[object] = WeakSet()
        self._key = key
        self._query = parts.query
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"Account({self.name!r})"

    def scrub(self, text: str) -> str:
        """`text` without the key and the query, which an endpoint may echo."""
        for secret in (self._key, self._query):
            if secret:
                text = text.replace(secret, "***")
        return text

    @cached_property
    def url(self) -> yarl.URL:
        """Where chat completions are asked for, query included: not for logs."""
        import yarl

        return yarl.URL(self._url)

    def session(self) -> aiohttp.ClientSession:
        """The pool of connections on the running loop."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            import aiohttp

            headers = {"Accept-Encoding": "identity", "User-Agent": "understudy", "Content-Type": "application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=300),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=headers,
                auto_decompress=False,
                trust_env=False,
            )
            self._loop = loop
        return self._session

    async def leave(self, member: object) -> None:
        """One model is done; the last one closes the connections."""
        self.members.discard(member)
        if not self.members and self._session is not None and self._loop is asyncio.get_running_loop():
            session, self._session = self._session, None
            await session.close()


def checked_url(base_url: str) -> SplitResult:
    """The parts of a base URL that can be called and kept out of sight where it must be."""
    shown = base_url.rpartition("@")[2].partition("?")[0][:100]
    try:
        parts = urlsplit(base_url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # A broken IPv6 address or port.
        named = False
    if not named:
        raise UsageError(
            f"{shown!r} is not the URL of an endpoint",
            why="it must begin with http:// or https:// and name a host",
            fix="give for example http://127.0.0.1:8000/v1",
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"the URL of {shown!r} holds a user name or password",
            why="URLs are written to reports, keys must not be",
            fix="take it out of the URL and give it as the API key",
        )
    return parts


# Limits and connections belong to the account in the world, not to the object that a caller happens to hold.
_ACCOUNTS: WeakValueDictionary[tuple[str, str], Account] = WeakValueDictionary()


def open_account(base_url: str, key: str | None) -> Account:
    """The account of this base URL and key; the same object as long as anything uses it."""
    name = (base_url, hashlib.blake2b((key or "").encode()).hexdigest())
    account = _ACCOUNTS.get(name)
    if account is None:
        account = _ACCOUNTS[name] = Account(base_url, key)
    return account
