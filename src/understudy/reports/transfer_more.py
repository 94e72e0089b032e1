"""Panels of what stands behind transfer: layers left out, partners changed, corpora mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import is_number, tables_in
from understudy.reports.findings import differs, p_of
from understudy.reports.lanes import Entry, Mark, axis_for, lanes_of
from understudy.reports.lineplot import line_plot
from understudy.reports.panels import (
    Figure,
    Panel,
    anchor_of,
    bounds_of,
    columns_in,
    lanes_table,
    line_table,
    series_in,
)
from understudy.reports.transfer_findings import mixture_sentence, sentence, task_of
from understudy.reports.wording import decimals_of, interval, number, p_text, words

READABLE = (-0.5, 1.5)
PEOPLE_AND_OURS = (("real", "people"), ("synthetic", "synthetic users"))


def ablation_panel(m: Measurement, parts: Sequence[Measurement]) -> Panel:
    """Every combination of layers, what each layer adds, and the dose of persona attributes."""
    figures = [f for f in (_cells(m.evidence.get("cells")), _effects(m, parts), _dose(m.evidence.get("dose"))) if f]
    return Panel(
        anchor=anchor_of(m.name),
        title=f"Layers: {task_of(m)}",
        asks=m.spec.asks,
        reading=sentence(m),
        figures=tuple(figures),
        asides=(f"The rule: {rule}.",) if isinstance(rule := m.evidence.get("rule"), str) else (),
        tables=tuple(tables_in(m.evidence, leave_out=("cells", "dose", "verdict", "effects", "rule"))),
    )


def _cell_rows(source: object) -> list[tuple[str, float, tuple[float, float] | None]]:
    """Cells by name: aligned columns, or a mapping from a cell's name to its number or its row."""
    rows = columns_in(source, "cell", "value") or columns_in(source, "cell", "gap_closed")
    if rows is not None:
        column = "value" if "value" in rows[0] else "gap_closed"
        return [(str(r["cell"]), float(r[column]), bounds_of(r)) for r in rows if is_number(r[column])]
    found: list[tuple[str, float, tuple[float, float] | None]] = []
    for name, cell in source.items() if isinstance(source, Mapping) else ():
        if is_number(cell):
            found.append((str(name), float(cell), None))
        elif isinstance(cell, Mapping):
            value = next((cell[k] for k in ("value", "gap_closed", "score") if is_number(cell.get(k))), None)
            found += [(str(name), float(value), bounds_of(cell))] if value is not None else []
    return found


def _cells(source: object) -> Figure | None:
    rows = _cell_rows(source)
    if not rows:
        return None
    entries = [
        Entry(words(name), (Mark("synthetic", value, bounds),), (number(value, 2), interval(bounds, 2), ""))
        for name, value, bounds in rows
    ]
    figure = lanes_of(
        entries,
        ("gap closed", "95 % interval", ""),
        axis=axis_for(entries, always=(0.0, 1.0), within=READABLE),
        rules=((0.0, "no training"), (1.0, "real")),
        key=(("synthetic", "trained on users with these layers only"),),
    )
    return Figure("Every combination of layers", lanes_table("cells", figure), figure)


def _effects(m: Measurement, parts: Sequence[Measurement]) -> Figure | None:
    scored = [p for p in parts if p.value is not None]
    if not scored:
        return None
    entries = []
    for p in scored:
        assert p.value is not None
        texts = (number(p.value, 2, signed=True), interval(p.interval, 2), p_text(p_of(p)))
        label = words(p.name.removeprefix(f"{m.name}."))
        quiet = p_of(p) is not None and not differs(p)
        entries.append(Entry(label, (Mark("synthetic", p.value, p.interval),), texts, quiet=quiet))
    figure = lanes_of(
        entries,
        ("adds", "95 % interval", "adjusted p"),
        axis=axis_for(entries, always=(0.0,)),
        rules=((0.0, "adds nothing"),),
        key=(("synthetic", "what the layer adds to the gap closed, with 95 % interval"),),
    )
    note = "A combination of layers is what they do together beyond the sum of each."
    return Figure("What each layer adds, alone and together", lanes_table("effects", figure), figure, note=note)


def _dose(source: object) -> Figure | None:
    if not isinstance(source, Mapping):
        return None
    along = next((k for k in ("attributes", "dose", "size", "x") if isinstance(source.get(k), (list, tuple))), None)
    if along is None:
        return None
    value = next((k for k in ("gap_closed", "value", "score") if isinstance(source.get(k), (list, tuple))), None)
    rows = columns_in(source, along, value) if value is not None else None
    if not rows or value is None:
        return None
    named: dict[str, Any] = {along: [_amount(r[along]) for r in rows], value: [r[value] for r in rows]}
    bounds = [bounds_of(r) or bounds_of(r, value) for r in rows]
    if all(bounds):
        named |= {f"{value}_interval": bounds}
    lines = series_in(named, along, ((value, "synthetic", "synthetic users"),))
    if not lines:
        return None
    label = "persona attributes" if along in ("attributes", "dose") else words(along)
    plot = line_plot(lines, x_label=label, y_label=words(value))
    return Figure(f"{words(value).capitalize()} by number of {label}", line_table("dose", label, lines), plot=plot)


