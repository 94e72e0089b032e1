"""The interval around a gap between users who are sought among each other."""

from __future__ import annotations

import numpy as np

from understudy.measures.separability.histories import Histories, beside, exchanged
from understudy.measures.separability.twins import twin_hits


def test_users_who_do_not_vary_have_no_interval_rather_than_an_empty_one() -> None:
    assert exchanged(0.25, 0.0, np.zeros(99)) is None


def test_the_interval_holds_what_the_test_does_not_reject() -> None:
    null = np.random.default_rng(0).standard_t(5, 199)
    for value in (0.05, 0.15, 0.25, 0.5):
        low, high = exchanged(value, 0.01, null) or (0.0, 0.0)
        p_value = (1 + (np.abs(null) >= value / np.sqrt(0.01 + 1e-6)).sum()) / 200
        assert (low <= 0 <= high) == (p_value > 0.05)


def test_the_interval_covers_though_users_are_sought_among_each_other() -> None:
    """60 pairs of sides of the same kind: a binomial at 95 % falls below 51 once in 1,000. And it leaves 0 out where
    the test rejects, and nowhere else."""

    def people(rng: np.random.Generator) -> Histories:
        values = rng.normal(0, 1, (16, 4, 4)) + 0.9 * rng.standard_t(4, (16, 1, 4))
        return Histories(values, np.zeros((16, 4), dtype=int))

    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = beside(people(rng), people(rng), twin_hits, rng=rng, permutations=39)
        assert found.interval is not None
        held += (holds := found.interval[0] <= 0 <= found.interval[1])
        assert holds == (found.p_value > 0.05)
    assert held >= 51
