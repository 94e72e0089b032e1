"""Runs with known truth: test units that are easy or hard, and scores that rise as told, from step to step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Growth(NamedTuple):
    """Truth of one run: the chance of a right answer at each step, for a simulated and for a real test set.

    `unit`: sd of how hard a unit is. `pace`: sd of how fast a unit's score moves, as a share of the total movement.
    `wobble`: sd of what training does to both test sets alike at each step. `own`: the same for each set by itself,
    in each of `runs` training runs. `steady`: share of a unit's luck that it keeps from one step to the next.
    """

    simulated: Sequence[float]
    real: Sequence[float]
    units: tuple[int, int] = (80, 60)
    per_unit: int = 3
    unit: float = 0.15
    pace: float = 0.5
    wobble: float = 0.01
    own: float = 0.0
    runs: int = 1
    steady: float = 0.8

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Scores (steps, runs, units) on either test set."""
        shared = rng.normal(0, self.wobble, (self.runs, len(self.simulated)))
        first = self._side(self.simulated, self.units[0], shared, rng)
        return first, self._side(self.real, self.units[1], shared, rng)

    def _side(self, curve: Sequence[float], units: int, shared: Floats, rng: np.random.Generator) -> Floats:
        hard = rng.normal(0, self.unit, units)
        moved = np.asarray(curve) - curve[0]
        pace = rng.normal(1, self.pace, units)
        luck = rng.random((units, self.per_unit))
        scores = np.zeros((len(curve), self.runs, units))
        for run in range(self.runs):
            keep = luck
            for step in range(len(curve)):
                fresh = rng.random(luck.shape) > self.steady
                keep = np.where(fresh, rng.random(luck.shape), keep)
                lift = shared[run, step] + rng.normal(0, self.own)
                chance = np.clip(curve[0] + moved[step] * pace + hard + lift, 0, 1)
                scores[step, run] = (keep < chance[:, None]).mean(axis=1)
        return scores


def rising(by: float, steps: int, start: float = 0.4) -> list[float]:
    """A score that rises by `by` a doubling."""
    return [start + by * k for k in range(steps)]


def rate(alarmed: Callable[[int], bool], trials: int) -> float:
    """The share of trials that alarm."""
    return float(np.mean([alarmed(trial) for trial in range(trials)]))
