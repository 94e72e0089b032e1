"""How far a judge agrees with people, and with itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from understudy.errors import MeasureError
from understudy.measures.consistency.line_judge import Floats, LineJudge


class Label(NamedTuple):
    """What people said of a pair: whether the later line takes back one of the earlier ones of the same speaker."""

    unit: str
    earlier: tuple[str, ...]
    later: str
    taken_back: bool


class Agreement(NamedTuple):
    """Kappa (Cohen 1960) and AC1 (Gwet 2008, steady where one answer is rare) with intervals over units, and AUC."""

    labels: int
    threshold: float
    kappa: float
    kappa_interval: tuple[float, float]
    ac1: float
    ac1_interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]


def surest(judge: LineJudge, labels: Sequence[Label]) -> Floats:
    """The highest probability over the earlier lines of each label; 0 where there is none."""
    earlier = [line for label in labels for line in label.earlier]
    later = [label.later for label in labels for _ in label.earlier]
    owner = np.repeat(np.arange(len(labels)), [len(label.earlier) for label in labels])
    scores = judge.contradicts(earlier, later)
    found = np.zeros(len(labels))
    np.maximum.at(found, owner, np.where(scores.scorable, scores.value, 0.0))
    return found


def agreement(values: Floats, labels: Sequence[Label], *, rng: np.random.Generator, resamples: int = 999) -> Agreement:
    """How far do scores agree with people's labels? The threshold calls as many as people do.

    Intervals by a bootstrap over units. Raises `MeasureError` where people gave one answer only.

    >>> labels = [Label(f"u{k}", ("a",), "b", k % 2 == 0) for k in range(40)]
    >>> found = agreement(np.array([0.9, 0.1] * 20), labels, rng=np.random.default_rng(0), resamples=99)
    >>> found.kappa, found.ac1, found.auc
    (1.0, 1.0, 1.0)
    """
    truth = np.array([label.taken_back for label in labels], dtype=bool)
    if not truth.any() or truth.all():
        raise MeasureError(
            f"{len(labels)} labels, all of them alike",
            why="agreement is about both answers",
            fix="label lines that take something back and lines that do not",
        )
    _, unit = np.unique([label.unit for label in labels], return_inverse=True)
    rows = [np.flatnonzero(unit == k) for k in range(int(unit.max()) + 1)]
    threshold = float(np.quantile(values, 1 - truth.mean()))

    def every(chosen: np.ndarray) -> tuple[float, float, float]:
        return _numbers(values[chosen], truth[chosen], threshold)

    drawn = []
    for _ in range(resamples):
        chosen = np.concatenate([rows[k] for k in rng.integers(0, len(rows), len(rows))])
        if 0 < truth[chosen].sum() < len(chosen):
            drawn.append(every(chosen))
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    kappa, ac1, auc = every(np.arange(len(labels)))
    a, b, c = ((float(x), float(y)) for x, y in zip(low, high, strict=True))
    return Agreement(len(labels), threshold, kappa, a, ac1, b, auc, c)


def _numbers(values: Floats, truth: np.ndarray, threshold: float) -> tuple[float, float, float]:
    from scipy.stats import rankdata

    called = values > threshold
    same = float((called == truth).mean())
    p, q = float(called.mean()), float(truth.mean())
    by_chance = p * q + (1 - p) * (1 - q)
    kappa = (same - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0
    middle = (p + q) / 2
    gwet = 2 * middle * (1 - middle)
    ranks, n = rankdata(values), int(truth.sum())
    auc = (ranks[truth].sum() - n * (n + 1) / 2) / (n * (len(truth) - n))
    return kappa, (same - gwet) / (1 - gwet), float(auc)
