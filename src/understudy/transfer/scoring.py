"""Training and scoring of many arms, here or in several processes; where it happens changes no number."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from understudy.errors import MeasureError
from understudy.seeds import derive_seed, stream
from understudy.transfer.matching_arms import Matching, Pool
from understudy.transfer.task import Examples, Floats, Task

HERE_S = 2.0  # of training before processes are started for the rest
BASELINE = "baseline"
IN_DOMAIN = "in_domain"


class Job(NamedTuple):
    """One training: `arm` in a redraw, at `size` (None: all of it), with the whole set of `beside` added to it."""

    arm: str
    redraw: int
    size: int | None = None
    beside: str = ""


class Arms(NamedTuple):
    """Training pools and a test set, made comparable; `training_set` draws from them."""

    task: Task
    test: Examples
    pools: dict[str, Pool]
    matching: Matching
    seed: int

    def training_set(self, arm: str, redraw: int, size: int | None = None) -> Examples:
        """The training set of `arm` in a redraw: whole units in random order; a smaller size is part of a larger."""
        pool = self.pools[arm]
        largest = int(pool.quotas.sum())
        return pool.draw(largest if size is None else min(size, largest), stream(self.seed, "arm", arm, redraw))

    def score(self, training: Examples, *, redraw: int) -> Floats:
        """Train on `training` and score every test example."""
        with one_thread():
            predictor = self.task.fit(training, seed=derive_seed(self.seed, "fit", redraw))
            return self.task.score(predictor, self.test)

    def run(self, job: Job) -> Floats:
        """The scores of one job. The baseline sees the in-domain training set, of which it may use the prior."""
        if job.arm == BASELINE:
            prior = self.training_set(IN_DOMAIN, job.redraw, job.size)
            predictor = self.task.baseline(prior, seed=derive_seed(self.seed, "baseline", job.redraw))
            return self.task.score(predictor, self.test)
        training = self.training_set(job.arm, job.redraw, job.size)
        if job.beside:
            training = training.followed_by(self.training_set(job.beside, job.redraw))
        return self.score(training, redraw=job.redraw)


def score_jobs(arms: Arms, jobs: Sequence[Job], *, workers: int = 1) -> Iterator[Floats]:
    """The scores of every job, in their order."""
    return in_processes(arms.run, jobs, workers=workers)


def in_processes(run: Callable[[Any], Floats], jobs: Sequence[Any], *, workers: int = 1) -> Iterator[Floats]:
    """What `run` gives for every job, a column each, in their order.

    The first seconds of work are done here, and all of it where no more is left: only long runs start processes.
    These need a system that can fork, since examples and learners cannot cross to a fresh process; on others the jobs
    run here. A forked process has none of the threads of the table library: the built-in tasks read no table when they
    train and score, and a task of your own should make its tables in `examples`, or be run with one worker.
    """
    able = workers > 1 and "fork" in multiprocessing.get_all_start_methods()
    ahead, spent = 0, 0.0
    # The first one always: what examples count once is then counted before the workers inherit it.
    while ahead < len(jobs) and (not able or ahead < 1 or spent < HERE_S or len(jobs) - ahead < 2):
        start = time.perf_counter()
        done = run(jobs[ahead])
        spent += time.perf_counter() - start
        ahead += 1
        yield done
    jobs = jobs[ahead:]
    if not jobs:
        return
    _HERE.append(run)
    before = multiprocessing.active_children()
    count, context = min(workers, len(jobs)), multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_end_with, initargs=(os.getpid(),))
    try:
        for trained in [pool.submit(_work, job) for job in jobs]:
            yield np.frombuffer(trained.result(), dtype=np.float64)
    except BaseException as error:
        # Nobody waits for what is still being trained. (Not cancelled: the pool trips over cancelled jobs when it
        # finds its processes gone.)
        for child in multiprocessing.active_children():
            if child not in before:
                child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise MeasureError(
                "a process that trained was ended from outside",
                why="most often the memory of the machine was used up",
                fix="train on fewer examples (size), or in fewer processes",
            ) from error
        raise
    finally:
        pool.shutdown()
        _HERE.clear()


def processors() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# What forked workers inherit.
_HERE: list[Callable[[Any], Floats]] = []


def _end_with(parent: int) -> None:
    """A worker, waiting or at work, ends with its parent however that ended, and by no word of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(job: Any) -> bytes:
    return np.asarray(_HERE[-1](job), dtype=np.float64).tobytes()


@lru_cache(maxsize=1)
def _threads() -> Any:
    import scipy.linalg  # noqa: F401 - brings its own BLAS, which the controller must find
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Vectors of some ten thousand gain nothing from more threads, which wait for each other on a busy machine."""
    limit: AbstractContextManager[object] = _threads().limit(limits=1, user_api="blas")
    return limit
