"""Weights: the truth is recovered with its interval, noise is not taken for a mixture, what a member adds."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transfer.worlds import clouds, people
from understudy.transfer.members import members_of
from understudy.transfer.mixtures import candidates_of, fit_mixture, pair_distances, simplex_weights

TRUTH = (0.5, 0.3, 0.2)


def _coverage(runs: int) -> tuple[np.ndarray, np.ndarray]:
    truth, covered, found = np.array(TRUTH), [], []
    for seed in range(runs):
        fit = fit_mixture(clouds(TRUTH, real=150, each=120, shift=1.5, seed=seed), seed=seed)
        covered.append((fit.interval[:, 0] <= truth) & (truth <= fit.interval[:, 1]))
        found.append(fit.estimated)
    return np.mean(covered, axis=0), np.mean(found, axis=0)


def test_known_weights_are_recovered_with_their_interval() -> None:
    covered, mean = _coverage(40)
    assert covered.min() >= 0.85
    assert np.abs(mean - np.array(TRUTH)).max() < 0.03


@pytest.mark.slow
def test_the_interval_covers() -> None:
    covered, mean = _coverage(400)
    assert covered.min() >= 0.925
    assert np.abs(mean - np.array(TRUTH)).max() < 0.01


def test_equal_members_are_no_mixture() -> None:
    """Where members do not differ, the policy is one of the simple ones: weights are noise."""
    fits = [fit_mixture(clouds(TRUTH, real=100, each=80, shift=0.0, seed=s), seed=s) for s in range(40)]
    assert sum(fit.policy.startswith("mixture") for fit in fits) <= 4


def test_one_right_member_is_taken_alone() -> None:
    fits = [fit_mixture(clouds((1.0, 0.0, 0.0), real=100, each=80, shift=1.5, seed=s), seed=s) for s in range(20)]
    assert np.mean([fit.weights[0] for fit in fits]) > 0.98
    assert min(fit.weights[0] for fit in fits) > 0.8
    assert all(fit.without[0][0] > 3 * fit.without[0][1] for fit in fits)
    assert all(abs(fit.without[1][0]) < 0.02 for fit in fits)


def test_weights_of_kinds_of_users_are_read_from_their_text() -> None:
    corpora = {f"kind{k}": people(np.eye(3)[k], 120, 10 + k, f"k{k}-") for k in range(3)}
    pool = candidates_of(members_of(corpora, seed=0))
    real = people(TRUTH, 200, 1)
    fit = fit_mixture(pair_distances(real, pool, ("length", "punctuation"), seed=0), seed=0)
    assert fit.policy.startswith("mixture")
    assert np.abs(fit.estimated - np.array(TRUTH)).max() < 0.12
    assert (fit.interval[:, 0] < fit.estimated).all()
    assert (fit.estimated < fit.interval[:, 1]).all()


def test_the_same_seed_gives_the_same_weights() -> None:
    d = clouds(TRUTH, real=60, each=50, shift=1.0, seed=3)
    assert np.array_equal(fit_mixture(d, seed=5).estimated, fit_mixture(d, seed=5).estimated)


def test_weights_stay_on_the_simplex_and_beat_every_corner() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = rng.normal(size=(6, 3))
        far = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
        a = np.sqrt(((points - rng.normal(size=3)) ** 2).sum(-1))
        w = simplex_weights(a, far)
        assert w.min() >= 0
        assert w.sum() == pytest.approx(1.0)
        value = 2 * w @ a - w @ far @ w
        assert value <= (2 * a).min() + 1e-4
        for other in rng.dirichlet(np.ones(6), 200):
            assert value <= 2 * other @ a - other @ far @ other + 1e-4
