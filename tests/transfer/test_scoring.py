"""Processes that train end with the one that asked, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from tests.transfer.toy import ToyTask, corpus
from understudy.errors import MeasureError
from understudy.transfer import scoring
from understudy.transfer.arms import prepare_arms
from understudy.transfer.scoring import BASELINE, IN_DOMAIN, Job, score_jobs

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="jobs run in one process where there is no fork"
)
JOBS = [Job(BASELINE, 0), *(Job(IN_DOMAIN, redraw) for redraw in range(5))]


class Slow(ToyTask):
    def fit(self, examples, *, seed):
        time.sleep(60)


class Dies(ToyTask):
    def fit(self, examples, *, seed):
        os._exit(9)


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    """Processes are started after the first job."""
    monkeypatch.setattr(scoring, "HERE_S", 0.0)


def arms(task):
    rng = np.random.default_rng(0)
    return prepare_arms(task, corpus(rng, name="t"), corpus(rng, name="h"), {}, seed=0)


def test_short_runs_start_no_process_and_give_the_same(monkeypatch) -> None:
    made = arms(ToyTask())
    apart = [found.tolist() for found in score_jobs(made, JOBS, workers=2)]
    monkeypatch.setattr(scoring, "HERE_S", 60.0)
    monkeypatch.setattr(scoring, "ProcessPoolExecutor", None)
    assert [found.tolist() for found in score_jobs(made, JOBS, workers=2)] == apart


def test_a_process_that_is_ended_from_outside_is_told() -> None:
    with pytest.raises(MeasureError, match="ended from outside"):
        list(score_jobs(arms(Dies()), JOBS, workers=2))


def test_who_stops_asking_does_not_wait() -> None:
    before = multiprocessing.active_children()
    scores = score_jobs(arms(Slow()), JOBS, workers=2)
    next(scores)

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            next(scores)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert time.monotonic() - start < 20
    assert multiprocessing.active_children() == before


def test_workers_end_when_their_parent_is_killed() -> None:
    code = """
        import multiprocessing
        from tests.transfer.test_scoring import JOBS, Slow, arms, score_jobs, scoring
        scoring.HERE_S = 0.0
        import threading, time

        def tell():
            while len(found := multiprocessing.active_children()) < 2:
                time.sleep(0.05)
            print(*(child.pid for child in found), flush=True)

        threading.Thread(target=tell, daemon=True).start()
        list(score_jobs(arms(Slow()), JOBS, workers=2))
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        time.sleep(0.5)
        parent.kill()
        end = time.monotonic() + 20
        while any(_alive(pid) for pid in workers) and time.monotonic() < end:
            time.sleep(0.1)
        assert not any(_alive(pid) for pid in workers)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # one that nobody has waited for yet has ended all the same
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
