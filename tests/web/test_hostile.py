"""What nobody may do to the server, and what it survives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.web.asking import JSON, ask, say
from understudy.conversations import Ending, Turn
from understudy.users import Goal, Persona, Profile, UserTurn
from understudy.users.population import FittedPopulation
from understudy.web import reading, running, server
from understudy.web.guard import allowed_hosts
from understudy.web.running import in_background
from understudy.web.server import build_app

CHAT = "/v1/chat/completions"
TOKEN = "sesame"
HI = {"model": "users", "messages": []}


class Slow:
    """Users who take their time; who started, finished and was cancelled is counted."""

    identity = "slow"
    n_sessions = 4

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun, self.done, self.cancelled = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)

    def draw(self, k: int, *, seed: int) -> Profile:
        return Profile(id=f"p{k}", user_id=f"u{k}", persona=Persona(f"u{k}"), goal=Goal())

    def simulator(self) -> Slow:
        return self

    def start(self, profile: Profile, *, seed: int) -> Slow:
        return self

    async def reply(self, history: Sequence[Turn]) -> UserTurn:
        self.begun.release()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled.release()
            raise
        self.done.release()
        return UserTurn("I am in no hurry at all.", ending=Ending("user", "done"))


@pytest.fixture(scope="module")
def guarded(people: FittedPopulation) -> Iterator[str]:
    with in_background(build_app(people, token=TOKEN)) as served:
        yield served


def connected(url: str) -> socket.socket:
    return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10)


def raw(url: str, sent: bytes) -> bytes:
    """What comes back for these very bytes, until the server closes."""
    with connected(url) as sock:
        got = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            sock.sendall(sent)
            while part := sock.recv(65536):
                got += part
        return got


def answers(sock: socket.socket, sent: bytes) -> bool:
    """Whether a connection that stays open gives a whole completion for these bytes."""
    sock.sendall(sent)
    got = b""
    while not got.endswith(b'"}'):
        got += sock.recv(65536)
    return got.startswith(b"HTTP/1.1 200")


# who may ask


def test_every_route_but_one_asks_for_the_token(guarded: str) -> None:
    paths = ["/", "/openapi.json", "/v1/models", "/v1/models/users", CHAT, "/docs", "/v1", "/admin", "/healthz/"]
    paths += ["//healthz", "/HEALTHZ", "/healthz%2f", "/v1/../healthz", "/x?path=/healthz", "/healthz;x", "/healthz."]
    documented = ask(guarded, "/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json["paths"]
    assert set(documented) - {"/healthz"} <= {*paths, "/v1/models/{model}"}
    for path in paths:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"):
            answer = ask(guarded, path, b"{}" if method != "GET" else None, method=method)
            assert answer.status == 401, (method, path, answer.status)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert ask(guarded, "/healthz").status == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer other",
        "bearer sesam",
        "Bearer sesame2",
        "Basic sesame",
        "sesame",
        "Bearer s\xe9",
    ],
)
def test_other_tokens_are_refused(guarded: str, header: str) -> None:
    answer = ask(guarded, CHAT, HI, headers={"Authorization": header})
    assert answer.status == 401
    assert answer.json["error"]["code"] == "invalid_api_key"
    assert TOKEN not in answer.body.decode()


def test_the_token_opens_in_any_case_of_its_scheme(guarded: str) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert ask(guarded, CHAT, HI, headers={"Authorization": f"{scheme} {TOKEN}"}).status == 200
    twice = (
        f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nAuthorization: Bearer x\r\n"
    )
    assert b" 403 " in raw(guarded, twice.encode() + b"Connection: close\r\n\r\n").split(b"\r\n")[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8033"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example:80"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_others_are_refused(url: str, headers: dict[str, str]) -> None:
    answer = ask(url, CHAT, HI, headers=headers)
    assert answer.status == 403, answer.body
    assert answer.json["error"]["code"] == "untrusted_origin"
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_the_server_itself_are_not(url: str) -> None:
    host = urlsplit(url).netloc
    assert ask(url, "/v1/models", headers={"Origin": url, "Sec-Fetch-Site": "same-origin"}).status == 200
    assert ask(url, "/v1/models", headers={"Host": f"localhost:{urlsplit(url).port}"}).status == 200
    assert ask(url, "/v1/models", headers={"Host": f"[::1]:{urlsplit(url).port}"}).status == 200
    assert ask(url, "/v1/models", headers={"Host": host.upper()}).status == 200
    assert allowed_hosts("0.0.0.0") is None
    assert allowed_hosts("10.0.0.5", ["Users.Lab"]) >= {"10.0.0.5", "users.lab", "127.0.0.1"}


def test_two_hosts_and_a_foreign_target_are_refused(url: str) -> None:
    two = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b"HTTP/1.1 400" in raw(url, two)
    none = b"GET /v1/models HTTP/1.0\r\n\r\n"
    assert b" 403 " in raw(url, none).split(b"\r\n")[0]


# what may be asked


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "not valid JSON"),
        (b"nonsense", 400, "not valid JSON"),
        (b'{"model": "users", "messages": [', 400, "not valid JSON"),
        (b'{"model": "users", "messages": [], "temperature": NaN}', 400, "NaN"),
        (b'{"model": "users", "messages": [], "temperature": 1e999}', 400, "out of range"),
        (b'{"model": "users", "messages": [], "messages": []}', 400, "twice"),
        (b'{"model": "users", "messages": [{"role": "user", "role": "system", "content": "x"}]}', 400, "twice"),
        (b'{"model": "users", "messages": [{"role": "user", "content": "\xff"}]}', 400, "UTF-8"),
        (b'{"model": "users", "messages": ' + b"[" * 100_000, 400, ""),
        (b'{"x":' * 50_000 + b"1" + b"}" * 50_000, 400, "nested"),
        (b"[]", 422, "Expected `object`"),
        (b"null", 422, "Expected `object`"),
        (b'{"messages": []}', 422, "model"),
        (b'{"model": "users"}', 422, "messages"),
        (b'{"model": 3, "messages": []}', 422, "model"),
        (b'{"model": "users", "messages": {}}', 422, "messages"),
        (b'{"model": "users", "messages": [{"content": "x"}]}', 422, "role"),
        (b'{"model": "users", "messages": [{"role": "king", "content": "x"}]}', 422, "king"),
        (b'{"model": "users", "messages": [{"role": "user", "content": 3}]}', 422, "content"),
        (b'{"model": "users", "messages": [], "n": 17}', 422, "n: "),
        (b'{"model": "users", "messages": [], "n": 0}', 422, "n: "),
        (b'{"model": "users", "messages": [], "seed": 1' + b"0" * 5000 + b"}", 400, "digits"),
        (b'{"model": "users", "messages": [], "seed": 100000000000000000000}', 422, "seed"),
        (b'{"model": "users", "messages": [], "stream": "yes"}', 422, "stream"),
        (b'{"model": "users", "messages": [], "metadata": {"user": -1}}', 422, "metadata.user"),
        (b'{"model": "users", "messages": [], "metadata": {"session_id": {}}}', 422, "session_id"),
        (b'{"model": "gpt-5", "messages": []}', 404, "users/0"),
        (b'{"model": "users/-1", "messages": []}', 404, "users/0"),
        (b'{"model": "users/1e3", "messages": []}', 404, "users/0"),
        (b'{"model": "users/", "messages": []}', 404, "users/0"),
        ('{"model": "users/\u0663", "messages": []}'.encode(), 404, "users/0"),
        (b'{"model": "users/../../etc/passwd", "messages": []}', 404, "users/0"),
    ],
)
def test_what_cannot_be_read_is_told(url: str, body: bytes, status: int, says: str) -> None:
    answer = ask(url, CHAT, body)
    assert answer.status == status, answer.body
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    assert says in answer.json["error"]["message"]
    assert "why: " in answer.json["error"]["message"]
    assert "Traceback" not in answer.json["error"]["message"]


def test_no_url_is_fetched_and_no_picture_taken(url: str) -> None:
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(0.2)
        link = f"http://127.0.0.1:{trap.getsockname()[1]}/x.png"
        for part in (
            {"type": "image_url", "image_url": {"url": link}},
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
            {"type": "file", "file": {"file_id": link}},
        ):
            body = {"model": "users", "messages": [{"role": "user", "content": [part]}]}
            answer = ask(url, CHAT, body)
            assert answer.status == 422
            assert answer.json["error"]["param"] == "messages[0].content[0].type"
        assert say(url, link).status == 200
        with pytest.raises(TimeoutError):
            trap.accept()


def test_lone_surrogates_do_not_break_anything(url: str) -> None:
    body = b'{"model": "users/1", "messages": [{"role": "user", "content": "a \\ud83d b"}], "user": "\\udc00"}'
    assert ask(url, CHAT, body).status == 200


def test_sizes_are_limited(url: str) -> None:
    message = {"role": "user", "content": "x"}
    assert ask(url, CHAT, {"model": "users", "messages": [message] * 500}).status == 200
    many = ask(url, CHAT, {"model": "users", "messages": [message] * 501})
    assert (many.status, many.json["error"]["param"]) == (422, "messages")
    assert ask(url, CHAT, {"model": "users", "messages": [{"role": "user", "content": "x" * 100_001}]}).status == 422
    hundred_thousand = ask(url, CHAT, {"model": "users", "messages": [message] * 100_000})
    assert (hundred_thousand.status, hundred_thousand.json["error"]["code"]) == (413, "body_too_large")
    padded = json.dumps(HI).encode()
    assert ask(url, CHAT, padded + b" " * ((1 << 20) - len(padded))).status == 200
    assert ask(url, CHAT, padded + b" " * ((1 << 20) - len(padded) + 1)).status == 413
    head = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 4_000_000
    assert b" 200 " not in raw(url, head)


def test_a_body_without_an_end_is_cut_off(url: str) -> None:
    """The kernel may drop what was answered when a connection is cut, so that it ends is what counts."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with connected(url) as sock, pytest.raises(ConnectionError):  # noqa: PT012 - whichever write meets it
        sock.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            sock.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_read(url: str, kind: str) -> None:
    answer = ask(url, CHAT, HI, headers={"Content-Type": kind})
    assert answer.status == 415
    assert "Content-Type: application/json" in answer.json["error"]["message"]


