"""A simulation as a run: journalled turn by turn, stopped at any moment, gone on with, and written once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from understudy.conversations import Turn
from understudy.errors import IncompleteError, UsageError
from understudy.models.model import ModelFault
from understudy.rollouts.engines import Engine
from understudy.rollouts.engines.ray import merge_leftovers, run_on_ray, worker_files
from understudy.rollouts.journal import Journal, UnitLog
from understudy.rollouts.loop import MAX_TURNS, Rollout
from understudy.rollouts.partner import Partner
from understudy.rollouts.simulate import (
    CONCURRENCY,
    Job,
    OnProgress,
    Opener,
    check_limits,
    close_sides,
    computed_roles,
    event_loop,
    name_of,
    open_job,
    origin_of,
    roll_unit,
)
from understudy.users.opening import SimulatedUsers

# Rollouts that other processes made are committed together: a chunk of them is lost with its process anyway, and
# costs only computing time.
_RECORDED_TOGETHER = 64
_COLLECT_AFTER = (50_000, 50, 100)


class Plan(NamedTuple):
    """A simulation to run. What decides the result is in `settings_of`; the rest is how it is carried out."""

    users: SimulatedUsers | str
    partner: Partner | str
    n: int
    seed: int
    max_turns: int = MAX_TURNS
    reply_timeout_s: float | None = None
    concurrency: int = CONCURRENCY
    workers: int = 1
    engine: Engine = "local"
    opener: Opener | None = None

    def job(self) -> Job:
        """Users and partner, opened."""
        return open_job(
            self.users, self.partner, (self.seed, self.max_turns, self.reply_timeout_s, self.concurrency), self.opener
        )


def journal_beside(out: Path) -> Path:
    """Where the journal of a run that writes to `out` lies.

    >>> journal_beside(Path("syn.jsonl")).name
    'syn.jsonl.journal'
    """
    return out.with_name(out.name + ".journal")


def settings_of(plan: Plan, job: Job) -> dict[str, Any]:
    """What decides the result of a run. Concurrency, workers, engine and limits of time are free to change."""
    return {**origin_of(job), "n": plan.n, "max_turns": plan.max_turns}


def open_journal(plan: Plan, job: Job, path: Path, *, resume: bool) -> Journal:
    """The journal of the run `plan` at `path`: a new one, or with `resume` the one that was begun.

    `n` may be larger than the run was begun with: conversation k does not depend on it. Never smaller.
    Without `resume` a journal that is finished, or has nothing in it, is replaced; any other is never thrown away.
    Raises `UsageError` and `JournalError`.
    """
    check_limits(
        n=plan.n,
        max_turns=plan.max_turns,
        workers=plan.workers,
        concurrency=plan.concurrency,
        reply_timeout_s=plan.reply_timeout_s,
    )
    settings = settings_of(plan, job)
    if resume:
        journal = Journal.resume(path, settings=settings, growing=("n",))
        if plan.n > journal.planned:
            journal.grow((name_of(plan.seed, k) for k in range(plan.n)), settings=settings)
        return journal
    if path.exists():
        old = Journal.resume(path)
        with closing(old):
            merge_leftovers(old)
            done, planned, bare = old.finished, old.planned, is_bare(old)
        if done < planned and not bare:
            raise UsageError(
                f"{path} holds a run that is not finished ({done:,} of {planned:,} conversations)",
                why="beginning afresh would throw away what it has done",
                fix=f"add --resume to go on with it, or remove {path}",
            )
        old.remove()
    return Journal.create(path, settings=settings, ids=(name_of(plan.seed, k) for k in range(plan.n)))


def is_bare(journal: Journal) -> bool:
    """Whether nothing was said yet: then there is nothing to go on with."""
    return not (journal.finished or journal.begun() or worker_files(journal.path))


def complete(plan: Plan, job: Job, journal: Journal, *, on_progress: OnProgress | None = None) -> None:
    """Run what the journal does not have yet. Every turn and every finished conversation is on disk as it comes.

    On one process (`workers=1`) a conversation that was broken off goes on where it stood. With several processes,
    and where both sides only compute, conversations are kept as they finish. Raises `IncompleteError` where a
    model's fault stops the run: what is done stays, and the run can go on. Its exit code is the fault's where that
    is a budget, else 3.
    """
    merge_leftovers(journal)
    missing = journal.missing()
    progress = _Progress(journal, on_progress)
    try:
        if plan.engine == "ray":
            run_on_ray(plan, journal, progress.add)
        elif plan.workers > 1 and len(missing) > 1:
            _in_processes(plan, journal, missing, progress.add)
        elif missing:
            begun = {unit: journal.said(unit) for unit in journal.begun()}
            with event_loop() as run:
                run(lambda: roll_missing(job, journal, missing, begun, progress.add))
    except ModelFault as error:
        journal.settle()
        raise incomplete(journal, error) from error
    finally:
        journal.settle()


def incomplete(journal: Journal, error: ModelFault) -> IncompleteError:
    """The error of a run that a model's fault stopped."""
    raised = IncompleteError(
        f"{error.what} ({journal.finished:,} of {journal.planned:,} conversations are done and kept)",
        why=error.why,
        fix=error.fix,
    )
    if error.exit_code != ModelFault.exit_code:
        raised.exit_code = error.exit_code
    return raised


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cyclic garbage more rarely, then as before: with hundreds of conversations under way, nearly nothing is
    garbage, and looking takes a sixth of the time."""
    before = gc.get_threshold()
    if before[0]:  # 0: somebody has turned it off.
        gc.set_threshold(*(max(pair) for pair in zip(before, _COLLECT_AFTER, strict=True)))
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def roll_missing(
    job: Job,
    journal: Journal,
    missing: Iterable[int],
    begun: Mapping[int, tuple[Turn, ...]],
    on_done: Callable[[int], None],
) -> None:
    """Roll out the units `missing`, `job.concurrency` at a time, each going on from its turns in `begun`.

    Where both sides only compute (`embedded`), a conversation is kept when it is finished and nobody waits for the
    disk: what a kill takes is computed again, to the same result, and no call was paid for.
    """
    origin, simulator, waiting = origin_of(job), job.users.simulator(), iter(missing)
    computed = computed_roles(simulator, job.partner)

    async def work() -> None:
        for unit in waiting:
            if len(computed) == 2:
                journal.finish_soon(unit, await roll_unit(job, origin, unit, simulator=simulator))
                on_done(1)
                await asyncio.sleep(0)  # Nothing else lets the others, or Ctrl-C, have their turn.
                continue
            log = UnitLog(journal, unit, begun.get(unit, ()), computed)
            rollout = await roll_unit(job, origin, unit, simulator=simulator, log=log)
            await journal.finish(unit, rollout)
            on_done(1)

    try:
        with rare_collections():
            async with asyncio.TaskGroup() as group:
                for _ in range(job.concurrency):
                    group.create_task(work())
    except BaseExceptionGroup as failures:
        raise _first(failures) from failures
    finally:
        await close_sides(job)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _in_processes(plan: Plan, journal: Journal, missing: Sequence[int], on_done: Callable[[int], None]) -> None:
    from understudy.rollouts.processes import stream_from_processes

    settings = (plan.seed, plan.max_turns, plan.reply_timeout_s, plan.concurrency)
    workers = min(plan.workers, len(missing))
    held: list[tuple[int, Rollout]] = []
    try:
        stream = stream_from_processes(plan.users, plan.partner, settings, ks=missing, workers=workers)
        for unit, rollout in zip(missing, stream, strict=True):
            held.append((unit, rollout))
            if len(held) == _RECORDED_TOGETHER:
                journal.record(held)
                on_done(len(held))
                held = []
    finally:
        journal.record(held)
        on_done(len(held))


class _Progress:
    def __init__(self, journal: Journal, on_progress: OnProgress | None) -> None:
        self._tell = on_progress or (lambda stage, done, total: None)
        self._done, self._planned = journal.finished, journal.planned
        self.add(0)

    def add(self, count: int) -> None:
        self._done += count
        self._tell("simulate", self._done, self._planned)
