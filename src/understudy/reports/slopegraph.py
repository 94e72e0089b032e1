"""A slope graph: the order that people give on the left, the order that simulated users give on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from understudy.reports.plots import Scale, Span, Tick
from understudy.reports.wording import number

ROW = 38
FIRST = 32
LONGEST_NAME = 15
MOST_SYSTEMS = 24


class Contender(NamedTuple):
    """A system and what either side gives it."""

    name: str
    real: float
    simulated: float
    real_interval: Sequence[float] | None = None
    simulated_interval: Sequence[float] | None = None


class End(NamedTuple):
    """One end of a slope: its row in pixels, rank, name, number, place and reach in its own column (per cent)."""

    down: int
    rank: str
    name: str
    value: str
    at: float
    reach: Span | None


class Slope(NamedTuple):
    """A system from its real to its simulated place."""

    real: End
    simulated: End
    moved: bool


class SlopeGraph(NamedTuple):
    """All slopes; both columns have an axis of their own."""

    slopes: tuple[Slope, ...]
    height: int
    real_ticks: tuple[Tick, ...]
    simulated_ticks: tuple[Tick, ...]
    left_out: int


def slope_graph(systems: Sequence[Contender]) -> SlopeGraph:
    """Places of all systems, best first on either side; equal scores share a rank and never cross.

    >>> graph = slope_graph([Contender("a", 0.9, 0.7), Contender("b", 0.8, 0.75)])
    >>> [(s.real.rank, s.simulated.rank, s.moved) for s in graph.slopes]
    [('1', '2', True), ('2', '1', True)]
    """
    kept = sorted(systems, key=lambda s: (-s.real, -s.simulated, s.name))[:MOST_SYSTEMS]
    real = _side(kept, [s.real for s in kept], [s.real_interval for s in kept])
    simulated = _side(kept, [s.simulated for s in kept], [s.simulated_interval for s in kept])
    slopes = tuple(
        Slope(left, right, left.down != right.down) for left, right in zip(real[0], simulated[0], strict=True)
    )
    return SlopeGraph(slopes, FIRST + ROW * len(kept), real[1], simulated[1], len(systems) - len(kept))


def _side(
    systems: Sequence[Contender], values: Sequence[float], intervals: Sequence[Sequence[float] | None]
) -> tuple[list[End], tuple[Tick, ...]]:
    """Rows by value; of equal ones the order of the other side, so that a tie draws no crossing."""
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))
    rows = {system: row for row, system in enumerate(order)}
    axis = _tight([*values, *(b for pair in intervals for b in pair or ())])
    ends = [
        End(
            FIRST + ROW * rows[i],
            _rank(values, i),
            _short(systems[i].name),
            number(values[i], 2),
            axis.at(values[i]),
            axis.span(intervals[i]),
        )
        for i in range(len(values))
    ]
    return ends, _ends(axis)


def _rank(values: Sequence[float], i: int) -> str:
    above = sum(v > values[i] for v in values)
    return f"{above + 1}{'=' if sum(v == values[i] for v in values) > 1 else ''}"


def _tight(values: Sequence[float]) -> Scale:
    """From the least to the greatest, without round ends: a column is narrow on a phone."""
    low, high = min(values), max(values)
    return Scale(low, high, high - low) if high > low else Scale(low - 0.5, high + 0.5, 1.0)


def _ends(axis: Scale) -> tuple[Tick, ...]:
    return Tick(0.0, number(axis.low, 2)), Tick(100.0, number(axis.high, 2))


def _short(name: str) -> str:
    """A name that fits over its row; the table has it whole.

    >>> _short("a" * 30)
    'aaaaaaaaaaaaaa…'
    """
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