def test_other_paths_and_methods_are_told(url: str) -> None:
    assert "ends in /v1" in ask(url, "/chat/completions", HI).json["error"]["message"]
    assert ask(url, CHAT).status == 405
    assert ask(url, CHAT, b"", method="DELETE").json["error"]["code"] == "no_such_route"
    assert ask(url, "/v1/models/").status == 404
    assert ask(url, "/v1/models/users%2F3").json["id"] == "users/3"
    assert ask(url, "/v1/models/gpt").status == 404


# who takes too long


def test_heads_and_bodies_that_trickle_are_cut_off(people: FittedPopulation, monkeypatch) -> None:
    monkeypatch.setattr(running, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.3)
    whole = json.dumps(HI).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with in_background(build_app(people)) as url:
        started = time.monotonic()
        assert raw(url, b"") == b""
        assert raw(url, b"GET /healthz HTTP/1.1\r\nHost: 127") == b""
        assert b" 408 " in raw(url, head + b"Content-Length: %d\r\n\r\n" % len(whole) + whole[:5])
        # The second request of a connection that was served.
        one = head + b"Content-Length: %d\r\n\r\n" % len(whole) + whole
        with connected(url) as sock:
            assert answers(sock, one)
            sock.sendall(b"POST /v1/ch")
            assert sock.recv(65536) == b""
        assert time.monotonic() - started < 8
        with connected(url) as sock:
            with contextlib.suppress(ConnectionError):
                for byte in b"GET /healthz HTTP/1.1\r\nX-Padding: " + b"x" * 100:
                    sock.sendall(bytes([byte]))
                    time.sleep(0.02)
            assert time.monotonic() - started < 12
        # A connection that is quiet between requests is left alone.
        with connected(url) as sock:
            assert answers(sock, one)
            time.sleep(0.6)
            assert answers(sock, one)


