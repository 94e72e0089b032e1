"""`understudy train`: users that learn from what people said, then from what their own conversations earn."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy._require import require
from understudy.cli import options
from understudy.cli.corpora import amount, load_corpus
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output
from understudy.cli.simulate import resume_line
from understudy.errors import IncompleteError, UsageError

if TYPE_CHECKING:
    from understudy.conversations import Corpus
    from understudy.measures.consistency.line_judge import LineJudge
    from understudy.training.train import Plan, Trained
    from understudy.users.neural.population import NeuralPopulation
    from understudy.users.population import FittedPopulation

Users = Annotated[
    str,
    typer.Argument(metavar="USERS", help="REAL itself, or a folder made by fit on REAL; or by train, to go on from."),
]
Real = Annotated[str, typer.Option("--real", metavar="REAL", help="Real conversations to learn from.")]
Out = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the users go.")]
Partner = Annotated[
    str | None,
    typer.Option("--partner", metavar="PARTNER", help="Whom they talk to  [default: a partner fitted to REAL]"),
]
Judge = Annotated[
    str | None,
    typer.Option("--judge", metavar="FOLDER", help="Rewards consistency  [default: `words`, fitted to REAL]"),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base", metavar="hf:NAME", help="Adapt this language model (LoRA) to what people said; without rollouts."
    ),
]
SftOnly = Annotated[bool, typer.Option("--sft-only", help="Learn from people alone, without rollouts.")]
StepCount = Annotated[int, typer.Option("--steps", min=1, metavar="N", help="Steps of learning from rollouts.")]
Epochs = Annotated[int, typer.Option("--epochs", min=1, metavar="N", help="Most times over what people said.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a training that was stopped.")]


def train(
    context: typer.Context,
    users: Users,
    real: Real,
    out: Out,
    partner: Partner = None,
    judge: Judge = None,
    base: Base = None,
    sft_only: SftOnly = False,
    steps: StepCount = 30,
    epochs: Epochs = 8,
    resume: Resume = False,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train simulated users: a small decoder, on this machine, without a language model.

    First they learn to say what people said, told who speaks; then they talk to a partner, and every turn is credited
    with what it and later turns earn: consistent with the persona, not taken back, like people, an answer. Stopped, it
    exits with 3 and says how to go on. Needs the extra `train`. The judge that rewards must not measure: audit with
    another (docs/train.md).

    \b
    understudy train real.jsonl --real real.jsonl --out model/
    understudy simulate model/ --partner fitted:real.jsonl --out syn.jsonl
    """
    from understudy.training.checkpoints import remove_checkpoint
    from understudy.training.reinforcement import Reinforcement
    from understudy.training.supervised import Supervision
    from understudy.training.train import CHECKPOINTS, Plan
    from understudy.users.neural.decoder import torch_module

    for module in ("safetensors", *(("peft",) if base else ())):  # said before the work, not when it is to be kept
        require(module, extra="train", purpose="training users")
    torch_module().set_num_threads(1)  # so small a decoder gains nothing by more, and sums come out the same anywhere
    output = Output(json=json, quiet=quiet)
    folder = folder_for(out)
    corpus = load_corpus(real, user_role=user_role, origin="real", output=output)
    if base is not None:
        _adapt(base, corpus, (users, real), epochs, seed, folder, output)
        return
    plan = Plan(supervision=Supervision(epochs=epochs), reinforcement=None if sft_only else Reinforcement(steps=steps))
    start = time.perf_counter()
    trained, rewarding = _run(
        corpus, plan, (users, real), partner, judge, seed, folder, output, resume=resume, again=resume_line(context)
    )
    trained.users.save(folder)
    remove_checkpoint(folder / CHECKPOINTS)
    _tell(output, trained, folder, rewarding, time.perf_counter() - start)


def _adapt(
    base: str, corpus: Corpus, paths: tuple[str, str], epochs: int, seed: int, folder: Path, output: Output
) -> None:
    """A language model with an adapter instead of the small decoder."""
    from understudy.training.adapters import Adaptation, adapt
    from understudy.training.lessons import lessons

    if not base.startswith("hf:"):
        raise UsageError(
            f"--base {base}", why="weights are adapted, and only hf: has them here", fix="give hf:NAME_OR_PATH"
        )
    start = time.perf_counter()
    with output.progress() as on_progress:
        fitted, _ = _users(paths[0], paths[1], corpus, seed)
        users, losses = adapt(
            lessons(corpus, fitted), base[3:], Adaptation(epochs=epochs), corpus_digest=corpus.digest, seed=seed,
            on_progress=on_progress,
        )  # fmt: skip
    users.save(folder)
    seconds = time.perf_counter() - start
    payload = {"users": str(folder), "identity": users.identity, "losses": losses, "seconds": round(seconds, 3)}

    def show(o: Output) -> None:
        o.line(f"from people: {amount(len(losses), 'epoch')}, {losses[-1]:.2f} nats a piece on the people learned from")
        o.line(f"{users.identity} in {seconds:.0f} s -> {folder}")

    output.result(payload, show)


