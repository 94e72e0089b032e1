"""What a proposed persona is worth on sessions that it was not made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from understudy.users.slots import GRID, HALF_LIFE, REPLAY, STEP, ZERO, Array, Ints, Sessions, SlotModel, Tables


class Gained(NamedTuple):
    """(R, T) log likelihood of each told session under the persona as it was and as proposed, less that at all 0."""

    before: Array
    after: Array

    @property
    def difference(self) -> Array:
        """What the proposal adds."""
        return np.asarray(self.after - self.before)


class Replay(NamedTuple):
    """What is known from sessions that are no longer at hand, as log likelihoods (K, G) less those at 0."""

    seen: Array

    @classmethod
    def of(cls, slots: SlotModel, evidence: Mapping[str, tuple[float, float]]) -> Replay:
        """From the evidence of a semantic memory."""
        pairs = np.array([evidence.get(name, (0.0, 0.0)) for name in slots.names]).reshape(-1, 2)
        return cls(np.asarray(pairs[:, :1] * GRID - pairs[:, 1:] * GRID**2 / 2))

    @property
    def known(self) -> bool:
        """Whether there is anything to replay."""
        return bool(self.seen.any())

    def sums(self, fit: Tables) -> Array:
        """(K, G) after all sessions of `fit` (m, K, G): recent ones count more, and older ones never nothing."""
        ages = np.arange(len(fit))[::-1]
        weight = 0.5 ** (ages / HALF_LIFE) + REPLAY
        return np.asarray(self.seen + np.tensordot(weight, fit.astype(np.float64), axes=1))

    def best(self, slots: SlotModel, history: Sessions, current: Ints) -> Ints:
        """The slots that all of it speaks for."""
        return slots.best(self.sums(history.fit), current)

    def evidence(self, slots: SlotModel, history: Sessions) -> dict[str, tuple[float, float]]:
        """All of it as `(pull, weight)` by slot: the slope and the curvature at 0."""
        sums = self.sums(history.fit)
        pull = (sums[:, ZERO + 1] - sums[:, ZERO - 1]) / (2 * STEP)
        weight = -(sums[:, ZERO + 1] + sums[:, ZERO - 1]) / STEP**2
        return {
            n: (round(float(a), 3), round(max(float(b), 0.0), 3))
            for n, a, b in zip(slots.names, pull, weight, strict=True)
            if b > 1e-6
        }


def prequential(slots: SlotModel, fit: Tables, told: Ints, current: Ints, replay: Replay) -> Gained:
    """Each of the sessions at places `told` of the histories `fit` (R, m, K, G) told by the ones before it."""
    ks = np.arange(fit.shape[2])
    recent = np.zeros((len(fit), *fit.shape[2:]))
    whole = np.zeros_like(recent)
    before, after = np.zeros((len(fit), len(told))), np.zeros((len(fit), len(told)))
    wanted = {place: k for k, place in enumerate(told.tolist())}
    for place in range(fit.shape[1]):
        now = fit[:, place]
        if place in wanted:
            index = slots.best(replay.seen + recent + REPLAY * whole, current)
            after[:, wanted[place]] = np.take_along_axis(now, index[:, :, None], axis=2)[:, :, 0].sum(axis=1)
            before[:, wanted[place]] = now[:, ks, current].sum(axis=1)
        recent = (recent + now) * 0.5 ** (1 / HALF_LIFE)
        whole += now
    return Gained(before, after)


def of_proposal(fit: Tables, told: Ints, current: Ints, proposed: Ints) -> Gained:
    """The sessions at places `told` under a persona that was proposed from others."""
    ks = np.arange(fit.shape[2])
    seen = fit[:, told]
    return Gained(*(seen[:, :, ks, index].sum(axis=2).astype(np.float64) for index in (current, proposed)))
