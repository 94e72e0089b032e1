"""A served population, and a plain client."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

JSON = {"Content-Type": "application/json"}


class Answer(NamedTuple):
    """Status, headers in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.json["choices"][0]["message"]["content"]

    @property
    def told(self) -> dict[str, Any]:
        return self.json["choices"][0]["understudy"]

    @property
    def events(self) -> list[str]:
        parts = self.body.decode().split("\n\n")
        assert parts[-1] == ""
        return [part.removeprefix("data: ") for part in parts[:-1]]


def ask(url: str, path: str, body: Any = None, *, method: str = "", headers: dict[str, str] | None = None) -> Answer:
    """One request; a body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        given = {**(JSON if data is not None else {}), **(headers or {})}
        connection.request(method or ("GET" if data is None else "POST"), path, data, given)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def say(url: str, *said: str, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    """Ask for the next turn after `said`, in which the partner has the last word."""
    roles = ("user", "assistant") if len(said) % 2 else ("assistant", "user")
    messages = [{"role": roles[k % 2], "content": text} for k, text in enumerate(said)]
    return ask(url, "/v1/chat/completions", {"model": "users", "messages": messages, **fields}, headers=headers)
