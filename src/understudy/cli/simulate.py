"""`understudy simulate`: let simulated users talk to a partner."""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import options
from understudy.cli.destinations import file_for
from understudy.cli.output import Output
from understudy.errors import CorpusError, IncompleteError, JournalError, SimulatorError
from understudy.rollouts.engines import Engine

if TYPE_CHECKING:
    from pathlib import Path

    from understudy.cli.output import OnProgress
    from understudy.conversations import Conversation
    from understudy.rollouts.loop import Rollout
    from understudy.rollouts.run import Plan
    from understudy.rollouts.simulate import Job

Users = Annotated[
    str, typer.Argument(metavar="USERS", help="A folder made by fit, or structured:GOALS (the negative control).")
]
Partner = Annotated[
    str,
    typer.Option(
        "--partner", metavar="PARTNER", help="fitted:REAL or module:function; behind it an arm such as +bad or +slow."
    ),
]
Count = Annotated[int, typer.Option("-n", "--conversations", min=1, metavar="N", help="How many conversations.")]
Out = Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="Where they go: .jsonl[.gz|.zst] or .parquet.")]
MaxTurns = Annotated[
    int, typer.Option("--max-turns", min=1, metavar="N", help="Turns of both sides after which it is ended.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, metavar="N", help="Processes; changes no result  [default: by -n and the cores]"),
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, metavar="N", help="Conversations at a time, for partners that wait.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped, from its journal.")]
Timeout = Annotated[
    float | None,
    typer.Option("--reply-timeout", metavar="S", help="Seconds a reply may take, else it is a fault."),
]
EngineName = Annotated[
    Engine, typer.Option("--engine", help="Where conversations run; changes no result. ray: the extra `ray`.")
]
WORTH_A_PROCESS = 1000  # conversations; below, starting processes costs more than they save
FAULTS_SHOWN = 3


