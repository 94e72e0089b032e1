"""The classifier's null is calibrated and its interval covers, with users who differ from each other."""

import numpy as np
import pytest

from understudy.measures.classifier import (
    Scores,
    auc_columns,
    auc_interval,
    cross_validate,
    permuted_labels,
    row_space,
    unit_folds,
)


def users_data(rng, *, users=60, each=4, width=30, shift=0.0):
    """Gaussian conversations with user effects; synthetic users shifted in one coordinate."""
    unit = np.repeat(np.arange(users), each)
    label = np.zeros(users, dtype=bool)
    label[rng.permutation(users)[: users // 2]] = True
    x = rng.normal(0, 0.6, (users, width))[unit] + rng.normal(0, 1, (len(unit), width))
    x[:, 0] += shift * label[unit]
    return x.astype(np.float32), unit, label


def signs(labels, unit):
    return np.where(labels[unit], 1, -1).astype(np.int8)


def test_null_is_calibrated_with_user_effects():
    rng = np.random.default_rng(1)
    rejected, aucs, runs = 0, [], 300
    for _ in range(runs):
        x, unit, label = users_data(rng)
        fold = unit_folds(unit, label, rng)
        labels = np.concatenate([label[:, None], permuted_labels(label, fold, rng, 99)], axis=1)
        auc = cross_validate(x, signs(labels, unit), fold[unit]).auc
        rejected += (1 + (auc[1:] >= auc[0]).sum()) / 100 <= 0.05
        aucs.append(auc[0])
    assert 0.05 - 3 * 0.0126 <= rejected / runs <= 0.05 + 3 * 0.0126
    assert abs(np.mean(aucs) - 0.5) < 3 * np.std(aucs) / np.sqrt(runs)


@pytest.mark.parametrize(("users", "shift"), [(40, 0.0), (60, 1.0), (60, 2.0), (200, 1.0)])
def test_interval_covers_the_expected_auc(users, shift):
    rng = np.random.default_rng(2)
    aucs, bounds = [], []
    for _ in range(150):
        x, unit, label = users_data(rng, users=users, shift=shift)
        fold = unit_folds(unit, label, rng)
        sign = signs(label[:, None], unit)
        scores = cross_validate(x, sign, fold[unit])
        aucs.append(scores.auc[0])
        bounds.append(auc_interval(scores, sign, unit))
    low, high = np.array(bounds).T
    covered = ((low <= np.mean(aucs)) & (np.mean(aucs) <= high)).mean()
    assert 0.92 <= covered <= 1.0


def test_batched_relabelling_equals_one_at_a_time():
    rng = np.random.default_rng(3)
    x, unit, label = users_data(rng, shift=1.0)
    fold = unit_folds(unit, label, rng)
    labels = permuted_labels(label, fold, rng, 5)
    together = cross_validate(x, signs(labels, unit), fold[unit]).auc
    alone = [cross_validate(x, signs(labels[:, [k]], unit), fold[unit]).auc[0] for k in range(5)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_rows_left_out_do_not_count():
    rng = np.random.default_rng(4)
    score = rng.normal(size=(40, 1)).astype(np.float32)
    sign = np.where(np.arange(40)[:, None] % 2, 1, -1).astype(np.int8)
    sign[30:] = 0
    expected = auc_columns(score[:30], sign[:30])
    np.testing.assert_allclose(auc_columns(score, sign), expected)


def test_row_space_keeps_inner_products():
    x = np.random.default_rng(5).normal(size=(20, 100)).astype(np.float32)
    z = row_space(x)
    assert z.shape[1] <= 20
    assert row_space(x[:, :30]).shape[1] == 30
    np.testing.assert_allclose(z @ z.T, x @ x.T, atol=1e-3)


def test_units_never_cross_folds_and_labels_spread():
    rng = np.random.default_rng(6)
    unit = np.repeat(np.arange(50), rng.integers(1, 30, 50))
    label = np.arange(50) < 20
    fold = unit_folds(unit, label, rng)
    for name in range(5):
        assert 2 <= (label & (fold == name)).sum() <= 6
    permuted = permuted_labels(label, fold, rng, 20)
    for name in range(5):
        members = fold == name
        assert (permuted[members].sum(axis=0) == label[members].sum()).all()


def test_perfect_separation_has_an_interval_below_one():
    x = np.concatenate([np.zeros((30, 1)), np.ones((30, 1))]).astype(np.float32)
    unit, label = np.arange(60), np.arange(60) >= 30
    fold = unit_folds(unit, label, np.random.default_rng(0))
    sign = signs(label[:, None], unit)
    scores = cross_validate(x, sign, fold)
    assert scores.auc[0] == 1.0
    assert auc_interval(scores, sign, unit) == (0.9, 1.0)


def test_fewer_than_ten_units_give_no_interval():
    scores = Scores(np.zeros((8, 1), np.float32), np.array([[0.5]]), np.zeros(8, int))
    sign = np.array([[1], [-1]] * 4, dtype=np.int8)
    assert auc_interval(scores, sign, np.arange(8)) is None
