"""The panels of 'Do they rank right?': two orders side by side, how sure each pair is, and what the scores mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import Table, is_number, tables_in
from understudy.reports.lanes import Entry, Mark, axis_for, lanes_of
from understudy.reports.lineplot import line_plot
from understudy.reports.panels import (
    Cell,
    Figure,
    Matrix,
    Panel,
    bounds_of,
    columns_in,
    family,
    lanes_table,
    line_table,
    series_in,
)
from understudy.reports.ranking_findings import (
    CALIBRATION,
    NAMES,
    POWERED,
    SPEARMAN,
    STABILITY,
    TAU,
    agreement_sentence,
    descriptive,
    systems_in,
)
from understudy.reports.ranking_scores import calibration_panel, powered_panel, stability_panel
from understudy.reports.slopegraph import Contender, slope_graph
from understudy.reports.wording import column, interval, number, words

MOST_IN_MATRIX = 16
DRAWN = ("systems", "p_order", "descriptive", "split_half", "flags")


def ranking_panels(heads: Sequence[Measurement], parts: Mapping[str, Sequence[Measurement]]) -> list[Panel]:
    """Every panel of the ranking measurements among `heads`."""
    panels = []
    agreements = [m for name in (TAU, SPEARMAN) for m in heads if m.name == name and m.value is not None]
    if agreements:
        panels.append(order_panel(agreements))
    for m in heads:
        own = parts.get(m.name, ())
        if m.name == CALIBRATION and m.value is not None:
            panels.append(calibration_panel(m, own))
        if m.name == STABILITY and m.value is not None:
            panels.append(stability_panel(m))
    worth = next((m for m in heads if m.name == POWERED), None)
    found = [one for m in family(heads, POWERED) for one in (m, *parts.get(m.name, ())) if one.name != POWERED]
    if worth is not None or found:
        panels += powered_panel(worth, [m for m in found if m.value is not None])
    return panels


def order_panel(agreements: Sequence[Measurement]) -> Panel:
    """The slope graph of the two orders, the correlations beside the human ceiling, P(order) of each pair."""
    first = agreements[0]
    rows = [r for r in systems_in(first) if is_number(r["real"]) and is_number(r["simulated"])]
    figures = []
    if len(rows) > 1:
        graph = slope_graph([_contender(r) for r in rows])
        caption = "The order under people, and under simulated users"
        note = f"{graph.left_out} more systems are in the table." if graph.left_out else ""
        figures.append(Figure(caption, _system_table(rows), slope=graph, note=note))
    figures.append(_agreement_figure(agreements))
    figures += [f for f in (_split_half(first.evidence.get("split_half")),) if f is not None]
    matrix = p_order(first.evidence.get("p_order"), [str(r["system"]) for r in sorted(rows, key=_by_real)])
    figures += [Figure(matrix.caption, matrix=matrix)] if matrix is not None else []
    few = (
        "Below eight systems an order can only be described: every order of so few comes about by chance too often."
        if descriptive(first)
        else ""
    )
    return Panel(
        anchor="ranking",
        title="The order of systems",
        asks=first.spec.asks,
        reading=agreement_sentence(first),
        figures=tuple(figures),
        asides=(*((few,) if few else ()), *_flagged(first)),
        tables=tuple(tables_in(first.evidence, leave_out=DRAWN)),
    )


def _flagged(m: Measurement) -> list[str]:
    """What must be read beside the number, as its measure wrote it; that systems are few is told already."""
    flags = m.evidence.get("flags")
    told = [str(f) for f in flags if not str(f).startswith("descriptive")] if isinstance(flags, (list, tuple)) else []
    return [f"Flagged: {'; '.join(told)}."] if told else []


def _split_half(source: object) -> Figure | None:
    """How far two groups of people agree, by their size."""
    lines = series_in(source, "users", (("value", "real", "people"),)) if isinstance(source, Mapping) else []
    if not lines:
        return None
    rows = columns_in(source, "users", "low", "high")
    if rows and len(rows) == len(lines[0].x) and all(is_number(r["low"]) and is_number(r["high"]) for r in rows):
        lines = [lines[0]._replace(low=[float(r["low"]) for r in rows], high=[float(r["high"]) for r in rows])]
    plot = line_plot(lines, x_label="users in each group (each step a doubling)", y_label="agreement", doubling=True)
    caption = "How far two groups of people agree on the order, by their size (95 % of groups)"
    return Figure(caption, line_table("people against people", "users", lines), plot=plot)


def _by_real(row: Mapping[str, Any]) -> float:
    return -float(row["real"])


def _contender(row: Mapping[str, Any]) -> Contender:
    return Contender(
        str(row["system"]),
        float(row["real"]),
        float(row["simulated"]),
        bounds_of(row, "real"),
        bounds_of(row, "simulated"),
    )


def _system_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    order = sorted(rows, key=_by_real)
    sides = [column([float(r[side]) for r in order]) for side in ("real", "simulated")]
    reach = [[interval(bounds_of(r, side), 2) for r in order] for side in ("real", "simulated")]
    body = tuple(zip([str(r["system"]) for r in order], sides[0], reach[0], sides[1], reach[1], strict=True))
    heads = ("system", "people", "95 % interval", "simulated", "95 % interval")
    return Table("scores of the systems", heads, body, (False, True, True, True, True))


def _agreement_figure(agreements: Sequence[Measurement]) -> Figure:
    entries = []
    for m in agreements:
        assert m.value is not None
        people = "–" if m.ceiling is None else number(m.ceiling.value, 2)
        entries.append(
            Entry(
                NAMES.get(m.name, words(m.name)),
                (Mark("synthetic", m.value, m.interval),),
                (number(m.value, 2), interval(m.interval, 2), people),
                band=None if m.ceiling is None else m.ceiling.interval,
                middle=None if m.ceiling is None else m.ceiling.value,
            )
        )
    key = [("synthetic", "simulated users against people, with 95 % interval")]
    key += [("floor", "people against other people")] if any(m.ceiling is not None for m in agreements) else []
    figure = lanes_of(
        entries,
        ("value", "95 % interval", "people"),
        axis=axis_for(entries, always=(0.0, 1.0)),
        rules=((0.0, "no order"),),
        key=key,
    )
    return Figure("Agreement of the two orders, beside the human ceiling", lanes_table("agreement", figure), figure)


def p_order(source: object, order: Sequence[str]) -> Matrix | None:
    """How sure people are that the row is better than the column; from pairs, or from a square of names."""
    sure: dict[tuple[str, str], float] = {}
    rows = columns_in(source, "first", "second")
    if rows is None and isinstance(source, (list, tuple)):
        rows = [dict(r) for r in source if isinstance(r, Mapping) and "first" in r and "second" in r]
    for r in rows or ():
        p = next((r[k] for k in ("p_same", "p", "p_order", "p_real") if is_number(r.get(k))), None)
        if p is not None:
            sure[str(r["first"]), str(r["second"])] = float(p)
            sure[str(r["second"]), str(r["first"])] = float(p) if "p_same" in r else 1 - float(p)
    if isinstance(source, Mapping) and not sure:
        names, square = source.get("systems") or source.get("system"), source.get("p") or source.get("matrix")
        if isinstance(names, (list, tuple)) and isinstance(square, (list, tuple)) and len(names) == len(square):
            for a, line in zip(names, square, strict=True):
                pairs = zip(names, line, strict=False) if isinstance(line, (list, tuple)) else ()
                sure |= {(str(a), str(b)): float(p) for b, p in pairs if is_number(p) and a != b}
    names = tuple(name for name in order if any(name in pair for pair in sure))[:MOST_IN_MATRIX]
    if len(names) < 2:
        return None
    same = any("p_same" in r for r in rows or ())
    caption = (
        "P(order): how sure it is that people and simulated users order the pair alike"
        if same
        else "P(order): how sure it is that the row is better than the column"
    )
    return Matrix(caption, names, tuple(tuple(_cell(sure.get((a, b))) for b in names) for a in names))


def _cell(p: float | None) -> Cell:
    return Cell("", None) if p is None else Cell(number(p, 2), round(10 * min(max(p, 0.0), 1.0)))
