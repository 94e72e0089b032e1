"""Rollouts on Ray actors: the dialogue is the unit, a journal a worker, merged into that of the run exactly once."""

from __future__ import annotations

import asyncio
import glob
import os
import secrets
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from understudy._require import require
from understudy.conversations import Turn
from understudy.errors import JournalError, SimulatorError, UnderstudyError, UsageError
from understudy.models.model import ModelFault, TerminalFault
from understudy.rollouts.journal import Journal, UnitLog
from understudy.rollouts.loop import Rollout
from understudy.rollouts.simulate import Opener, close_sides, computed_roles, name_of, open_job, origin_of, roll_unit

if TYPE_CHECKING:
    from understudy.rollouts.run import Plan

WORKER_MARK = ".worker-"
_DEATHS_IN_A_ROW = 3
_AHEAD = 2  # dialogues given to a worker for each that it may have under way, so that none waits for the driver
_STARTS_S = 300.0
_CLOSES_S = 10.0


class _Errand(msgspec.Struct, frozen=True):
    """What a worker needs to open the same users and partner, and to keep what they say."""

    users: str
    partner: str
    seed: int
    n: int
    max_turns: int
    reply_timeout_s: float | None
    concurrency: int
    settings: dict[str, Any]
    journal: str
    folder: str
    opener: Opener | None = None


class _Refusal(msgspec.Struct, frozen=True):
    code: str
    what: str
    why: str
    fix: str
    exit_code: int
    stops_run: bool


class _Answer(msgspec.Struct, frozen=True):
    rollout: Rollout | None = None
    refusal: _Refusal | None = None


class Worker:
    """One actor: opens users and partner by name, and rolls out dialogues, several at a time.

    Its journal lies where the run's does if that folder is to be found from its machine, else in a temporary
    folder of its own: then a worker that dies loses the turns of the dialogues under way, and nothing else.
    """

    def __init__(self, errand: bytes) -> None:
        self._errand = todo = msgspec.json.decode(errand, type=_Errand)
        self._refusal: UnderstudyError | None = None
        if Path(todo.folder).is_dir():
            os.chdir(todo.folder)
            sys.path.insert(0, todo.folder)
        file = Path(todo.journal)
        if not os.access(file.parent, os.W_OK):
            file = Path(tempfile.mkdtemp(prefix="understudy-"), file.name)
        try:
            settings = (todo.seed, todo.max_turns, todo.reply_timeout_s, todo.concurrency)
            self._job = open_job(todo.users, todo.partner, settings, todo.opener)
        except UnderstudyError as error:
            self._refusal = error
            return
        self._origin, self._simulator = origin_of(self._job), self._job.users.simulator()
        self._computed = computed_roles(self._simulator, self._job.partner)
        self._places = asyncio.Semaphore(self._job.concurrency)
        self._journal = Journal.create(file, settings=todo.settings, ids=(name_of(todo.seed, k) for k in range(todo.n)))

    async def ready(self) -> bytes:
        """Nothing, or why users or partner could not be opened here."""
        return msgspec.json.encode(_Answer(refusal=None if self._refusal is None else _refused(self._refusal)))

    async def roll(self, unit: int, said: bytes) -> bytes:
        """Roll out one dialogue, going on from the turns `said`."""
        turns = msgspec.json.decode(said, type=tuple[Turn, ...])
        log = UnitLog(self._journal, unit, turns, self._computed)
        async with self._places:
            try:
                rollout = await roll_unit(self._job, self._origin, unit, simulator=self._simulator, log=log)
            except ModelFault as fault:
                return msgspec.json.encode(_Answer(refusal=_refused(fault)))
            await self._journal.finish(unit, rollout)
        return msgspec.json.encode(_Answer(rollout))

    async def close(self) -> None:
        """Let go of the journal."""
        if self._refusal is None:
            await close_sides(self._job)
            self._journal.close()


class _Hand(NamedTuple):
    """The driver's end of a worker."""

    actor: Any
    journal: Path
    under_way: dict[Any, int]


def run_on_ray(plan: Plan, journal: Journal, on_done: Callable[[int], None]) -> None:
    """Roll out what `journal` lacks on `plan.workers` actors, `plan.concurrency` dialogues at a time in all.

    On the cluster that Ray is told to use (`RAY_ADDRESS`), else on one that is started here and ends with the run.
    Users and partner are given by name, as with several processes. A worker that dies is replaced: what it had
    finished is read from its journal, and its other dialogues go on from there. Where a dialogue runs changes
    nothing in it. Raises `SimulatorError` where workers keep dying.
    """
    if not isinstance(plan.users, str) or not isinstance(plan.partner, str):
        raise UsageError(
            "the engine ray with users or a partner given as objects",
            why="objects do not cross to other machines",
            fix="give both by name, as on the command line, or use the engine local",
        )
    ray = require("ray", extra="ray", purpose="the engine ray")
    with _cluster(ray):
        _Driver(ray, plan, journal, on_done).run()


