"""A space-filling design: scenarios spread over all layers at once, instead of their full product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.scenarios.characteristics import NAMES, Context
from understudy.scenarios.goodness import fit_of
from understudy.scenarios.joint import Joint
from understudy.scenarios.personality import TRAITS, Personality
from understudy.scenarios.plan import Plan
from understudy.scenarios.scenario import Scenario, with_id
from understudy.seeds import derive_seed, stream
from understudy.users.profile import Persona

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_TRIES = 16
_BLOCK = 6


class Stratum(NamedTuple):
    """One topic and one of its subtopics, with its share of the scenarios."""

    topic: str
    subtopic: str
    weight: float
    goals: tuple[str, ...] = ()


def space_filling(n: int, blocks: Sequence[int], *, seed: int) -> Floats:
    """`(n, sum(blocks))` points of the unit cube: scrambled Sobol within each block, shuffled between blocks.

    In a block of few dimensions the discrepancy falls as (log n)^d / n where that of independent draws falls as
    n^-1/2. In one sequence of many dimensions some pairs of them are covered badly at any usable n; blocks that are
    shuffled against each other have no such pairs (Latin supercube sampling, Owen 1998, doi:10.1145/272991.273010).
    Sequence: Sobol (1967), doi:10.1016/0041-5553(67)90144-9.

    >>> points = space_filling(64, [3, 2], seed=0)
    >>> points.shape, bool((np.histogram(points[:, 1], bins=8, range=(0, 1))[0] == 8).all())
    ((64, 5), True)
    """
    from scipy.stats import qmc

    power = max(1, int(np.ceil(np.log2(max(n, 2)))))
    parts = []
    for k, dimensions in enumerate(blocks):
        # A whole power of two keeps the balance of the sequence; its start is taken. Shuffled, so that the index
        # of a scenario says nothing either.
        sobol = qmc.Sobol(dimensions, scramble=True, seed=stream(seed, "sobol", k))
        parts.append(sobol.random_base2(power)[:n][stream(seed, "shuffle", k).permutation(n)])
    return np.hstack(parts) if parts else np.zeros((n, 0))


def shares(weights: Sequence[float], n: int) -> Ints:
    """How many of `n` each weight gets, by largest remainders; earlier ones first among equals.

    >>> shares([2, 1, 1], 10).tolist()
    [5, 3, 2]
    """
    exact = np.array(weights, dtype=float) / sum(weights) * n
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: n - int(counts.sum())]] += 1
    return counts


def draw_scenarios(
    plan: Plan, strata: Sequence[Stratum], joint: Joint, personality: Personality, *, seed: int
) -> tuple[Scenario, ...]:
    """All `plan.n` scenarios, in order; the same plan and seed give the same scenarios, ids and seeds.

    Strata get their exact share. One coordinate orders the points within the strata; the others go through the
    inverse distribution functions of traits, facts, goals and the joint of the characteristics. Of 16 designs the
    one whose worst pair of layers comes nearest to the declaration is taken.

    Differences from DiaSynth (arXiv:2409.19020): 1. a design of `n` cells instead of all pairs of personas for
    every subtopic; 2. characteristics are sampled from a declared distribution and kept, where there a model
    assumed them unseen; 3. everything has a seed.
    """
    facts = sorted(plan.personas.facts)
    counts = shares([stratum.weight for stratum in strata], plan.n)
    layout = _Layout(joint, len(facts))
    best = min(
        (_Drawn(layout, strata, counts, joint, derive_seed(seed, "design", k), plan.n) for k in range(_TRIES)),
        key=lambda drawn: drawn.worst,
    )
    stratum_of, levels, background, wish = best.stratum_of, best.levels, best.background, best.wish
    scores = personality.at(best.traits)
    scenarios = []
    for k in range(plan.n):
        stratum = strata[int(stratum_of[k])]
        goals = stratum.goals or tuple(plan.personas.goals)
        persona = Persona(
            id=f"sim-{seed}-{k:05d}",
            big_five={trait: round(float(z), 3) for trait, z in zip(TRAITS, scores[k], strict=True)},
            facts=tuple(f"{f}: {_pick(plan.personas.facts[f], background[k, j])}" for j, f in enumerate(facts)),
        )
        named = {name: joint.levels[name][levels[k, j]] for j, name in enumerate(NAMES)}
        scenario = Scenario(
            id="",
            index=k,
            seed=derive_seed(seed, "scenario", k),
            topic=stratum.topic,
            subtopic=stratum.subtopic,
            persona=persona,
            goal=_pick(goals, wish[k, 0]) if goals else "",
            context=Context(**named),
        )
        scenarios.append(with_id(scenario))
    return tuple(scenarios)


class _Layout:
    """Which coordinate of a point is for what. Blocks are short: what depends on each other, else six at a time."""

    def __init__(self, joint: Joint, facts: int) -> None:
        names = [name for part in joint.components for name in part.names]
        together = [names[k : k + _BLOCK] for k in range(0, len(names), _BLOCK)]
        self.blocks = [1, len(TRAITS), *(len(block) for block in together), *([facts] if facts else []), 1]
        self.column = [names.index(name) for name in NAMES]
        self.parts = np.cumsum([1, len(TRAITS), len(names), facts])


class _Drawn:
    """One design: strata, levels and the points of traits, facts and goals, with the misfit of its worst pair."""

    def __init__(
        self, layout: _Layout, strata: Sequence[Stratum], counts: Ints, joint: Joint, seed: int, n: int
    ) -> None:
        points = space_filling(n, layout.blocks, seed=seed)
        place, self.traits, setting, self.background, self.wish = np.split(points, layout.parts, axis=1)
        self.stratum_of = np.empty(n, dtype=np.int64)
        self.stratum_of[np.argsort(place[:, 0], kind="stable")] = np.repeat(np.arange(len(strata)), counts)
        self.levels = joint.at(setting[:, layout.column])
        topics = list(dict.fromkeys(stratum.topic for stratum in strata))
        topic = np.array([topics.index(stratum.topic) for stratum in strata])
        share = np.bincount(topic, weights=[s.weight for s in strata])
        share = share / share.sum()
        misfits = []
        for k, name in enumerate(NAMES):
            size = len(joint.levels[name])
            misfits.append(
                _misfit(topic[self.stratum_of] * size + self.levels[:, k], np.outer(share, joint.marginal(name)))
            )
            for j, other in enumerate(NAMES[:k]):
                misfits.append(_misfit(self.levels[:, j] * size + self.levels[:, k], joint.pair(other, name)))
        self.worst = max(misfits)


def _misfit(cell: Ints, probability: Floats) -> float:
    """How many standard deviations the chi-square lies above what independent draws give."""
    fit = fit_of("", np.bincount(cell, minlength=probability.size).astype(float), probability.ravel())
    return (fit.chi2 - fit.df) / float(np.sqrt(2 * max(fit.df, 1)))


def _pick(values: Sequence[str], point: float) -> str:
    return values[min(int(point * len(values)), len(values) - 1)]
