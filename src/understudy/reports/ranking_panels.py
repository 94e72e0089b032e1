"""The panels of 'Do they rank right?': two orders side by side, how sure each pair is, and what the scores mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import Table, is_number, tables_in
from understudy.reports.lanes import Entry, Mark, axis_for, lanes_of
from understudy.reports.panels import Cell, Figure, Matrix, Panel, bounds_of, columns_in, family, lanes_table
from understudy.reports.ranking_findings import (
    CALIBRATION,
    NAMES,
    POWERED,
    SPEARMAN,
    TAU,
    agreement_sentence,
    calibration_sentence,
    descriptive,
    human_bounds,
    systems_in,
)
from understudy.reports.slopegraph import Contender, slope_graph
from understudy.reports.wording import column, evidence_number, interval, number, words

PEOPLE_AND_OURS = (("real", "people"), ("synthetic", "simulated users"))
MOST_IN_MATRIX = 16


def ranking_panels(heads: Sequence[Measurement], parts: Mapping[str, Sequence[Measurement]]) -> list[Panel]:
    """Every panel of the ranking measurements among `heads`."""
    panels = []
    agreements = [m for name in (TAU, SPEARMAN) for m in heads if m.name == name and m.value is not None]
    if agreements:
        panels.append(order_panel(agreements))
    panels += [
        calibration_panel(m, parts.get(m.name, ())) for m in heads if m.name == CALIBRATION and m.value is not None
    ]
    powered = [m for m in family(heads, POWERED) if m.value is not None]
    powered = [one for m in powered for one in (parts.get(m.name) or (m,)) if one.value is not None]
    panels += [powered_panel(powered)] if powered else []
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
        asides=(few,) if few else (),
        tables=tuple(tables_in(first.evidence, leave_out=("systems", "p_order", "descriptive"))),
    )


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


def calibration_panel(m: Measurement, parts: Sequence[Measurement]) -> Panel:
    """Simulated beside real scores, by difficulty and by slice of the population."""
    figures = []
    for name, source in m.evidence.items():
        rows = columns_in(source, "real", "simulated") or _mappings(source)
        label = next(
            (k for k in ("slice", "difficulty", "bin", "name", "level", "system") if k in (rows or [{}])[0]), ""
        )
        rows = [r for r in rows or () if label and is_number(r.get("real")) and is_number(r.get("simulated"))]
        if rows:
            figures.append(_calibration_figure(name, label, rows))
    return Panel(
        anchor="calibration",
        title="Calibration",
        asks=m.spec.asks,
        reading=calibration_sentence(m),
        figures=tuple(figures),
        asides=("Simulators can order systems rightly and still be too kind, or too hard, on some of them.",),
        tables=tuple(tables_in(m.evidence)),
    )


def _mappings(source: object) -> list[dict[str, Any]]:
    rows = source if isinstance(source, (list, tuple)) else ()
    return [dict(r) for r in rows if isinstance(r, Mapping) and "real" in r and "simulated" in r]


def _calibration_figure(name: str, label: str, rows: Sequence[Mapping[str, Any]]) -> Figure:
    entries = []
    for r in rows:
        text = r[label] if isinstance(r[label], str) else f"{words(label)} {r[label]}"
        both = float(r["real"]), float(r["simulated"])
        marks = (Mark("real", both[0], bounds_of(r, "real")), Mark("synthetic", both[1], bounds_of(r, "simulated")))
        gap = number(both[1] - both[0], 2, signed=True)
        entries.append(Entry(str(text), marks, (number(both[0], 2), number(both[1], 2), gap)))
    figure = lanes_of(
        entries, ("people", "simulated", "difference"), axis=axis_for(entries), layout="rates", key=PEOPLE_AND_OURS
    )
    return Figure(f"Scores, {words(name)}", lanes_table(words(name), figure), figure)


def powered_panel(found: Sequence[Measurement]) -> Panel:
    """Scores from people alone, and from people with the simulator beside them."""
    entries, rows = [], []
    for m in found:
        assert m.value is not None
        system = m.name.removeprefix(f"{POWERED}.")
        alone, bounds = evidence_number(m, "human_only", "human", "real"), human_bounds(m)
        marks: tuple[Mark, ...] = (Mark("synthetic", m.value, m.interval),)
        if alone is not None:
            marks = (Mark("real", alone, bounds), *marks)
        own, effective = evidence_number(m, "n_human", "human_n", "n"), evidence_number(m, "effective_n", "n_effective")
        more = evidence_number(m, "buy", "buy_more", "more")
        worth = "–" if own is None or effective is None else f"{own:,.0f} count as {effective:,.0f}"
        entries.append(Entry(system, marks, (number(alone, 2), number(m.value, 2), worth)))
        rows.append(
            (system, number(alone, 2), interval(bounds, 2), number(m.value, 2), interval(m.interval, 2),
             "–" if own is None else f"{own:,.0f}", "–" if effective is None else f"{effective:,.0f}",
             "–" if more is None else f"{more:,.0f}")
        )  # fmt: skip
    figure = lanes_of(
        entries,
        ("people", "powered", "people are worth"),
        axis=axis_for(entries),
        layout="rates",
        key=(("real", "people alone, with 95 % interval"), ("synthetic", "people with the simulator beside them")),
    )
    heads = ("system", "people alone", "95 % interval", "prediction-powered", "95 % interval", "people", "worth", "buy")
    table = Table("prediction-powered scores", heads, tuple(rows), (False, *(True,) * 7))
    return Panel(
        anchor="prediction-powered",
        title="Scores with the simulator beside people",
        asks="How much sharper does the simulator make the human scores, and how many more people would be needed?",
        reading="",
        figures=(Figure("Scores of the systems, people alone and prediction-powered", table, figure),),
        asides=(
            "A prediction-powered score uses the simulator only as far as people bear it out: it stays right where the "
            "simulator is wrong, and is sharper where it is informative.",
        ),
    )
