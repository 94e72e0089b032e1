"""Training simulated users from start to end: from what people said, then from rollouts; stopped and gone on with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.measures.consistency.line_judge import LineJudge
from understudy.rollouts.partner import Partner
from understudy.seeds import derive_seed, stream
from understudy.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from understudy.training.critics import ContingencyCritic, RealismCritic
from understudy.training.lessons import Lessons, lessons
from understudy.training.reinforcement import BLOCK, Reinforcement, improve, practise, price_of_a_word
from understudy.training.rewards import Band, Composite, Reward, Spoken, band_of
from understudy.training.supervised import Learning, OnProgress, Steps, Supervision, beginning, learn
from understudy.users.neural.decoder import Shape, Weights, new_weights
from understudy.users.neural.population import NeuralPopulation
from understudy.users.population import FittedPopulation

CHECKPOINTS = ".checkpoint"
# How far a block may stand from the supervised users in each of these before training stops.
GATE = {"degenerate": 0.1, "unscorable": 0.15, "distinct": -0.25, "own variety": -0.06, "told": 0.35}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a training. `reinforcement` None: supervised only."""

    width: int = 96
    state: int = 128
    pieces: int = 4000
    supervision: Supervision = Supervision()
    reinforcement: Reinforcement | None = Reinforcement()


class Trained(NamedTuple):
    """The users, and the log: a row an epoch or a step."""

    users: NeuralPopulation
    log: list[dict[str, Any]]
    stopped: str  # why reinforcement ended before its last step; empty where it did not


def train(
    corpus: Corpus,
    fitted: FittedPopulation,
    plan: Plan,
    *,
    partner: Partner,
    judge: LineJudge,
    seed: int,
    folder: Path,
    resume: bool,
    on_progress: OnProgress,
    first: NeuralPopulation | None = None,
) -> Trained:
    """Train users on `corpus` (of which `fitted` is the population) and, unless the plan says otherwise, on rollouts.

    With `first` the supervised part is skipped and rollouts start from those users. Each epoch and every fifth step a
    checkpoint is put into `folder`; with `resume` training goes on from it and ends as if it had never been stopped.
    `judge` rewards and so must not be the one that measures what came of it.
    """
    taught = lessons(corpus, fitted, most_pieces=plan.pieces)
    names = [corpus.digest, partner.identity, judge.identity, first.identity if first else "", seed]
    job = hashlib.sha256(msgspec.json.encode([plan, names])).hexdigest()
    at = load_checkpoint(folder / CHECKPOINTS, job) if resume else None
    keep = _Keeper(folder / CHECKPOINTS, job)
    if first is None:
        supervised, log, at = _supervised(taught, plan, corpus.digest, seed, at, keep, on_progress)
    else:
        taught = taught._replace(language=first.language)
        supervised, log = first, list[dict[str, Any]]()
    if plan.reinforcement is None:
        return Trained(supervised, log, "")
    reward, realism = composite(taught, judge, seed=seed)
    weights, rows, stopped = reinforce(
        supervised, reward, realism, plan.reinforcement, partner, seed=seed, at=at, keep=keep, on_progress=on_progress,
        before=log,
    )  # fmt: skip
    entry = {"stage": "reinforcement", "settings": msgspec.to_builtins(plan.reinforcement), "partner": partner.identity,
             "reward": judge.identity, "steps": max(len(rows) - BLOCK, 0), "stopped": stopped}  # fmt: skip
    return Trained(supervised.trained(weights, entry), [*log, *rows], stopped)


class _Keeper:
    """Writes checkpoints of one job."""

    def __init__(self, folder: Path, job: str) -> None:
        self._folder, self._job = folder, job

    def __call__(self, checkpoint: Checkpoint) -> None:
        save_checkpoint(self._folder, self._job, checkpoint)


def _supervised(
    taught: Lessons, plan: Plan, digest: str, seed: int, at: Checkpoint | None, keep: _Keeper, on_progress: OnProgress
) -> tuple[NeuralPopulation, list[dict[str, Any]], Checkpoint | None]:
    """The users after supervised training, its log, and the checkpoint where it is already past that."""
    shape = Shape(len(taught.language.words), plan.width, plan.state)
    how = plan.supervision
    begun = beginning(new_weights(shape, seed=seed), how)
    if at is not None and at.stage == "reinforcement":
        best = _part(at.tensors, "reference")
        losses = [row["loss"] for row in at.log if row["stage"] == "supervised"]
    else:
        if at is not None:
            begun.steps.restore(at.tensors, int(at.numbers["taken"]))
            begun = Learning(begun.steps, _part(at.tensors, "best"), [row["loss"] for row in at.log])

        def on_epoch(now: Learning) -> None:
            tensors = {**now.steps.tensors(), **{f"best/{name}": t for name, t in now.best.items()}}
            numbers = {"taken": float(now.steps.taken)}
            keep(Checkpoint("supervised", len(now.losses), _losses(now.losses), numbers, tensors))

        done = learn(taught, how, begun, seed=seed, on_progress=on_progress, on_epoch=on_epoch)
        best, losses, at = done.best, done.losses, None
    entry = {"stage": "supervised", "settings": msgspec.to_builtins(how), "epochs": len(losses), "loss": min(losses)}
    users = NeuralPopulation(
        taught.language, shape, best, taught.profiles, corpus_digest=digest, seed=seed, history=[entry]
    )
    return users, _losses(losses), at


