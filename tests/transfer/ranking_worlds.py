"""Worlds of known truth: partners of graded quality, people who score them, simulators of graded fidelity.

An episode succeeds with probability `sigmoid(quality + user + weight * ease of the item + noise)`. A simulator has
the same form with its own qualities, shift and weight of the item. Everything is drawn for many studies at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.transfer.scores import Scores, Tally


class Law(NamedTuple):
    """How one kind of user scores: qualities of the partners, weight of the item, spread of users."""

    quality: np.ndarray
    item: float = 1.5
    user: float = 0.6


def people(systems: int = 12, apart: float = 2.4) -> Law:
    """Real users, and partners evenly spaced in quality."""
    return Law(np.linspace(-apart / 2, apart / 2, systems))


def simulators(real: Law, seed: int = 7) -> dict[str, Law]:
    """Simulators of graded fidelity to `real`."""
    rng = np.random.default_rng(seed)
    scrambled = rng.permutation(real.quality)
    return {
        "perfect": real,
        "noisy": Law(0.6 * real.quality + 0.25 * scrambled, item=0.7, user=1.0),
        "biased alike": Law(real.quality + 1.0, item=real.item, user=real.user),
        "uninformative": Law(0.0 * real.quality, item=0.0),
        "misleading": Law(-real.quality, item=-real.item),
    }


def outcomes(law: Law, ease: np.ndarray, rng: np.random.Generator, *, visits: bool) -> np.ndarray:
    """Successes, (..., users, systems), of users who meet the item `ease` (..., users, systems) with each system.

    `visits`: each user meets all systems; else every episode is by a user of its own.
    """
    shape = (*ease.shape[:-1], 1) if visits else ease.shape
    user = law.user * rng.standard_normal(shape)
    p = 1 / (1 + np.exp(-(law.quality + user + law.item * ease)))
    return (rng.random(ease.shape) < p).astype(float)


def true_scores(law: Law) -> np.ndarray:
    """The success rate of each partner, by quadrature over users and items."""
    x, w = np.polynomial.hermite_e.hermegauss(80)
    spread = np.hypot(law.user, law.item)
    p = 1 / (1 + np.exp(-(law.quality[:, None] + spread * x)))
    return p @ (w / w.sum())


def study(law: Law, users: int, rng: np.random.Generator, *, visits: bool = True) -> Tally:
    """One study as sums by user: everyone meets every system, or (`visits=False`) one system each."""
    ease = rng.standard_normal((users, len(law.quality)))
    return as_tally(outcomes(law, ease, rng, visits=visits), visits=visits)


def as_tally(scores: np.ndarray, *, visits: bool) -> Tally:
    """Scores of (users, systems) as sums by user."""
    if visits:
        return Tally(scores, np.ones_like(scores))
    users, systems = scores.shape
    counts = np.tile(np.eye(systems), (users, 1))
    return Tally(scores.reshape(-1, 1) * counts, counts)


def means(law: Law, users: int, studies: int, rng: np.random.Generator, *, visits: bool = True) -> np.ndarray:
    """Mean scores of many studies, (studies, systems)."""
    blocks = []
    for start in range(0, studies, 200):
        ease = rng.standard_normal((min(200, studies - start), users, len(law.quality)))
        blocks.append(outcomes(law, ease, rng, visits=visits).mean(axis=1))
    return np.concatenate(blocks)


def paired_study(
    real: Law, simulator: Law, users: int, items: int, rng: np.random.Generator, *, per_user: int = 1
) -> tuple[Scores, Scores]:
    """One system (the first quality of each law): people meet `users * per_user` items, the simulator all `items`."""
    met = users * per_user
    ease = rng.standard_normal(items)
    who = np.repeat(np.arange(users), per_user)
    p = 1 / (1 + np.exp(-(real.quality[0] + real.user * rng.standard_normal(users)[who] + real.item * ease[:met])))
    machine = np.arange(items)
    q = simulator.quality[0] + simulator.user * rng.standard_normal(items) + simulator.item * ease
    names = np.char.add("i", machine.astype(str))
    people_side = Scores(
        np.full(met, "a"), (rng.random(met) < p).astype(float), np.char.add("u", who.astype(str)), names[:met]
    )
    # Mean of several simulated conversations an item: a probability with some noise left.
    runs = rng.binomial(5, 1 / (1 + np.exp(-q))) / 5
    return people_side, Scores(np.full(items, "a"), runs, np.char.add("s", machine.astype(str)), names)
