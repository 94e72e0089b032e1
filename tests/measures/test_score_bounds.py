"""Intervals of mean scores hold no impossible score, have a width, and cover."""

import numpy as np
import pytest

from understudy.measures.score_bounds import Scale, scale_of, score_bounds
from understudy.transfer.prediction_powered import prediction_powered
from understudy.transfer.rank_agreement import Agreement
from understudy.transfer.rank_evidence import flags_of
from understudy.transfer.ranking import rank
from understudy.transfer.scores import Scores, tally
from understudy.transfer.split_half import Ceiling


def bounds_of(score: np.ndarray, unit: np.ndarray, scale: Scale) -> tuple[float, float]:
    side = tally(Scores(np.full(len(score), "a"), score, unit), ["a"])
    low, high = score_bounds(side.means, np.diag(side.covariance), side.units.astype(float), scale)
    return float(low[0]), float(high[0])


@pytest.mark.parametrize("level", [1.0, 1 / 3])  # of the likeness of one user's episodes
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.95])
def test_rates_of_few_users_are_covered(rate: float, level: float):
    rng = np.random.default_rng(int(1000 * rate + level))
    unit = np.repeat(np.char.add("u", np.arange(25).astype(str)), 3)
    inside = []
    for _ in range(400):
        own = np.repeat(rng.random(25) < rate, 3)
        score = np.where(rng.random(75) < level, own, rng.random(75) < rate).astype(float)
        low, high = bounds_of(score, unit, Scale(0.0, 1.0, binary=True))
        assert 0 <= low < high <= 1
        inside.append(low <= rate <= high)
    assert np.mean(inside) >= 0.92


@pytest.mark.parametrize(("score", "end"), [(0.0, 0), (1.0, 1)])
def test_no_success_is_not_certainty(score: float, end: int):
    found = bounds_of(np.full(20, score), np.char.add("u", np.arange(20).astype(str)), Scale(0.0, 1.0, binary=True))
    assert found[end] == score
    assert abs(found[1 - end] - score) == pytest.approx(1 - 0.025 ** (1 / 20))


def test_users_count_and_not_their_episodes_where_all_scores_are_equal():
    few = bounds_of(np.zeros(40), np.repeat(["u", "v", "w", "x"], 10), Scale(0.0, 5.0, binary=False))
    assert few[1] == pytest.approx(5 * (1 - 0.025 ** (1 / 4)))


def test_graded_scores_are_cut_at_the_scale_and_otherwise_as_by_t():
    rng = np.random.default_rng(0)
    unit = np.char.add("u", np.arange(12).astype(str))
    from understudy.measures.intervals import cluster_t_interval

    middle = rng.normal(3, 0.3, size=12)
    t = cluster_t_interval(middle, unit)
    assert bounds_of(middle, unit, Scale(1.0, 5.0, binary=False)) == pytest.approx((t.low, t.high))
    high = np.array([5.0] * 10 + [2.0, 4.0])
    assert bounds_of(high, unit, Scale(1.0, 5.0, binary=False))[1] == 5.0


def test_the_scale():
    assert scale_of(np.array([1.0, 1.0])) == Scale(1.0, 1.0, binary=False)
    assert scale_of(np.array([1.0, 2.0, 3.0, np.nan])) == Scale(1.0, 3.0, binary=False)
    assert not scale_of(np.empty(0)).binary


def study(rates: dict[str, float], users: dict[str, int], seed: int, items: bool = True) -> Scores:
    rng = np.random.default_rng(seed)
    system = np.concatenate([np.full(users[name], name) for name in rates])
    score = np.concatenate([(rng.random(users[name]) < rate).astype(float) for name, rate in rates.items()])
    number = np.concatenate([np.arange(users[name]) for name in rates]).astype(str)
    unit = np.char.add(np.char.add(system, f"-{seed}-"), number)
    return Scores(system, score, unit, np.char.add("i", number) if items else None, has_users=True)


