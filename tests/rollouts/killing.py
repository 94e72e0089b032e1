"""A run that is killed again and again: the child that runs it, and the parent that kills, starts and counts.

Users and partner wait a few milliseconds for every reply, as a model would, and write down each call before it is
made and each conversation after it is safe. `python -m tests.rollouts.killing FOLDER N CONCURRENCY LATENCY [DIE]`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from understudy.conversations import Turn
from understudy.rollouts.export import export_journal
from understudy.rollouts.partner import PartnerTurn
from understudy.rollouts.run import Plan, complete, journal_beside, open_journal
from understudy.users import Goal, Persona, Profile, UserTurn

TURNS = 4
SEED = 3


class Caller:
    """A model with a latency, whose calls are counted in a file that outlives the process."""

    def __init__(self, calls: Path, latency_s: float) -> None:
        self._file = os.open(calls, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._latency_s = latency_s

    async def call(self, who: str, seed: int, history: Sequence[Turn]) -> str:
        os.write(self._file, f"{who} {seed} {len(history)}\n".encode())
        await asyncio.sleep(self._latency_s * (0.5 + seed % 97 / 97))
        told = "\n".join(turn.text for turn in history)
        return f"{who} {len(history)} {hashlib.blake2b(f'{seed} {told}'.encode()).hexdigest()}"


class _Session:
    def __init__(self, caller: Caller, who: str, seed: int) -> None:
        self._caller, self._who, self._seed = caller, who, seed

    async def reply(self, history: Sequence[Turn]) -> UserTurn | PartnerTurn:
        text = await self._caller.call(self._who, self._seed, history)
        meta = {"heard": len(history), "nested": {"a": [1, None, "ü"]}}
        if self._who == "user":
            return UserTurn(text, intent=f"intent-{len(history)}", state={"at": len(history)}, meta=meta)
        return PartnerTurn(text, ("inform",), meta=meta)


class Waiting:
    """Users, their simulator and the partner in one: each side waits for the same model."""

    def __init__(self, caller: Caller, who: str) -> None:
        self._caller, self._who = caller, who
        self.identity = f"waiting-{who}"

    def start(self, *_: Profile, seed: int, topic: str | None = None) -> _Session:
        return _Session(self._caller, self._who, seed)

    def draw(self, k: int, *, seed: int) -> Profile:
        return Profile(id=f"p{k}", user_id=f"u{k % 50}", persona=Persona(f"u{k % 50}"), goal=Goal(f"topic {k % 7}"))

    def simulator(self) -> Waiting:
        return self


def run_child(folder: Path, n: int, concurrency: int, latency_s: float, die_at: int | None) -> None:
    """Begin the run or go on with it, then export; with `die_at`, be killed in the middle of the export."""
    caller = Caller(folder / "calls", latency_s)
    plan = Plan(Waiting(caller, "user"), Waiting(caller, "partner"), n, SEED, TURNS, concurrency=concurrency)
    out = folder / "out.jsonl"
    journal_file = journal_beside(out)
    done = os.open(folder / "done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with open_journal(plan, plan.job(), journal_file, resume=journal_file.exists()) as journal:
        complete(
            plan, plan.job(), journal, on_progress=lambda stage, at, of: os.write(done, f"{at}\n".encode()) and None
        )
        if die_at is not None:
            whole = journal.rollouts

            def dying():
                for k, rollout in enumerate(whole()):
                    if k == die_at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    yield rollout

            journal.rollouts = dying
        export_journal(journal, out)


class Toll(NamedTuple):
    """What the kills cost."""

    kills: int
    conversations: int
    lost: int
    duplicated: int
    repeated: int
    most_repeated: int
    integrity: str
    digest: str
    seconds: float


def uninterrupted(folder: Path, n: int, concurrency: int, latency_s: float) -> bytes:
    """What a run that nothing stops writes."""
    folder.mkdir(parents=True, exist_ok=True)
    _start(folder, n, concurrency, latency_s).wait(300)
    return (folder / "out.jsonl").read_bytes()


def kill_again_and_again(
    folder: Path, *, n: int, concurrency: int, kills: int, latency_s: float, seed: int
) -> tuple[Toll, bytes]:
    """Kill a run at `kills` moments: random ones, one early, one in the last percent of calls, one in the export."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    total = n * TURNS
    moments = sorted([2, int(total * 0.995), *rng.integers(0, total, kills - 3).tolist()])
    started, before, most, lost = time.perf_counter(), 0, 0, 0
    for at in moments:
        process = _start(folder, n, concurrency, latency_s)
        while len(_lines(folder / "calls")) - _repeated(folder) < at and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.wait()
        most, before = max(most, _repeated(folder) - before), _repeated(folder)
        lost += _announced(folder) > _finished(folder)
    process = _start(folder, n, concurrency, latency_s, die_at=n // 2)
    assert process.wait(300) == -signal.SIGKILL
    assert not (folder / "out.jsonl").exists()
    most, before = max(most, _repeated(folder) - before), _repeated(folder)
    assert _start(folder, n, concurrency, latency_s).wait(300) == 0
    written = (folder / "out.jsonl").read_bytes()
    ids = Counter(line.split(b'"id":"', 1)[1].split(b'"', 1)[0] for line in written.splitlines())
    with closing(sqlite3.connect(journal_beside(folder / "out.jsonl"))) as connection:
        integrity = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    toll = Toll(
        kills=len(moments) + 1,
        conversations=len(ids),
        lost=lost + n - len(ids),
        duplicated=sum(count - 1 for count in ids.values()),
        repeated=_repeated(folder),
        most_repeated=max(most, _repeated(folder) - before),
        integrity=integrity,
        digest=hashlib.blake2b(written, digest_size=8).hexdigest(),
        seconds=round(time.perf_counter() - started, 1),
    )
    return toll, written


def _start(folder: Path, n: int, concurrency: int, latency_s: float, *, die_at: int | None = None) -> subprocess.Popen:
    given = [str(folder), str(n), str(concurrency), str(latency_s), *([str(die_at)] if die_at is not None else [])]
    return subprocess.Popen([sys.executable, "-m", "tests.rollouts.killing", *given], cwd=Path(__file__).parents[2])


def _lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines() if file.exists() else []


def _repeated(folder: Path) -> int:
    calls = _lines(folder / "calls")
    return len(calls) - len(set(calls))


def _announced(folder: Path) -> int:
    return max((int(line) for line in _lines(folder / "done")), default=0)


def _finished(folder: Path) -> int:
    """How many conversations are finished on disk, seen as the next process will see it."""
    file = journal_beside(folder / "out.jsonl")
    if not file.exists():
        return 0
    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute("SELECT count(*) FROM finished").fetchone()[0])


def main() -> None:
    folder, n, concurrency, latency_s, *rest = sys.argv[1:]
    run_child(Path(folder), int(n), int(concurrency), float(latency_s), int(rest[0]) if rest else None)


if __name__ == "__main__":
    main()
