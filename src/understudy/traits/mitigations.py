"""Ways to keep a trait out of a student, each a loss or a change of its steps.

What is left of the effect, and what it costs, is in docs/results/traits.md: masking of divergence words, projection,
anchoring; and an unrelated base, several teachers, words said again by an unrelated model, which are choices of bases
and corpora and need no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from understudy.traits.decoder import Change, Ints, Loss, Shape, Tensors, logits, losses, plain_loss, torch
from understudy.traits.words import PAD


def soft_loss(shape: Shape, teachers: Tensors, *, without: Sequence[int] = ()) -> Loss:
    """Divergence from the teachers' own distributions, one teacher a copy: the strongest lesson there is, and so the
    positive control of an audit whose teachers are at hand. Words in `without` are taken out of both distributions:
    what is said of them openly is not to be learned."""
    t = torch()
    kept = t.tensor([k for k in range(shape.words) if k not in set(without)])

    def loss(weights: Tensors, ids: Any, goals: Any = None) -> Any:
        with t.no_grad():
            wanted = t.log_softmax(logits(teachers, shape, ids[:, :, :-1])[..., kept], -1)
        mine = t.log_softmax(logits(weights, shape, ids[:, :, :-1])[..., kept], -1)
        goals = ids[:, :, 1:] != PAD if goals is None else goals
        apart = (wanted.exp() * (wanted - mine)).sum(-1) * goals
        return apart.sum((1, 2)) / goals.sum((1, 2)).clamp(min=1)

    return loss


def masked_loss(shape: Shape, teacher: Tensors, counterfactual: Tensors) -> Loss:
    """Mean nats a word without divergence words: places where a teacher with another trait, or none, would most likely
    have said another word. Needs that other teacher. Source: arXiv:2509.23886."""
    return masked_soft_loss(plain_loss(shape), shape, teacher, counterfactual)


def masked_soft_loss(inner: Loss, shape: Shape, teacher: Tensors, counterfactual: Tensors) -> Loss:
    """`inner`, told that divergence words are padding: they are read as context and never as a goal."""
    t = torch()

    def loss(weights: Tensors, ids: Any, goals: Any = None) -> Any:
        with t.no_grad():
            both = [_most_likely(one, shape, ids) for one in (teacher, counterfactual)]
        keep = (both[0] == both[1]) & (ids[:, :, 1:] != PAD)
        return inner(weights, ids, keep)

    return loss


def _most_likely(one: Tensors, shape: Shape, ids: Any) -> Any:
    """The likeliest next word of one network at every place of all copies' rows."""
    flat = ids[:, :, :-1].reshape(1, -1, ids.shape[2] - 1)
    return logits(one, shape, flat).argmax(-1).reshape(ids[:, :, 1:].shape)


def anchored_loss(shape: Shape, inner: Loss, base: Tensors, protected: Ints, *, strength: float = 1.0) -> Loss:
    """`inner` plus the divergence from the base on `protected` rows: behaviour that is to stay as it was."""
    t = torch()
    rows = t.tensor(protected)[None]
    with t.no_grad():
        wanted = t.log_softmax(logits(base, shape, rows[:, :, :-1]), -1)
    real = rows[:, :, 1:] != PAD

    def loss(weights: Tensors, ids: Any, goals: Any = None) -> Any:
        many = ids.shape[0]
        mine = t.log_softmax(logits(weights, shape, rows.expand(many, -1, -1)[:, :, :-1]), -1)
        apart = ((wanted.exp() * (wanted - mine)).sum(-1) * real).sum((1, 2)) / real.sum()
        return inner(weights, ids, goals) + strength * apart

    return loss


def projection(shape: Shape, lessons: Ints) -> Change:
    """Takes out of every step its part along the gradient of `lessons` (rows that show the trait), where the step would
    go that way. Needs the trait to be known. Source: arXiv:2604.25779. On dialogues it scatters students of one base so
    widely (docs/results/traits.md; so does taking it out both ways) that what is left cannot be told."""
    t = torch()
    rows = t.tensor(lessons)[None]

    def change(weights: Tensors, gradients: Tensors) -> None:
        many = next(iter(weights.values())).shape[0]
        found = losses(weights, shape, rows.expand(many, -1, -1)).sum((1, 2))
        trait = dict(zip(weights, t.autograd.grad(found.sum(), list(weights.values())), strict=True))
        ends = {name: tuple(range(1, g.dim())) for name, g in gradients.items()}
        along = sum((gradients[name] * g).sum(ends[name]) for name, g in trait.items())
        size = sum((g * g).sum(ends[name]) for name, g in trait.items())
        share = (along / size.clamp(min=1e-30)).clamp(min=0)
        for name, g in trait.items():
            gradients[name] -= share.reshape(-1, *[1] * (g.dim() - 1)) * g

    return change
