"""A space-filling design: scenarios spread over all layers at once, instead of their full product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.scenarios.characteristics import NAMES, Context
from understudy.scenarios.joint import Joint
from understudy.scenarios.personality import TRAITS, Personality
from understudy.scenarios.plan import Plan
from understudy.scenarios.scenario import Scenario, with_id
from understudy.seeds import derive_seed, stream
from understudy.users.profile import Persona

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Stratum(NamedTuple):
    """One topic and one of its subtopics, with its share of the scenarios."""

    topic: str
    subtopic: str
    weight: float
    goals: tuple[str, ...] = ()


def space_filling(n: int, dimensions: int, *, seed: int) -> Floats:
    """`(n, dimensions)` points of the unit cube: the start of a scrambled Sobol sequence.

    The discrepancy falls as (log n)^d / n where that of independent draws falls as n^-1/2, so that small designs
    meet margins and pairs more nearly. Source: Sobol (1967), doi:10.1016/0041-5553(67)90144-9; scrambling by
    Owen (1998), doi:10.1006/jcom.1998.0487.

    >>> points = space_filling(64, 3, seed=0)
    >>> points.shape, bool((np.histogram(points[:, 1], bins=8, range=(0, 1))[0] == 8).all())
    ((64, 3), True)
    """
    from scipy.stats import qmc

    sobol = qmc.Sobol(dimensions, scramble=True, seed=stream(seed, "sobol"))
    # A whole power of two keeps the balance of the sequence; its start is taken.
    return np.asarray(sobol.random_base2(max(1, int(np.ceil(np.log2(max(n, 2))))))[:n])


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

    Strata get their exact share. One Sobol coordinate orders the points within the strata; the others go through
    the inverse distribution functions of traits, facts, goals and the joint of the characteristics.

    Differences from DiaSynth (arXiv:2409.19020): 1. a design of `n` cells instead of all pairs of personas for
    every subtopic; 2. characteristics are sampled from a declared distribution and kept, where there a model
    assumed them unseen; 3. everything has a seed.
    """
    facts = sorted(plan.personas.facts)
    widths = (1, len(TRAITS), len(NAMES), len(facts), 1)
    points = space_filling(plan.n, sum(widths), seed=seed)
    # Neighbours in a Sobol sequence lie in different parts of the cube: in another order, an index says nothing.
    points = points[stream(seed, "order").permutation(plan.n)]
    place, traits, setting, background, wish = np.split(points, np.cumsum(widths)[:-1], axis=1)
    counts = shares([stratum.weight for stratum in strata], plan.n)
    stratum_of = np.empty(plan.n, dtype=np.int64)
    stratum_of[np.argsort(place[:, 0], kind="stable")] = np.repeat(np.arange(len(strata)), counts)
    scores = personality.at(traits)
    levels = joint.at(setting)
    scenarios = []
    for k in range(plan.n):
        stratum = strata[stratum_of[k]]
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


def _pick(values: Sequence[str], point: float) -> str:
    return values[min(int(point * len(values)), len(values) - 1)]
