"""The human ceiling is what brute force says."""

import numpy as np
import pytest

from tests.transfer.ranking_worlds import means, people, study
from understudy.transfer.rank_correlation import kendall_tau, spearman_rho
from understudy.transfer.scores import Tally
from understudy.transfer.split_half import human_ceiling, split_half_curve

USERS = 40


def brute(systems: int, one: int, two: int, correlation=kendall_tau) -> float:
    rng = np.random.default_rng(21)
    sides = [means(people(systems), n, 2000, rng) for n in (one, two)]
    return float(np.nanmean(correlation(*sides)))


def found(systems: int, replications: int, kind="kendall", **options):
    rng = np.random.default_rng(22)
    return [human_ceiling(study(people(systems), USERS, rng), kind, rng=rng, **options) for _ in range(replications)]


@pytest.mark.parametrize(("kind", "correlation"), [("kendall", kendall_tau), ("spearman", spearman_rho)])
def test_halves_and_the_whole_study_agree_with_brute_force(kind, correlation):
    ceilings = found(12, 20, kind, splits=200)
    assert np.mean([c.half for c in ceilings]) == pytest.approx(brute(12, 20, 20, correlation), abs=0.06)
    assert np.mean([c.value for c in ceilings]) == pytest.approx(brute(12, 40, 40, correlation), abs=0.06)
    assert {(c.half_units, c.factor) for c in ceilings} == {(20, 2.0)}


def test_a_larger_other_side_raises_the_ceiling():
    ceilings = found(12, 20, splits=200, other=4.0)
    assert np.mean([c.value for c in ceilings]) == pytest.approx(brute(12, 40, 160), abs=0.06)


@pytest.mark.slow
def test_the_interval_covers_at_length():
    truth = brute(12, 40, 40)
    ceilings = found(12, 300, splits=300)
    assert 0.92 <= np.mean([c.interval[0] <= truth <= c.interval[1] for c in ceilings]) <= 0.985


def test_systems_that_do_not_differ_have_a_ceiling_at_nothing():
    rng = np.random.default_rng(4)
    c = human_ceiling(Tally(rng.normal(size=(60, 8)), np.ones((60, 8))), "kendall", rng=rng)
    assert c.interval[0] == 0
    assert c.interval[1] < 0.8


def test_the_curve_grows_and_few_users_have_none():
    rng = np.random.default_rng(5)
    side = study(people(), 100, rng)
    curve = split_half_curve(side, "kendall", rng=rng)
    assert [point.users for point in curve] == [5, 10, 20, 40, 50]
    values = [point.value for point in curve]
    assert values == sorted(values)
    assert human_ceiling(study(people(), 19, rng), "kendall", rng=rng) is None


def test_very_many_users_are_bunched():
    rng = np.random.default_rng(6)
    side = study(people(), 4500, rng)
    c = human_ceiling(side, "kendall", rng=rng, splits=50)
    assert c.half_units == 2250
    assert c.half > 0.93
