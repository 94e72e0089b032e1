"""`understudy generate`: conversations by a layered plan, every planned scenario accounted for."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from understudy.cli import options
from understudy.cli.destinations import file_for
from understudy.cli.generated import Teller, cells, plain, scenario_lines, talk_lines, tell
from understudy.cli.output import Output
from understudy.errors import IncompleteError, SimulatorError, UsageError

if TYPE_CHECKING:
    from understudy.cli.generating import Run, Speakers
    from understudy.conversations import Corpus
    from understudy.models.budget import Budget
    from understudy.models.opening import OpenModel
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
    typer.Option("--partner", metavar="PARTNER", help="Who answers a prompted user  [default: the model]"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Counts, tokens and cost; nothing is sent or written.")]
Preview = Annotated[
    int, typer.Option("--preview", min=0, metavar="N", help="Make only N conversations, print them, write nothing.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run that was begun for --out.")]
PriceIn = Annotated[
    float | None, typer.Option("--price-in", min=0, metavar="USD", help="Price of a million tokens read.")
]
PriceOut = Annotated[
    float | None, typer.Option("--price-out", min=0, metavar="USD", help="Price of a million tokens written.")
]
MaxUsd = Annotated[float | None, typer.Option("--max-usd", min=0, metavar="USD", help="Stop before this is passed.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, metavar="N", help="Most tokens of the run.")]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", min=1, metavar="N", help="Most calls of the run.")]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, metavar="N", help="Conversations at a time; changes no result.")
]


class Limits(NamedTuple):
    """What a model may use."""

    usd: float | None
    tokens: int | None
    calls: int | None


class Request(NamedTuple):
    """What the command line asked for, checked."""

    plan: Plan
    reference: Corpus | None
    test: Corpus | None
    model: str
    partner: str | None
    price: PricePlan
    limits: Limits
    concurrency: int
    seed: int
    preview: int

    @property
    def embedded(self) -> bool:
        return self.model == "embedded:"

    @property
    def known_price(self) -> bool:
        return self.price.input is not None and self.price.output is not None


def generate(
    context: typer.Context,
    plan: PlanFile,
    out: Out = None,
    model: Model = "embedded:",
    real: Real = None,
    partner: Partner = None,
    dry_run: DryRun = False,
    preview: Preview = 0,
    resume: Resume = False,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    max_usd: MaxUsd = None,
    max_tokens: MaxTokens = None,
    max_calls: MaxCalls = None,
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
    limits = Limits(max_usd, max_tokens, max_calls)
    asked = Request(declared, reference, test, model, partner, price, limits, concurrency, seed, preview)
    _check(asked, resume)
    if dry_run:
        _tell_dry_run(asked, output)
    elif preview:
        _tell_preview(asked, output)
    elif file is not None:
        _run(asked, file, context, output, resume=resume)


def _read(plan: str, real: str | None, output: Output) -> tuple[Plan, Corpus | None, Corpus | None]:
    from understudy.cli.corpora import load_corpus
    from understudy.scenarios.plan import load_plan

    declared = load_plan(plan)
    path = real or declared.reference
    reference = load_corpus(path, user_role=None, origin="real", output=output) if path else None
    test = load_corpus(declared.test, user_role=None, origin="real", output=output) if declared.test else None
    return declared, reference, test


def _check(asked: Request, resume: bool) -> None:
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


def _open(asked: Request) -> tuple[OpenModel | None, Budget | None]:
    """The model under its policies, and the budget that counts what it uses."""
    if asked.embedded:
        return None, None
    from understudy.models.budget import Budget, Price
    from understudy.models.opening import open_model

    price = None
    if asked.price.input is not None and asked.price.output is not None:
        price = Price(asked.price.input, asked.price.output)
    budget = Budget(max_usd=asked.limits.usd, max_tokens=asked.limits.tokens, max_calls=asked.limits.calls)
    opened = open_model(
        asked.model,
        api_key=os.environ.get("OPENAI_API_KEY"),
        base_url=os.environ.get("OPENAI_BASE_URL"),
        concurrency=asked.concurrency,
        budget=budget,
        price=price,
        seed=asked.seed,
    )
    return opened, budget


def _speakers(asked: Request, prepared: Prepared, model: OpenModel | None) -> Speakers:
    from understudy.cli.generating import Embedded, Whole

    if model is None:
        return Embedded(prepared)
    if asked.plan.writing.mode == "whole":
        return Whole(model, prepared)
    from understudy.cli.prompting import prompted_speakers

    return prompted_speakers(model, asked.partner, prepared)


def _carry_out(
    asked: Request, run: Run, model: OpenModel | None
) -> tuple[Prepared, Generated, dict[str, Subtopics], dict[str, Any]]:
    from understudy.cli.generating import provenance_of
    from understudy.scenarios.generation import generate as carry_out

    named = run.subtopics(model, seed=asked.seed) if model is not None else {}
    prepared = _prepare(asked, named if model is not None else None)
    speakers = _speakers(asked, prepared, model)
    provenance = provenance_of(speakers, asked.plan, seed=asked.seed)
    made = carry_out(prepared, lambda tasks: run.play(speakers, tasks, provenance))
    return prepared, made, named, provenance


def _run(asked: Request, file: Path, context: typer.Context, output: Output, *, resume: bool) -> None:
    from understudy.cli.generating import Run, journal_for, origin_of
    from understudy.cli.simulate import resume_line
    from understudy.conversations.writing import write_corpus
    from understudy.models.model import ModelFault, close_model
    from understudy.scenarios.sidecar import sidecar, sidecar_beside, write_account

    start = time.perf_counter()
    attempts = max(asked.plan.realisation.attempts, asked.plan.calibration.candidates)
    model, budget = _open(asked)
    label = f"{asked.plan.writing.mode}:{model.identity}|{asked.partner or ''}" if model else asked.model
    settings = origin_of(asked.plan, label, seed=asked.seed, reference=asked.reference, test=asked.test)
    again = resume_line(context)
    with (
        output.progress() as on_progress,
        journal_for(file, asked.plan, settings, attempts=attempts, resume=resume) as journal,
        asyncio.Runner() as runner,
    ):
        for note in journal.notes:
            output.warn(note)
        teller = Teller(on_progress, model, budget, known_price=asked.known_price)
        run = Run(
            journal, asked.plan, runner, attempts=attempts, concurrency=asked.concurrency, on_attempt=teller.progress
        )
        try:
            prepared, made, named, provenance = _carry_out(asked, run, model)
        except ModelFault as error:
            stopped = IncompleteError(error.what, why=error.why, fix=f"{error.fix}; then {again}")
            stopped.exit_code = IncompleteError.exit_code if error.exit_code == 2 else error.exit_code
            raise stopped from error
        except (KeyboardInterrupt, SystemExit):
            output.warn(f"{journal.finished:,} attempts are kept; go on with: {again}")
            raise
        finally:
            if model is not None:
                runner.run(close_model(model))
        account = sidecar(prepared, made, provenance=provenance, named=named)
        if made.conversations:
            write_corpus(file, made.conversations)
        write_account(sidecar_beside(file), account)
        journal.remove()
    if not made.conversations:
        raise SimulatorError(
            f"none of {asked.plan.n:,} scenarios came through; {file} was not written",
            why=f"the first: {made.outcomes[0].outcome}: {made.outcomes[0].reason}",
            fix=f"see {sidecar_beside(file)} for all reasons; --preview 3 shows what comes back",
        )
    tell(
        made,
        prepared,
        provenance,
        file,
        output,
        seconds=time.perf_counter() - start,
        budget=budget,
        known_price=asked.known_price,
    )


def _tell_preview(asked: Request, output: Output) -> None:
    """The first N scenarios of the plan, played once each; nothing is written."""
    import tempfile

    from understudy.cli.generating import Run, journal_for, provenance_of
    from understudy.models.model import close_model
    from understudy.scenarios.generation import Task

    model, _ = _open(asked)
    attempts = max(asked.plan.realisation.attempts, asked.plan.calibration.candidates)
    with (
        tempfile.TemporaryDirectory() as folder,
        journal_for(Path(folder, "preview"), asked.plan, {}, attempts=attempts, resume=False) as journal,
        asyncio.Runner() as runner,
    ):
        run = Run(journal, asked.plan, runner, attempts=attempts, concurrency=asked.concurrency)
        try:
            named = run.subtopics(model, seed=asked.seed) if model is not None else None
            prepared = _prepare(asked, named)
            speakers = _speakers(asked, prepared, model)
            tasks = [Task(s, 0) for s in prepared.scenarios[: asked.preview]]
            played = run.play(speakers, tasks, provenance_of(speakers, asked.plan, seed=asked.seed))
        finally:
            if model is not None:
                runner.run(close_model(model))
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
