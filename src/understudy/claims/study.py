"""Which study belongs to a claim, and running it."""

from __future__ import annotations

import importlib
import multiprocessing
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from understudy import __version__
from understudy.claims.evidence import Evidence, Named
from understudy.claims.ledger import Entry
from understudy.claims.record import Claim, read_claims
from understudy.claims.verdict import Finding
from understudy.conversations import Conversation, Corpus, CorpusCard
from understudy.errors import CorpusError, MeasureError, MissingExtraError, SimulatorError, UsageError

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


def run_studies(claims: Sequence[Claim], evidence: Evidence, *, workers: int = 1) -> Iterator[Entry]:
    """The verdicts in the order of `claims`, up to `workers` studies at a time, each in a fresh process.

    Not in a forked one: the threads of the table library do not survive a fork, and the first that is waited for
    stands still.
    """
    if workers == 1:
        for place, claim in enumerate(claims):
            evidence.tell(claim.id, place, len(claims))
            yield run_study(claim, evidence)
        return
    packed = msgspec.json.encode([_packed(named) for named in evidence.real])
    fresh = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, fresh, initializer=_open, initargs=(packed, evidence.seed)) as pool:
            running = [pool.submit(_work, claim.id) for claim in claims]
            for place, (claim, study) in enumerate(zip(claims, running, strict=True)):
                evidence.tell(claim.id, place, len(claims))
                yield msgspec.json.decode(study.result(), type=Entry)
    except BrokenProcessPool as error:
        raise MeasureError(
            "a process that ran a study was ended from outside",
            why="most often the memory of the machine was used up",
            fix="run again with --workers 1; verdicts given before are in the ledger",
        ) from error


class _Packed(msgspec.Struct):
    """A `Named` as plain data, to cross to another process."""

    name: str
    card: CorpusCard
    conversations: tuple[Conversation, ...]
    synthetic: tuple[_Packed, ...] = ()


def _packed(named: Named) -> _Packed:
    corpus = named.corpus
    return _Packed(named.name, corpus.card, corpus.conversations, tuple(_packed(one) for one in named.synthetic))


def _unpacked(packed: _Packed) -> Named:
    corpus = Corpus(packed.conversations, packed.card)
    return Named(packed.name, corpus, tuple(_unpacked(one) for one in packed.synthetic))


_HERE: list[Evidence] = []  # of a process that runs studies


def _open(packed: bytes, seed: int) -> None:
    real = msgspec.json.decode(packed, type=tuple[_Packed, ...])
    _HERE[:] = [Evidence(tuple(_unpacked(one) for one in real), seed)]


def _work(claim: str) -> bytes:
    return msgspec.json.encode(run_study(read_claims()[claim], _HERE[0]))


def run_study(claim: Claim, evidence: Evidence) -> Entry:
    """The verdict on `claim`: its study on `evidence`, or untested with the reason.

    What a study cannot work with (`UnderstudyError` of data, measure or simulator) makes the verdict inconclusive and
    is told; a bug is raised.
    """
    started = time.perf_counter()
    if claim.study:
        try:
            found = open_study(claim)(claim, evidence)
        except MissingExtraError as error:
            found = Finding(outcome="untested", why=f"{error.what}: {error.fix}")
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
        data=_digests(evidence) if claim.study else {},
        rows=found.rows,
    )


def _digests(evidence: Evidence) -> dict[str, str]:
    every = [each for people in evidence.real for each in (people, *people.synthetic)]
    return {each.name: each.corpus.digest for each in every}


def _commit() -> str:
    """The commit of the code, where it runs from a checkout; `-dirty` where the code (not a page) differs from it."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return f"{commit}-dirty" if commit and _git("status", "--porcelain", "--", "..") else commit
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _git(*asked: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *asked]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