def test_more_at_once_than_there_are_places_are_asked_to_come_again() -> None:
    people = Slow(0.5)
    with in_background(build_app(people, max_concurrency=2)) as url, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(url, CHAT, HI), range(8)))
        assert sorted(answer.status for answer in answers) == [200] * 2 + [429] * 6
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status == 429)
        assert ask(url, CHAT, HI).status == 200


def test_a_client_that_goes_away_cancels_its_request() -> None:
    people = Slow(30.0)
    with in_background(build_app(people, max_concurrency=3)) as url:
        body = json.dumps({**HI, "stream": True}).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in {**JSON, "Host": "127.0.0.1"}.items())
        sent = f"POST {CHAT} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        for abrupt in (False, True, True):
            sock = connected(url)
            sock.sendall(sent)
            assert people.begun.acquire(timeout=10)
            if abrupt:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            started = time.monotonic()
            sock.close()
            assert people.cancelled.acquire(timeout=10)
            assert time.monotonic() - started < 1
        people.seconds = 0.0
        for _ in range(6):  # No place is held by those who left.
            assert ask(url, CHAT, HI).status == 200


def test_what_is_being_answered_when_it_stops_is_answered() -> None:
    people = Slow(0.7)
    with ThreadPoolExecutor(1) as pool:
        with in_background(build_app(people)) as url:
            waiting = pool.submit(ask, url, CHAT, {**HI, "stream": True})
            assert people.begun.acquire(timeout=10)
        answer = waiting.result()
    assert answer.status == 200
    assert answer.events[-1] == "[DONE]"


