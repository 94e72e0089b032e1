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


class Panel(NamedTuple):
    """People whose scores are `quality + leaning of the user + noise`, rounded to 1-5 stars or not, of some systems.

    `met`: how many systems each user meets, drawn at random (0: all; 1: a panel of its own for each system).
    """

    quality: np.ndarray
    users: int
    noise: np.ndarray | float = 1.0
    leaning: float = 0.5
    stars: bool = False
    met: int = 0
    other: float = 1.0  # size of the other side

    def sums(self, studies: int, rng: np.random.Generator, size: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Scores and whether they were given, (studies, users, systems)."""
        shape = (studies, round(self.users * size), len(self.quality))
        leaning = rng.standard_normal((*shape[:2], len(self.quality) if self.met == 1 else 1))
        scores = self.quality + self.leaning * leaning + self.noise * rng.standard_normal(shape)
        scores = np.clip(np.round(scores), 1, 5) if self.stars else scores
        if self.met < 2:
            return scores, np.ones(shape)
        given = np.argsort(rng.random(shape), axis=-1) < self.met
        return np.where(given, scores, 0.0), given.astype(float)

    def study(self, rng: np.random.Generator) -> Tally:
        scores, given = self.sums(1, rng)
        return as_tally(scores[0], visits=False) if self.met == 1 else Tally(scores[0], given[0])

    def means(self, studies: int, rng: np.random.Generator, size: float = 1.0) -> np.ndarray:
        blocks = [self.sums(min(100, studies - k), rng, size) for k in range(0, studies, 100)]
        return np.concatenate([scores.sum(1) / given.sum(1) for scores, given in blocks])


def panels() -> dict[str, Panel]:
    """Worlds of other shapes: numbers of systems and users, ties, spacings, unequal noise, users of some systems."""
    uneven = np.random.default_rng(5).normal(size=20) * 0.25
    drawn = 3 + 0.3 * np.random.default_rng(6).normal(size=9)
    return {
        "stars": Panel(np.linspace(2.5, 3.7, 6), 30, leaning=0.7, stars=True),
        "unequal noise": Panel(uneven, 60, noise=np.linspace(0.4, 1.6, 20), other=2.0),
        "stars, one system each": Panel(drawn, 28, noise=1.1, leaning=0.3, stars=True, met=1),
        "two groups of equals": Panel(np.array([3, 3, 3, 3.4, 3.4]), 100, leaning=0.8, stars=True, other=0.5),
        "three of eight each": Panel(np.linspace(0, 1.2, 8), 90, met=3),
        "one stands out": Panel(np.array([0.0] * 9 + [1.5]), 50),
        "all equal": Panel(np.zeros(8), 60),
    }


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
