"""Figure: simulated users as a service: how many replies a second, nothing mixed up, nobody let in, nothing leaking.

`python -m bench.serve --data DATA --soak 30` runs the soak alone, for so many minutes, and keeps its result for the
table. `UNDERSTUDY_SCHEMATHESIS` names the executable of schemathesis, which need not be in this environment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.corpora import load, markdown
from bench.serve_load import LONGEST, PARTNER
from tests.web.asking import ask
from understudy.conversations import Turn
from understudy.users.opening import open_users
from understudy.users.population import fit_population
from understudy.web.casting import cast
from understudy.web.openapi import document
from understudy.web.wire import ChatRequest

CORPUS = "multiwoz_real"
TOKEN = "bench"
SEED = 0
SECONDS = 10.0
RUNS = 3
TARGETS = {16: 200, 64: 150}  # streamed replies a second
SLOWEST_MS = 600
SESSIONS = 1000
CASES = 250  # examples of each operation
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE")
SOAK_RATE = 40.0  # replies a second


class Server(NamedTuple):
    """A server in a process of its own."""

    url: str
    pid: int

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def waited_s(self) -> float:
        """How long it could have run and had no core, because others had them."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text("ascii").split()[1]) / 1e9

    @property
    def memory_mb(self) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

    @property
    def files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


def users(data: Path, out: Path) -> Path:
    """The folder of the population that is served."""
    folder = out / "serve-users"
    if not (folder / "population.json").exists():
        fit_population(load(data, CORPUS), seed=SEED).save(folder)
    return folder


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """`understudy serve`, as a user starts it."""
    command = [sys.executable, "-m", "understudy", "serve", str(folder), "--port", "0", "--json", "-q"]
    command += ["--max-concurrency", "2000", "--seed", str(SEED)]
    environment = {**os.environ, "UNDERSTUDY_TOKEN": TOKEN}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"].removesuffix("/v1")
        try:
            yield Server(url, process.pid)
        finally:
            process.terminate()


