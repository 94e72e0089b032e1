"""Rollouts in several processes. JSON bytes cross between them; users and partner are opened once in each."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path

import msgspec

from understudy.errors import SimulatorError, UnderstudyError, UsageError
from understudy.rollouts.loop import Rollout
from understudy.rollouts.partner import Partner
from understudy.rollouts.partners import is_population, split_arms
from understudy.rollouts.simulate import Job, open_job, run_units
from understudy.users.opening import SimulatedUsers

Settings = tuple[int, int, float | None, int]
LARGEST_CHUNK = 64
CHUNKS_AHEAD = 4


class _Answer(msgspec.Struct, frozen=True):
    """A chunk of rollouts, or what a worker could not open."""

    rollouts: tuple[Rollout, ...] = ()
    refusal: tuple[str, str, str] | None = None


# The job of this worker process, set once by `_open`: a worker serves one simulation and then ends.
_HERE: list[Job | UnderstudyError] = []


def stream_from_processes(
    users: SimulatedUsers | str, partner: Partner | str, settings: Settings, *, ks: Sequence[int], workers: int
) -> Iterator[Rollout]:
    """The same rollouts in the same order as `run_units`, computed by `workers` processes.

    Names are opened by freshly spawned workers. Objects cannot cross a process boundary without pickle, so workers
    inherit them by fork; where the system has no fork, they must be given by name.
    """
    with ExitStack() as stack:
        by_name = isinstance(users, str) and isinstance(partner, str)
        if by_name:
            partner = _fitted_once(str(partner), stack)
        elif "fork" not in multiprocessing.get_all_start_methods():
            raise UsageError(
                f"workers={workers} with users or a partner given as objects",
                why="this system cannot fork, and objects do not cross to a fresh process",
                fix="give both by name (as on the command line), or use workers=1",
            )
        pool = ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn" if by_name else "fork"),
            initializer=_open,
            initargs=(users, partner, settings),
        )
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        yield from _in_order(pool, ks, workers)


def _in_order(pool: ProcessPoolExecutor, ks: Sequence[int], workers: int) -> Iterator[Rollout]:
    size = max(1, min(LARGEST_CHUNK, len(ks) // (workers * 8)))
    chunks = iter([list(ks[start : start + size]) for start in range(0, len(ks), size)])
    ahead: deque[Future[bytes]] = deque()
    decoder = msgspec.json.Decoder(_Answer)
    try:
        while True:
            while len(ahead) < workers * CHUNKS_AHEAD and (chunk := next(chunks, None)) is not None:
                ahead.append(pool.submit(_work, chunk))
            if not ahead:
                return
            answer = decoder.decode(ahead.popleft().result())
            if answer.refusal is not None:
                what, why, fix = answer.refusal
                raise SimulatorError(what, why=why, fix=fix)
            yield from answer.rollouts
    except BrokenProcessPool as error:
        raise SimulatorError(
            "a worker process of the simulation died",
            why="it was killed, or ran out of memory, or the partner's code crashed the interpreter",
            fix="run again with workers=1, which shows what happened",
        ) from error


def _fitted_once(partner: str, stack: ExitStack) -> str:
    """A partner `fitted:CORPUS` as one that every worker only loads: fitted here, kept until the end."""
    base, arms = split_arms(partner)
    scheme, _, path = base.partition(":")
    if scheme != "fitted" or not path or is_population(path):
        return partner
    from understudy.conversations.reading import read_corpus
    from understudy.users.population import fit_population

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="understudy-")), "partner")
    fit_population(read_corpus(path).corpus, copy_guard="guarded", seed=0).save(folder)
    return "+".join([f"fitted:{folder}", *arms])


def _open(users: SimulatedUsers | str, partner: Partner | str, settings: Settings) -> None:
    try:
        _HERE[:] = [open_job(users, partner, settings)]
    except UnderstudyError as error:  # An initializer that raises only breaks the pool: the first answer tells it.
        _HERE[:] = [error]


def _work(ks: list[int]) -> bytes:
    job = _HERE[0]
    if isinstance(job, UnderstudyError):
        return msgspec.json.encode(_Answer(refusal=(job.what, job.why, job.fix)))
    return msgspec.json.encode(_Answer(tuple(run_units(job, ks))))
