"""Ranking partners now: the same simulated users talk to each of them, and a function scores what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from understudy.conversations import Conversation
from understudy.errors import UsageError
from understudy.rollouts.partner import Partner
from understudy.rollouts.simulate import simulate
from understudy.transfer.scores import Scores
from understudy.users.opening import SimulatedUsers

Score = Callable[[Conversation], float | None]
OnProgress = Callable[[str, int, int], None]


def partner_scores(
    users: SimulatedUsers | str,
    partners: Mapping[str, Partner | str],
    score: Score,
    *,
    n: int,
    seed: int,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> Scores:
    """What are `partners` worth to simulated users? `n` conversations each, scored by `score` (None: no score).

    Every partner meets the same users in the same order (one seed), so that differences are between partners;
    `item` numbers the rollout, `unit` is its user. An episode that broke down is kept: without a score, and
    `spoiled` where the simulator broke it; one that the partner broke is scored as far as it went.
    The result goes to `rank` beside real scores of the same systems.

    Raises UsageError for fewer than two partners, or a score that is no finite number.

    >>> from understudy.rollouts.partners import function_partner
    >>> from understudy.users import Goal
    >>> from understudy.users.structured import StructuredPopulation
    >>> people = StructuredPopulation([Goal(entities=(("area", "north"),))])
    >>> arms = {"asks": function_partner(lambda history: "Which area?"), "mute": function_partner(lambda history: "Hm")}
    >>> scores = partner_scores(people, arms, lambda talk: float("?" in talk.turns[1].text), n=3, seed=0)
    >>> scores.system.tolist(), scores.score.tolist()
    (['asks', 'asks', 'asks', 'mute', 'mute', 'mute'], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    """
    if len(partners) < 2:
        raise UsageError(f"{len(partners)} partner(s)", why="one system has no order", fix="give at least two")
    system, values, unit, item, spoiled = [], [], [], [], []
    for name, partner in partners.items():
        rollouts = simulate(users, partner, n=n, seed=seed, workers=workers, on_progress=on_progress).rollouts
        for k, rollout in enumerate(rollouts):
            talk, fault = rollout.conversation, rollout.fault
            blameless = fault is None or fault.by == "partner"
            system.append(name)
            values.append(_scored(score, talk, name) if blameless else np.nan)
            unit.append(talk.user_id or f"rollout {k}")
            item.append(f"{k}")
            spoiled.append(fault is not None and fault.by == "user")
    return Scores(
        system=np.array(system, dtype=np.str_),
        score=np.array(values, dtype=np.float64),
        unit=np.array(unit, dtype=np.str_),
        item=np.array(item, dtype=np.str_),
        spoiled=np.array(spoiled, dtype=np.bool_),
        has_users=True,
        source="simulated now",
    )


def _scored(score: Score, talk: Conversation, name: str) -> float:
    value = score(talk)
    if value is None:
        return float("nan")
    if not np.isfinite(value):
        raise UsageError(
            f"the score of {talk.id} with {name} is {value}",
            why="systems are ordered by mean scores",
            fix="return a finite number, or None where there is nothing to score",
        )
    return float(value)
