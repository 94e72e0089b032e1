"""A load of conversations on a served population, in a process of its own: bare sockets, so that the client is not
what is measured. `python -m bench.serve_load URL --at-once 16 --seconds 10` prints one JSON document."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

PARTNER = (
    "Hello, how can I help you today?",
    "Certainly. Which area of town would you prefer, and what price range are you looking for?",
    "I have found three of them. The first one is cheap and near the station; shall I book it for you?",
    "I am sorry, it is not available on that day. Would another day be possible?",
    "It is booked, your reference number is 7GAWK763. Is there anything else I can do for you?",
    "You are welcome. Have a nice day!",
)
LONGEST = 8  # user turns


class Chunks(msgspec.Struct):
    """A chunk, as far as it is looked at."""

    choices: list[Any]


_chunk = msgspec.json.Decoder(Chunks)


class Reply(NamedTuple):
    """One streamed reply, and the seconds until its first byte and its last."""

    text: str
    ended: bool
    first: float
    whole: float


class Connection:
    """One keep-alive connection."""

    def __init__(self, url: str, token: str) -> None:
        self._host, self._port = urlsplit(url).hostname or "", urlsplit(url).port or 80
        self._token = token

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=1 << 20)

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Be gone."""
        self._writer.transport.abort()

    def write(self, body: bytes) -> None:
        """Ask."""
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Authorization: Bearer {self._token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)

    async def stream(self, body: bytes) -> Reply:
        """Ask for one streamed reply and read all of it; anything but a whole one is an error."""
        started = time.perf_counter()
        self.write(body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in answer[:16] or b"transfer-encoding: chunked" not in answer.lower():
            raise RuntimeError(answer.decode("latin-1") + (await self._reader.read(500)).decode("latin-1"))
        parts, first = [], 0.0
        while size := int(await self._reader.readline(), 16):
            first = first or time.perf_counter() - started
            parts.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readexactly(2)
        whole = time.perf_counter() - started
        events = b"".join(parts).split(b"\n\n")
        if events[-2:] != [b"data: [DONE]", b""]:
            raise RuntimeError(f"a stream without an end: {events[-2:]}")
        choices = [_chunk.decode(event[6:]).choices[0] for event in events[:-2]]
        text = "".join(choice["delta"].get("content", "") for choice in choices)
        return Reply(text, choices[-1]["understudy"]["ending"] is not None, first, whole)


def _body(session: str, messages: list[dict[str, str]]) -> bytes:
    return msgspec.json.encode(
        {"model": "users", "stream": True, "metadata": {"session_id": session}, "messages": messages}
    )


async def talk(connection: Connection, session: str, replies: list[Reply]) -> list[str]:
    """One conversation of a session; what the user said."""
    messages: list[dict[str, str]] = [{"role": "user", "content": PARTNER[0]}]
    said: list[str] = []
    for turn in range(1, LONGEST + 1):
        reply = await connection.stream(_body(session, messages))
        replies.append(reply)
        said.append(reply.text)
        if reply.ended:
            break
        messages.append({"role": "assistant", "content": reply.text})
        messages.append({"role": "user", "content": PARTNER[turn % len(PARTNER)]})
    return said


async def load(
    url: str, token: str, at_once: int, seconds: float, prefix: str, *, rate: float = 0.0, leave: float = 0.0
) -> dict[str, Any]:
    """Conversations on `at_once` connections for so many seconds; at `rate` replies a second, if it is one, while
    `leave` clients a second ask and are gone."""
    replies: list[Reply] = []
    count = left = 0
    started, cpu = time.perf_counter(), time.process_time()
    until = started + seconds

    async def worker() -> None:
        nonlocal count
        connection = Connection(url, token)
        await connection.open()
        while time.perf_counter() < until:
            count += 1
            await talk(connection, f"{prefix}{count}", replies)
            if rate:
                await asyncio.sleep(max(0.0, started + len(replies) / rate - time.perf_counter()))
        connection.close()

    async def leaver() -> None:
        nonlocal left
        while time.perf_counter() < until:
            left += 1
            await _gone(Connection(url, token), f"left {left}")
            await asyncio.sleep(1 / leave)

    await asyncio.gather(*(worker() for _ in range(at_once)), *([leaver()] if leave else []))
    wall = time.perf_counter() - started
    return {
        "at_once": at_once,
        "seconds": wall,
        "replies": len(replies),
        "conversations": count,
        "left": left,
        "rate": len(replies) / wall,
        "first_p99_ms": 1000 * _quantile([reply.first for reply in replies], 0.99),
        "p50_ms": 1000 * _quantile([reply.whole for reply in replies], 0.5),
        "p99_ms": 1000 * _quantile([reply.whole for reply in replies], 0.99),
        "client_cpu_ms": 1000 * (time.process_time() - cpu) / max(1, len(replies)),
    }


async def _gone(connection: Connection, session: str) -> None:
    """Ask and be gone before the answer, by a reset."""
    await connection.open()
    connection.write(_body(session, [{"role": "user", "content": PARTNER[0]}]))
    connection.reset()


async def fill(url: str, token: str, sessions: int) -> int:
    """As many conversations begun and left after one reply."""
    waiting = iter(range(sessions))
    replies: list[Reply] = []

    async def worker() -> None:
        connection = Connection(url, token)
        await connection.open()
        for k in waiting:
            body = _body(f"filling {k}", [{"role": "user", "content": PARTNER[0]}])
            replies.append(await connection.stream(body))
        connection.close()

    await asyncio.gather(*(worker() for _ in range(8)))
    return len(replies)


async def at_the_same_time(url: str, token: str, sessions: int) -> dict[str, list[str]]:
    """As many conversations at once, each on a connection of its own; what was said in each."""

    async def one(session: str) -> list[str]:
        connection = Connection(url, token)
        await connection.open()
        try:
            return await talk(connection, session, [])
        finally:
            connection.close()

    names = [f"together {k}" for k in range(sessions)]
    return dict(zip(names, await asyncio.gather(*(one(name) for name in names)), strict=True))


def _quantile(values: list[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--token", default="")
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--prefix", default="load ")
    parser.add_argument("--rate", type=float, default=0.0, help="replies a second; as many as there can be for 0")
    parser.add_argument("--leave", type=float, default=0.0, help="clients a second that ask and are gone")
    parser.add_argument("--sessions", type=int, default=0, help="instead: this many at the same time, what was said")
    parser.add_argument("--fill", type=int, default=0, help="instead: this many, each left after one reply")
    given = parser.parse_args()
    url, token = given.url, given.token
    found: Any
    if given.sessions:
        found = asyncio.run(at_the_same_time(url, token, given.sessions))
    elif given.fill:
        found = asyncio.run(fill(url, token, given.fill))
    else:
        limits = {"rate": given.rate, "leave": given.leave}
        found = asyncio.run(load(url, token, given.at_once, given.seconds, given.prefix, **limits))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
