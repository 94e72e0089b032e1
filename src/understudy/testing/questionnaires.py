"""Answers to the partner questionnaire whose making is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from understudy.measures.pmq import FACTORS, ITEMS, POINTS
from understudy.measures.resampling import Floats
from understudy.seeds import stream

LOADING: Mapping[str, float] = {"competence": 0.7, "human_likeness": 0.72, "flexibility": 0.75}
CORRELATION = 0.4


def simulated_answers(
    n: int,
    *,
    seed: int,
    loading: Mapping[str, float] = LOADING,
    correlation: float = CORRELATION,
    turned: Collection[str] = (),
    state: Floats | None = None,
) -> list[dict[str, int | None]]:
    """Answers of `n` people from a three-factor model: item = loading * factor + rest, cut into seven points.

    Factors have variance 1 and the given correlation; with `state` `(n, 3)` they are these instead. A point is
    1.5 scale steps a standard deviation from the middle, rounded; `turned` items are answered the wrong way round.

    >>> simulated_answers(1, seed=0)[0]["warm"] in range(1, 8)
    True
    """
    rng = stream(seed, "questionnaire")
    between = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    factor = rng.multivariate_normal(np.zeros(3), between, size=n) if state is None else state
    people = []
    for person in factor:
        answers: dict[str, int | None] = {}
        for item in ITEMS:
            weight = loading[item.factor]
            value = weight * person[FACTORS.index(item.factor)] + np.sqrt(1 - weight**2) * rng.normal()
            point = int(np.clip(np.round(4 + 1.5 * value), 1, POINTS))
            if item.positive_left != (item.key in turned):
                point = POINTS + 1 - point
            answers[item.key] = point
        people.append(answers)
    return people


def alpha_of(items: int, loading: float) -> float:
    """The alpha of `items` parallel items of one loading, before they are cut into points.

    >>> round(alpha_of(9, 0.7), 3)
    0.896
    """
    r = loading**2
    return items * r / (1 + (items - 1) * r)
