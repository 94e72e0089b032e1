"""Ratios: the truth on overlapping sides, nothing where there is nothing, draws with exactly their chances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transfer.worlds import people
from understudy.transfer.density_ratio import (
    density_ratios,
    draw,
    effective_size,
    inclusion_probabilities,
    most_without_replacement,
    shortfall,
)
from understudy.transfer.members import members_of
from understudy.transfer.mixtures import candidates_of, pair_distances

FAMILIES = ("length", "punctuation")


def _ratios(real_shares: tuple[float, ...], seed: int):
    corpora = {"all": people((1, 1, 1), 240, 100 + seed, "s"), "more": people((1, 1, 1), 240, 200 + seed, "m")}
    pool = candidates_of(members_of(corpora, seed=0))
    real = people(real_shares, 120, seed)
    d = pair_distances(real, pool, FAMILIES, seed=seed)
    base = np.full(len(pool.key), 1 / len(pool.key))
    return pool, density_ratios(real, pool, base, d, FAMILIES, seed=seed)


def test_the_kind_that_is_missing_among_people_is_weighted_down() -> None:
    pool, found = _ratios((0.7, 0.3, 0.0), 1)
    asks = np.array([any("?" in t.text for t in talk.turns if t.role == "user") for talk in pool.corpus])
    long = np.array([talk.turns[1].text[0].isupper() for talk in pool.corpus])
    assert found.power > 0
    assert found.ratio[asks & ~long].mean() < 0.5 < 1.4 < found.ratio[long].mean()
    assert found.effective < 0.9 * len(pool.key)
    assert found.ratio.mean() == pytest.approx(1.0)


def test_nothing_is_selected_from_noise() -> None:
    powers = [_ratios((1, 1, 1), seed)[1].power for seed in range(6)]
    assert sum(power > 0 for power in powers) <= 1


def test_effective_size() -> None:
    assert effective_size(np.ones(7)) == pytest.approx(7)
    assert effective_size(np.zeros(3)) == 0.0


@given(st.lists(st.floats(0.01, 50), min_size=2, max_size=40), st.integers(1, 40))
def test_chances_sum_to_what_is_drawn(weights: list[float], n: int) -> None:
    n = min(n, len(weights))
    chance = inclusion_probabilities(np.array(weights), n)
    assert chance.sum() == pytest.approx(n)
    assert chance.max() <= 1 + 1e-9
    rows = draw(chance, np.random.default_rng(0))
    assert len(rows) == n == len(set(rows.tolist()))


def test_draws_have_their_chances() -> None:
    chance = inclusion_probabilities(np.array([4.0, 2.0, 1.0, 1.0, 0.0, 8.0]), 3)
    rng = np.random.default_rng(0)
    hits = np.mean([np.isin(np.arange(6), draw(chance, rng)) for _ in range(4000)], axis=0)
    assert np.abs(hits - chance).max() < 0.03


def test_the_default_size_keeps_the_shares() -> None:
    weights = np.r_[np.full(100, 1.0), np.full(10, 5.0)]
    n = most_without_replacement(weights, slack=0.02)
    share = weights / weights.sum()
    assert shortfall(share, n) <= 0.02 < shortfall(share, n + 1)
