"""`understudy serve` as a process: it starts, answers, and ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.web.asking import ask, say
from understudy.cli.exits import Exit
from understudy.users.population import FittedPopulation


@pytest.fixture(scope="module")
def users(people: FittedPopulation, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "users"
    people.save(folder)
    return folder


@contextmanager
def served(users: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
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
