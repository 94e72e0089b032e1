"""Calibration finds where a simulator is off, and noise alone is not called a gap."""

import numpy as np
import pytest

from understudy.transfer.rank_calibration import calibration, difficulty_bins
from understudy.transfer.scores import Scores


def side(rng, users: int, gaps=(0.0, 0.0, 0.0), visits: int = 3) -> tuple[Scores, np.ndarray]:
    """Users with leanings, who score one episode in each of three bins."""
    unit = np.repeat(np.array([f"u{k}" for k in range(users)]), visits)
    label = np.tile(np.array(["easy", "hard", "odd"])[:visits], users)
    score = (
        np.repeat(rng.normal(size=users), visits)
        + np.tile(np.array(gaps)[:visits], users)
        + rng.normal(size=users * visits)
    )
    return Scores(np.full(len(unit), "a"), score, unit), label


def run(rng, gaps=(0.0, 0.0, 0.0), users: int = 60):
    real, here = side(rng, users)
    simulated, there = side(rng, users, gaps)
    return calibration("difficulty", real, simulated, (here, there), rng=rng)


def test_no_gap_is_found_one_time_in_twenty():
    rng = np.random.default_rng(0)
    found = [run(rng) for _ in range(300)]
    assert 0.02 <= np.mean([c.p_value <= 0.05 for c in found]) <= 0.085
    assert np.mean([c.error for c in found]) == pytest.approx(np.mean([c.noise for c in found]), rel=0.08)
    covered = [b.low <= 0 <= b.high for c in found for b in c.bins]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_a_shift_is_told_from_an_uneven_gap():
    rng = np.random.default_rng(1)
    alike = [run(rng, (1.0, 1.0, 1.0)) for _ in range(40)]
    uneven = [run(rng, (1.5, 0.0, -1.5)) for _ in range(40)]
    assert np.mean([c.shift for c in alike]) == pytest.approx(1.0, abs=0.1)
    assert np.mean([c.uneven for c in alike]) < 0.12
    assert np.mean([c.shift for c in uneven]) == pytest.approx(0.0, abs=0.1)
    # Root mean square of 1.5, 0 and -1.5.
    assert np.mean([c.uneven for c in uneven]) == pytest.approx(1.22, abs=0.1)
    assert all(c.p_value < 0.01 for c in uneven)


def test_bins_by_level_and_by_fifths():
    def of(difficulty) -> Scores:
        values = np.array(difficulty, dtype=float)
        names = np.array([f"u{k}" for k in range(len(values))])
        return Scores(np.full(len(values), "a"), values * 0, names, difficulty=values)

    few = difficulty_bins(of([1, 2, 3, 1]), of([2, np.nan, 4]))
    assert [column.tolist() for column in few] == [["1", "2", "3", "1"], ["2", "", "4"]]
    real, simulated = difficulty_bins(of(np.arange(100)), of([-5, 50, 1000, np.nan]))
    assert np.unique(real, return_counts=True)[1].tolist() == [20] * 5
    assert [name[:1] for name in simulated] == ["1", "3", "5", ""]
    assert difficulty_bins(of([np.nan]), of([1.0])) is None


def test_thin_bins_are_left_out_by_name():
    rng = np.random.default_rng(2)
    real, label = side(rng, 30)
    label = label.copy()
    label[:9] = "rare"
    c = calibration("slice", real, real, (label, label), rng=rng)
    assert c.left_out == ("rare",)
    assert sum(b.weight for b in c.bins) == pytest.approx(1.0)
    few, label = side(rng, 4)
    assert calibration("slice", few, few, (label, label), rng=rng) is None
