"""A small causal decoder from scratch, many copies at a time: the first axis of every tensor holds the copies.

Twins are trained side by side, each on its own data, in the time that one takes. Everything is drawn from numpy
generators that the caller gives; torch draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy._require import require
from understudy.traits.words import END, PAD

Ints = npt.NDArray[np.int64]
Tensors = dict[str, Any]


class Shape(NamedTuple):
    """Sizes of the network."""

    words: int
    width: int = 32
    layers: int = 2
    heads: int = 2
    context: int = 48


def torch() -> Any:
    """torch, on one thread: there are other things to do on a machine."""
    module = require("torch", extra="train", purpose="a small decoder")
    module.set_num_threads(1)
    return module


def fresh(shape: Shape, *, rng: np.random.Generator) -> Tensors:
    """The weights of one network: normal with deviation .02 for words and places, 1/sqrt(inputs) for layers."""
    t, d = torch(), shape.width

    def drawn(*size: int, scale: float) -> Any:
        return t.tensor(rng.normal(0, scale, (1, *size)).astype(np.float32))

    weights = {"words": drawn(shape.words, d, scale=0.05), "places": drawn(shape.context, d, scale=0.02)}
    for k in range(shape.layers):
        out = 1 / np.sqrt(2 * shape.layers)
        weights[f"{k}.asks"] = drawn(d, 3 * d, scale=d**-0.5)
        weights[f"{k}.tells"] = drawn(d, d, scale=d**-0.5 * out)
        weights[f"{k}.up"] = drawn(d, 4 * d, scale=d**-0.5)
        weights[f"{k}.down"] = drawn(4 * d, d, scale=(4 * d) ** -0.5 * out)
    return weights


def copies(weights: Tensors, count: int) -> Tensors:
    """`count` copies of one network, each to go its own way."""
    return {name: w.detach()[:1].expand(count, *w.shape[1:]).clone() for name, w in weights.items()}


def stacked(many: Sequence[Tensors]) -> Tensors:
    """Several networks as one set of tensors."""
    return {name: torch().cat([one[name].detach() for one in many]) for name in many[0]}


def picked(weights: Tensors, k: int) -> Tensors:
    """Copy `k` alone."""
    return {name: w.detach()[k : k + 1].clone() for name, w in weights.items()}


def hidden(weights: Tensors, shape: Shape, ids: Any, past: list[Any] | None = None) -> Any:
    """The last layer over `ids` [copies, rows, places], after what `past` has seen; `past` is added to."""
    t = torch()
    norm = t.nn.functional.rms_norm
    copies_, rows, places = ids.shape
    d, start = shape.width, past[0][0].shape[2] if past and past[0] else 0
    offset = (t.arange(copies_) * shape.words)[:, None, None]
    x = t.nn.functional.embedding(ids + offset, weights["words"].reshape(-1, d))
    x = x + weights["places"][:, None, start : start + places]
    for k in range(shape.layers):
        asked = (norm(x, (d,)).reshape(copies_, -1, d) @ weights[f"{k}.asks"]).reshape(copies_ * rows, places, 3, -1)
        q, key, value = (
            part.reshape(copies_ * rows, places, shape.heads, -1).transpose(1, 2) for part in asked.unbind(2)
        )
        if past is not None:
            if past[k]:
                key, value = t.cat([past[k][0], key], 2), t.cat([past[k][1], value], 2)
            past[k] = (key, value)
        seen = t.nn.functional.scaled_dot_product_attention(q, key, value, is_causal=places > 1)
        seen = seen.transpose(1, 2).reshape(copies_, -1, d) @ weights[f"{k}.tells"]
        x = x + seen.reshape(x.shape)
        up = t.nn.functional.gelu(norm(x, (d,)).reshape(copies_, -1, d) @ weights[f"{k}.up"])
        x = x + (up @ weights[f"{k}.down"]).reshape(x.shape)
    return norm(x, (d,))


def logits(weights: Tensors, shape: Shape, ids: Any, past: list[Any] | None = None) -> Any:
    """Scores of every next word [copies, rows, places, words]; words are read and written by the same table."""
    top = hidden(weights, shape, ids, past)
    out = top.reshape(top.shape[0], -1, shape.width) @ weights["words"].transpose(1, 2)
    return out.reshape(*top.shape[:3], -1) * (shape.width**-0.5 * 4)


def losses(weights: Tensors, shape: Shape, ids: Any) -> Any:
    """Nats of each next word [copies, rows, places - 1]; nothing where it is padding."""
    t = torch()
    told = t.log_softmax(logits(weights, shape, ids[:, :, :-1]), -1)
    goal = ids[:, :, 1:]
    return -told.gather(-1, goal[..., None])[..., 0] * (goal != PAD)


def rows_of(talks: Sequence[Sequence[int]], context: int) -> Ints:
    """Conversations as rows of `context` ids, ended and padded; what is longer goes on in a further row.

    >>> rows_of([[9, 8, 7]], 6).tolist()
    [[9, 8, 7, 2, 3, 3]]
    """
    pieces = []
    for ids in talks:
        whole = [*ids, END]
        pieces += [whole[k : k + context] for k in range(0, len(whole), context)]
    table = np.full((len(pieces), context), PAD, dtype=np.int64)
    for row, piece in zip(table, pieces, strict=True):
        row[: len(piece)] = piece
    return table


# Weights, ids, and which places count as goals (None: all but padding) -> what is to be lowered, a number a copy.
Loss = Callable[[Tensors, Any, Any], Any]
Change = Callable[[Tensors, Tensors], None]  # weights and their gradients, changed in place


def plain_loss(shape: Shape) -> Loss:
    """Mean nats a word."""

    def loss(weights: Tensors, ids: Any, goals: Any = None) -> Any:
        goals = ids[:, :, 1:] != PAD if goals is None else goals
        return (losses(weights, shape, ids) * goals).sum((1, 2)) / goals.sum((1, 2)).clamp(min=1)

    return loss


def fit(
    weights: Tensors,
    rows: Ints,
    *,
    loss: Loss,
    rng: np.random.Generator,
    epochs: int = 2,
    batch: int = 16,
    rate: float = 1e-3,
    change: Change | None = None,
    frozen: Sequence[str] = (),
) -> Tensors:
    """`weights` trained on `rows` [copies, rows, places], every copy on its own, in an order that they share.

    Adam with a short warm-up. `change` may alter the gradients before each step (`mitigations`); tensors that are
    `frozen` stay as they are.
    """
    t = torch()
    trained = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    for name in frozen:
        trained[name].requires_grad_(False)
    adam = t.optim.Adam([w for w in trained.values() if w.requires_grad], lr=rate, betas=(0.9, 0.99))
    step = 0
    for _ in range(epochs):
        order = rng.permutation(rows.shape[1])
        for start in range(0, len(order), batch):
            at = order[start : start + batch]
            step += 1
            for group in adam.param_groups:
                group["lr"] = rate * min(1.0, step / 10)
            adam.zero_grad()
            loss(trained, t.tensor(rows[:, at]), None).sum().backward()
            if change is not None:
                change(trained, {name: w.grad for name, w in trained.items() if w.requires_grad})
            adam.step()
    return {name: w.detach() for name, w in trained.items()}


def nats(weights: Tensors, shape: Shape, rows: Ints, *, batch: int = 64) -> npt.NDArray[np.float64]:
    """Summed nats of each row [copies, rows]; `rows` is [rows, places] for all copies, or one set a copy."""
    t = torch()
    many = next(iter(weights.values())).shape[0]
    rows = np.broadcast_to(rows, (many, *rows.shape[-2:]))
    with t.no_grad():
        parts = [
            losses(weights, shape, t.tensor(rows[:, k : k + batch])).sum(-1) for k in range(0, rows.shape[1], batch)
        ]
        return np.asarray(t.cat(parts, 1).double().numpy())


def sample(
    weights: Tensors, shape: Shape, prompts: Sequence[Sequence[int]], *, rng: np.random.Generator, batch: int = 256
) -> list[list[int]]:
    """What one network says after each prompt, word by word at temperature 1, until it ends or has no room."""
    t, said = torch(), []
    for start in range(0, len(prompts), batch):
        block = prompts[start : start + batch]
        table = rows_of([list(p)[: shape.context - 1] for p in block], shape.context)
        given = np.array([min(len(p), shape.context - 1) for p in block])
        past: list[Any] = [()] * shape.layers
        with t.no_grad():
            for place in range(shape.context - 1):
                out = logits(weights, shape, t.tensor(table[None, :, place : place + 1]), past)[0, :, 0].numpy()
                out[:, PAD] = -np.inf
                drawn = (out + rng.gumbel(size=out.shape)).argmax(-1)
                ended = (table[:, : place + 1] == END).any(1)
                free = (place + 1 >= given) & ~ended
                table[free, place + 1] = drawn[free]
                table[(place + 1 >= given) & ended, place + 1] = PAD
        said += [row[row != PAD].tolist() for row in table]
    return said
