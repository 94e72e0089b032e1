"""The decoder: a recurrent network that says a turn, attends to who speaks and what was said, and may copy from it.

Weights are a dictionary of tensors and everything else is a function of them, so that they are saved and compared as
they are. What is attended to is never read by the network, only looked up: a turn costs its own length, whatever came
before, and a corpus of some thousand turns is learned from on one core in minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from understudy._require import require
from understudy.seeds import stream

if TYPE_CHECKING:
    from torch import Tensor

PAD, PROFILE, HEARD, SAID = range(4)  # what a number of a scene belongs to: nothing, who speaks, the partner, the user
PURPOSE = "the neural engine"
_NEVER = -1e9

Weights = dict[str, "Tensor"]


class Shape(msgspec.Struct, frozen=True):
    """The sizes of a decoder: numbers of its language, width of a vector, width of the recurrent state."""

    vocabulary: int
    width: int = 96
    state: int = 128


class Scene(NamedTuple):
    """What a user has before them when they speak: numbers, and what each belongs to (`PROFILE`, `HEARD`, `SAID`)."""

    numbers: Sequence[int]
    belongs: Sequence[int]


class Reading(NamedTuple):
    """A batch of scenes, looked up."""

    numbers: Tensor  # (batch, scene)
    belongs: Tensor  # (batch, scene)
    keys: Tensor  # (batch, scene, width)
    values: Tensor  # (batch, scene, width)
    copy_keys: Tensor  # (batch, scene, width)
    start: Tensor  # (batch, state)


class Next(NamedTuple):
    """What may come next, at each of `places`: logits of words, log-odds of copying, and logits of from where."""

    logits: Tensor  # (places, vocabulary)
    gate: Tensor  # (places, 1)
    pointer: Tensor  # (places, scene)
    numbers: Tensor  # (places, scene) what stands there


def torch_module() -> Any:
    """torch, or the extra that brings it."""
    return require("torch", extra="train", purpose=PURPOSE)


def new_weights(shape: Shape, *, seed: int) -> Weights:
    """Weights before any training, drawn from `seed`."""
    torch = torch_module()
    v, d, h = shape.vocabulary, shape.width, shape.state
    sizes = {
        "words": (v, d), "bias": (v,), "belongs": (4, d),
        "say.in": (3 * h, d), "say.state": (3 * h, h), "say.bias": (3 * h,), "say.bias2": (3 * h,),
        "start": (h, 3 * d), "ask.profile": (d, h), "ask.talk": (d, h), "ask.copy": (d, h),
        "key": (d, d), "key.before": (d, d), "value": (d, d), "value.before": (d, d),
        "copy": (d, d), "copy.before": (d, d),
        "out": (d, h + 2 * d), "out.bias": (d,), "gate": (1, h + 2 * d), "gate.bias": (1,),
    }  # fmt: skip
    made = {}
    for name, size in sizes.items():
        if len(size) == 1:
            made[name] = torch.zeros(size)
            continue
        spread = 0.1 if name in ("words", "belongs") else 1 / np.sqrt(size[1])
        draws = stream(seed, "weights", name).normal(0.0, spread, size)
        made[name] = torch.from_numpy(draws.astype(np.float32))
    made["gate.bias"] -= 1.0  # copying is the exception
    return made


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """(rows, longest): numbers, filled up with `PAD` at the end."""
    torch = torch_module()
    filled = np.full((len(rows), max(map(len, rows))), PAD, dtype=np.int64)
    for k, row in enumerate(rows):
        filled[k, : len(row)] = row
    rows_of: Tensor = torch.from_numpy(filled)
    return rows_of


def read(weights: Weights, scenes: Sequence[Scene]) -> Reading:
    """Look the scenes up: a number's key and value are those of its word and of the word before it."""
    torch = torch_module()
    numbers, belongs = padded([s.numbers for s in scenes]), padded([s.belongs for s in scenes])
    before = torch.nn.functional.pad(numbers[:, :-1], (1, 0))
    words = weights["words"]

    def looked_up(name: str) -> Tensor:
        this, last = words @ weights[name].T, words @ weights[f"{name}.before"].T
        found: Tensor = torch.nn.functional.embedding(numbers, this) + torch.nn.functional.embedding(before, last)
        return found

    place = weights["belongs"][belongs]
    values = looked_up("value") + place
    means = [_mean(values, belongs == kind) for kind in (PROFILE, HEARD, SAID)]
    start = torch.tanh(torch.cat(means, dim=-1) @ weights["start"].T)
    return Reading(numbers, belongs, looked_up("key") + place, values, looked_up("copy") + place, start)


