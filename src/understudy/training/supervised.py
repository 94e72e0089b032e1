"""Supervised training: the decoder learns to say what real users said, given who they are and what came before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from understudy.seeds import stream
from understudy.training.lessons import Lessons
from understudy.users.neural.decoder import (
    Next,
    Weights,
    after,
    follow,
    log_probability,
    padded,
    read,
    torch_module,
)
from understudy.users.neural.language import Line

if TYPE_CHECKING:
    from torch import Tensor

OnProgress = Callable[[str, int, int], None]


class Supervision(msgspec.Struct, frozen=True):
    """How to learn from people. `held_out`: share of the units by which it is seen when to stop."""

    epochs: int = 6
    batch: int = 48
    micro_batch: int = 48  # rows computed at a time; changes memory, not results
    rate: float = 4e-3
    decay: float = 0.01
    dropout: float = 0.2
    clip: float = 1.0
    held_out: float = 0.1
    patience: int = 2


class Learning(NamedTuple):
    """Where supervised training stands after an epoch: what goes on, the best so far, and the held-out losses."""

    steps: Steps
    best: Weights
    losses: list[float]  # nats per chosen number on the held-out units, after each epoch

    @property
    def over(self) -> int:
        """How many epochs have gone by since the best."""
        return len(self.losses) - 1 - self.losses.index(min(self.losses)) if self.losses else 0


def beginning(first: Weights, how: Supervision) -> Learning:
    """Before the first epoch."""
    weights = {name: t.detach().clone() for name, t in first.items()}
    return Learning(Steps(weights, how.rate, how.decay, how.clip), dict(first), [])


def learn(
    taught: Lessons,
    how: Supervision,
    at: Learning,
    *,
    seed: int,
    on_progress: OnProgress,
    on_epoch: Callable[[Learning], None] = lambda at: None,
) -> Learning:
    """Learn from the lessons until the held-out units have not been predicted better for `patience` epochs.

    Batches and dropout depend on `seed` and the epoch alone, so that learning goes on from any `Learning` as if never
    stopped; the loss is a mean over all numbers of a batch, so that batches computed in parts give the same steps.
    """
    user, width = taught.language.user, at.best["words"].shape[1]
    train, held_out = _divided(taught.line_units, how.held_out, seed)
    while len(at.losses) < how.epochs and at.over < how.patience:
        epoch = len(at.losses)
        batches = _batches(taught.lines, train, how.batch, stream(seed, "epoch", epoch))
        for number, rows in enumerate(batches):
            on_progress("learning from people", epoch * len(batches) + number, how.epochs * len(batches))
            total = sum(len(taught.lines[k].chosen) for k in rows)
            for start in range(0, len(rows), how.micro_batch):
                part = rows[start : start + how.micro_batch]
                masks = dropout([(seed, epoch, k) for k in part], width, how.dropout)
                loss = -said_by(at.steps.weights, [taught.lines[k] for k in part], user, masks).sum() / total
                loss.backward()  # type: ignore[no-untyped-call]
            at.steps.take(_warm(epoch + number / len(batches), how.epochs))
        found = mean_loss(at.steps.weights, [taught.lines[k] for k in held_out or train], user)
        better = not at.losses or found < min(at.losses)
        best = {name: t.detach().clone() for name, t in at.steps.weights.items()} if better else at.best
        at = Learning(at.steps, best, [*at.losses, found])
        on_epoch(at)
    return at


def _warm(at: float, epochs: int) -> float:
    """A slow start, then a straight way down: the share of the rate after `at` epochs."""
    return float(min(1.0, 2 * at + 0.1) * max(1 - at / epochs, 0.05))


def _divided(units: Sequence[int], share: float, seed: int) -> tuple[list[int], list[int]]:
    names = np.unique(units)
    away = set(stream(seed, "held out").permutation(names)[: int(len(names) * share)].tolist())
    every = range(len(units))
    return [k for k in every if units[k] not in away], [k for k in every if units[k] in away]


def _batches(lines: Sequence[Line], rows: Sequence[int], size: int, rng: np.random.Generator) -> list[list[int]]:
    """All rows once, in batches of about equal length, in random order."""
    order = [rows[k] for k in rng.permutation(len(rows)).tolist()]
    pool = size * 8
    batches = []
    for start in range(0, len(order), pool):
        sorted_rows = sorted(order[start : start + pool], key=lambda k: len(lines[k].chosen))
        batches += [sorted_rows[at : at + size] for at in range(0, len(sorted_rows), size)]
    return [batches[k] for k in rng.permutation(len(batches)).tolist()]


def unrolled(
    weights: Weights, lines: Sequence[Line], user: int, masks: Masks | None = None
) -> tuple[Next, Tensor, Tensor]:
    """What may come next at every number of the lines, the numbers that were chosen, and whose line each is of."""
    torch = torch_module()
    chosen = padded([line.chosen for line in lines])
    lengths = torch.tensor([len(line.chosen) for line in lines])
    wanted = torch.arange(chosen.shape[1]).unsqueeze(0) < lengths.unsqueeze(1)
    given = torch.nn.functional.pad(chosen[:, :-1], (1, 0), value=user)
    reading = read(weights, [line.scene for line in lines])
    states = follow(weights, reading.start, given, None if masks is None else masks.words)
    found = after(weights, reading, states, wanted, None if masks is None else masks.out)
    return found, chosen[wanted], wanted.nonzero()[:, 0]


def said_by(weights: Weights, lines: Sequence[Line], user: int, masks: Masks | None = None) -> Tensor:
    """Log-probability of every number of the lines, one after the other."""
    found, chosen, _ = unrolled(weights, lines, user, masks)
    return log_probability(found, chosen)


def mean_loss(weights: Weights, lines: Sequence[Line], user: int, size: int = 256) -> float:
    """Nats per chosen number."""
    torch = torch_module()
    order = sorted(lines, key=lambda line: len(line.chosen))
    with torch.no_grad():
        parts = [said_by(weights, order[k : k + size], user) for k in range(0, len(order), size)]
    return -float(sum(float(p.sum()) for p in parts)) / max(sum(len(p) for p in parts), 1)


class Masks(NamedTuple):
    """Dropout of a batch, (batch, 1, width) each: of words and of outputs."""

    words: Tensor
    out: Tensor


def dropout(names: Sequence[tuple[Any, ...]], width: int, share: float) -> Masks | None:
    """The masks of the rows named: each depends on its name alone, wherever the row is computed."""
    torch = torch_module()
    if not share:
        return None
    rows = [stream(0, "dropout", *name).random((2, width)) >= share for name in names]
    kept = torch.from_numpy(np.stack(rows).astype(np.float32) / np.float32(1 - share))
    return Masks(*(kept[:, k : k + 1] for k in range(2)))


class Steps:
    """Adam with decoupled decay and clipping, its state kept as plain tensors so that it can be stored."""

    def __init__(self, weights: Weights, rate: float, decay: float, clip: float) -> None:
        torch = torch_module()
        self.weights, self.rate, self.decay, self.clip = weights, rate, decay, clip
        self.first = {name: torch.zeros_like(t) for name, t in weights.items()}
        self.second = {name: torch.zeros_like(t) for name, t in weights.items()}
        self.taken = 0
        for t in weights.values():
            t.requires_grad_(True)

    def tensors(self) -> Weights:
        """All that has to be stored to go on, but for how many steps were taken."""
        parts = {"weights": self.weights, "first": self.first, "second": self.second}
        return {f"{part}/{name}": t.detach() for part, held in parts.items() for name, t in held.items()}

    def restore(self, tensors: Weights, taken: int) -> None:
        """Go on from what `tensors` gave."""
        torch = torch_module()
        self.taken = taken
        with torch.no_grad():
            for part, held in (("weights", self.weights), ("first", self.first), ("second", self.second)):
                for name, t in held.items():
                    t.copy_(tensors[f"{part}/{name}"])

    def take(self, share: float = 1.0) -> float:
        """One step down the gradients that were gathered, at this share of the rate; their norm."""
        torch = torch_module()
        with torch.no_grad():
            grads = {name: t.grad for name, t in self.weights.items() if t.grad is not None}
            norm = float(torch.stack([g.pow(2).sum() for g in grads.values()]).sum().sqrt())
            scale = min(1.0, self.clip / max(norm, 1e-12))
            self.taken += 1
            one, two = 1 - 0.9**self.taken, 1 - 0.99**self.taken
            for name, g in grads.items():
                g = g * scale
                self.first[name].mul_(0.9).add_(g, alpha=0.1)
                self.second[name].mul_(0.99).addcmul_(g, g, value=0.01)
                t = self.weights[name]
                move = (self.first[name] / one) / ((self.second[name] / two).sqrt() + 1e-8)
                t.sub_(share * self.rate * (move + (self.decay * t if t.ndim > 1 else 0.0)))
                t.grad = None
        return norm
