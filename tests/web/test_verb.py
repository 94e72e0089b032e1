"""`understudy serve` as a process: it starts, answers, and ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.running import run
from tests.cli.test_simulate_models import PLAN, SAID
from tests.stub_server import StubProcess
from tests.web.asking import ask, say
from understudy.cli.exits import Exit
from understudy.users.population import FittedPopulation


@pytest.fixture(scope="module")
def users(people: FittedPopulation, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "users"
    people.save(folder)
    return folder


@contextmanager
def served(users: Path | str, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "understudy", "serve", str(users), "--port", "0", "--json", "-q", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)["url"].removesuffix("/v1")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_it_serves_until_it_is_told_to_stop(users: Path, people: FittedPopulation, url: str) -> None:
    secret = "sesame-9c1e"
    with served(users, "--seed", "7", "--stop-token", "END", UNDERSTUDY_TOKEN=secret) as (process, served_url):
        assert ask(served_url, "/healthz").json == {"status": "ok"}
        assert say(served_url).status == 401
        bearer = {"Authorization": f"Bearer {secret}"}
        assert (
            say(served_url, model="users/3", headers=bearer).json["choices"]
            == say(url, model="users/3").json["choices"]
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == Exit.TERMINATED
        said = process.stderr.read()
        assert secret not in said
        assert "Traceback" not in said


def test_users_for_whom_a_model_speaks_are_served_within_their_budget(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    with StubProcess(answer=SAID, latency_s=0.7) as stub, ThreadPoolExecutor(1) as pool:
        options = ("--model", f"openai:stub@{stub.url}", "--max-calls", "4")
        with served(f"prompted:{tmp_path / 'plan.toml'}", *options) as (process, served_url):
            opened = [say(served_url, model=f"users/{k}", metadata={"session_id": "a"}) for k in (0, 1)]
            assert [answer.text for answer in opened] == ["Any westerns on tonight?"] * 2
            # One that goes away takes its call with it.
            connection = socket.create_connection(("127.0.0.1", urlsplit(served_url).port))
            connection.sendall(request(served_url, {"model": "users", "messages": []}))
            until(lambda: stub.counters()["in_flight"] == 1)
            connection.close()
            until(lambda: stub.counters()["in_flight"] == 0)
            assert stub.counters()["answered"] == 2
            # What is being answered at a signal is answered, and nothing beyond the budget.
            waiting = pool.submit(say, served_url, stream=True)
            until(lambda: stub.counters()["in_flight"] == 1)
            refused = say(served_url)
            assert refused.status == 502
            assert "calls" in refused.json["error"]["message"]
            process.send_signal(signal.SIGTERM)
            assert waiting.result(15).events[-1] == "[DONE]"
            assert process.wait(15) == Exit.TERMINATED


def until(done: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def request(url: str, body: dict[str, object]) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], ("without a token", "UNDERSTUDY_TOKEN")),
        (["--host", "no.such.host.invalid", "--token", "x"], ("is no address", "--host")),
        (["--token", "ä"], ("characters", "ASCII")),
        (["--port", "70000"], ("--port",)),
        (["--model", "openai:gpt"], ("leave --model out",)),
    ],
)
def test_mistakes_name_their_remedy(users: Path, capsys, options: list[str], says: tuple[str, ...]) -> None:
    ran = run(capsys, "serve", users, *options)
    assert ran.code == Exit.USAGE
    assert all(words in ran.err for words in says), ran.err


def test_a_port_that_is_taken_is_told(users: Path, url: str, capsys) -> None:
    ran = run(capsys, "serve", users, "--port", url.rpartition(":")[2])
    assert ran.code == Exit.USAGE
    assert "another program has the port" in ran.err