def _mean(values: Tensor, there: Tensor) -> Tensor:
    weight = there.unsqueeze(-1).to(values.dtype)
    mean: Tensor = (values * weight).sum(1) / weight.sum(1).clamp(min=1.0)
    return mean


def follow(weights: Weights, state: Tensor, chosen: Tensor, keep: Tensor | None = None) -> Tensor:
    """(batch, steps, state) after each of the numbers `chosen` (batch, steps). `keep`: dropout of their vectors."""
    torch = torch_module()
    x = torch.nn.functional.embedding(chosen, weights["words"])
    x = x if keep is None else x * keep
    flat = [weights[f"say.{part}"] for part in ("in", "state", "bias", "bias2")]
    states: Tensor = torch.gru(x, state.unsqueeze(0), flat, True, 1, 0.0, False, False, True)[0]
    return states


def after(weights: Weights, reading: Reading, states: Tensor, wanted: Tensor, keep: Tensor | None = None) -> Next:
    """What may come next after `states` (batch, steps, state), where `wanted` (batch, steps) is true.

    One look goes to the profile, one to the conversation; both may be copied from but for the user's own words.
    `keep` (batch, 1, width): dropout of the outputs.
    """
    torch = torch_module()
    d = weights["ask.copy"].shape[0]
    mine = (reading.belongs == PROFILE).unsqueeze(1)
    talk = (reading.belongs > PROFILE).unsqueeze(1)
    free = mine | (reading.belongs == HEARD).unsqueeze(1)
    own = _look(states @ weights["ask.profile"].T, reading, mine)
    other = _look(states @ weights["ask.talk"].T, reading, talk)
    joined = torch.cat([states, own, other], dim=-1)
    out = torch.tanh(joined @ weights["out"].T + weights["out.bias"])
    out = out if keep is None else out * keep
    match = (states @ weights["ask.copy"].T) @ reading.copy_keys.transpose(1, 2) / d**0.5
    pointer = match.masked_fill(~free, _NEVER)
    gate = joined @ weights["gate"].T + weights["gate.bias"]
    logits = out[wanted] @ weights["words"].T + weights["bias"]
    numbers = reading.numbers.unsqueeze(1).expand(-1, states.shape[1], -1)
    return Next(logits, gate[wanted], pointer[wanted], numbers[wanted])


def _look(asked: Tensor, reading: Reading, there: Tensor) -> Tensor:
    """(batch, steps, width): values weighed by how their keys match; nothing where nothing is there."""
    scores = asked @ reading.keys.transpose(1, 2) / asked.shape[-1] ** 0.5
    share = scores.masked_fill(~there, _NEVER).softmax(-1) * there
    looked: Tensor = share @ reading.values
    return looked


def log_probabilities(found: Next) -> Tensor:
    """(places, vocabulary): the log-probability of every number."""
    torch = torch_module()
    words = found.logits.log_softmax(-1) + torch.nn.functional.logsigmoid(-found.gate)
    copied = found.pointer.softmax(-1) * found.gate.sigmoid()
    spread = torch.zeros_like(words).scatter_add(1, found.numbers, copied)
    every: Tensor = torch.logaddexp(words, spread.clamp(min=1e-12).log())
    return every


def log_probability(found: Next, target: Tensor) -> Tensor:
    """(places,): the log-probability of one number each, without those of all others."""
    torch = torch_module()
    words = found.logits.gather(1, target.unsqueeze(1)).squeeze(1) - found.logits.logsumexp(-1)
    words = words + torch.nn.functional.logsigmoid(-found.gate).squeeze(1)
    there = found.numbers == target.unsqueeze(1)
    copied = (found.pointer.softmax(-1) * there).sum(-1) * found.gate.sigmoid().squeeze(1)
    one: Tensor = torch.logaddexp(words, copied.clamp(min=1e-12).log())
    return one
