"""A slope graph: the order that people give on the left, the order that simulated users give on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from understudy.reports.plots import Scale, Span, Tick
from understudy.reports.wording import number

ROW = 38
FIRST = 32
LONGEST_NAME = 34
LONGEST_ON_A_PHONE = 15
LEAST_OF_AXIS = 0.25  # that each side must fill for both to share one
MOST_SYSTEMS = 24


class Contender(NamedTuple):
    """A system and what either side gives it."""

    name: str
    real: float
    simulated: float
    real_interval: Sequence[float] | None = None
    simulated_interval: Sequence[float] | None = None


class End(NamedTuple):
    """One end of a slope: its row in pixels, rank, name, number, place and reach in its own column (per cent).

    `short` is the name where there is room for few characters only.
    """

    down: int
    rank: str
    name: str
    short: str
    value: str
    at: float
    reach: Span | None


class Slope(NamedTuple):
    """A system from its real to its simulated place."""

    real: End
    simulated: End
    moved: bool


class SlopeGraph(NamedTuple):
    """All slopes; `shared` says that both columns have the same axis, else each has its own."""

    slopes: tuple[Slope, ...]
    height: int
    real_ticks: tuple[Tick, ...]
    simulated_ticks: tuple[Tick, ...]
    shared: bool
    left_out: int


def slope_graph(systems: Sequence[Contender]) -> SlopeGraph:
    """Places of all systems, best first on either side; equal scores share a rank and never cross.

    >>> graph = slope_graph([Contender("a", 0.9, 0.7), Contender("b", 0.8, 0.75)])
    >>> [(s.real.rank, s.simulated.rank, s.moved) for s in graph.slopes]
    [('1', '2', True), ('2', '1', True)]
    """
    kept = sorted(systems, key=lambda s: (-s.real, -s.simulated, s.name))[:MOST_SYSTEMS]
    values = [s.real for s in kept], [s.simulated for s in kept]
    reach = [s.real_interval for s in kept], [s.simulated_interval for s in kept]
    axes, shared = _axes(values, reach)
    real, simulated = (_side(kept, *side) for side in zip(values, reach, axes, strict=True))
    slopes = tuple(
        Slope(left, right, left.down != right.down) for left, right in zip(real[0], simulated[0], strict=True)
    )
    return SlopeGraph(slopes, FIRST + ROW * len(kept), real[1], simulated[1], shared, len(systems) - len(kept))


def _axes(
    values: Sequence[Sequence[float]], intervals: Sequence[Sequence[Sequence[float] | None]]
) -> tuple[tuple[Scale, Scale], bool]:
    """One axis for both sides, unless one of them would be squeezed on it: then scores are on different scales."""
    both = [[*side, *(b for pair in reach for b in pair or ())] for side, reach in zip(values, intervals, strict=True)]
    one = _tight([*both[0], *both[1]])
    if all(max(side) - min(side) >= LEAST_OF_AXIS * (one.high - one.low) for side in both):
        return (one, one), True
    return (_tight(both[0]), _tight(both[1])), False


def _side(
    systems: Sequence[Contender], values: Sequence[float], intervals: Sequence[Sequence[float] | None], axis: Scale
) -> tuple[list[End], tuple[Tick, ...]]:
    """Rows by value; of equal ones the order of the other side, so that a tie draws no crossing."""
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))
    rows = {system: row for row, system in enumerate(order)}
    ends = [
        End(
            FIRST + ROW * rows[i],
            _rank(values, i),
            _short(systems[i].name, LONGEST_NAME),
            _short(systems[i].name, LONGEST_ON_A_PHONE),
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


def _short(name: str, room: int) -> str:
    """A name that fits over its row, with its end, by which versions differ; the table has it whole.

    >>> _short("chatgpt_opendialkg", 15)
    'chatgpt…ndialkg'
    """
    if len(name) <= room:
        return name
    return f"{name[: room // 2]}…{name[len(name) - (room - 1) // 2 :]}"
