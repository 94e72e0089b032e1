"""Prediction-powered scores: right whatever the simulator, sharper where it is informative, never much wider."""

import numpy as np
import pytest

from tests.transfer.ranking_worlds import paired_study, people, simulators, true_scores
from understudy.errors import MeasureError
from understudy.transfer.allocation import buy_for_precision, spend
from understudy.transfer.prediction_powered import EVERY_ITEM, NO_ITEM, prediction_powered
from understudy.transfer.scores import Scores

REAL = people(1, 0.0)._replace(quality=np.array([0.5]))
TRUTH = float(true_scores(REAL)[0])
NAMES = ["perfect", "noisy", "biased alike", "uninformative", "misleading"]


def studies(name: str, replications: int, users: int = 40):
    rng = np.random.default_rng(31)
    law = simulators(REAL)[name]
    return [prediction_powered(*paired_study(REAL, law, users, 800, rng), "a") for _ in range(replications)]


def coverage(found) -> float:
    return float(np.mean([p.interval[0] <= TRUTH <= p.interval[1] for p in found]))


def ratios(found) -> np.ndarray:
    return np.array([(p.interval[1] - p.interval[0]) / (p.human_interval[1] - p.human_interval[0]) for p in found])


@pytest.mark.parametrize("name", NAMES)
def test_covers_and_is_never_much_wider(name):
    found = studies(name, 150)
    assert coverage(found) >= 0.9
    assert ratios(found).max() <= 1.05


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_covers_at_length(name):
    assert 0.93 <= coverage(studies(name, 3000)) <= 0.97


def test_informative_simulators_narrow_and_others_do_not():
    width = {name: ratios(studies(name, 60)).mean() for name in NAMES}
    assert width["perfect"] < 0.95
    assert width["misleading"] < 0.95  # in reverse is informative too
    assert width["uninformative"] > 0.99
    worth = {name: np.mean([p.worth for p in studies(name, 60)]) for name in NAMES}
    assert worth["perfect"] > worth["noisy"] > worth["uninformative"]


def test_an_unlucky_few_users_are_never_widened_by_more_than_a_twentieth():
    assert ratios(studies("uninformative", 60, users=15)).max() <= 1.05
    alone = studies("perfect", 1, users=14)[0]
    assert alone.weight == 0
    assert alone.interval == alone.human_interval
    assert "14 real users" in alone.reason


def test_what_stands_in_the_way_is_said():
    real, simulated = paired_study(REAL, REAL, 30, 30, np.random.default_rng(0))
    assert prediction_powered(real, simulated, "a").reason == EVERY_ITEM
    unpaired = Scores(simulated.system, simulated.score, simulated.unit)
    assert prediction_powered(real, unpaired, "a").reason == NO_ITEM
    flat = paired_study(REAL, REAL, 30, 300, np.random.default_rng(0))[1]
    flat = Scores(flat.system, np.ones(300), flat.unit, flat.item)
    assert "same score" in prediction_powered(real, flat, "a").reason


def test_further_items_of_another_kind_are_noticed():
    rng = np.random.default_rng(1)
    real, simulated = paired_study(REAL, REAL, 60, 600, rng)
    score = simulated.score.copy()
    score[60:] -= 0.5
    changed = Scores(simulated.system, score, simulated.unit, simulated.item)
    assert "of another kind" in prediction_powered(real, changed, "a").reason
    assert prediction_powered(real, simulated, "a").reason == ""


def test_repeated_simulations_of_an_item_count_once_and_scale_does_not_matter():
    real, simulated = paired_study(REAL, REAL, 40, 400, np.random.default_rng(2))
    twice = Scores(
        *(np.concatenate([c, c]) for c in (simulated.system, simulated.score, simulated.unit, simulated.item))
    )
    scaled = Scores(simulated.system, 100 - 10 * simulated.score, simulated.unit, simulated.item)
    first = prediction_powered(real, simulated, "a")
    for other in (twice, scaled):
        again = prediction_powered(real, other, "a")
        assert again.interval == pytest.approx(first.interval)
        assert again.unlabelled == first.unlabelled == 360


def test_buying_reaches_the_precision_it_promises():
    rng = np.random.default_rng(3)
    found = prediction_powered(*paired_study(REAL, REAL, 60, 3000, rng), "a")
    (purchase,) = buy_for_precision([found], 0.05)
    assert purchase.reach <= 0.05
    assert 0 < purchase.buy < purchase.buy_without
    after = prediction_powered(*paired_study(REAL, REAL, found.n + purchase.buy, 3000, rng), "a")
    assert (after.interval[1] - after.interval[0]) / 2 == pytest.approx(0.05, abs=0.006)
    assert buy_for_precision([found], 10.0)[0].buy == 0
    with pytest.raises(MeasureError, match="precision"):
        buy_for_precision([found], 0.0)


def test_nothing_is_bought_where_the_precision_is_there_already():
    held = prediction_powered(*paired_study(REAL, REAL, 60, 3000, np.random.default_rng(3)), "a")
    short = held._replace(system="b", sigma=30 * held.sigma)
    for scores in ([held], [held, short], [short, held], [held, held, short]):
        for bought in buy_for_precision(scores, 0.3):
            assert bought.reach <= 0.3
            assert min(bought.buy, bought.buy_without) >= 0
            assert (bought.buy > 0) == (bought.system == "b")


def test_a_budget_goes_where_the_variance_is():
    base = prediction_powered(*paired_study(REAL, REAL, 40, 400, np.random.default_rng(4)), "a")
    plain = base._replace(explained=0.0)
    wide = plain._replace(system="wide", sigma=3 * base.sigma)
    spent = spend([plain, wide], 200)
    assert sum(p.buy for p in spent) == 200
    totals = [p.held + p.buy for p in spent]
    assert totals[1] / totals[0] == pytest.approx(3, rel=0.1)  # Neyman: in proportion to the standard deviations
    with pytest.raises(MeasureError, match="budget"):
        spend([plain], 0)