def _run(
    corpus: Corpus,
    plan: Plan,
    paths: tuple[str, str],
    partner: str | None,
    judge: str | None,
    seed: int,
    folder: Path,
    output: Output,
    *,
    resume: bool,
    again: str,
) -> tuple[Trained, str]:
    """The trained users, and who rewarded them."""
    from understudy.rollouts.partners import open_partner
    from understudy.training.train import CHECKPOINTS, train

    try:
        with output.progress() as on_progress:
            on_progress("fitting", 0, 0)
            fitted, first = _users(paths[0], paths[1], corpus, seed)
            system = fitted.partner() if partner is None else open_partner(partner, seed=0)
            rewards = _judge(judge, corpus, seed)
            done = train(
                corpus, fitted, plan, partner=system, judge=rewards, seed=seed, folder=folder, resume=resume,
                on_progress=on_progress, first=first,
            )  # fmt: skip
    except (KeyboardInterrupt, SystemExit) as stop:
        if not (folder / CHECKPOINTS).is_dir():
            raise
        raise IncompleteError(
            "training was stopped before its end",
            why=f"what was learned until the last checkpoint is kept in {folder / CHECKPOINTS}",
            fix=f"go on with: {again}",
        ) from stop
    return done, rewards.identity


def _users(users: str, real: str, corpus: Corpus, seed: int) -> tuple[FittedPopulation, NeuralPopulation | None]:
    """The population fitted to REAL, and trained users to go on from."""
    from understudy.users.neural.population import is_neural, load_neural
    from understudy.users.population import fit_population, load_population

    path = Path(users)
    if path.is_dir() and is_neural(path):
        return fit_population(corpus, copy_guard="guarded", seed=seed), load_neural(path)
    if (path / "population.json").is_file():
        return load_population(path), None
    if path.resolve() != Path(real).resolve():
        raise UsageError(
            f"{users!r} is neither REAL nor a folder made by fit or train",
            why="users are trained on the conversations that --real names",
            fix=f"give {real} in its place, or run `understudy fit {real} --out users/` and give users/",
        )
    return fit_population(corpus, copy_guard="guarded", seed=seed), None


def _judge(folder: str | None, corpus: Corpus, seed: int) -> LineJudge:
    from understudy.measures.consistency.embedded_judge import fit_judge
    from understudy.measures.consistency.judge_storage import load_judge

    return fit_judge([corpus], "words", seed=seed) if folder is None else load_judge(folder)


def _tell(output: Output, trained: Trained, folder: Path, judge: str, seconds: float) -> None:
    epochs = [row for row in trained.log if row["stage"] == "supervised"]
    steps = [row for row in trained.log if row["stage"] == "reinforcement" and row["step"] > 0]
    lines = sum(row["lines"] for row in steps)
    dropped = sum(row["lines"] * row["unscorable"] for row in steps)
    payload: dict[str, Any] = {
        "users": str(folder), "identity": trained.users.identity, "judge": judge if steps else None,
        "stopped": trained.stopped, "lines": int(lines), "unscorable": round(dropped), "log": trained.log,
        "seconds": round(seconds, 3),
    }  # fmt: skip

    def show(o: Output) -> None:
        if epochs:
            best = min(row["loss"] for row in epochs)
            o.line(f"from people: {amount(len(epochs), 'epoch')}, {best:.2f} nats a piece on people held out")
        if steps:
            first, last = steps[0], steps[-1]
            o.line(
                f"from rollouts: {amount(len(steps), 'step')}, {amount(int(lines), 'line')}, {round(dropped):,} that"
                " nobody could judge"
            )
            names = [n for n in ("reward", "own", "agrees", "knows", "real", "fits", "words", "distinct") if n in last]
            o.table(["", "first step", "last step"], [[n, f"{first.get(n, 0):.2f}", f"{last[n]:.2f}"] for n in names])
        o.line(f"{trained.users.identity} in {seconds:.0f} s -> {folder}")
        if steps:
            o.note(f"{judge} rewarded them: let another judge measure (understudy fit-judge makes two)", "dim")
        o.note(f"next: understudy simulate {folder} --partner fitted:REAL -n 500 --out syn.jsonl", "dim")

    if trained.stopped:
        output.warn(f"stopped by the gate: {trained.stopped}; the users are those of the last good checkpoint")
    output.result(payload, show)
