"""Line plots with their names at the ends of the lines, so that no colour has to be looked up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from understudy.reports.plots import Scale, Tick, scale_over
from understudy.reports.wording import number

# Two names closer than this, in per cent of the height, could not both be read.
APART = 8.5
MOST_TICKS = 7
MOST_MARKS = 24


class Series(NamedTuple):
    """A named line with an optional band; `side` decides colour, dashes and marks."""

    side: str
    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


class Drawn(NamedTuple):
    """A series in a box of 100 x 100, y down; `label` is where its name stands."""

    side: str
    name: str
    points: str
    band: str
    marks: tuple[tuple[float, float], ...]
    label: float


class Moment(NamedTuple):
    """A named place on the horizontal axis; its words stand left of it where there is more room."""

    at: float
    label: str
    before: bool


class LinePlot(NamedTuple):
    """Lines over one pair of axes."""

    series: tuple[Drawn, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    moment: Moment | None


def line_plot(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    doubling: bool = False,
    moment: tuple[float, str] | None = None,
) -> LinePlot:
    """Lines over common axes; with `doubling` equal steps across are equal ratios (only where all x are above 0).

    >>> plot = line_plot([Series("real", "real", [50, 100, 200], [0.2, 0.3, 0.4])], x_label="n", y_label="score",
    ...                  doubling=True)
    >>> plot.series[0].points, [t.label for t in plot.x_ticks]
    ('0,100 50,50 100,0', ['50', '100', '200'])
    """
    places = sorted({float(x) for s in series for x in s.x})
    logs = doubling and places[0] > 0
    first, last = (math.log2(v) if logs else v for v in (places[0], places[-1]))
    across = Scale(first, last if last > first else first + 1, 1.0)
    up = scale_over([v for s in series for v in (*s.y, *s.low, *s.high)])
    labels = _spread([100 - up.at(s.y[-1]) for s in series])
    drawn = tuple(_drawn(s, across, up, logs, at) for s, at in zip(series, labels, strict=True))
    ticks = tuple(Tick(_x(v, across, logs), number(v, _decimals(v))) for v in _some(places, across, logs))
    stopped = None
    if moment is not None:
        at = _x(moment[0], across, logs)
        stopped = Moment(at, moment[1], at > 50)
    return LinePlot(
        drawn, ticks, tuple(Tick(round(100 - t.at, 2), t.label) for t in up.ticks), x_label, y_label, stopped
    )


def _decimals(value: float) -> int:
    return 0 if float(value).is_integer() else 2


def _x(value: float, across: Scale, logs: bool) -> float:
    return across.at(math.log2(value) if logs and value > 0 else value)


def _some(places: Sequence[float], across: Scale, logs: bool) -> list[float]:
    """Places to label: the ends, and between them what stands far enough from its neighbours."""
    room = 100 / MOST_TICKS
    kept = [places[0]]
    for value in places[1:-1]:
        if _x(value, across, logs) - _x(kept[-1], across, logs) >= room:
            kept.append(value)
    if len(places) > 1:
        if len(kept) > 1 and _x(places[-1], across, logs) - _x(kept[-1], across, logs) < room:
            kept.pop()
        kept.append(places[-1])
    return kept


def _drawn(s: Series, across: Scale, up: Scale, logs: bool, label: float) -> Drawn:
    def points(values: Sequence[float]) -> list[tuple[float, float]]:
        return [(_x(x, across, logs), round(100 - up.at(y), 2)) for x, y in zip(s.x, values, strict=True)]

    where = points(s.y)
    band = [*points(s.high), *reversed(points(s.low))] if s.low and s.high else []
    marks = tuple(where) if len(where) <= MOST_MARKS else ()
    return Drawn(s.side, s.name, _joined(where), _joined(band), marks, label)


def _joined(where: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in where)


def _spread(places: Sequence[float]) -> list[float]:
    """The same places moved apart until names do not overlap, their order kept and the box not left.

    >>> _spread([50.0, 51.0, 10.0])
    [46.25, 54.75, 10.0]
    """
    order = sorted(range(len(places)), key=lambda i: (places[i], i))
    at = [places[i] for i in order]
    for _ in range(60):
        moved = False
        for i in range(len(at) - 1):
            short = APART - (at[i + 1] - at[i])
            if short > 1e-6:
                at[i], at[i + 1], moved = at[i] - short / 2, at[i + 1] + short / 2, True
        at = [min(max(v, 0.0), 100.0) for v in at]
        if not moved:
            break
    result = [0.0] * len(places)
    for i, v in zip(order, at, strict=True):
        result[i] = round(v, 2)
    return result
