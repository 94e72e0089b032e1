"""Known models give back their loadings, reliabilities and the items that were turned round."""

from __future__ import annotations

import numpy as np
import pytest

from understudy.measures.pmq import FACTORS, ITEMS
from understudy.measures.pmq_structure import alpha, omega, reliability, structure
from understudy.testing.questionnaires import LOADING, alpha_of, simulated_answers

MANY = simulated_answers(1500, seed=3)


def test_loadings_and_correlations_come_back() -> None:
    found = structure(MANY)
    assert found is not None
    for item in ITEMS:
        assert found.loadings[item.key] == pytest.approx(LOADING[item.factor], abs=0.07)
    assert all(r == pytest.approx(0.4, abs=0.08) for r in found.correlations.values())
    assert found.rmsea < 0.03
    assert found.cfi > 0.98
    assert found.turned == ()


def test_alphas_come_back_within_their_intervals() -> None:
    found = reliability(MANY, rng=np.random.default_rng(0))
    for name, size in zip(FACTORS, (9, 6, 3), strict=True):
        known = alpha_of(size, LOADING[name])
        assert found[name].alpha.value == pytest.approx(known, abs=0.025)
        assert found[name].omega.value == pytest.approx(known, abs=0.025)
        assert found[name].alpha.interval[0] < found[name].alpha.value < found[name].alpha.interval[1]


@pytest.mark.parametrize("wrong", [("warm",), ("competent", "precise"), ("flexible",), ("expert", "social")])
def test_items_that_were_turned_round_are_named(wrong: tuple[str, ...]) -> None:
    found = structure(simulated_answers(250, seed=5, turned=wrong))
    assert found is not None
    assert found.turned == tuple(item.key for item in ITEMS if item.key in wrong)
    assert all(found.loadings[key] < 0 for key in wrong)


def test_one_factor_alone_does_not_pass_for_three() -> None:
    found = structure(simulated_answers(800, seed=1, correlation=0.94))
    assert found is not None
    assert min(found.correlations.values()) > 0.85


def test_answers_without_any_structure_are_seen() -> None:
    rng = np.random.default_rng(0)
    noise: list[dict[str, int | None]] = [{i.key: int(rng.integers(1, 8)) for i in ITEMS} for _ in range(300)]
    found = structure(noise)
    assert found is not None
    assert np.median([abs(x) for x in found.loadings.values()]) < 0.3
    assert reliability(noise, rng=rng)["competence"].alpha.value < 0.4


def test_too_few_people_give_nothing() -> None:
    assert structure(MANY[:29]) is None
    assert reliability(MANY[:29], rng=np.random.default_rng(0)) == {}
    assert np.isnan(alpha(np.ones((5, 3))))
    assert np.isnan(omega(np.ones((5, 3))))
