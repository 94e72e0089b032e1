"""`import understudy` is light and leaves no trace."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

PROBE = """
import sys, os, json, logging
opened, read = [], []
def watch(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        opened.append(str(args[0]))
    elif event in ("socket.connect", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename", "os.putenv"):
        opened.append(event)
sys.addaudithook(watch)
class Env(type(os.environ)):
    def __getitem__(self, key):
        caller = sys._getframe(1)
        while "os.py" in caller.f_code.co_filename or "_collections_abc" in caller.f_code.co_filename:
            caller = caller.f_back
        if "understudy" in caller.f_code.co_filename:
            read.append(key)
        return super().__getitem__(key)
os.environ.__class__ = Env
before, handlers = dict(os.environ), list(logging.root.handlers)
read.clear()
import {module}
names = "numpy polars scipy sklearn matplotlib jinja2 aiohttp torch rich typer".split()
heavy = [m for m in names if m in sys.modules]
print(json.dumps({{"opened": opened, "read": read, "heavy": heavy, "env": dict(os.environ) == before,
                   "logging": logging.root.handlers == handlers, "files": sorted(os.listdir("."))}}))
"""


def _probe(module: str, folder: Path) -> dict:
    (folder / ".env").write_text("OPENAI_API_KEY=decoy\nUNDERSTUDY_SEED=9\n", "utf-8")
    command = [sys.executable, "-B", "-c", PROBE.format(module=module)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _fastest(command: list[str], folder: Path, times: int = 4) -> float:
    """Seconds of processor time, the best of a few: what the command costs, however busy the machine is."""
    best = float("inf")
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, capture_output=True, check=True, env={**os.environ, "COLUMNS": "80"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def test_import_has_no_side_effects(tmp_path: Path) -> None:
    seen = _probe("understudy", tmp_path)
    assert seen == {"opened": [], "read": [], "heavy": [], "env": True, "logging": True, "files": [".env"]}


def test_importing_the_command_line_loads_nothing_heavy(tmp_path: Path) -> None:
    seen = _probe("understudy.cli.app", tmp_path)
    assert set(seen["heavy"]) <= {"rich", "typer"}
    assert seen["opened"] == []
    assert seen["files"] == [".env"]


def test_import_takes_half_a_second_at_most(tmp_path: Path) -> None:
    assert _fastest([sys.executable, "-c", "import understudy"], tmp_path) <= 0.5


def test_help_takes_half_a_second_at_most(tmp_path: Path) -> None:
    assert _fastest([sys.executable, "-m", "understudy", "--help"], tmp_path) <= 0.5


def test_public_names_resolve() -> None:
    import understudy

    for name in understudy.__all__:
        assert getattr(understudy, name) is not None
    assert set(understudy.__all__) <= set(dir(understudy))
