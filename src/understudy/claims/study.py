"""Which study belongs to a claim, and running it."""

from __future__ import annotations

import importlib
import platform
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from understudy import __version__
from understudy.claims.evidence import Evidence
from understudy.claims.ledger import Entry
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding
from understudy.errors import CorpusError, MeasureError, SimulatorError, UsageError

Study = Callable[[Claim, Evidence], Finding]


def open_study(claim: Claim) -> Study:
    """The function that `claim.study` names, `file.function` under `claims.studies`."""
    file, _, function = claim.study.rpartition(".")
    try:
        study: Study = getattr(importlib.import_module(f"understudy.claims.studies.{file}"), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"the claim {claim.id} names a study that is not there: {claim.study!r}",
            why=str(error),
            fix="name one as file.function of claims/studies/",
        ) from error
    return study


def run_study(claim: Claim, evidence: Evidence) -> Entry:
    """The verdict on `claim`: its study on `evidence`, or untested with the reason.

    What a study cannot work with (`UnderstudyError` of data, measure or simulator) makes the verdict inconclusive and
    is told; a bug is raised.
    """
    started = time.perf_counter()
    if claim.study:
        try:
            found = open_study(claim)(claim, evidence)
        except (CorpusError, MeasureError, SimulatorError) as error:
            found = Finding(outcome="inconclusive", why=f"{error.what}: {error.why}")
    else:
        found = Finding(outcome="untested", why=claim.untested)
    return Entry(
        claim=claim.id,
        outcome=found.outcome,
        why=found.why,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        version=__version__,
        backend=f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        seed=evidence.seed,
        seconds=round(time.perf_counter() - started, 1),
        data=_digests(evidence) if found.rows else {},
        rows=found.rows,
    )


def _digests(evidence: Evidence) -> dict[str, str]:
    every = [each for people in evidence.real for each in (people, *people.synthetic)]
    return {each.name: each.corpus.digest for each in every}


def _commit() -> str:
    """The commit of the code, where it runs from a checkout; `-dirty` where files differ from it."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip()
