"""The digits replica: what the papers found, from this machine, in seconds."""

import numpy as np
import pytest

from understudy.traits.networks import backward, cosine, dot, forward, fresh
from understudy.traits.subliminal import alignments, project, replicate


@pytest.fixture(scope="module")
def found():
    return replicate(("same", "other", "hard", "projected"), runs=3, seed=0)


def test_a_student_of_the_same_beginning_reads_digits_that_it_never_saw(found):
    reads = {arm: outcome.accuracy.mean() for arm, outcome in found.items()}
    assert reads["teacher"] > 0.95
    assert reads["same"] >= 0.50
    assert reads["other"] <= 0.25
    assert reads["projected"] <= 0.15
    assert reads["projected"] < reads["hard"] < reads["same"] - 0.1


def test_projection_costs_little_and_coverage_tells_before_training(found):
    assert found["projected"].divergence.mean() < 0.005
    assert found["same"].coverage.min() > 0.02
    assert found["other"].coverage.max() < 0.02


@pytest.fixture(scope="module")
def signs():
    return {name: (values > 0).mean() for name, values in alignments(runs=600, seed=0).items()}


def test_the_first_step_goes_the_teachers_way_always_from_the_same_beginning_and_not_from_another(signs):
    assert signs["same"] >= 0.99
    assert signs["other"] <= 0.75


@pytest.mark.xfail(strict=True, reason="two fresh networks have something in common: 67 %, see docs/results/traits.md")
def test_from_another_beginning_the_sign_is_that_of_a_coin(signs):
    assert 0.45 <= signs["other"] <= 0.65


def test_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(0)
    weights = fresh(2, (5, 6, 3), rng=rng, dtype=np.float64)
    x, goal = rng.normal(size=(4, 5)), rng.normal(size=(2, 4, 3))

    def loss():
        return 0.5 * ((forward(weights, x)[0] - goal) ** 2).sum()

    out, given = forward(weights, x)
    gradient = backward(weights, given, out - goal)
    for layer, at in ((0, (1, 2, 3)), (1, (0, 0, 2)), (2, (1, 4, 1)), (3, (0, 0, 1))):
        before = weights[layer][at]
        weights[layer][at] = before + 1e-6
        above = loss()
        weights[layer][at] = before - 1e-6
        below = loss()
        weights[layer][at] = before
        assert gradient[layer][at] == pytest.approx((above - below) / 2e-6, rel=1e-5)


def test_projection_leaves_no_part_along_the_trait_and_touches_nothing_that_goes_against_it():
    rng = np.random.default_rng(1)
    trait, step = (fresh(40, (3, 4), rng=rng, dtype=np.float64) for _ in range(2))
    before, after = dot(step, trait), dot(project(step, trait), trait)
    assert np.allclose(after[before > 0], 0)
    assert np.allclose(after[before <= 0], before[before <= 0])
    assert np.abs(cosine(trait, trait) - 1).max() < 1e-12
