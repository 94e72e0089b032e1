"""`understudy generate`: conversations by a layered plan, every planned scenario accounted for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from understudy.cli import models as using
from understudy.cli import options
from understudy.cli.destinations import file_for
from understudy.cli.generated import Teller, cells, plain, scenario_lines, talk_lines, tell
from understudy.cli.models import Limits, Models
from understudy.cli.output import Output
from understudy.errors import IncompleteError, SimulatorError, UsageError

if TYPE_CHECKING:
    from understudy.cli.generating import Run, Speakers
    from understudy.cli.prompting import Opened
    from understudy.conversations import Corpus
    from understudy.scenarios.cost import Estimate
    from understudy.scenarios.generation import Generated
    from understudy.scenarios.plan import Plan, PricePlan
    from understudy.scenarios.preparation import Prepared
    from understudy.scenarios.subtopics import Subtopics

PlanFile = Annotated[str, typer.Argument(metavar="PLAN.toml", help="What to generate; see docs/plan.md.")]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FILE", help="Where they go: .jsonl[.gz|.zst] or .parquet.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="URI", help="openai:MODEL[@URL], hf:NAME, scripted:FILE; embedded: needs no model."
    ),
]
Real = Annotated[
    str | None, typer.Option("--real", metavar="REAL", help="Reference conversations, instead of the plan's.")
]
Partner = Annotated[
    str | None,
    typer.Option(
        "--partner", metavar="PARTNER", help="Who answers a prompted user, a second model too  [default: the model]"
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Counts, tokens and cost; nothing is sent or written.")]
Preview = Annotated[
    int, typer.Option("--preview", min=0, metavar="N", help="Make only N conversations, print them, write nothing.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run that was begun for --out.")]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, metavar="N", help="Conversations at a time; changes no result.")
]


class Request(NamedTuple):
    """What the command line asked for, checked."""

    plan: Plan
    reference: Corpus | None
    test: Corpus | None
    model: str
    partner: str | None
    partner_prompt: str | None
    price: PricePlan
    partner_price: PricePlan
    limits: Limits
    concurrency: int
    seed: int
    preview: int

    @property
    def embedded(self) -> bool:
        return self.model == "embedded:"

    def models(self) -> Models:
        """What opens the models of this run."""
        models = Models(concurrency=self.concurrency, seed=self.seed, limits=self.limits)
        models.price(self.model, self.price.input, self.price.output)
        base = None if self.partner is None else using.base_of(self.partner)
        models.price(base, self.partner_price.input, self.partner_price.output)
        return models


def generate(
    context: typer.Context,
    plan: PlanFile,
    out: Out = None,
    model: Model = "embedded:",
    real: Real = None,
    partner: Partner = None,
    partner_prompt: using.PartnerPrompt = None,
    dry_run: DryRun = False,
    preview: Preview = 0,
    resume: Resume = False,
    retry_failed: using.RetryFailed = False,
    price_in: using.PriceIn = None,
    price_out: using.PriceOut = None,
    partner_price_in: using.PartnerPriceIn = None,
    partner_price_out: using.PartnerPriceOut = None,
    max_usd: using.MaxUsd = None,
    max_tokens: using.MaxTokens = None,
    max_calls: using.MaxCalls = None,
    concurrency: Concurrency = 16,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Generate conversations by a layered plan: topics x personas x contexts.

    Beside FILE goes FILE.account.json: what became of every planned scenario, how well it came out as asked, and
    how the rates compare with real users'. With --model embedded: speakers fitted to real conversations play both
    sides; no language model and no network takes part.

    \b
    understudy generate PLAN.toml --dry-run
    understudy generate PLAN.toml --real real.jsonl --out syn.jsonl
    understudy generate PLAN.toml --model openai:MODEL@URL --out syn.jsonl
    """
    from understudy.scenarios.plan import PricePlan

    output = Output(json=json, quiet=quiet)
    file = None if out is None else file_for(out)
    if file is None and not (dry_run or preview):
        raise UsageError(
            "--out is missing",
            why="the conversations have to go somewhere",
            fix="give --out syn.jsonl, or look first with --dry-run or --preview 3",
        )
    declared, reference, test = _read(plan, real, output)
    price = PricePlan(
        input=declared.price.input if price_in is None else price_in,
        output=declared.price.output if price_out is None else price_out,
    )
    partner_price = PricePlan(input=partner_price_in, output=partner_price_out)
    limits = Limits(max_usd, max_tokens, max_calls)
    asked = Request(
        declared, reference, test, model, partner, partner_prompt, price, partner_price, limits, concurrency, seed,
        preview,
    )  # fmt: skip
    _check(asked, resume, retry_failed)
    if dry_run:
        _tell_dry_run(asked, output)
    elif preview:
        _tell_preview(asked, output)
    elif file is not None:
        _run(asked, file, context, output, resume=resume, retry_failed=retry_failed)


