"""What a published table of scores before, after synthetic and after in-domain training really says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.errors import UsageError


class CellMeans(NamedTuple):
    """Means over the cells of a table, as fractions.

    `coverage`: S/I. `base`: B/I, what the models have without any data, and must be read beside `coverage`.
    `gap_closed`: (S-B)/(I-B); None where some cell is inverted (I <= B): there is no gap to close.
    `improvement`: (S-B)/B. `inverted`: how many cells are.
    """

    cells: int
    coverage: float
    base: float
    gap_closed: float | None
    improvement: float
    inverted: int


def cell_means(before: npt.ArrayLike, after: npt.ArrayLike, in_domain: npt.ArrayLike) -> CellMeans:
    """How far does training on synthetic data get, over the cells (model x set x metric) of a table?

    Each quantity is the mean of its values in the single cells, as papers report them. Raises `UsageError` for
    tables of different shapes, or with scores that are not positive.

    >>> table = cell_means(before=[0.4, 0.5], after=[0.6, 0.6], in_domain=[0.8, 0.75])
    >>> round(table.coverage, 3), round(table.base, 3), round(table.gap_closed, 3), round(table.improvement, 3)
    (0.775, 0.583, 0.45, 0.35)
    """
    b, s, i = (np.asarray(x, dtype=np.float64).ravel() for x in (before, after, in_domain))
    if not b.size or not b.size == s.size == i.size or min(b.min(), s.min(), i.min()) <= 0:
        raise UsageError(
            f"tables of {b.size}, {s.size} and {i.size} scores, not all positive or not as many",
            why="each cell needs a score before, after, and after in-domain training, and ratios need positive ones",
            fix="give three tables of the same cells",
        )
    inverted = int((i <= b).sum())
    gap = None if inverted else float(((s - b) / (i - b)).mean())
    ratios = (float((s / i).mean()), float((b / i).mean()))
    return CellMeans(b.size, *ratios, gap, float(((s - b) / b).mean()), inverted)


def check_quoted(what: str, quoted: float, recomputed: float, *, decimals: int = 2) -> str:
    """Whether a quoted percentage follows from the table, in words.

    >>> check_quoted("improvement", 16.47, 12.145)
    'improvement: 16.47 % is not reproducible from the table, which gives 12.15 %'
    >>> check_quoted("coverage", 90.48, 90.476)
    'coverage: 90.48 % is reproduced from the table'
    """
    # Halves away from zero, as people round: Python's rounding of 12.145 gives 12.14 or 12.15 by its last bit.
    rounded = np.floor(recomputed * 10**decimals + 0.5 + 1e-9) / 10**decimals
    if abs(quoted - rounded) < 0.5 * 10**-decimals:
        return f"{what}: {quoted:.{decimals}f} % is reproduced from the table"
    return f"{what}: {quoted:.{decimals}f} % is not reproducible from the table, which gives {rounded:.{decimals}f} %"
