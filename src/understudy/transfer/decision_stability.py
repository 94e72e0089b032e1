"""Would another simulator have led to another decision? Orders and best systems by several simulators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from understudy.transfer.rank_agreement import Agreement, differences, rank_agreement
from understudy.transfer.rank_correlation import kendall_tau
from understudy.transfer.scores import Tally


class Decision(NamedTuple):
    """What one simulator would have had chosen, and what real users lose by it: `regret` against their own best."""

    simulator: str
    best: str
    tau: float | None
    interval: tuple[float, float] | None
    regret: float
    regret_interval: tuple[float, float]


class Stability(NamedTuple):
    """Decisions by simulator; `pairs` the agreement of each two; `flipped` pairs of systems that two of them order
    differently, each at 95 % confidence."""

    decisions: tuple[Decision, ...]
    pairs: tuple[tuple[str, str, Agreement], ...]
    flipped: tuple[tuple[str, str, str, str], ...]

    @property
    def least(self) -> tuple[str, str, Agreement] | None:
        """The two simulators that agree least."""
        known = [pair for pair in self.pairs if pair[2].value is not None]
        return min(known, key=lambda pair: pair[2].value or 0.0, default=None)


def decision_stability(
    systems: tuple[str, ...], real: Tally, simulators: Mapping[str, Tally], *, rng: np.random.Generator
) -> Stability:
    """Do simulators agree with each other, and what would each have chosen?

    `regret` is the real mean of the really best system less that of the chosen one, with a 95 % t interval of the
    difference by user (one-sided by nature: the best was picked by the same data, so its lower end may pass 0).

    >>> one = np.tile([0.0, 0.5, 1.0], (12, 1)) + np.random.default_rng(0).normal(size=(12, 3)) / 9
    >>> t = Tally(one, one * 0 + 1)
    >>> s = decision_stability(("a", "b", "c"), t, {"x": t, "y": Tally(-one, t.counts)}, rng=np.random.default_rng(0))
    >>> [d.best for d in s.decisions], s.least[2].value, len(s.flipped)
    (['c', 'a'], -1.0, 3)
    """
    from scipy import stats

    decisions = []
    top = int(np.argmax(real.means))
    for name, side in simulators.items():
        chosen = int(np.argmax(side.means))
        found = rank_agreement(real, side, kendall_tau, rng=rng)
        gap, error, freedom = differences(real, np.array([top]), np.array([chosen]))
        reach = float(stats.t.ppf(0.975, freedom[0]) * error[0]) if chosen != top else 0.0
        regret = float(gap[0])
        decisions.append(
            Decision(name, systems[chosen], found.value, found.interval, regret, (regret - reach, regret + reach))
        )
    names = list(simulators)
    two = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    pairs = tuple((a, b, rank_agreement(simulators[a], simulators[b], kendall_tau, rng=rng)) for a, b in two)
    return Stability(tuple(decisions), pairs, tuple(_flipped(systems, simulators, two)))


def _flipped(systems: tuple[str, ...], simulators: Mapping[str, Tally], two: list[tuple[str, str]]) -> Any:
    from scipy import stats

    first, second = np.triu_indices(len(systems), 1)
    orders = {}
    for name, side in simulators.items():
        gap, error, freedom = differences(side, first, second)
        orders[name] = np.sign(gap) * (np.abs(gap) > stats.t.ppf(0.975, freedom) * error)
    for a, b in two:
        for k in np.flatnonzero(orders[a] * orders[b] < 0):
            better, worse = (first[k], second[k]) if orders[a][k] > 0 else (second[k], first[k])
            yield a, b, systems[int(better)], systems[int(worse)]
