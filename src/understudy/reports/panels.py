"""Panels: sections of the page that hold several measurements in figures made for them, each with its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import Table, is_number
from understudy.reports.lanes import Lanes
from understudy.reports.lineplot import LinePlot, Series
from understudy.reports.slopegraph import SlopeGraph
from understudy.reports.wording import column


class Cell(NamedTuple):
    """A share in a matrix; `shade` from 0 to 10, None where there is nothing."""

    text: str
    shade: int | None


class Matrix(NamedTuple):
    """Names against names."""

    caption: str
    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Figure(NamedTuple):
    """One drawing under its caption: exactly one of the four kinds is given, but for a matrix with its table."""

    caption: str
    table: Table | None = None
    lanes: Lanes | None = None
    plot: LinePlot | None = None
    slope: SlopeGraph | None = None
    matrix: Matrix | None = None
    note: str = ""


class Panel(NamedTuple):
    """A section: what it asks, what was found, its figures, further tables."""

    anchor: str
    title: str
    asks: str
    reading: str
    figures: tuple[Figure, ...] = ()
    asides: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


class Chapter(NamedTuple):
    """All panels of one question."""

    question: str
    panels: tuple[Panel, ...]


def columns_in(source: object, *keys: str) -> list[dict[str, Any]] | None:
    """Aligned columns as rows; None unless every one of `keys` is a list of one length. Other lists come along.

    >>> columns_in({"arm": ["a", "b"], "score": [0.1, 0.2], "unit": "mAP"}, "arm", "score")
    [{'arm': 'a', 'score': 0.1}, {'arm': 'b', 'score': 0.2}]
    >>> columns_in({"arm": ["a"], "score": []}, "arm", "score") is None
    True
    """
    if not isinstance(source, Mapping) or not all(isinstance(source.get(k), (list, tuple)) for k in keys):
        return None
    length = len(source[keys[0]])
    if not length or any(len(source[k]) != length for k in keys):
        return None
    whole = [k for k, v in source.items() if isinstance(v, (list, tuple)) and len(v) == length]
    return [{k: source[k][i] for k in whole} for i in range(length)]


def bounds_of(row: Mapping[str, Any], stem: str = "") -> tuple[float, float] | None:
    """`low` and `high` of a row, or `STEM_low` and `STEM_high`, or the pair `STEM_interval`, where they are numbers."""
    pair = row.get(f"{stem}_interval" if stem else "interval")
    low, high = row.get(f"{stem}_low" if stem else "low"), row.get(f"{stem}_high" if stem else "high")
    if isinstance(pair, (list, tuple)) and len(pair) == 2:
        low, high = pair
    return (float(low), float(high)) if is_number(low) and is_number(high) else None  # type: ignore[arg-type]


def series_in(source: Mapping[str, Any], along: str, named: Sequence[tuple[str, str, str]]) -> list[Series]:
    """Lines over the column `along`: each of `named` is (key, side, name); missing places are left out of a line."""
    lines = []
    for key, side, name in named:
        rows = columns_in(source, along, key) or []
        rows = [r for r in rows if is_number(r[along]) and is_number(r[key])]
        if len(rows) < 2:
            continue
        bounds = [bounds_of(r, key) for r in rows]
        whole = [b for b in bounds if b is not None]
        low, high = zip(*whole, strict=True) if len(whole) == len(rows) else ((), ())
        lines.append(Series(side, name, [float(r[along]) for r in rows], [float(r[key]) for r in rows], low, high))
    return lines


def line_table(caption: str, x_label: str, series: Sequence[Series]) -> Table:
    """The numbers of a line plot, a row a place."""
    places = sorted({x for s in series for x in s.x})
    heads, body = [x_label], [[f"{x:,g}" for x in places]]
    for s in series:
        at = {x: i for i, x in enumerate(s.x)}
        shown = iter(column(list(s.y)))
        texts = {x: next(shown) for x in s.x}
        heads.append(s.name)
        body.append([texts.get(x, "–") for x in places])
        if s.low and s.high:
            heads.append("95 % interval")
            body.append([" to ".join(column([s.low[at[x]], s.high[at[x]]])) if x in at else "–" for x in places])
    return Table(caption, tuple(heads), tuple(zip(*body, strict=True)), (True,) * len(heads))


def lanes_table(caption: str, figure: Lanes) -> Table:
    """The numbers of a figure of lanes; hints and flags come last."""
    extra = [h for h in ("hint", "flag") if any(getattr(lane, h) for lane in figure.lanes)]
    heads = ("", *figure.heads, *({"hint": "", "flag": "flag"}[h] for h in extra))
    body = tuple((lane.label, *lane.numbers, *(getattr(lane, h) for h in extra)) for lane in figure.lanes)
    count = len(figure.heads)
    return Table(caption, heads, body, (False, *(True,) * count, *(False,) * len(extra)))


def family(measurements: Sequence[Measurement], name: str) -> list[Measurement]:
    """The measurement called `name` and those whose name goes on after it."""
    return [m for m in measurements if m.name == name or m.name.startswith(f"{name}.")]


def anchor_of(name: str) -> str:
    """A name as the id of a section."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-").lower() or "x"
