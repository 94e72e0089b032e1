"""Tau-b and rho equal scipy's, ties and all, for many vectors at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from understudy.transfer.rank_correlation import kendall_tau, spearman_rho

scores = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=9)


@given(scores)
def test_equal_to_scipy_with_ties(pairs):
    x, y = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(kendall_tau(x, y))
        assert np.isnan(spearman_rho(x, y))
        return
    assert kendall_tau(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)
    assert spearman_rho(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_many_at_once_and_broadcast():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1, 5, 7)), rng.normal(size=(3, 5, 7))
    found = kendall_tau(x, y)
    assert found.shape == (3, 5)
    assert found[2, 4] == pytest.approx(stats.kendalltau(x[0, 4], y[2, 4]).statistic)


def test_rounding_error_is_a_tie():
    assert np.isnan(kendall_tau(np.array([0.1 + 0.2, 0.3]), np.array([1.0, 2.0])))
