"""Intervals of rank agreement cover what they are for, and pairs are as sure as their data."""

import numpy as np
import pytest

from tests.transfer.ranking_worlds import means, people, simulators, study
from understudy.transfer.rank_agreement import pair_orders, rank_agreement
from understudy.transfer.rank_correlation import kendall_tau
from understudy.transfer.scores import Tally

USERS = 40


def coverage(name: str, replications: int, draws: int) -> float:
    real = people()
    law = simulators(real)[name]
    rng = np.random.default_rng(11)
    truth = np.nanmean(kendall_tau(means(real, USERS, 4000, rng), means(law, 2 * USERS, 4000, rng)))
    hits = 0
    for _ in range(replications):
        found = rank_agreement(study(real, USERS, rng), study(law, 2 * USERS, rng), kendall_tau, rng=rng, draws=draws)
        hits += found.interval[0] <= truth <= found.interval[1]
    return hits / replications


@pytest.mark.parametrize("name", ["perfect", "misleading"])
def test_the_interval_covers(name):
    assert coverage(name, 60, 150) >= 0.88


@pytest.mark.slow
@pytest.mark.parametrize("name", ["perfect", "noisy", "biased alike", "uninformative", "misleading"])
def test_the_interval_covers_at_length(name):
    assert 0.915 <= coverage(name, 600, 600) <= 0.985


def test_graded_simulators_come_out_in_their_order():
    real = people()
    rng = np.random.default_rng(0)
    one = study(real, 200, rng)
    tau = {
        name: rank_agreement(one, study(law, 200, rng), kendall_tau, rng=rng) for name, law in simulators(real).items()
    }
    assert tau["perfect"].value > 0.8 > tau["uninformative"].value
    assert tau["perfect"].interval[0] > tau["uninformative"].interval[1]
    assert tau["misleading"].interval[1] < 0
    assert tau["biased alike"].interval[0] > 0


def test_few_users_have_no_interval_and_ties_no_value():
    rng = np.random.default_rng(0)
    few = study(people(4), 6, rng)
    found = rank_agreement(few, study(people(4), 30, rng), kendall_tau, rng=rng)
    assert found.interval is None
    level = Tally(np.ones((20, 4)), np.ones((20, 4)))
    assert rank_agreement(level, study(people(4), 30, rng), kendall_tau, rng=rng).value is None


def test_pair_confidence_is_uniform_where_systems_are_equal():
    rng = np.random.default_rng(1)
    sure = []
    for _ in range(400):
        one = Tally(rng.normal(size=(15, 2)), np.ones((15, 2)))
        sure.append(pair_orders(("a", "b"), one, one)[0].p_real)
    assert 0.02 <= np.mean(np.array(sure) > 0.95) <= 0.085
    assert 0.42 <= np.mean(np.array(sure) > 0.5) <= 0.58


def test_shared_users_make_differences_sharper():
    rng = np.random.default_rng(2)
    leaning = rng.normal(0, 3, (30, 1))
    scores = leaning + [0.0, 0.5] + 0.3 * rng.normal(size=(30, 2))
    paired = Tally(scores, np.ones((30, 2)))
    eye = np.tile(np.eye(2), (30, 1))
    apart = Tally(scores.reshape(-1, 1) * eye, eye)
    p, q = (pair_orders(("a", "b"), side, paired)[0] for side in (paired, apart))
    assert p.real == pytest.approx(q.real)
    assert p.high - p.low < 0.3 * (q.high - q.low)
    assert p.p_real < 0.001 < q.p_real
