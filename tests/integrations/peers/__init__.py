"""Environments for the peers, which do not all go into one, and the tests run in each of them."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[3]
HOME = ROOT / ".venv-peers"
GROUPS = tuple(sorted(file.stem for file in Path(__file__).parent.glob("*.txt")))
TESTS = "tests/integrations/test_peers.py"
_TOOLS = ("pytest>=8.3", "pytest-timeout>=2.3", "hypothesis>=6.120")


class Result(NamedTuple):
    """What became of one test in one environment."""

    group: str
    test: str
    outcome: str  # passed or failed; skipped where the peer is not installed
    seconds: float
    told: dict[str, str]


def environment(group: str, home: Path = HOME) -> Path:
    """The Python of the environment of `group`, made anew where its requirements or ours have changed."""
    requirements = Path(__file__).with_name(f"{group}.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = [*project["dependencies"], *project["optional-dependencies"]["web"], *_TOOLS]
    state = hashlib.sha256(requirements.read_bytes() + "\n".join(ours).encode()).hexdigest()
    folder, python = home / group, home / group / "bin" / "python"
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text() == state:
        return python
    print(f"{group}: installing {requirements.relative_to(ROOT)} into {folder.relative_to(ROOT)}", file=sys.stderr)
    _run(sys.executable, "-m", "venv", "--clear", folder)
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    # pip takes torch where the machine's settings say; the resolver of uv is the one that ends with the others.
    torch = [line for line in requirements.read_text().splitlines() if line.startswith("torch")]
    _run(*pip, "uv", *torch)
    _run(
        python, "-m", "uv", "pip", "install", "--quiet", "--python", python, "-e", ".[web]", "-r", requirements, *_TOOLS
    )
    stamp.write_text(state)
    return python


def run_tests(group: str, home: Path = HOME) -> list[Result]:
    """The tests of the peers of `group`, run in its environment; what else is there by chance is not told."""
    python = environment(group, home)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["-q", "-m", "slow", "-p", "pytest_timeout", f"--junitxml={report}"]
        # Peers warn, and leave sockets open: none of our business here. Nor are the plugins that they bring.
        options += ["-W", "default", "-p", "no:unraisableexception", "-p", "no:threadexception"]
        quiet = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run([python, "-m", "pytest", *options, TESTS], cwd=ROOT, env=quiet, check=False)
        if not report.exists():
            raise SystemExit(f"{group}: pytest ended with {done.returncode} and no report")
        results = [_result(group, case) for case in ElementTree.parse(report).iter("testcase")]
    own = re.findall(r"^[\w-]+", Path(__file__).with_name(f"{group}.txt").read_text(), re.M)
    return [result for result in results if result.outcome == "failed" or result.told.get("peer") in own]


def _result(group: str, case: Any) -> Result:
    kinds = {child.tag for child in case}
    outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
    told = {one.get("name"): one.get("value") for one in case.iter("property")}
    return Result(group, case.get("name"), outcome, float(case.get("time", 0)), told)


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)