def _losses(losses: Sequence[float]) -> list[dict[str, Any]]:
    return [{"stage": "supervised", "epoch": k + 1, "loss": loss} for k, loss in enumerate(losses)]


def _part(tensors: Weights, part: str) -> Weights:
    return {name.partition("/")[2]: t for name, t in tensors.items() if name.startswith(f"{part}/")}


def people_speak(taught: Lessons) -> list[Spoken]:
    """What people said, with what it is judged by."""
    found = []
    for profile, turns in zip(taught.profiles, taught.turns, strict=True):
        mine: list[str] = []
        for k, turn in enumerate(turns):
            if turn.role == "user":
                found.append(Spoken(profile.persona.facts, tuple(mine), turns[k - 1].text if k else "", turn.text))
                mine.append(turn.text)
    return found


def composite(taught: Lessons, judge: LineJudge, *, seed: int) -> tuple[Composite, RealismCritic]:
    """The reward of `train`, with critics fitted to the people of the lessons."""
    people = people_speak(taught)
    realism = RealismCritic([s.line for s in people])
    answers = [s for s in people if s.heard] or people
    contingency = ContingencyCritic.fit([s.heard for s in answers], [s.line for s in answers], seed=seed)
    band: Band = band_of(people, judge, seed=seed)
    return Composite(judge, realism, contingency, band, [s.persona for s in people]), realism


def reinforce(
    users: NeuralPopulation,
    reward: Reward,
    realism: RealismCritic,
    how: Reinforcement,
    partner: Partner,
    *,
    seed: int,
    at: Checkpoint | None = None,
    keep: Any = None,
    on_progress: OnProgress = lambda stage, done, total: None,
    before: Sequence[dict[str, Any]] = (),
) -> tuple[Weights, list[dict[str, Any]], str]:
    """The weights after rollouts, a row a batch, and why it stopped early if it did.

    Before the first step the supervised users are listened to for a `BLOCK`: by that the realism critic knows them, and
    later blocks are held against it. The critic learns on after each batch, so that it is never behind the policy.
    """
    reference = _copied(users.weights)
    steps = Steps(_copied(reference), how.rate, 0.0, how.clip)
    rows: list[dict[str, Any]] = []
    if at is not None:
        steps.restore(at.tensors, int(at.numbers["taken"]))
        realism.weights = at.tensors["critic"].numpy().astype(np.float64)
        rows = [row for row in at.log if row["stage"] == "reinforcement"]
    good, stopped, heard = _copied(steps.weights), "", list[tuple[str, str]]()
    for step in range(len(rows) - BLOCK, how.steps):
        on_progress("learning from rollouts", max(step, 0), how.steps)
        price = price_of_a_word([row["words"] for row in rows])
        practice = practise(
            steps.weights, users.language, users.profiles, partner, reward, how, seed=seed, step=step, price=price
        )
        rows.append({"stage": "reinforcement", "step": step + 1, **practice.log})
        if step >= 0:
            rows[-1]["divergence"] = round(improve(steps, reference, practice, how, users.language.user), 4)
        made = [(s.line, talk.profile.user_id) for talk in practice.talks for s in talk.spoken]
        realism.learn([line for line, _ in made], stream(derive_seed(seed, "critic"), step))
        heard += made
        if (step + 1) % BLOCK and step + 1 < how.steps:
            continue
        if (step + 1) % BLOCK == 0:
            lines, who = [line for line, _ in heard], [user for _, user in heard]
            rows[-1]["told"] = realism.told(lines, who, stream(derive_seed(seed, "told"), step))
            heard, stopped = [], degenerates(rows) if how.gate else ""
        if stopped:
            return good, rows, stopped
        good = _copied(steps.weights)
        if keep is not None:
            keep(_checkpoint(steps, reference, realism, [*before, *rows], step))
    return good, rows, ""


def _copied(weights: Weights) -> Weights:
    return {name: t.detach().clone() for name, t in weights.items()}


def _checkpoint(
    steps: Steps, reference: Weights, realism: RealismCritic, log: list[dict[str, Any]], step: int
) -> Checkpoint:
    import torch

    tensors = {**steps.tensors(), **{f"reference/{name}": t for name, t in reference.items()}}
    tensors["critic"] = torch.from_numpy(realism.weights.copy())
    return Checkpoint("reinforcement", step + 1, log, {"taken": float(steps.taken)}, tensors)


def degenerates(rows: Sequence[dict[str, Any]]) -> str:
    """Why training has to stop: what comes out of it is no longer what people could say. Empty where it is.

    The last block against the first, of the supervised users: lines that are degenerate or that nobody can judge, the
    variety of neighbouring words and of each user's own, and how surely a fresh discriminator tells the lines from
    people's; each may change by `GATE`.
    """
    if len(rows) < 2 * BLOCK:
        return ""
    for name, limit in GATE.items():
        then, now = (float(np.mean([r[name] for r in part if name in r])) for part in (rows[:BLOCK], rows[-BLOCK:]))
        if (now - then) / limit > 1:
            return f"{name} went from {then:.2f} to {now:.2f}"
    return ""