# one session at once


def test_a_session_asked_many_times_at_once_answers_once(url: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        first = say(url, "hi", "Hello?", "a room", "Where?", user="many")
        again = list(pool.map(lambda _: say(url, "hi", "Hello?", "a room", "Where?", user="many"), range(32)))
    assert all(answer.json["choices"] == first.json["choices"] for answer in again)


class Broken(Slow):
    """Users that fail in their own ways."""

    embedded = False

    def __init__(self, said: Any) -> None:
        super().__init__(0.0)
        self.said = said

    async def reply(self, history: Sequence[Turn]) -> UserTurn:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (UserTurn(""), 502, "empty"),
        (UserTurn("\ud800"), 502, "surrogate"),
        (UserTurn("x" * 30_000), 502, "too_long"),
        (ValueError("the secret of the house"), 500, "internal_error"),
    ],
)
def test_faults_of_the_user_are_told_as_such(said: Any, status: int, code: str, caplog) -> None:
    with in_background(build_app(Broken(said))) as url:
        answer = ask(url, CHAT, HI)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert b"secret of the house" not in answer.body
    assert ("secret of the house" in caplog.text) == (status == 500)


def test_a_client_that_reads_nothing_is_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(server, "READ_SECONDS", 0.3)
    body = json.dumps({**HI, "stream": True, "n": 16}).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    with in_background(build_app(Broken(UserTurn("word " * 3900)))) as url:
        whole = ask(url, CHAT, body)
        assert whole.events[-1] == "[DONE]"
        with connected(url) as sock:
            sock.sendall(head.encode() + b"\r\n" + body)
            time.sleep(1.5)
            got = 0
            with contextlib.suppress(ConnectionError):
                while part := sock.recv(1 << 20):
                    got += len(part)
        assert 0 < got < len(whole.body)


def test_nothing_of_what_was_said_is_logged(url: str, caplog) -> None:
    with caplog.at_level("DEBUG"):
        assert say(url, "my number is 555-0199", "Is it?").status == 200
    assert "555-0199" not in caplog.text
