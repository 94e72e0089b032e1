"""Every way of stopping ends in its own code, with a message in a few lines."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.running import run
from understudy.cli import app, plan
from understudy.cli.exits import Exit
from understudy.errors import GateError, IncompleteError, UsageError

FAILURES = [
    (UsageError("bad", why="because", fix="do this"), Exit.USAGE, "do this"),
    (IncompleteError("stopped", why="because", fix="understudy simulate --resume"), Exit.INCOMPLETE, "--resume"),
    (GateError("not met", why="because", fix="lower it"), Exit.GATE, "lower it"),
    (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted"),
    (MemoryError(), Exit.USAGE, "fewer conversations"),
    (OSError(errno.ENOSPC, "No space left on device", "syn.jsonl"), Exit.USAGE, "free some space"),
    (OSError(errno.EACCES, "Permission denied", "syn.jsonl"), Exit.USAGE, "permissions"),
    (KeyError("x"), Exit.BUG, "--debug"),
    (RecursionError("deep"), Exit.BUG, "doctor --json"),
]


@pytest.mark.parametrize(("error", "code", "fix"), FAILURES, ids=lambda value: type(value).__name__)
def test_a_failure_becomes_a_code_and_a_message(monkeypatch, capsys, error, code, fix) -> None:
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(plan, "_effects", fail)
    ran = run(capsys, "plan")
    assert ran.code == code
    assert ran.out == ""
    assert fix in ran.err
    assert ran.err.count("\n") <= 8
    assert "Traceback" not in ran.err


def test_debug_shows_the_traceback(monkeypatch, capsys) -> None:
    monkeypatch.setattr(plan, "_effects", lambda *a, **k: 1 / 0)
    ran = run(capsys, "plan", "--debug")
    assert ran.code == Exit.BUG
    assert "Traceback" in ran.err
    assert "ZeroDivisionError" in ran.err


def test_text_from_outside_cannot_drive_the_terminal(monkeypatch, capsys) -> None:
    ran = run(capsys, "plan", "no\x1b[2J\u202efile.jsonl")
    assert ran.code == Exit.USAGE
    assert "\x1b[2J" not in ran.err
    assert "\u202e" not in ran.err


def test_no_arguments_and_version(capsys) -> None:
    assert run(capsys).code == Exit.OK
    assert re.fullmatch(r"understudy \d+\.\d+\.\d+\n", run(capsys, "--version").out)


def _start(*arguments: str, code: str = "", **options) -> subprocess.Popen:
    text = f"import sys\nfrom understudy.cli import app, plan\n{code}\nsys.exit(app.main({list(arguments)!r}))"
    return subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


WAIT = """
import time
def slow(*a, **k):
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)
plan._effects = slow
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)])
def test_signals_end_cleanly(number, code) -> None:
    process = _start("plan", code=WAIT)
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert err.startswith("stopped")
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize("arguments", [("plan",), ("plan", "--json"), ("--help",)])
def test_a_reader_that_leaves_is_no_error(arguments) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "understudy", *arguments], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    _, err = process.communicate(timeout=20)
    assert process.returncode == Exit.OK
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", [("plan",), ("plan", "--json")])
def test_a_full_disk_behind_stdout_is_told(arguments) -> None:
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "understudy", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert process.returncode == Exit.USAGE
    assert "No space left" in process.stderr
    assert "Traceback" not in process.stderr


def test_output_that_cannot_show_a_script_replaces_it() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-m", "understudy", "plan", "电影.jsonl"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == Exit.USAGE
    assert "Traceback" not in done.stderr


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys) -> None:
    ran = run(capsys, "plan")
    assert "conversations a side" in ran.out
    assert "power 0.8" in ran.err
    assert run(capsys, "plan", "--quiet").err == ""
    start = time.perf_counter()
    assert run(capsys, "plan", "--json", "--quiet").out.startswith("{")
    assert time.perf_counter() - start < 5


def test_the_entry_point_is_main() -> None:
    from understudy import cli

    assert callable(cli.main)
    assert app.app.info.name == "understudy"
