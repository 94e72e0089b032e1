"""Users against users: who is taken for whom, and whose history predicts whom."""

from __future__ import annotations

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import is_number
from understudy.reports.panels import Cell, Matrix
from understudy.reports.wording import number

MOST_USERS = 16
_SIDES = (("real", "People"), ("synthetic", "Synthetic users"))
_CAPTIONS = {
    "separability.twins": "how often one half of a row's history is nearest to the other half of a column's",
    "separability.prediction": "share of all histories that predict a column's other half worse than the row's does",
}


def matrices_in(m: Measurement) -> tuple[Matrix, ...]:
    """The squares of users in `evidence["matrices"]`, people first: the diagonal is each user with himself."""
    found = m.evidence.get("matrices")
    if not isinstance(found, dict):
        return ()
    drawn = []
    for side, who in _SIDES:
        rows = found.get(side)
        if not isinstance(rows, (list, tuple)) or not 0 < len(rows) <= MOST_USERS:
            continue
        if all(isinstance(row, (list, tuple)) and len(row) == len(rows) for row in rows):
            cells = tuple(tuple(_cell(value) for value in row) for row in rows)
            names = tuple(str(k + 1) for k in range(len(rows)))
            drawn.append(Matrix(f"{who}: {_CAPTIONS.get(m.name, 'row against column')}", names, cells))
    return tuple(drawn)


def _cell(value: object) -> Cell:
    if not is_number(value):
        return Cell("", None)
    share = min(max(float(value), 0.0), 1.0)  # type: ignore[arg-type]
    text = number(share, 1).removeprefix("0") if 0.05 <= share < 0.95 else "1" if share >= 0.95 else ""
    # Only the upper half of the scale: little is the usual, and not a warning.
    return Cell(text, 5 + round(5 * share) if share >= 0.05 else None)
