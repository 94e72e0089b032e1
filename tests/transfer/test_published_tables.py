"""The arithmetic of a published table: what is quoted from it, and what it says beside its own baseline."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transfer.diasynth import AFTER, BEFORE, IN_DOMAIN
from understudy.errors import UsageError
from understudy.transfer.published_tables import CellMeans, cell_means, check_quoted

QAGS, BERTSCORE, ROUGE_L = 0, 1, 2


def diasynth(*metrics: int) -> CellMeans:
    tables = (np.array(table)[:, list(metrics)] for table in (BEFORE, AFTER, IN_DOMAIN))
    return cell_means(*tables)


def percent(fraction: float | None, decimals: int = 2) -> str:
    return "none" if fraction is None else f"{100 * fraction:.{decimals}f}"


def test_the_quoted_coverage_stands_beside_its_no_data_baseline() -> None:
    every = diasynth(QAGS, BERTSCORE, ROUGE_L)
    assert every.cells == 24
    assert (percent(every.coverage), percent(every.base)) == ("90.48", "86.02")


def test_without_the_inverted_metric() -> None:
    two = diasynth(BERTSCORE, ROUGE_L)
    assert (percent(two.coverage), percent(two.base)) == ("77.07", "64.00")
    assert (percent(two.gap_closed, 1), percent(two.improvement)) == ("38.3", "21.92")
    assert percent(diasynth(BERTSCORE).gap_closed, 1) == "52.1"
    assert percent(diasynth(ROUGE_L).gap_closed, 1) == "24.6"


def test_qags_is_inverted_and_has_no_gap() -> None:
    qags = diasynth(QAGS)
    assert qags.inverted == 8
    assert qags.gap_closed is None
    assert diasynth(QAGS, BERTSCORE, ROUGE_L).gap_closed is None


def test_the_quoted_improvement_is_not_reproducible() -> None:
    every = diasynth(QAGS, BERTSCORE, ROUGE_L)
    told = check_quoted("improvement", 16.47, 100 * every.improvement)
    assert told == "improvement: 16.47 % is not reproducible from the table, which gives 12.15 %"
    assert check_quoted("coverage", 90.48, 100 * every.coverage).endswith("is reproduced from the table")


@pytest.mark.parametrize(
    ("before", "after", "in_domain"), [([], [], []), ([0.1], [0.1, 0.2], [0.3]), ([0.0], [0.1], [0.2])]
)
def test_no_table(before: list[float], after: list[float], in_domain: list[float]) -> None:
    with pytest.raises(UsageError):
        cell_means(before, after, in_domain)
