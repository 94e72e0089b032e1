"""Intervals of clustered means cover; equivalence is judged on the interval."""

import numpy as np
import pytest

from understudy.errors import MeasureError
from understudy.measures.intervals import (
    bounded_interval,
    cluster_bootstrap_interval,
    cluster_t_interval,
    difference_of_shares,
    equivalent,
)


@pytest.mark.parametrize("icc", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("groups", [15, 40])
def test_cluster_t_covers(icc, groups):
    rng = np.random.default_rng(groups)
    unit = np.repeat(np.arange(groups), 10)
    hits = 0
    for _ in range(600):
        x = rng.normal(0, np.sqrt(icc), groups)[unit] + rng.normal(0, np.sqrt(1 - icc), len(unit))
        interval = cluster_t_interval(x, unit)
        hits += interval.low <= 0 <= interval.high
    assert 0.93 <= hits / 600 <= 0.97


def test_studentised_bootstrap_covers_skewed_users():
    rng = np.random.default_rng(3)
    unit = np.repeat(np.arange(30), 5)
    hits = 0
    for _ in range(300):
        x = rng.exponential(1.0, 30)[unit]
        interval = cluster_bootstrap_interval(x, unit, rng=rng, resamples=399)
        hits += interval.low <= 1 <= interval.high
    assert 0.91 <= hits / 300 <= 0.98


@pytest.mark.parametrize(("p", "q"), [(0.97, 0.02), (0.9, 0.1), (0.02, 0.02), (0.4, 0.3)])
def test_a_difference_of_shares_covers_and_is_possible(p: float, q: float) -> None:
    """Welch's interval holds 65, 92, 55 and 94 % of these."""
    rng = np.random.default_rng(int(100 * p))
    held = []
    for _ in range(3000):
        low, high = difference_of_shares((rng.random(24) < p) * 1.0, (rng.random(16) < q) * 1.0)
        assert -1 <= low < high <= 1
        held.append(low <= p - q <= high)
    assert np.mean(held) >= 0.92


@pytest.mark.parametrize("high", [0.5, 0.93, 0.99])
def test_means_of_few_steps_near_an_end_of_their_scale_are_covered(high: float) -> None:
    """Ratings of 1 to 5 that are mostly 5, a mean of four a user; a t interval covers 95, 88 and 44 %."""
    rng = np.random.default_rng(4)
    truth = 5 * high + (1 - high) * 2.5
    held = []
    for _ in range(600):
        mine = np.where(rng.random((15, 4)) < high, 5, rng.integers(1, 5, (15, 4))).mean(axis=1)
        low, top = bounded_interval(mine.mean(), mine.var(ddof=1) / 15, 15, within=(1.0, 5.0))
        assert 1 <= low < top <= 5
        held.append(low <= truth <= top)
    assert np.mean(held) >= 0.93


def test_unequal_clusters_weigh_by_size():
    unit = np.repeat(np.arange(10), [1] * 9 + [11])
    x = np.where(unit == 9, 1.0, 0.0)
    assert cluster_t_interval(x, unit).mean == pytest.approx(11 / 20)


def test_too_few_clusters_say_so():
    with pytest.raises(MeasureError, match="9 clusters"):
        cluster_t_interval(np.ones(9), np.arange(9))


def test_equivalence_needs_the_whole_interval_inside():
    assert equivalent(0.0, 0.01, 0.05, df=50)
    assert not equivalent(0.0, 0.05, 0.05, df=50)
    with pytest.raises(MeasureError, match="margin"):
        equivalent(0.0, 0.01, 0.0, df=50)
