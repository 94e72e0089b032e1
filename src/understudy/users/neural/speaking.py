"""Drawing user turns from a decoder, many conversations at a time, each from its own stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from understudy.users.neural.decoder import (
    Scene,
    Weights,
    after,
    follow,
    log_probabilities,
    read,
    torch_module,
)
from understudy.users.neural.language import Language


class Asked(NamedTuple):
    """A user who is to speak: what they have before them, and the stream to draw from."""

    scene: Scene
    rng: np.random.Generator
    may_leave: bool = True


def speak(weights: Weights, language: Language, asked: Sequence[Asked], *, top_p: float = 1.0) -> list[list[int]]:
    """The numbers that each user says next, up to and with the end of the turn.

    What a row draws depends on its own stream, and on the others only through the last digits of sums.
    """
    torch = torch_module()
    with torch.no_grad():
        reading = read(weights, [a.scene for a in asked])
        everywhere = torch.ones(len(asked), 1, dtype=torch.bool)
        state, number = reading.start, np.full(len(asked), language.user)
        said: list[list[int]] = [[] for _ in asked]
        speaking = list(range(len(asked)))
        while speaking:
            states = follow(weights, state, torch.from_numpy(number).unsqueeze(1))
            found = after(weights, reading, states, everywhere)
            logp = log_probabilities(found).numpy().astype(np.float64)
            state = states[:, -1]
            for k in speaking:
                allowed = language.allowed(asked[k].scene, said[k], may_leave=asked[k].may_leave)
                number[k] = _draw(logp[k], allowed, asked[k].rng, top_p)
                said[k].append(int(number[k]))
            speaking = [k for k in speaking if said[k][-1] not in (language.end, language.bye)]
    return said


def _draw(logp: np.ndarray, allowed: np.ndarray, rng: np.random.Generator, top_p: float) -> int:
    scores = logp + allowed
    share = np.exp(scores - scores.max())
    share /= share.sum()
    if top_p < 1.0:
        order = np.argsort(-share, kind="stable")
        kept = order[: int(np.searchsorted(np.cumsum(share[order]), top_p)) + 1]
        share = np.where(np.isin(np.arange(len(share)), kept), share, 0.0)
        share /= share.sum()
    at = int(np.searchsorted(np.cumsum(share), rng.random(), side="right"))
    return min(at, int(np.flatnonzero(share)[-1]))