def client(url: str, *options: object) -> Any:
    """A client in a process of its own; what it found."""
    command = [sys.executable, "-m", "bench.serve_load", url, "--token", TOKEN, *map(str, options)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _speed(server: Server) -> list[list[object]]:
    rows: list[list[object]] = []
    for at_once, target in TARGETS.items():
        runs = []
        for number in range(RUNS):
            busy, cpu, waited = os.getloadavg()[0], server.cpu_s, server.waited_s
            found = client(server.url, "--at-once", at_once, "--seconds", SECONDS, "--prefix", f"run {number} ")
            found |= {"cpu_ms": 1000 * (server.cpu_s - cpu) / found["replies"], "busy": busy}
            found["waited"] = (server.waited_s - waited) / found["seconds"]
            runs.append(found)
        best = max(runs, key=lambda run: float(run["rate"]))
        for run in runs:
            met = run["rate"] >= target and run["p99_ms"] <= SLOWEST_MS
            rows.append(
                [
                    at_once,
                    f"**{run['rate']:.0f}**" if run is best else f"{run['rate']:.0f}",
                    f"{run['p50_ms']:.0f}",
                    f"{run['p99_ms']:.0f}",
                    f"{run['cpu_ms']:.2f}",
                    f"{run['busy']:.1f}",
                    f"{run['waited']:.0%}",
                    f"≥ {target}/s, ≤ {SLOWEST_MS} ms: {'reached' if met else 'missed'}",
                ]
            )
    return rows


def _together(folder: Path, server: Server) -> str:
    """As many conversations at once, each against what the same user says alone in this process."""
    heard: dict[str, list[str]] = client(server.url, "--sessions", SESSIONS)
    people = open_users(folder)
    simulator, size = people.simulator(), people.n_sessions

    async def alone(session: str) -> list[str]:
        who = cast(ChatRequest("users", []), session=session, instruction="", seed=SEED, size=size)
        user = simulator.start(people.draw(who.k, seed=SEED), seed=who.seed)
        history, said = [Turn("assistant", PARTNER[0])], list[str]()
        for turn in range(1, LONGEST + 1):
            reply = await user.reply(tuple(history))
            said.append(reply.text)
            if reply.ending is not None:
                break
            history += [Turn("user", reply.text), Turn("assistant", PARTNER[turn % len(PARTNER)])]
        return said

    async def wrong() -> int:
        return sum([said != await alone(session) for session, said in heard.items()])

    turns = sum(map(len, heard.values()))
    return f"{len(heard):,} at once, {turns:,} replies: {asyncio.run(wrong())} sessions differ from the user alone"


def _locked(server: Server) -> str:
    """Every documented path and some others, by every method, without the token."""
    paths = [path.replace("{model}", "users") for path in document()["paths"] if path != "/healthz"]
    paths += ["/", "/docs", "/v1", "/healthz/", "//healthz", "/v1/embeddings"]
    asked = [(method, path) for path in paths for method in METHODS]
    refused = sum(ask(server.url, path, method=method).status == 401 for method, path in asked)
    return f"{refused} of {len(asked)} requests without the token: 401; /healthz: {ask(server.url, '/healthz').status}"


def _fuzzed(server: Server) -> str:
    tool = os.environ.get("UNDERSTUDY_SCHEMATHESIS") or shutil.which("schemathesis")
    if not tool:
        return "not run: UNDERSTUDY_SCHEMATHESIS names no executable"
    return fuzz(tool, server.url, TOKEN, CASES)


def fuzz(tool: str, url: str, token: str, examples: int) -> str:
    """All checks of schemathesis against the served document; its own summary."""
    command = [tool, "run", f"{url}/openapi.json", "-H", f"Authorization: Bearer {token}", "--checks", "all"]
    command += ["--max-examples", str(examples), "--seed", "1", "--no-color"]
    with tempfile.TemporaryDirectory() as folder:  # It leaves notes where it runs.
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    cases = re.search(r"Test cases:\s+(.+)", ran.stdout)
    return f"{cases[1] if cases else ran.stdout[-300:]} (exit {ran.returncode})"


def soak(data: Path, out: Path, minutes: float) -> dict[str, Any]:
    """A modest load for so many minutes, with clients that go away among it. Memory is compared after the caches
    (2,048 sessions, 4,096 profiles) have been filled, because what they may hold is no leak."""
    with served(users(data, out)) as server:
        at_start = server.memory_mb
        filled = client(server.url, "--fill", 3000)
        begin = [server.memory_mb, server.files]
        command = [sys.executable, "-m", "bench.serve_load", server.url, "--token", TOKEN, "--at-once", "4"]
        command += ["--seconds", str(60 * minutes), "--rate", str(SOAK_RATE), "--leave", "5"]
        curve = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            started = time.monotonic()
            while process.poll() is None:
                time.sleep(5)
                curve.append([round(time.monotonic() - started), round(server.memory_mb, 1), server.files])
            assert process.stdout is not None
            load = json.loads(process.stdout.read())
        time.sleep(2)
        result = {
            "minutes": minutes, "filled": filled, "load": load, "curve": curve,
            "at_start_mb": at_start, "begin_mb": begin[0], "end_mb": server.memory_mb,
            "most_mb": max(point[1] for point in curve), "begin_files": begin[1], "end_files": server.files,
        }  # fmt: skip
    (out / "serve_soak.json").write_text(json.dumps(result))
    return result


def _soaked(out: Path) -> str:
    file = out / "serve_soak.json"
    if not file.exists():
        return "not run: python -m bench.serve --data DATA --soak 30"
    found = json.loads(file.read_text())
    growth = found["end_mb"] / found["begin_mb"] - 1
    memory = f"{found['begin_mb']:.0f} → {found['end_mb']:.0f} MB ({growth:+.1%}; most {found['most_mb']:.0f}"
    return (
        f"{found['minutes']:g} minutes, {found['load']['replies']:,} replies, {found['load']['left']:,} clients that"
        f" left unanswered: {memory}; {found['at_start_mb']:.0f} before the caches were full),"
        f" {found['begin_files']} → {found['end_files']} files"
    )


def run(data: Path, out: Path) -> str:
    """Speed, separation, the token, the document, and the soak if there was one."""
    folder = users(data, out)
    with served(folder) as server:
        rows = _speed(server)
        told = [
            ["sessions", _together(folder, server)],
            ["token", _locked(server)],
            ["schemathesis", _fuzzed(server)],
            ["soak", _soaked(out)],
        ]
    head = [
        "at once",
        "streamed replies/s",
        "p50, ms",
        "p99, ms",
        "server CPU, ms a reply",
        "load before",
        "no core",
        "target",
    ]
    return (
        f"Users fitted to `{CORPUS}`, conversations of up to {LONGEST} replies, the client in another process on the"
        f" same {os.cpu_count()} cores, both at nice {os.getpriority(os.PRIO_PROCESS, 0)}, {SECONDS:.0f} s a run."
        " `load before`: the load average of the machine when a run began, by other work; `no core`: how long the"
        f" server could have run and had none. Best of {RUNS} in bold.\n\n{markdown(head, rows)}\n\n"
        f"{markdown(['', ''], told)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    parser.add_argument("--soak", type=float, default=30.0, metavar="MINUTES")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    soak(given.data, given.out, given.soak)
    print(_soaked(given.out))


if __name__ == "__main__":
    main()
