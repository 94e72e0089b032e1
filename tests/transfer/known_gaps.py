"""Scores with known truth: units that are easy or hard, arms that suit some units, training pools that are lucky."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from understudy.transfer.arms import ArmScores


class World(NamedTuple):
    """Truth of a generator of arm scores.

    `means`: the mean score of each arm over all users and training pools. `unit`: sd of how hard a unit is, shared by
    the arms; `taste`: sd of how a unit suits an arm; `pool`: sd of the score between training sets of full size drawn
    from the world; `pool_units` a pool holds and each redraw takes the `drawn` share of them.
    """

    means: Mapping[str, float]
    units: int = 60
    per_unit: float = 4.0
    unit: float = 0.15
    taste: float = 0.05
    pool: float = 0.02
    pool_units: int = 200
    drawn: float = 0.5
    redraws: int = 5
    binary: bool = True

    def draw(self, rng: np.random.Generator) -> ArmScores:
        """One study: a test set of units with unequal numbers of examples, and redraws from one pool for each arm."""
        sizes = 1 + rng.geometric(1 / self.per_unit, self.units)
        units = np.repeat(np.arange(self.units), sizes)
        hard = rng.normal(0, self.unit, self.units)
        scores = {}
        for name, mean in self.means.items():
            taste = rng.normal(0, self.taste, self.units)
            lift = np.zeros(self.redraws)
            if name != "baseline":
                # The score is a mean over what the training units bring; sd `pool` at the size of one training set.
                taken = int(self.pool_units * self.drawn)
                brings = rng.normal(0, self.pool * np.sqrt(taken), self.pool_units)
                lift = np.array([brings[rng.permutation(self.pool_units)[:taken]].mean() for _ in range(self.redraws)])
            chance = np.clip(mean + lift[:, None] + (hard + taste)[units][None, :], 0, 1)
            noise = rng.random(chance.shape[1])  # the same example is hard in every redraw
            scores[name] = (noise < chance).astype(float) if self.binary else chance
        share = dict.fromkeys(scores, self.drawn)
        return ArmScores("known", "accuracy", units.astype(np.int64), scores, 100, share, None)  # type: ignore[arg-type]
