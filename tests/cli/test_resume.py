"""Stopping `simulate` in every way, and going on with the line that it prints."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.running import run

PARTNER = """
import asyncio, pathlib

async def reply(history):
    await asyncio.sleep(0.01)
    with pathlib.Path("calls").open("a") as calls:
        calls.write("|".join(turn.text for turn in history) + "\\n")
    return f"answer {len(history)}"

async def moody(history):
    if len(history) > 1 and "v3" in history[0].text and not pathlib.Path("mended").exists():
        raise ValueError("not today")
    return await reply(history)

async def picky(history):
    if history[-1].text.endswith("v3"):
        raise ValueError("not that one")
    return "ok"
"""
GOALS = [f'{{"topic": "t{k}", "entities": [["a{k}", "v{k}"], ["b{k}", "w{k}"], ["c{k}", "x{k}"]]}}' for k in range(200)]
COMMAND = "simulate structured:goals.jsonl --partner slowbot:reply -n 200 --concurrency 4 --out"


@pytest.fixture
def room(tmp_path, monkeypatch) -> Path:
    (tmp_path / "slowbot.py").write_text(PARTNER)
    (tmp_path / "goals.jsonl").write_text("\n".join(GOALS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "understudy", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_calls(room: Path, count: int) -> None:
    for _ in range(2000):
        if (room / "calls").exists() and (room / "calls").read_text().count("\n") >= count:
            return
        time.sleep(0.01)
    raise AssertionError("the run did not get going")


def test_stopped_by_signals_it_goes_on_with_the_line_it_prints_to_the_same_bytes(room, capsys) -> None:
    command = [*COMMAND.split(), "out.jsonl"]
    for number, code, calls in ((signal.SIGINT, 130, 60), (signal.SIGTERM, 143, 200), (signal.SIGKILL, -9, 300)):
        process = start(*command)
        wait_for_calls(room, calls)
        process.send_signal(number)
        begin = time.perf_counter()
        _, err = process.communicate(timeout=20)
        assert process.returncode == code, err
        assert time.perf_counter() - begin < 5
        assert not (room / "out.jsonl").exists()
        if code > 0:
            line = re.search(r"of 200 conversations are done and kept; go on with: (.*)", err)[1]
            assert shlex.split(line) == ["understudy", *COMMAND.split(), "out.jsonl", "--resume"]
            command = shlex.split(line)[1:]
    assert run(capsys, *command).code == 0
    needed, under_way = 200 * 3, 4
    assert needed <= (room / "calls").read_text().count("\n") <= needed + 3 * under_way
    assert not list(room.glob("out.jsonl.*"))
    assert run(capsys, *COMMAND.split(), "whole.jsonl").code == 0
    assert (room / "out.jsonl").read_bytes() == (room / "whole.jsonl").read_bytes()


def test_a_run_that_is_not_finished_is_not_thrown_away(room, capsys) -> None:
    process = start(*COMMAND.split(), "out.jsonl")
    wait_for_calls(room, 50)
    process.kill()
    process.communicate()
    ran = run(capsys, *COMMAND.split(), "out.jsonl")
    assert ran.code == 2
    assert "add --resume" in ran.err
    ran = run(capsys, *COMMAND.split(), "out.jsonl", "--resume", "--seed", "9", "--max-turns", "3")
    assert ran.code == 2
    assert "seed: 0 before, 9 now" in ran.err
    assert "max_turns: 60 before, 3 now" in ran.err
    ran = run(capsys, *COMMAND.split(), "out.jsonl", "--resume", "--concurrency", "30", "--reply-timeout", "9")
    assert ran.code == 0, ran.err


def test_resume_never_begins_afresh(room, capsys) -> None:
    ran = run(capsys, *COMMAND.split(), "out.jsonl", "--resume")
    assert ran.code == 2
    assert "there is no journal" in ran.err


def test_two_of_one_run_are_refused_with_the_process_named(room, capsys) -> None:
    process = start(*COMMAND.split(), "out.jsonl")
    wait_for_calls(room, 50)
    ran = run(capsys, *COMMAND.split(), "out.jsonl", "--resume")
    process.kill()
    process.communicate()
    assert ran.code == 2
    assert f"in use by process {process.pid}" in ran.err


def test_broken_conversations_stay_in_the_journal(room, capsys) -> None:
    command = [*COMMAND.replace("reply", "picky").split(), "out.jsonl"]
    first = run(capsys, *command)
    assert first.code == 0
    assert "broke (partner: raised)" in first.err
    assert (room / "out.jsonl.journal").exists()
    before = (room / "out.jsonl").read_bytes()
    assert run(capsys, *command, "--resume").code == 0
    assert (room / "out.jsonl").read_bytes() == before
    assert run(capsys, *command).code == 0
    assert (room / "out.jsonl").read_bytes() == before


def test_what_broke_is_tried_again_on_request_only_and_goes_on_where_it_broke(room, capsys) -> None:
    command = [*COMMAND.replace("reply", "moody").split(), "out.jsonl"]
    first = run(capsys, *command)
    assert first.code == 0
    again = shlex.split(re.search(r"try them again with: (.*)", first.err)[1])[1:]
    assert again == [*command, "--resume", "--retry-failed"]
    (room / "mended").touch()
    assert run(capsys, *command, "--resume").code == 0
    assert len((room / "out.jsonl").read_text().splitlines()) < 200
    calls = (room / "calls").read_text().splitlines()
    assert run(capsys, *again).code == 0
    more = (room / "calls").read_text().splitlines()[len(calls) :]
    assert more
    assert all("v3" in line for line in more), "nothing else is asked again"
    assert not list(room.glob("out.jsonl.*"))
    assert run(capsys, *command[:-1], "whole.jsonl").code == 0
    assert (room / "out.jsonl").read_bytes() == (room / "whole.jsonl").read_bytes()


def test_a_run_may_grow_while_it_is_not_finished_and_never_shrinks(room, capsys) -> None:
    command = [*COMMAND.replace("-n 200", "-n 60").split(), "out.jsonl"]
    process = start(*command)
    wait_for_calls(room, 50)
    process.kill()
    process.communicate()
    ran = run(capsys, *[word.replace("60", "50") for word in command], "--resume")
    assert ran.code == 2
    assert "n: 60 before, 50 now" in ran.err
    assert run(capsys, *COMMAND.split(), "out.jsonl", "--resume").code == 0
    assert run(capsys, *COMMAND.split(), "whole.jsonl").code == 0
    assert (room / "out.jsonl").read_bytes() == (room / "whole.jsonl").read_bytes()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(room, capsys) -> None:
    room.chmod(0o500)
    assert run(capsys, *COMMAND.split(), "out.jsonl").code == 2
