"""Lanes: rows of one figure, each with a few marks on the axis that all rows share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from understudy.reports.plots import Scale, Span, scale_over

Bounds = tuple[float, float]
# Where two marks share a lane, the first stands above the second.
MIDDLE, UPPER, LOWER = 14, 9, 19


class Mark(NamedTuple):
    """A value with its interval, before it has a place; `side` decides shape and colour."""

    side: str
    value: float
    interval: Sequence[float] | None = None


class Dot(NamedTuple):
    """Where a mark stands: per cent across, pixels down; whether its interval goes on beyond the axis."""

    side: str
    at: float
    down: int
    reach: Span | None
    before: bool
    after: bool


class Rule(NamedTuple):
    """A named place on the axis, drawn through every lane."""

    at: float
    label: str


class Lane(NamedTuple):
    """One row: name, marks, up to three numbers as text; `said` is the row in words, for who does not see it.

    Two marks without intervals stand on one line, `joined`.
    """

    label: str
    dots: tuple[Dot, ...]
    numbers: tuple[str, ...]
    hint: str = ""
    flag: str = ""
    band: Span | None = None
    middle: float | None = None
    quiet: bool = False
    said: str = ""
    joined: Span | None = None


class Lanes(NamedTuple):
    """A figure of lanes. `heads` stand over the numbers; `layout` is the grid of the style sheet."""

    heads: tuple[str, ...]
    lanes: tuple[Lane, ...]
    axis: Scale
    rules: tuple[Rule, ...] = ()
    layout: str = "strips"
    key: tuple[tuple[str, str], ...] = ()
    unit: str = ""


class Entry(NamedTuple):
    """A row as it is handed in."""

    label: str
    marks: tuple[Mark, ...]
    numbers: tuple[str, ...]
    hint: str = ""
    flag: str = ""
    band: Sequence[float] | None = None
    middle: float | None = None
    quiet: bool = False


def axis_for(entries: Iterable[Entry], *, always: Sequence[float] = (), within: Bounds | None = None) -> Scale:
    """An axis that holds all marks, bands and `always`; intervals are cut at `within`, values never.

    >>> far = Entry("a", (Mark("synthetic", 0.5, (-40.0, 60.0)),), ())
    >>> axis_for([far], always=(0.0, 1.0), within=(-1.0, 2.0))
    Scale(low=-1.0, high=2.0, step=1.0)
    """
    values, ends = list(always), []
    for entry in entries:
        values += [m.value for m in entry.marks]
        ends += [b for m in entry.marks for b in m.interval or ()] + list(entry.band or ())
    if within is not None:
        low, high = min(within[0], *values), max(within[1], *values)
        ends = [min(max(e, low), high) for e in ends]
    return scale_over([*values, *ends], count=5)


def lanes_of(
    entries: Sequence[Entry],
    heads: Sequence[str],
    *,
    axis: Scale,
    rules: Sequence[tuple[float, str]] = (),
    layout: str = "strips",
    key: Sequence[tuple[str, str]] = (),
    unit: str = "",
) -> Lanes:
    """The entries with every mark in its place on `axis`."""
    placed = tuple(_lane(e, tuple(heads), axis) for e in entries)
    marked = tuple(Rule(axis.at(at), label) for at, label in rules if axis.low <= at <= axis.high)
    return Lanes(tuple(heads), placed, axis, marked, layout, tuple(key), unit)


def _lane(entry: Entry, heads: tuple[str, ...], axis: Scale) -> Lane:
    bare = len(entry.marks) == 2 and all(m.interval is None for m in entry.marks)
    downs = (MIDDLE,) if len(entry.marks) < 2 or bare else (UPPER, LOWER)
    dots = tuple(_dot(m, axis, downs[i % len(downs)]) for i, m in enumerate(entry.marks))
    told = [f"{head} {text}" for head, text in zip(heads, entry.numbers, strict=False) if text not in ("", "–")]
    return Lane(
        entry.label,
        dots,
        entry.numbers,
        entry.hint,
        entry.flag,
        axis.span(entry.band),
        None if entry.middle is None else axis.at(entry.middle),
        entry.quiet,
        f"{entry.label}: {', '.join(told)}" if told else entry.label,
        (dots[0].at, dots[1].at) if bare else None,
    )


def _dot(mark: Mark, axis: Scale, down: int) -> Dot:
    bounds = mark.interval
    before = bounds is not None and bounds[0] < axis.low - 1e-12
    after = bounds is not None and bounds[1] > axis.high + 1e-12
    return Dot(mark.side, axis.at(mark.value), down, axis.span(bounds), before, after)