def _read(plan: str, real: str | None, output: Output) -> tuple[Plan, Corpus | None, Corpus | None]:
    from understudy.cli.corpora import load_corpus
    from understudy.scenarios.plan import load_plan

    declared = load_plan(plan)
    path = real or declared.reference
    reference = load_corpus(path, user_role=None, origin="real", output=output) if path else None
    test = load_corpus(declared.test, user_role=None, origin="real", output=output) if declared.test else None
    return declared, reference, test


def _check(asked: Request, resume: bool, retry_failed: bool) -> None:
    if asked.embedded and asked.reference is None:
        raise UsageError(
            "--model embedded: without real conversations",
            why="its speakers are fitted to them",
            fix='give --real REAL, or reference = "real.jsonl" in the plan; or name a --model',
        )
    if asked.embedded and asked.partner is not None:
        raise UsageError(
            "--partner with --model embedded:",
            why="fitted speakers play both sides there",
            fix="leave --partner out, or use `understudy simulate` for another partner",
        )
    if asked.partner_prompt is not None and (asked.partner is None or not using.is_model(asked.partner)):
        raise UsageError(
            "--partner-prompt without a model as --partner",
            why="only a language model is told anything",
            fix="give --partner openai:MODEL[@URL], hf:NAME or scripted:FILE too",
        )
    if retry_failed and not resume:
        raise UsageError("--retry-failed without --resume", why="a new run has nothing that broke", fix="add --resume")
    if resume and asked.preview:
        raise UsageError("--resume with --preview", why="a preview is not kept", fix="leave one of them out")


def _prepare(asked: Request, named: Mapping[str, Subtopics] | None) -> Prepared:
    from understudy.scenarios.preparation import prepare

    return prepare(
        asked.plan,
        reference=asked.reference,
        test=asked.test,
        named=named,
        exemplars=not asked.embedded and asked.plan.writing.mode == "whole",
        seed=asked.seed,
    )


def _estimate(asked: Request, prepared: Prepared) -> Estimate:
    from understudy.scenarios.cost import estimate

    return estimate(prepared, model=not asked.embedded, both_sides=asked.partner is None, price=asked.price)


def _tell_dry_run(asked: Request, output: Output) -> None:
    from understudy.scenarios.preparation import placeholders

    prepared = _prepare(asked, None if asked.embedded else placeholders(asked.plan))
    cost, coverage = _estimate(asked, prepared), prepared.coverage
    payload = {
        "planned": asked.plan.n,
        "topics": len({s.topic for s in prepared.layers.strata}),
        "subtopics": len(prepared.layers.strata),
        "cells": {"one_way": coverage.one_way, "two_way": coverage.two_way, "missing": coverage.missing},
        "expected": {"calls": cost.calls, "input_tokens": cost.input, "output_tokens": cost.output, "usd": cost.usd},
        "at_most": {
            "calls": cost.worst_calls,
            "input_tokens": cost.worst_input,
            "output_tokens": cost.worst_output,
            "usd": cost.worst_usd,
        },
        "cost": cost.cost,
        "notes": list(prepared.notes),
        "scenarios": [plain(s) for s in prepared.scenarios[: asked.preview]],
    }

    def show(o: Output) -> None:
        o.line(f"{asked.plan.n:,} scenarios; nothing was sent.")
        rows = [
            ["subtopics", f"{payload['subtopics']} in {payload['topics']} topics"],
            ["cells reached", cells(prepared)],
            ["calls", f"{cost.calls:,}, at most {cost.worst_calls:,}"],
            ["tokens read", f"{cost.input:,}, at most {cost.worst_input:,}"],
            ["tokens written", f"{cost.output:,}, at most {cost.worst_output:,}"],
            ["cost", cost.cost],
        ]
        o.table(["", ""], rows, right=2)
        for scenario in prepared.scenarios[: asked.preview]:
            o.line()
            for line in scenario_lines(scenario):
                o.line(line)

    for note in prepared.notes:
        output.warn(note)
    output.result(payload, show)


def _speakers(asked: Request, prepared: Prepared, opened: Opened) -> Speakers:
    from understudy.cli.generating import Embedded, Whole

    if opened.writer is None:
        return Embedded(prepared)
    if asked.plan.writing.mode == "whole":
        return Whole(opened.writer, prepared)
    from understudy.cli.prompting import prompted_speakers

    return prompted_speakers(opened, opened.writer, prepared)


def _carry_out(
    asked: Request, run: Run, opened: Opened
) -> tuple[Prepared, Generated, dict[str, Subtopics], dict[str, Any]]:
    from understudy.cli.generating import provenance_of
    from understudy.scenarios.generation import generate as carry_out

    named = run.subtopics(opened.writer, seed=asked.seed) if opened.writer is not None else {}
    prepared = _prepare(asked, named if opened.writer is not None else None)
    speakers = _speakers(asked, prepared, opened)
    provenance = provenance_of(speakers, asked.plan, seed=asked.seed)
    made = carry_out(prepared, lambda tasks: run.play(speakers, tasks, provenance))
    return prepared, made, named, provenance