class _Driver:
    def __init__(self, ray: Any, plan: Plan, journal: Journal, on_done: Callable[[int], None]) -> None:
        self._ray, self._plan, self._journal, self._on_done = ray, plan, journal, on_done
        self._waiting = deque(journal.missing())
        self._count = max(1, min(plan.workers, plan.concurrency, len(self._waiting) or 1))
        self._each = -(-plan.concurrency // self._count)
        self._class = ray.remote(Worker).options(
            num_cpus=0, max_concurrency=_AHEAD * self._each + 2, max_restarts=0, scheduling_strategy="SPREAD"
        )
        self._hands: list[_Hand] = []
        self._deaths = 0

    def run(self) -> None:
        try:
            self._hands = [self._hire() for _ in range(self._count if self._waiting else 0)]
            for hand in self._hands:
                self._checked(self._ray.get(hand.actor.ready.remote(), timeout=_STARTS_S))
            while self._waiting or any(hand.under_way for hand in self._hands):
                self._hand_out()
                self._collect()
        finally:
            for hand in self._hands:
                self._dismiss(hand)

    def _hire(self) -> _Hand:
        plan = self._plan
        file = self._journal.path.with_name(f"{self._journal.path.name}{WORKER_MARK}{secrets.token_hex(6)}")
        errand = _Errand(
            str(plan.users), str(plan.partner), plan.seed, plan.n, plan.max_turns, plan.reply_timeout_s, self._each,
            self._journal.settings, str(file.absolute()), str(Path.cwd()), plan.opener,
        )  # fmt: skip
        return _Hand(self._class.remote(msgspec.json.encode(errand)), file, {})

    def _hand_out(self) -> None:
        while self._waiting:
            hand = min(self._hands, key=lambda h: len(h.under_way))
            if len(hand.under_way) >= _AHEAD * self._each:
                return
            unit = self._waiting.popleft()
            said = msgspec.json.encode(self._journal.said(unit))
            hand.under_way[hand.actor.roll.remote(unit, said)] = unit

    def _collect(self) -> None:
        """Whatever is done by now, in one commit; a worker found dead is replaced."""
        references = [reference for hand in self._hands for reference in hand.under_way]
        self._ray.wait(references, num_returns=1)
        ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        done, dead = [], []
        for hand in self._hands:
            for reference in [r for r in ready if r in hand.under_way]:
                try:
                    answer = self._checked(self._ray.get(reference))
                except self._ray.exceptions.RayActorError:
                    dead.append(hand)
                    break
                if answer.rollout is not None:
                    done.append((hand.under_way.pop(reference), answer.rollout))
        self._journal.record(done)
        self._on_done(len(done))
        self._deaths = 0 if done else self._deaths
        for hand in dead:
            self._replace(hand)

    def _replace(self, hand: _Hand) -> None:
        self._deaths += 1
        if self._deaths > _DEATHS_IN_A_ROW:
            raise SimulatorError(
                f"{self._deaths} workers died one after the other",
                why="they were killed, or ran out of memory, or the partner's code crashed the interpreter",
                fix="run again with --engine local --workers 1, which shows what happened",
            )
        self._hands[self._hands.index(hand)] = self._hire()
        before = self._journal.finished
        merge_worker(self._journal, hand.journal)
        self._on_done(self._journal.finished - before)
        missing = set(self._journal.missing())
        self._waiting.extendleft(sorted((u for u in hand.under_way.values() if u in missing), reverse=True))

    def _dismiss(self, hand: _Hand) -> None:
        if not hand.under_way:
            with suppress(self._ray.exceptions.RayError):  # It is killed next; its journal is whole either way.
                self._ray.get(hand.actor.close.remote(), timeout=_CLOSES_S)
        self._ray.kill(hand.actor)
        # Where the process takes its time to die, its journal is merged when the run goes on.
        with suppress(JournalError):
            merge_worker(self._journal, hand.journal)

    def _checked(self, data: bytes) -> _Answer:
        answer = msgspec.json.decode(data, type=_Answer)
        told = answer.refusal
        if told is None:
            return answer
        if not told.stops_run:
            raise SimulatorError(told.what, why=told.why, fix=told.fix)
        fault = TerminalFault(told.code, told.what, why=told.why, fix=told.fix, stops_run=True)
        fault.exit_code = told.exit_code
        raise fault


def merge_worker(journal: Journal, file: Path) -> None:
    """Take over what a worker's journal holds, then remove it. A second time, or none there, does nothing.

    The order makes it exactly once: a kill between the two leaves a file whose rows are all in `journal`.
    """
    if not file.exists():
        return
    with Journal.resume(file, settings=journal.settings, growing=("n",), wait_s=_CLOSES_S) as other:
        journal.merge(other)
        other.remove()


def merge_leftovers(journal: Journal) -> None:
    """Merge the journals of workers whose run was killed."""
    for file in worker_files(journal.path):
        merge_worker(journal, file)


def worker_files(path: Path) -> list[Path]:
    """The journals of workers that lie beside the journal of a run."""
    found = path.parent.glob(f"{glob.escape(path.name)}{WORKER_MARK}*")
    return sorted(file for file in found if not file.name.endswith(("-wal", "-shm", ".lock", ".new")))


def _refused(error: UnderstudyError) -> _Refusal:
    stops = isinstance(error, ModelFault)
    return _Refusal(getattr(error, "code", ""), error.what, error.why, error.fix, error.exit_code, stops)


@contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    """Ray, started here if nobody did. Its own handling of SIGTERM would hide how this process was ended."""
    if ray.is_initialized():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        ray.shutdown()
