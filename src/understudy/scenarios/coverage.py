"""Does the design have the distribution that the plan declares, and which cells does it reach?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.scenarios.characteristics import NAMES
from understudy.scenarios.design import Stratum
from understudy.scenarios.goodness import Fit, fit_of
from understudy.scenarios.joint import Joint
from understudy.scenarios.personality import TRAITS, Personality, correlations
from understudy.scenarios.scenario import Scenario

Floats = npt.NDArray[np.float64]


class Coverage(msgspec.Struct, frozen=True):
    """One-way and two-way cells: how many the plan allows, how many the design reaches."""

    one_way: tuple[int, int]  # reached, possible
    two_way: tuple[int, int]
    two_way_expected: float  # reached by as many independent draws
    missing: tuple[str, ...]  # the likeliest cells that it does not reach
    fits: tuple[Fit, ...]
    big_five: Mapping[str, Any]


def cover(scenarios: Sequence[Scenario], strata: Sequence[Stratum], joint: Joint, personality: Personality) -> Coverage:
    """Margins and pairs of the scenarios against the plan, and the cells that they reach.

    One-way cells are the subtopics and the levels of each characteristic; two-way cells are the pairs of levels of
    two characteristics and of a topic and a characteristic. Cells of probability 0 do not count as possible.
    """
    n = len(scenarios)
    codes = {name: np.array([joint.levels[name].index(getattr(s.context, name)) for s in scenarios]) for name in NAMES}
    topics = list(dict.fromkeys(stratum.topic for stratum in strata))
    places = list(dict.fromkeys((stratum.topic, stratum.subtopic) for stratum in strata))
    weight = Counter[tuple[str, str]]()
    for stratum in strata:
        weight[stratum.topic, stratum.subtopic] += stratum.weight  # type: ignore[assignment]
    total = sum(weight.values())
    place_p = np.array([weight[place] / total for place in places])
    at = Counter((s.topic, s.subtopic) for s in scenarios)
    place_n = np.array([float(at[place]) for place in places])
    topic_p = np.array([sum(p for p, place in zip(place_p, places, strict=True) if place[0] == t) for t in topics])
    topic_code = np.array([topics.index(s.topic) for s in scenarios])
    fits = [fit_of("subtopic", place_n, place_p)]
    one: list[tuple[str, Floats, Floats]] = [("subtopic", place_n, place_p)]
    labels: dict[str, list[str]] = {"subtopic": [f"{t} / {s}" for t, s in places]}
    two: list[tuple[str, Floats, Floats, list[str]]] = []
    for k, name in enumerate(NAMES):
        size = len(joint.levels[name])
        counts = np.bincount(codes[name], minlength=size).astype(float)
        fits.append(fit_of(name, counts, joint.marginal(name)))
        one.append((name, counts, joint.marginal(name)))
        labels[name] = list(joint.levels[name])
        crossed = np.bincount(topic_code * size + codes[name], minlength=len(topics) * size).astype(float)
        cells = [f"{t} x {name}={v}" for t in topics for v in joint.levels[name]]
        two.append((f"topic x {name}", crossed, np.outer(topic_p, joint.marginal(name)).ravel(), cells))
        for other in NAMES[:k]:
            wide = len(joint.levels[other])
            crossed = np.bincount(codes[other] * size + codes[name], minlength=wide * size).astype(float)
            cells = [f"{other}={a} x {name}={b}" for a in joint.levels[other] for b in joint.levels[name]]
            two.append((f"{other} x {name}", crossed, joint.pair(other, name).ravel(), cells))
    fits += [fit_of(what, counts, p) for what, counts, p, _ in two]
    absent = [(float(p[j]), cells[j]) for _, c, p, cells in two for j in np.flatnonzero((c == 0) & (p > 0))]
    absent += [(1 + float(p[j]), f"{w}={labels[w][j]}") for w, c, p in one for j in np.flatnonzero((c == 0) & (p > 0))]
    tables = [(c, p) for _, c, p, _ in two]
    return Coverage(
        one_way=_reached([(c, p) for _, c, p in one]),
        two_way=_reached(tables),
        two_way_expected=round(float(sum((1 - np.power(1 - p[p > 0], n)).sum() for _, p in tables)), 1),
        missing=tuple(cell for _, cell in sorted(absent, key=lambda pair: (-pair[0], pair[1]))[:12]),
        fits=tuple(fits),
        big_five=big_five_summary(scenarios, personality),
    )


def _reached(tables: Sequence[tuple[Floats, Floats]]) -> tuple[int, int]:
    reached = sum(int(((counts > 0) & (p > 0)).sum()) for counts, p in tables)
    return reached, sum(int((p > 0).sum()) for _, p in tables)


def big_five_summary(scenarios: Sequence[Scenario], personality: Personality) -> dict[str, Any]:
    """Mean, standard deviation and correlations of the drawn scores beside the declared ones."""
    scores = np.array([[s.persona.big_five[trait] for trait in TRAITS] for s in scenarios])
    found = correlations(scores)
    rows, columns = np.triu_indices(len(TRAITS), 1)
    gap = np.abs(found[rows, columns] - personality.correlation[rows, columns])
    return {
        "source": personality.source,
        "mean": {t: round(float(v), 3) for t, v in zip(TRAITS, scores.mean(axis=0), strict=True)},
        "sd": {t: round(float(v), 3) for t, v in zip(TRAITS, scores.std(axis=0), strict=True)},
        "correlation": [[round(float(v), 3) for v in row] for row in found],
        "declared_correlation": [[round(float(v), 3) for v in row] for row in personality.correlation],
        "largest_correlation_gap": round(float(gap.max()), 3),
    }