def simulate(
    context: typer.Context,
    users: Users,
    partner: Partner,
    out: Out,
    n: Count = 500,
    max_turns: MaxTurns = 60,
    workers: Workers = None,
    concurrency: Concurrency = 16,
    reply_timeout: Timeout = None,
    resume: Resume = False,
    engine: EngineName = "local",
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Let simulated users talk to a partner.

    The partner is the system under test, or a stand-in fitted to real partners. Until the file is written, every
    turn is kept in FILE.journal beside it; a run that was stopped goes on with --resume.

    \b
    understudy simulate users/ --partner fitted:real.jsonl -n 500 --out syn.jsonl
    understudy simulate users/ --partner mybot:reply -n 500 --out syn.jsonl
    """
    from understudy.rollouts.partners import open_partner
    from understudy.rollouts.run import Plan
    from understudy.users.opening import open_users

    output = Output(json=json, quiet=quiet)
    file = file_for(out)
    processes = workers or (max(1, min(cores(), n // WORTH_A_PROCESS)) if is_embedded(users, partner) else 1)
    tally = Tally(n)
    start = time.perf_counter()
    with output.progress() as on_progress:
        on_progress("open", 0, 0)
        # Opened here in any case, so that a wrong name is told at once; processes open by name, each its own.
        here = Plan(open_users(users), open_partner(partner), n, seed, max_turns, reply_timeout, concurrency)
        by_name = processes > 1 or engine == "ray"
        if engine == "ray":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Nothing is sent to anybody unasked.
        plan = here._replace(users=users, partner=partner) if by_name else here
        plan = plan._replace(workers=processes, engine=engine)
        again = resume_line(context)
        run_to_file(plan, here.job(), file, tally, output, again, resume=resume, on_progress=on_progress)
    payload = {"file": str(file), **tally.payload(), "seconds": round(time.perf_counter() - start, 3)}

    def show(o: Output) -> None:
        seconds = payload["seconds"]
        o.line(f"{tally.accepted:,} conversations, {tally.turns:,} turns in {seconds:.1f} s -> {file}")
        o.table(["ended by", "share"], [[name, f"{share:.0%}"] for name, share in payload["endings"].items()])
        o.note(f"next: understudy audit {file} --real REAL --out report/", "dim")

    for line in tally.complaints():
        output.warn(line)
    output.result(payload, show)


def run_to_file(
    plan: Plan,
    job: Job,
    file: Path,
    tally: Tally,
    output: Output,
    again: str,
    *,
    resume: bool,
    on_progress: OnProgress,
) -> None:
    """Run what the journal beside `file` lacks, write `file`, and remove the journal if all came through.

    Whatever stops it, `again`, the line that goes on with it, is told.
    """
    from understudy.conversations.writing import write_corpus
    from understudy.rollouts.run import complete, is_bare, journal_beside, open_journal

    with open_journal(plan, job, journal_beside(file), resume=resume) as journal:
        for note in journal.notes:
            output.warn(note)
        try:
            complete(plan, job, journal, on_progress=on_progress)
            write_corpus(file, tally.count(journal.rollouts()))
        except SimulatorError:
            if journal.finished == journal.planned:
                journal.remove()  # None came through: there is nothing to go on with.
            raise
        except IncompleteError as error:
            error.fix = f"{error.fix}; then {again}"
            raise
        except (CorpusError, JournalError) as error:
            raise IncompleteError(error.what, why=error.why, fix=f"{error.fix}; then {again}") from error
        except BaseException:
            if is_bare(journal):
                journal.remove()
            else:
                done = f"{journal.finished:,} of {journal.planned:,} conversations are done and kept"
                output.warn(f"{done}; go on with: {again}")
            raise
        if tally.accepted == plan.n:
            journal.remove()


def resume_line(context: typer.Context) -> str:
    """The command line that goes on with this run."""
    given = [word for word in context.find_root().obj or () if word != "--resume"]
    return shlex.join(["understudy", *given, "--resume"])


def is_embedded(users: str, partner: str) -> bool:
    """Whether both sides only compute: then a lost reply costs nothing but time, and processes pay."""
    return partner.startswith("fitted:") and not users.startswith("prompted:")


class Tally:
    """What became of the planned rollouts, counted while they stream to the file."""

    def __init__(self, planned: int) -> None:
        self.planned = planned
        self.accepted = 0
        self.turns = 0
        self._endings: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}

    def count(self, rollouts: Iterable[Rollout]) -> Iterator[Conversation]:
        """Pass on the conversations that came through; raise at the end if none did, so that no file is left."""
        for rollout in rollouts:
            fault, talk = rollout.fault, rollout.conversation
            if fault is not None:
                self._faults[f"{fault.by}: {fault.kind}"] += 1
                self._reasons.setdefault(f"{fault.by}: {fault.kind}", fault.message)
                continue
            self.accepted += 1
            self.turns += len(talk.turns)
            self._endings[f"{talk.ending.by}: {talk.ending.reason}" if talk.ending else "no ending"] += 1
            yield talk
        if not self.accepted:
            name, reason = next(iter(self._reasons.items()))
            raise SimulatorError(
                f"no conversation came through: {self.planned:,} of {self.planned:,} broke ({name})",
                why=reason,
                fix="mend the partner (or users) and run again; -n 1 is enough to try",
            )

    def payload(self) -> dict[str, Any]:
        """Every planned rollout accounted for."""
        shares = {name: round(count / self.accepted, 4) for name, count in self._endings.most_common()}
        failed = dict(self._faults.most_common())
        return {"planned": self.planned, "accepted": self.accepted, "failed": failed, "endings": shares}

    def complaints(self) -> list[str]:
        """One line for each kind of fault."""
        return [
            f"{count:,} of {self.planned:,} conversations broke ({name}) and were left out: {self._reasons[name]}"
            for name, count in self._faults.most_common(FAULTS_SHOWN)
        ]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
