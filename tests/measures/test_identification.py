"""The interval around the gap in identification accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from understudy.measures.separability.histories import welch


def test_the_interval_iswelch() -> None:
    draw = np.random.default_rng(0)
    real, synthetic = draw.random(13), draw.random(9)
    expected = stats.ttest_ind(synthetic, real, equal_var=False).confidence_interval(0.95)
    assert welch(real, synthetic) == pytest.approx((expected.low, expected.high))


def test_users_who_do_not_vary_have_no_interval_rather_than_an_empty_one() -> None:
    assert welch(np.full(12, 0.25), np.full(12, 0.25)) is None
