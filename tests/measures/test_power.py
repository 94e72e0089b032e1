"""Planned numbers deliver the promised power in simulation."""

import numpy as np
import pytest
from scipy import stats

from understudy.errors import MeasureError
from understudy.measures.power import (
    conversations_for_auc,
    conversations_for_equivalence,
    conversations_for_rates,
    detectable_auc,
    with_users,
)


@pytest.mark.parametrize("auc", [0.6, 0.7])
def test_planned_auc_is_found_four_times_in_five(auc):
    n = conversations_for_auc(auc)
    shift = np.sqrt(2) * stats.norm.ppf(auc)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(600):
        u = stats.mannwhitneyu(rng.normal(shift, 1, n), rng.normal(0, 1, n), method="asymptotic")
        found += u.pvalue <= 0.05
    assert 0.75 <= found / 600 <= 0.86


def test_planned_rates_are_found_four_times_in_five():
    n = conversations_for_rates(0.4, 0.5)
    rng = np.random.default_rng(1)
    p, q = rng.binomial(n, 0.4, 2000) / n, rng.binomial(n, 0.5, 2000) / n
    z = (q - p) / np.sqrt((p * (1 - p) + q * (1 - q)) / n)
    assert 0.77 <= (np.abs(z) > 1.96).mean() <= 0.83


def test_detectable_inverts_required():
    for auc in (0.55, 0.6, 0.8):
        assert detectable_auc(conversations_for_auc(auc)) == pytest.approx(auc, abs=0.003)
    assert detectable_auc(1) == 1.0


def test_known_figures():
    assert conversations_for_equivalence(0.03) == pytest.approx(4758, abs=2)
    assert with_users("x", 100, per_user=1, icc=0.0).users == 100


@pytest.mark.parametrize("auc", [0.5, 1.0, 0.2])
def test_impossible_effects_are_refused(auc):
    with pytest.raises(MeasureError, match="AUC"):
        conversations_for_auc(auc)
