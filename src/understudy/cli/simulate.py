"""`understudy simulate`: let simulated users talk to a partner."""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import models as using
from understudy.cli import options
from understudy.cli.destinations import file_for
from understudy.cli.models import Limits, Models
from understudy.cli.output import Output
from understudy.errors import CorpusError, IncompleteError, JournalError, SimulatorError, UsageError
from understudy.rollouts.engines import Engine

if TYPE_CHECKING:
    from pathlib import Path

    from understudy.cli.output import OnProgress
    from understudy.conversations import Conversation
    from understudy.rollouts.loop import Rollout
    from understudy.rollouts.run import Plan
    from understudy.rollouts.simulate import Job

Users = Annotated[
    str,
    typer.Argument(
        metavar="USERS",
        help="A folder made by fit; prompted:PLAN.toml; or structured:GOALS (the negative control).",
    ),
]
Partner = Annotated[
    str,
    typer.Option(
        "--partner",
        metavar="PARTNER",
        help="fitted:REAL, openai:MODEL[@URL], hf:NAME or module:function, a function from the turns so far to a reply "
        "(docs/python.md); behind it an arm such as +bad or +slow.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="URI", help="Speaks for prompted users: openai:MODEL[@URL], hf:NAME, scripted:FILE."
    ),
]
Belief = Annotated[
    str | None,
    typer.Option(
        "--partner-belief",
        metavar="BELIEF",
        help="What users take their partner for (usual, human, ai or new; human+new, ai+new: of one who has met none "
        "before), and a view of it from then on (docs/partner-model.md).  [default: none]",
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
    model: Model = None,
    partner_prompt: using.PartnerPrompt = None,
    partner_belief: Belief = None,
    max_turns: MaxTurns = 60,
    workers: Workers = None,
    concurrency: Concurrency = 16,
    reply_timeout: Timeout = None,
    resume: Resume = False,
    retry_failed: using.RetryFailed = False,
    engine: EngineName = "local",
    price_in: using.PriceIn = None,
    price_out: using.PriceOut = None,
    partner_price_in: using.PartnerPriceIn = None,
    partner_price_out: using.PartnerPriceOut = None,
    max_usd: using.MaxUsd = None,
    max_tokens: using.MaxTokens = None,
    max_calls: using.MaxCalls = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Let simulated users talk to a partner.

    The partner is the system under test, or a stand-in fitted to real partners. Until the file is written, every
    turn is kept in FILE.journal beside it; a run that was stopped goes on with --resume, and may then have a larger -n.

    \b
    understudy simulate users/ --partner fitted:real.jsonl -n 500 --out syn.jsonl
    understudy simulate users/ --partner mybot:reply -n 500 --out syn.jsonl
    understudy simulate prompted:PLAN.toml --model openai:MODEL --partner openai:OTHER@URL --out syn.jsonl
    """
    from understudy.rollouts.run import Plan
    from understudy.users.opening import with_belief

    output = Output(json=json, quiet=quiet)
    users = with_belief(users, partner_belief)
    file = file_for(out)
    limits = Limits(max_usd, max_tokens, max_calls)
    speaks = model is not None or using.is_model(partner)
    _check(speaks, limits, engine, workers, resume=resume, retry_failed=retry_failed)
    models = Models(concurrency=concurrency, seed=seed, limits=limits)
    answers = using.base_of(partner) if using.is_model(partner) else None
    models.price(answers, partner_price_in, partner_price_out)
    models.price(model or answers, price_in, price_out)
    processes = workers or (max(1, min(cores(), n // WORTH_A_PROCESS)) if is_embedded(users, partner) else 1)
    tally = Tally(n)
    start = time.perf_counter()
    with output.progress() as on_progress:
        on_progress("open", 0, 0)
        # Opened here in any case, so that a wrong name is told at once; processes open by name, each its own.
        people, system = using.open_sides(users, partner, seed=seed, model=model, prompt=partner_prompt, models=models)
        plan = here = Plan(people, system, n, seed, max_turns, reply_timeout, concurrency)
        if engine == "ray":
            plan = _opened_elsewhere(plan, model=model, prompt=partner_prompt)
        if processes > 1 or engine == "ray":
            plan = plan._replace(users=users, partner=partner)
        plan = plan._replace(workers=processes, engine=engine)
        run_to_file(
            plan, here.job(), file, tally, output, resume_line(context),
            resume=resume, retry_failed=retry_failed, on_progress=told_with(models, on_progress), models=models,
        )  # fmt: skip
    spent = None if engine == "ray" else models.spent
    _tell(output, file, tally, spent, time.perf_counter() - start, resume_line(context))


def _opened_elsewhere(plan: Plan, *, model: str | None, prompt: str | None) -> Plan:
    """The plan for workers on other machines, which open both sides by name."""
    from understudy.rollouts.simulate import Opener

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Nothing is sent to anybody unasked.
    given = {"model": model, "prompt": prompt, "concurrency": plan.concurrency}
    return plan._replace(opener=Opener("understudy.cli.models:open_by_name", given))


def _tell(
    output: Output, file: Path, tally: Tally, spent: Mapping[str, Any] | None, seconds: float, again: str
) -> None:
    payload = {"file": str(file), **tally.payload(), "spent": spent, "seconds": round(seconds, 3)}

    def show(o: Output) -> None:
        o.line(f"{tally.accepted:,} conversations, {tally.turns:,} turns in {seconds:.1f} s -> {file}")
        o.table(["ended by", "share"], [[name, f"{share:.0%}"] for name, share in payload["endings"].items()])
        if spent is not None:
            o.line("spent: {calls:,} calls, {tokens:,} tokens, US dollars: {usd}".format(**spent))
        o.note(f"next: understudy audit {file} --real REAL --out report/", "dim")

    for line in tally.complaints(again):
        output.warn(line)
    output.result(payload, show)


def _check(
    speaks: bool, limits: Limits, engine: Engine, workers: int | None, *, resume: bool, retry_failed: bool
) -> None:
    """Refuse what cannot be meant, before anything is opened."""
    if retry_failed and not resume:
        raise UsageError("--retry-failed without --resume", why="a new run has nothing that broke", fix="add --resume")
    if limits.any and not speaks:
        raise UsageError(
            "a budget for a run without a language model",
            why="nothing in it costs anything",
            fix="leave --max-usd, --max-tokens and --max-calls out",
        )
    if speaks and engine == "ray" and limits.any:
        raise UsageError(
            "--engine ray with a budget",
            why="it is held in one process, and the workers of Ray are many",
            fix="use --engine local, which keeps hundreds of conversations waiting at once",
        )
    if speaks and engine == "local" and (workers or 1) > 1:
        raise UsageError(
            f"--workers {workers} with a language model",
            why="the conversations only wait for it, and one process keeps its budget and its rate limit",
            fix="leave --workers out and raise --concurrency",
        )


def told_with(models: Models, on_progress: OnProgress) -> OnProgress:
    """`on_progress` that also says what the models are doing and what they have cost."""

    def update(stage: str, done: int, total: int) -> None:
        parts = models.status()
        on_progress(f"{stage} ({', '.join(parts)})" if parts else stage, done, total)

    return update


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
    retry_failed: bool = False,
    models: Models | None = None,
) -> None:
    """Run what the journal beside `file` lacks, write `file`, and remove the journal if all came through.

    Whatever stops it, `again`, the line that goes on with it, is told.
    """
    from understudy.conversations.writing import write_corpus
    from understudy.rollouts.run import complete, is_bare, journal_beside, open_journal
    from understudy.rollouts.spending import keep_spend

    with open_journal(plan, job, journal_beside(file), resume=resume) as journal:
        for note in journal.notes:
            output.warn(note)
        if models is not None and models.opened:
            keep_spend(journal, models.budget)
        if retry_failed:
            journal.forget_failed()
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
    given = [word for word in context.find_root().obj or () if word not in ("--resume", "--retry-failed")]
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

    def complaints(self, again: str) -> list[str]:
        """One line for each kind of fault, and the command line that tries those conversations again."""
        lines = [
            f"{count:,} of {self.planned:,} conversations broke ({name}) and were left out: {self._reasons[name]}"
            for name, count in self._faults.most_common(FAULTS_SHOWN)
        ]
        return [*lines, f"try them again with: {again} --retry-failed"] if lines else []


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
