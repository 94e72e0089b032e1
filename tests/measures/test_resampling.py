"""The resampling engine: exact nulls with user effects, intervals that cover, floors by unit."""

import numpy as np

from understudy.measures.resampling import Pool, permutation_p, split_weights, two_sample


def mean_gap(x):
    return lambda real, synthetic: ((synthetic.T @ x) / synthetic.sum(axis=0) - (real.T @ x) / real.sum(axis=0))[
        :, None
    ]


def clustered(rng, *, users=40, each=5, shift=0.0, icc=0.4):
    unit = np.repeat(np.arange(users), each)
    flags = np.arange(users) >= users // 2
    x = rng.normal(0, np.sqrt(icc), users)[unit] + rng.normal(0, np.sqrt(1 - icc), len(unit))
    return Pool(users // 2 * each, unit, flags), x + shift * flags[unit]


def test_null_rejects_five_percent_with_user_effects():
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(400):
        pooled, x = clustered(rng)
        result = two_sample(mean_gap(x), pooled, rng=rng, permutations=99, floor_splits=0, two_sided=True)
        rejected += result.p_value[0] <= 0.05
    assert 0.02 <= rejected / 400 <= 0.085


def test_interval_covers_with_user_effects():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        pooled, x = clustered(rng, shift=0.5)
        result = two_sample(mean_gap(x), pooled, rng=rng, permutations=1, floor_splits=0, two_sided=True)
        covered += result.interval[0, 0] <= 0.5 <= result.interval[0, 1]
    assert 0.925 <= covered / 400 <= 0.98


def test_splits_halve_the_real_units_and_leave_synthetic_out():
    pooled, _ = clustered(np.random.default_rng(2))
    first, second = split_weights(pooled, np.random.default_rng(3), 7)
    synthetic = pooled.is_synthetic
    assert (first[synthetic] == 0).all()
    assert (second[synthetic] == 0).all()
    assert ((first + second)[~synthetic] == 1).all()
    for column in range(7):
        assert not set(pooled.unit[first[:, column] > 0]) & set(pooled.unit[second[:, column] > 0])


def test_few_units_give_no_interval_and_no_floor():
    pooled, x = clustered(np.random.default_rng(4), users=12)
    result = two_sample(mean_gap(x), pooled, rng=np.random.default_rng(5), permutations=19)
    assert result.interval is None
    assert len(result.floor) == 0


def test_permutation_p_is_never_zero_and_two_sided_sees_both_tails():
    null = np.linspace(-1, 1, 99)[:, None]
    assert permutation_p(np.array([5.0]), null, two_sided=False)[0] == 0.01
    assert permutation_p(np.array([-5.0]), null, two_sided=True)[0] == 0.01
    assert permutation_p(np.array([-5.0]), null, two_sided=False)[0] == 1.0
