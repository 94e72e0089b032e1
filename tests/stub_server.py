"""An OpenAI-compatible endpoint on the loopback that answers at once, late, wrongly or not at all, as it is told.

In this process: `async with StubServer(latency_s=0.05) as stub: stub.url`. In one of its own, for measuring:
`with StubProcess(latency_s=0.05) as stub: stub.url`, or `python -m tests.stub_server --latency-s 0.05`.
What goes wrong depends on the seed, the request and how often it was seen, never on the order of requests.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec

from tests.stub_answers import (
    FATAL_FAULTS,
    FAULTS,
    HUGE,
    MESSAGE_FAULTS,
    REQUEST,
    STATUS_FAULTS,
    StubRequest,
    chunk,
    events_of,
    expected_answer,
    head_of,
    usage_of,
)


class Settings(msgspec.Struct):
    """How the stub behaves; all may be changed while it runs."""

    latency_s: float = 0.0
    fault_rate: float = 0.0
    faults: tuple[str, ...] = FAULTS
    seed: int = 0
    # A token bucket: calls a second, and how many may come at once. A rate of 0 is no limit.
    rate: float = 0.0
    burst: float = 8.0
    tells_wait: bool = True
    answer: str | None = None


class StubServer:
    """The server; `calls`, `answered` and `met` (faults by name) count what happens; `log` keeps bodies."""

    def __init__(self, *, keep_log: bool = False, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.calls = self.answered = self.in_flight = self.most_in_flight = self.connections = 0
        self.met: Counter[str] = Counter()
        self.log: list[bytes] | None = [] if keep_log else None
        self.heads: list[bytes] = []
        self._seen: Counter[bytes] = Counter()
        self._tokens = self.settings.burst
        self._filled_at = time.monotonic()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, loop), "127.0.0.1", port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]

    async def __aenter__(self) -> StubServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for transport in list(self._open):
            transport.abort()
        await asyncio.sleep(0)
        await self._server.wait_closed()

    def counters(self) -> dict[str, Any]:
        names = ("calls", "answered", "in_flight", "most_in_flight", "connections")
        return {
            **{name: getattr(self, name) for name in names},
            "met": dict(self.met),
            "cpu_s": time.process_time(),
        }

    def configure(self, **settings: Any) -> None:
        self.settings = msgspec.structs.replace(self.settings, **settings)
        self._tokens = min(self._tokens, self.settings.burst)

    def fault_for(self, body: bytes) -> str | None:
        """The fault of this request, this time."""
        rate = self.settings.fault_rate
        if not rate:
            return None
        self._seen[body] += 1
        name = b"%d %d " % (self.settings.seed, self._seen[body]) + body
        digest = hashlib.blake2b(name, digest_size=16).digest()
        if int.from_bytes(digest[:8], "big") >= rate * 2**64:
            return None
        return self.settings.faults[int.from_bytes(digest[8:], "big") % len(self.settings.faults)]

    def wait_for_token(self) -> float:
        """Take a token: 0 where there was one, else the seconds until there will be."""
        rate = self.settings.rate
        if not rate:
            return 0.0
        now = time.monotonic()
        self._tokens = min(self.settings.burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / rate


class _Connection(asyncio.Protocol):
    """One keep-alive connection: requests come one after the other."""

    def __init__(self, stub: StubServer, loop: asyncio.AbstractEventLoop) -> None:
        self._stub = stub
        self._loop = loop
        self._buffer = b""
        self._transport: Any = None
        self._timers: list[asyncio.TimerHandle] = []
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._stub._open.add(transport)  # type: ignore[arg-type]
        self._stub.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._stub._open.discard(self._transport)
        for timer in self._timers:
            timer.cancel()
        self._done()

    def _done(self) -> None:
        if self._busy:
            self._busy = False
            self._stub.in_flight -= 1

    def _later(self, delay: float, function: Any, *args: Any) -> None:
        self._timers = [timer for timer in self._timers if timer.when() > self._loop.time()]
        self._timers.append(self._loop.call_later(delay, function, *args))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer[:1] == b"\x16":  # A TLS hello: this server speaks plain HTTP.
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            self._transport.close()
            return
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end]
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        body = self._buffer[end + 4 : end + 4 + length]
        self._buffer = self._buffer[end + 4 + length :]
        self._route(head, body)

    def _route(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path.endswith(b"/chat/completions"):
            self._chat(head, body)
        elif path.endswith(b"/models"):
            self._send(200, {"object": "list", "data": [{"id": "stub", "object": "model"}]})
        elif path == b"/counters":
            self._send(200, self._stub.counters())
        elif path == b"/settings":
            self._stub.configure(**msgspec.json.decode(body))
            self._send(200, {})
        else:
            self._send(404, {"error": {"message": "no such path"}})

    def _chat(self, head: bytes, body: bytes) -> None:
        stub = self._stub
        stub.calls += 1
        if stub.log is not None:
            stub.log.append(body)
            stub.heads.append(head)
        wait = stub.wait_for_token()
        if wait:
            stub.met["bucket_429"] += 1
            headers = {"retry-after-ms": f"{1000 * wait:.3f}"} if stub.settings.tells_wait else {}
            self._send(429, {"error": {"message": "rate limit", "code": "rate_limit_exceeded"}}, headers)
            return
        self._busy = True
        stub.in_flight += 1
        stub.most_in_flight = max(stub.most_in_flight, stub.in_flight)
        fault = stub.fault_for(body)
        if fault is not None:
            stub.met[fault] += 1
        if stub.settings.latency_s:
            self._later(stub.settings.latency_s, self._reply, head, body, fault)
        else:
            self._reply(head, body, fault)

    def _reply(self, head: bytes, body: bytes, fault: str | None) -> None:
        if self._transport.is_closing():
            return
        statuses = STATUS_FAULTS | FATAL_FAULTS
        if fault == "hang":
            return
        if fault == "reset_early":
            self._transport.abort()
            return
        if fault in statuses:
            status, headers, error = statuses[fault]
            if headers.get("Retry-After") == "DATE":
                headers = {"Retry-After": formatdate(time.time() + 2, usegmt=True)}
            if "KEY" in error.get("message", ""):
                key = head.partition(b"uthorization: Bearer ")[2].partition(b"\r\n")[0].decode()
                error = {**error, "message": error["message"].replace("KEY", key)}
            self._send(status, {"error": error}, headers)
            self._done()
            return
        request = REQUEST.decode(body)
        if fault is None:
            self._stub.answered += 1
        text = self._stub.settings.answer or expected_answer(request.messages[-1].content)
        if request.stream:
            self._stream(request, text, fault)
        else:
            self._whole(request, text, fault)
        self._done()

    def _whole(self, request: StubRequest, text: str, fault: str | None) -> None:
        content, reason, more = MESSAGE_FAULTS.get(fault or "", (text, "stop", {}))
        if fault == "huge":
            content = "na " * (HUGE // 3)
        answer: dict[str, Any] = {
            "id": "chatcmpl-stub",
            "object": "chat.completion",
            "model": "another-model" if fault == "wrong_model" else request.model,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": content, **more}, "finish_reason": reason}
            ],
            "usage": usage_of(request, text),
        }
        if fault == "no_choices":
            answer["choices"] = []
        if fault == "error_200":
            answer = {"error": {"message": "upstream failed", "code": 502}}
        body = msgspec.json.encode(answer)
        if fault == "half_utf8":
            body = body.replace("ß".encode(), "ß".encode()[:1])
        if fault == "garbage":
            body = body[: len(body) // 2]
        kind = "application/json"
        if fault == "html_200":
            body, kind = b"<html><body>Please sign in.</body></html>", "text/html"
        if fault == "content_type":
            kind = "text/plain"
        head = head_of(200, kind, len(body))
        if fault in ("reset_body", "short_body", "stream_eof"):
            self._transport.write(head + body[: len(body) // 2])
            self._later(0.01, self._transport.abort if fault == "reset_body" else self._transport.close)
        elif fault == "slow_loris":
            self._transport.write(head)
            self._drip(body, 0)
        else:
            self._transport.write(head + body)

    def _drip(self, data: bytes, at: int) -> None:
        if at < len(data) and not self._transport.is_closing():
            self._transport.write(data[at : at + 1])
            self._later(0.1, self._drip, data, at + 1)

    def _stream(self, request: StubRequest, text: str, fault: str | None) -> None:
        content, reason, more = MESSAGE_FAULTS.get(fault or "", (text, "stop", {}))
        if fault == "html_200":
            body = b"<html><body>Please sign in.</body></html>"
            self._transport.write(head_of(200, "text/html", len(body)) + body)
            return
        kind = "application/json" if fault == "content_type" else "text/event-stream"
        events = events_of(request, content, reason, more, fault)
        data = b"".join(b"data: %s\n\n" % event for event in events)
        if fault == "half_utf8":
            data = data.replace("ß".encode(), "ß".encode()[:1])
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % kind.encode()
        end = b"0\r\n\r\n"
        if fault == "short_body":
            end = b""
        if fault == "reset_body":
            self._transport.write(head + chunk(data[: len(data) // 2]))
            self._later(0.01, self._transport.abort)
        elif fault == "slow_loris":
            self._transport.write(head)
            self._drip(chunk(data) + end, 0)
        else:
            # Cut anywhere, as a network may: in lines, events and characters.
            step = max(1, len(data) // 7)
            for at in range(0, len(data), step):
                self._transport.write((head if at == 0 else b"") + chunk(data[at : at + step]))
            self._transport.write(end)
            if not end:
                self._later(0.01, self._transport.close)

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        body = msgspec.json.encode(answer)
        self._transport.write(head_of(status, "application/json", len(body), headers) + body)


class StubProcess:
    """The stub in a process of its own."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> StubProcess:
        command = [sys.executable, "-m", "tests.stub_server", "--settings", json.dumps(self._settings)]
        root = Path(__file__).parent.parent
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate()

    def counters(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counters") as response:
            return json.load(response)

    def configure(self, **settings: Any) -> None:
        data = json.dumps(settings).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/settings", data=data):
            pass


async def _serve(port: int, settings: dict[str, Any]) -> None:
    stub = StubServer(**settings)
    await stub.start(port)
    print(stub.port, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-s", type=float, default=None)
    parser.add_argument("--fault-rate", type=float, default=None)
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON, fields of Settings")
    options = parser.parse_args()
    given = {"latency_s": options.latency_s, "fault_rate": options.fault_rate}
    asyncio.run(_serve(options.port, options.settings | {k: v for k, v in given.items() if v is not None}))


if __name__ == "__main__":
    main()
