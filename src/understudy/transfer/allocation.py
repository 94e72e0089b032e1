"""How many more real conversations to buy, and of which system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.errors import MeasureError
from understudy.transfer.prediction_powered import PoweredScore

Floats = npt.NDArray[np.float64]
Z = 1.959963984540054
MOST = 10**9


class Purchase(NamedTuple):
    """For one system: real episodes held, and to be bought with and without the simulator's help.

    `reach` is the half-width of the 95 % interval expected after buying with the simulator's help.
    """

    system: str
    held: int
    buy: int
    buy_without: int
    reach: float


def _variance(bought: Floats, scores: Sequence[PoweredScore], *, helped: bool = True) -> Floats:
    """Variance of each score after buying: `sigma^2 / n (1 - R^2 N / (n + N))`, with N simulated items held."""
    n = np.array([s.n for s in scores], dtype=np.float64) + bought
    sigma = np.array([s.sigma for s in scores])
    variance: Floats = sigma**2 / n
    if helped:
        share = np.array([s.explained for s in scores])
        further = np.array([s.unlabelled for s in scores], dtype=np.float64)
        variance = variance * (1 - share * further / (n + np.maximum(further, 1.0)))
    return variance


def buy_for_precision(scores: Sequence[PoweredScore], half_width: float) -> list[Purchase]:
    """How many more real episodes bring each system's 95 % interval to plus or minus `half_width`?

    The least x with `1.96 sqrt(V(n + x)) <= half_width`, V by the present spread, clustering and help of the
    simulator (its simulated items held as they are). Episodes, at the present number for each user.
    Raises MeasureError unless `half_width` is positive.

    >>> held = PoweredScore("a", 0, None, 0, None, 0, None, 100, 100, 0, 0, 100, 1.0, 0.0)
    >>> buy_for_precision([held], 0.1)
    [Purchase(system='a', held=100, buy=285, buy_without=285, reach=0.0998...)]
    """
    if not half_width > 0 or not np.isfinite(half_width):
        raise MeasureError(
            f"a precision of {half_width}",
            why="no number of conversations makes an interval of no width",
            fix="give the half-width that is wanted, on the scale of the score, e.g. 0.05",
        )
    bought = [_least(scores, half_width, helped=helped) for helped in (True, False)]
    reach = Z * np.sqrt(_variance(bought[0].astype(np.float64), scores))
    return [
        Purchase(s.system, s.n, int(x), int(y), float(r)) for s, x, y, r in zip(scores, *bought, reach, strict=True)
    ]


def _least(scores: Sequence[PoweredScore], half_width: float, *, helped: bool) -> npt.NDArray[np.int64]:
    """By bisection, all systems at once."""
    low, high = np.full(len(scores), -1, dtype=np.int64), np.full(len(scores), MOST, dtype=np.int64)
    while (open_ := high - low > 1).any():
        middle = (low + high) // 2
        enough = Z * np.sqrt(_variance(middle.astype(np.float64), scores, helped=helped)) <= half_width
        # A system that is done waits for the others; below its answer, none bought, there is no middle.
        high, low = np.where(open_ & enough, middle, high), np.where(open_ & ~enough, middle, low)
    return high


def spend(scores: Sequence[PoweredScore], budget: int) -> list[Purchase]:
    """Of which systems should `budget` more real episodes be, so that the variances add up to least?

    Neyman's allocation (1934, doi:10.2307/2342192) given what is held: each next episode goes where it brings the
    variance down most, solved for the common marginal gain. Raises MeasureError below one.

    >>> wide = PoweredScore("a", 0, None, 0, None, 0, None, 50, 50, 0, 0, 50, 3.0, 0.0)
    >>> [p.buy for p in spend([wide, wide._replace(system="b", sigma=1.0)], 100)]
    [100, 0]
    """
    if budget < 1:
        raise MeasureError(
            f"a budget of {budget} conversations", why="nothing can be bought", fix="give at least one conversation"
        )
    low, high = 0.0, float(max(_gain(np.zeros(len(scores)), scores).max(), 1e-300))
    for _ in range(200):
        price = (low + high) / 2
        if _worth_buying(scores, price, budget).sum() > budget:
            low = price
        else:
            high = price
    bought = np.floor(_worth_buying(scores, high, budget))
    for _ in range(int(max(budget - bought.sum(), 0))):
        bought[int(np.argmax(_gain(bought, scores)))] += 1
    reach = Z * np.sqrt(_variance(bought, scores))
    return [Purchase(s.system, s.n, int(x), int(x), float(r)) for s, x, r in zip(scores, bought, reach, strict=True)]


def _gain(bought: Floats, scores: Sequence[PoweredScore]) -> Floats:
    """By how much one more episode brings each variance down."""
    gain: Floats = _variance(bought, scores) - _variance(bought + 1, scores)
    return gain


def _worth_buying(scores: Sequence[PoweredScore], price: float, budget: int) -> Floats:
    """How many of each system bring the variance down by at least `price` each (the gain falls with each)."""
    low, high = np.zeros(len(scores)), np.full(len(scores), float(budget))
    for _ in range(40):
        middle = np.floor((low + high + 1) / 2)
        good = _gain(middle - 1, scores) >= price
        low, high = np.where(good, middle, low), np.where(good, high, np.maximum(middle - 1, 0))
    return low