RATES = {"never": 0.0, "rare": 0.05, "half": 0.5, "few": 0.7}
REAL = study(RATES, {"never": 30, "rare": 30, "half": 30, "few": 9}, 1)
SIMULATED = study({**RATES, "never": 0.1}, dict.fromkeys(RATES, 120), 2)


def test_no_bound_of_a_ranking_is_impossible():
    tau, _, _, powered, *_ = rank(REAL, {"sim": SIMULATED}, seed=0)
    table = tau.evidence["systems"]
    for side in ("real", "simulated", "prediction_powered"):
        for value, low, high in zip(*(table[f"{side}{end}"] for end in ("", "_low", "_high")), strict=True):
            assert value is None or 0 <= low <= value <= high <= 1
            assert value is None or low < high
    for part in powered.parts:
        known = [bounds for bounds in (part.interval, part.evidence["human_interval"]) if bounds is not None]
        assert len(known) == (0 if part.name.endswith("few") else 1 if part.name.endswith("never") else 2)
        assert all(0 <= low < high <= 1 for low, high in known)


def test_a_system_without_an_answer_is_listed_with_its_reason():
    powered = next(m for m in rank(REAL, {"sim": SIMULATED}, seed=0, budget=50) if "powered" in m.name)
    for key in ("buy", "spend"):
        assert powered.evidence[key]["left_out"] == [
            "few: 9 real users; at least 10 are needed for an interval",
            "never: all its real scores are equal",
        ]
        assert powered.evidence[key]["systems"]["system"] == ["half", "rare"]


def test_the_reason_that_holds_for_all_systems_is_the_headline():
    unnamed = study(RATES, dict.fromkeys(RATES, 120), 2, items=False)
    powered = next(m for m in rank(REAL, {"sim": unnamed}, seed=0) if "powered" in m.name)
    assert powered.reason.startswith("the two sides name no item in common")
    assert "9 real users" not in powered.reason
    few = study(RATES, {"never": 30, "rare": 12, "half": 12, "few": 9}, 1)
    flat = study({"never": 1.0, "rare": 1.0, "half": 1.0, "few": 0.9}, dict.fromkeys(RATES, 120), 2)
    told = next(m for m in rank(few, {"sim": flat}, seed=0) if "powered" in m.name).reason
    assert "9 real users; at least 10 are needed for an interval (few)" in told
    assert "12 real users have an item that was simulated; at least 15 (half, rare)" in told
    assert "(never)" in told


def test_a_mean_moved_by_the_simulator_is_as_wide_as_its_variance_says():
    width = []
    for mean in (0.2, 0.35):
        low, high = score_bounds(
            np.array([mean]), np.array([0.006]), np.array([20.0]), Scale(0.0, 1.0, binary=True), spread=np.array([0.16])
        )
        width.append(high[0] - low[0])
    assert width[1] == pytest.approx(width[0])


def test_a_sharpened_rate_stays_a_rate():
    rng = np.random.default_rng(5)
    for seed in range(30):
        hard = rng.random(200)
        item = np.char.add("i", np.arange(200).astype(str))
        score = (hard[:20] > 0.9).astype(float)
        score[seed % 20] = 1 - score[seed % 20]
        real = Scores(np.full(20, "a"), score, np.char.add("u", np.arange(20).astype(str)), item[:20])
        simulated = Scores(np.full(200, "a"), (hard > 0.9).astype(float), item, item)
        found = prediction_powered(real, simulated, "a")
        assert 0 <= found.interval[0] <= found.value <= found.interval[1] <= 1


@pytest.mark.parametrize(("value", "low", "unsure"), [(0.45, 0.2, True), (0.7, 0.0, True), (0.7, 0.3, False)])
def test_people_who_hardly_agree_are_flagged(value: float, low: float, unsure: bool):
    ceiling = Ceiling(*[0.0] * len(Ceiling._fields))._replace(value=value, interval=(low, 0.9))
    flags = flags_of(Agreement(0.5, (0.2, 0.8), 0.9), ceiling, 9)
    assert any("do not order these systems reliably" in flag for flag in flags) is unsure
