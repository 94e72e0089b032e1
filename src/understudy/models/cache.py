"""Answers kept by what was asked: the same request to the same model is paid for once."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from pathlib import Path

import msgspec

from understudy.errors import UsageError
from understudy.models.model import Completion, LanguageModel, Request, close_model, semantic_fields

_FORMAT = 1
_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL, digest BLOB NOT NULL)"
_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Completion)


def request_key(identity: str, request: Request) -> str:
    """The name of an answer: a digest of the model's identity (with its base URL) and of the request.

    >>> from understudy.models.model import Message
    >>> hello = Request((Message("user", "Hi"),), seed=1)
    >>> request_key("m", hello) == request_key("m", msgspec.structs.replace(hello, purpose="greeting"))
    True
    >>> request_key("m", hello) == request_key("m", msgspec.structs.replace(hello, replicate=1))
    False
    """
    fields = {"format": _FORMAT, "model": identity, **semantic_fields(request)}
    return hashlib.blake2b(_ENCODER.encode(fields), digest_size=20).hexdigest()


class Cached:
    """A model that asks only once. Holds finished answers only: a fault (refusal, truncation) is never kept.

    One SQLite file, JSON values. Requests that are alike and under way together share one call, so that answers do
    not depend on timing. A damaged entry is a miss, counted in `damaged`, and written anew.

    Raises `UsageError` where the file is no such cache or cannot be written.
    """

    def __init__(self, model: LanguageModel, path: str | Path) -> None:
        self.identity = model.identity
        self.hits = self.misses = self.damaged = 0
        self._model = model
        self._path = Path(path)
        self._under_way: dict[str, asyncio.Future[Completion | None]] = {}
        try:
            self._file = sqlite3.connect(self._path, timeout=30.0, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(_TABLE)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    async def complete(self, request: Request) -> Completion:
        """The kept answer, marked `cached`, or the wrapped model's."""
        key = request_key(self.identity, request)
        while True:
            if (kept := self._get(key)) is not None:
                self.hits += 1
                return kept
            leader = self._under_way.get(key)
            if leader is None:
                break
            # None: the leading call failed, and each that waited for it asks for itself.
            if (answer := await asyncio.shield(leader)) is not None:
                self.hits += 1
                return msgspec.structs.replace(answer, cached=True, latency_s=0.0)
        return await self._ask(key, request)

    async def _ask(self, key: str, request: Request) -> Completion:
        self.misses += 1
        mine = self._under_way[key] = asyncio.get_running_loop().create_future()
        completion: Completion | None = None
        try:
            completion = await self._model.complete(request)
            self._put(key, completion)
            return completion
        finally:
            del self._under_way[key]
            mine.set_result(completion)

    def _get(self, key: str) -> Completion | None:
        try:
            row = self._file.execute("SELECT answer, digest FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error
        if row is None:
            return None
        answer, digest = row
        try:
            if not isinstance(answer, bytes) or _digest(key, answer) != digest:
                raise msgspec.DecodeError("the digest does not match")
            kept = _DECODER.decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.damaged += 1
            return None
        return msgspec.structs.replace(kept, cached=True, latency_s=0.0)

    def _put(self, key: str, completion: Completion) -> None:
        answer = msgspec.json.encode(completion)
        try:
            self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, answer, _digest(key, answer)))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> UsageError:
        return UsageError(
            f"{self._path} cannot be used as a cache: {error}",
            why="it is damaged, no cache at all, or cannot be written",
            fix="give another file, or delete it: a cache holds nothing that cannot be asked for again",
        )

    async def aclose(self) -> None:
        """Close the file and the wrapped model."""
        self._file.close()
        await close_model(self._model)


def _digest(key: str, answer: bytes) -> bytes:
    return hashlib.blake2b(answer, digest_size=16, key=key.encode()).digest()
