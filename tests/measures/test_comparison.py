"""Paired comparison: known order, silence between equals, pairing narrows, coverage of the interval."""

from __future__ import annotations

import numpy as np
import pytest

from tests.measures.planted import corpus_of_users
from tests.measures.test_diversity import chat
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MeasureError
from understudy.measures.comparison import closer, unit_groups
from understudy.measures.realism import coverage, diversity
from understudy.measures.resampling import Floats, Pool, Statistic, pool
from understudy.measures.separability.dispersion import prepare_dispersion
from understudy.measures.separability.icc import prepare_icc
from understudy.testing.degrade import other_users_replies, parrot, single_template


def numbers(values: np.ndarray, name: str = "c") -> Corpus:
    return Corpus([Conversation(f"{name}{i}", (Turn("user", f"{x:.6f}"),)) for i, x in enumerate(values)])


def mean_gap(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    x = np.array([float(c.turns[0].text) for c in (*real, *synthetic)])

    def statistic(r: Floats, s: Floats) -> Floats:
        return np.asarray(((s.T @ x) / s.sum(0) - (r.T @ x) / r.sum(0))[:, None])

    return statistic, pool(real, synthetic)


def test_interval_covers_and_pairing_narrows_it() -> None:
    covered, paired, unpaired = 0, [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        base = 1 + rng.normal(size=60)
        real = numbers(rng.normal(size=80))
        first, second = base, base + 0.2 + 0.3 * rng.normal(size=60)
        found = closer(real, numbers(first), numbers(second), build=mean_gap, rng=rng)
        covered += found.interval[0] <= 0.2 <= found.interval[1]
        paired.append(found.interval[1] - found.interval[0])
        apart = closer(real, numbers(first), numbers(second, "other"), build=mean_gap, rng=rng)
        assert apart.shared_units == 0
        unpaired.append(apart.interval[1] - apart.interval[0])
    assert 0.92 <= covered / 200 <= 0.98
    assert np.mean(paired) < 0.4 * np.mean(unpaired)


def test_a_unit_of_both_sets_has_one_group() -> None:
    first, second = numbers(np.arange(30.0)), numbers(np.arange(20.0))
    tables = unit_groups(first, first, second, 10, np.random.default_rng(0))
    assert set(tables[1]) == set(first.unit_ids.tolist())
    assert sorted(np.bincount(list(tables[1].values())).tolist()) == [3] * 10


@pytest.mark.parametrize(
    ("spoil", "build", "column"),
    [
        (single_template, diversity.prepare, 6),
        (parrot, diversity.prepare, 6),
        (single_template, coverage.prepare, 0),
    ],
)
def test_spoiled_sets_are_farther(spoil, build, column) -> None:  # type: ignore[no-untyped-def]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        real, held_out = chat(rng, 30), chat(rng, 30, name="v")
        found = closer(real, held_out, spoil(held_out, rng=rng), build=build, column=column, rng=rng)
        assert found.interval[0] > 0, (seed, found)


def test_users_swapped_for_each_other_lose_separability() -> None:
    rng = np.random.default_rng(0)
    real, held_out = corpus_of_users(rng, 40), corpus_of_users(rng, 40, name="v")
    spoiled = other_users_replies(held_out, rng=rng)
    for build, column in ((prepare_icc, 7), (prepare_dispersion, -2)):
        found = closer(real, held_out, spoiled, build=build, column=column, rng=np.random.default_rng(0))
        assert found.value > 0
        assert found.interval[0] > 0


def test_equals_are_not_told_apart() -> None:
    rng = np.random.default_rng(5)
    real, one, two = (chat(rng, 30, name=name) for name in "abc")
    found = closer(real, one, two, build=diversity.prepare, column=6, rng=rng)
    assert found.interval[0] < 0 < found.interval[1]


def test_few_units_and_dropped_rows_say_why() -> None:
    big, small = numbers(np.arange(30.0)), numbers(np.arange(5.0))
    with pytest.raises(MeasureError, match="5 units"):
        closer(big, big, small, build=mean_gap, rng=np.random.default_rng(0))

    def dropping(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
        return mean_gap(real[:10], synthetic, rng)

    with pytest.raises(MeasureError, match="40 rows"):
        closer(big, big, big, build=dropping, rng=np.random.default_rng(0))