def _amount(value: object) -> object:
    """A dose that was written as text, as a number."""
    return float(value) if isinstance(value, str) and value.strip().isdecimal() else value


def reaction_panel(found: Sequence[Measurement]) -> Panel:
    """What users do when the partner gets worse, beside what people do; a figure a unit."""
    heads = [m for m in found if m.name.count(".") == 2]
    by_unit: dict[str, list[Entry]] = {}
    for m in heads:
        arms = [p for p in found if p.name.startswith(f"{m.name}.") and p.value is not None]
        for one in arms or [m]:
            first = one is (arms or [m])[0]
            by_unit.setdefault(m.spec.unit, []).append(_reaction_row(one, m if first else None))
    figures = []
    for unit, entries in by_unit.items():
        figure = lanes_of(
            entries,
            ("people", "synthetic", "adjusted p"),
            axis=axis_for(entries, always=(0.0,)),
            rules=((0.0, "no reaction"),),
            layout="rates",
            key=PEOPLE_AND_OURS,
            unit=unit,
        )
        figures.append(Figure(f"Slope of reaction, {unit}", lanes_table(unit, figure), figure))
    return Panel(
        anchor="reaction",
        title="Reacting to another partner",
        asks="The same users meet a better and a worse partner: do they take notice, as people do?",
        reading=" ".join(sentence(m) for m in heads[:1]),
        figures=tuple(figures),
        asides=(
            "Users that do not react cannot tell a good system from a bad one. Faint rows are not shown to react.",
        ),
    )


def _reaction_row(m: Measurement, reference: Measurement | None) -> Entry:
    assert m.value is not None
    floor = reference.floor if reference is not None else m.floor
    places = max(2, decimals_of(m))
    marks: tuple[Mark, ...] = (Mark("synthetic", m.value, m.interval),)
    if floor is not None:
        marks = (Mark("real", floor.value, floor.interval), *marks)
    people = number(floor.value, places, signed=True) if floor is not None else "–"
    quiet = p_of(m) is not None and not differs(m)
    own = number(m.value, places, signed=True)
    label = task_of(m).replace(": ", ", ")
    return Entry(label, marks, (people, own, p_text(p_of(m))), quiet=quiet)


def mixture_panel(m: Measurement, parts: Sequence[Measurement]) -> Panel:
    """What was mixed, what it was fitted on, and how it does where it was not fitted."""
    weights = m.evidence.get("weights")
    figures = []
    if isinstance(weights, Mapping):
        rows = [(str(k), float(v), None) for k, v in weights.items() if is_number(v)]
        entries = [Entry(k, (Mark("synthetic", v),), (number(v, 2), "", "")) for k, v, _ in rows]
        if entries:
            figure = lanes_of(entries, ("weight", "", ""), axis=axis_for(entries, always=(0.0, 1.0)))
            figures.append(Figure("Weights of the members", lanes_table("weights", figure), figure))
    scored = [p for p in parts if p.value is not None]
    if scored:
        entries = []
        for p in scored:
            assert p.value is not None
            texts = (number(p.value, 3, signed=True), interval(p.interval, 3), "")
            open_ = p.interval is None or p.interval[0] <= 0 <= p.interval[1]
            nearest = p.evidence.get("nearest_member")
            hint = f"nearest member: {nearest}" if isinstance(nearest, str) else ""
            label = words(p.name.removeprefix(f"{m.name}."))
            entries.append(Entry(label, (Mark("synthetic", p.value, p.interval),), texts, hint, quiet=open_))
        figure = lanes_of(
            entries,
            ("difference", "95 % interval", ""),
            axis=axis_for(entries, always=(0.0,)),
            rules=((0.0, "as near as the nearest member"),),
            key=(
                ("synthetic", "the mix less its nearest member, with 95 % interval; to the left is nearer to people"),
            ),
        )
        figures.append(Figure("On what was not fitted", lanes_table("held-out families", figure), figure))
    used = m.evidence.get("families_used")
    barred = (
        f"Fitted on {', '.join(map(str, used))}: these are barred from judging."
        if isinstance(used, list) and used
        else ""
    )
    return Panel(
        anchor=anchor_of(m.name),
        title="Mixture",
        asks=m.spec.asks,
        reading=mixture_sentence(m, parts),
        figures=tuple(figures),
        asides=(barred,) if barred else (),
        tables=tuple(tables_in(m.evidence, leave_out=("weights",))),
    )