def _run(
    asked: Request, file: Path, context: typer.Context, output: Output, *, resume: bool, retry_failed: bool
) -> None:
    from understudy.cli.generating import Run, journal_for, origin_of
    from understudy.cli.prompting import open_models
    from understudy.cli.simulate import resume_line
    from understudy.conversations.writing import write_corpus
    from understudy.models.model import ModelFault
    from understudy.rollouts.spending import keep_spend
    from understudy.scenarios.sidecar import sidecar, sidecar_beside, write_account

    start = time.perf_counter()
    attempts = max(asked.plan.realisation.attempts, asked.plan.calibration.candidates)
    opened = open_models(asked.models(), asked.model, asked.partner, asked.partner_prompt, seed=asked.seed)
    label = f"{asked.plan.writing.mode}:{opened.label}" if opened.writer else asked.model
    settings = origin_of(asked.plan, label, seed=asked.seed, reference=asked.reference, test=asked.test)
    again = resume_line(context)
    with (
        output.progress() as on_progress,
        journal_for(file, asked.plan, settings, attempts=attempts, resume=resume) as journal,
        asyncio.Runner() as runner,
    ):
        for note in journal.notes:
            output.warn(note)
        keep_spend(journal, opened.models.budget)
        if retry_failed:
            journal.forget_failed()
        run = Run(
            journal, asked.plan, runner, attempts=attempts, concurrency=asked.concurrency,
            on_attempt=Teller(on_progress, opened.models).progress,
        )  # fmt: skip
        try:
            prepared, made, named, provenance = _carry_out(asked, run, opened)
        except ModelFault as error:
            stopped = IncompleteError(error.what, why=error.why, fix=f"{error.fix}; then {again}")
            stopped.exit_code = IncompleteError.exit_code if error.exit_code == 2 else error.exit_code
            raise stopped from error
        except (KeyboardInterrupt, SystemExit):
            output.warn(f"{journal.finished:,} attempts are kept; go on with: {again}")
            raise
        finally:
            runner.run(opened.close())
        account = sidecar(prepared, made, provenance=provenance, named=named)
        if made.conversations:
            write_corpus(file, made.conversations)
        write_account(sidecar_beside(file), account)
        broke = _broke(made)
        if broke and made.conversations:
            output.warn(f"{broke:,} scenarios broke; try them again with: {again} --retry-failed")
        else:
            journal.remove()
    if not made.conversations:
        raise SimulatorError(
            f"none of {asked.plan.n:,} scenarios came through; {file} was not written",
            why=f"the first: {made.outcomes[0].outcome}: {made.outcomes[0].reason}",
            fix=f"see {sidecar_beside(file)} for all reasons; --preview 3 shows what comes back",
        )
    tell(made, prepared, provenance, file, output, seconds=time.perf_counter() - start, spent=opened.models.spent)


def _broke(made: Generated) -> int:
    """Scenarios whose attempts broke; what a model said of subtopics stands."""
    return sum(count for reason, count in made.accounts.failed.items() if not reason.startswith("subtopics"))


def _tell_preview(asked: Request, output: Output) -> None:
    """The first N scenarios of the plan, played once each; nothing is written."""
    import tempfile

    from understudy.cli.generating import Run, journal_for, provenance_of
    from understudy.cli.prompting import open_models
    from understudy.scenarios.generation import Task

    opened = open_models(asked.models(), asked.model, asked.partner, asked.partner_prompt, seed=asked.seed)
    attempts = max(asked.plan.realisation.attempts, asked.plan.calibration.candidates)
    with (
        tempfile.TemporaryDirectory() as folder,
        journal_for(Path(folder, "preview"), asked.plan, {}, attempts=attempts, resume=False) as journal,
        asyncio.Runner() as runner,
    ):
        run = Run(journal, asked.plan, runner, attempts=attempts, concurrency=asked.concurrency)
        try:
            named = run.subtopics(opened.writer, seed=asked.seed) if opened.writer is not None else None
            prepared = _prepare(asked, named)
            speakers = _speakers(asked, prepared, opened)
            tasks = [Task(s, 0) for s in prepared.scenarios[: asked.preview]]
            played = run.play(speakers, tasks, provenance_of(speakers, asked.plan, seed=asked.seed))
        finally:
            runner.run(opened.close())
    pairs = list(zip(tasks, played, strict=True))
    payload = [
        {"scenario": plain(task.scenario), "conversation": plain(done.talk), "fault": done.fault}
        for task, done in pairs
    ]

    def show(o: Output) -> None:
        for task, done in pairs:
            for line in (*scenario_lines(task.scenario), *talk_lines(done.talk, done.fault), ""):
                o.line(line)
        o.note(f"{speakers.says}; before guards, realisation and calibration; nothing was written", "dim")

    output.result(payload, show)
