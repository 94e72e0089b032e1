"""Panels on what the scores of simulated users mean: calibration, worth in people, and other simulators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import Table, is_number, tables_in
from understudy.reports.lanes import Entry, Mark, axis_for, lanes_of
from understudy.reports.panels import Figure, Panel, bounds_of, columns_in, lanes_table
from understudy.reports.ranking_findings import POWERED, calibration_sentence, human_bounds, stability_sentence
from understudy.reports.wording import evidence_number, interval, number, words

PEOPLE_AND_OURS = (("real", "people"), ("synthetic", "simulated users"))
BINS = ("name", "slice", "difficulty", "bin", "level", "system")


def calibration_panel(m: Measurement, parts: Sequence[Measurement]) -> Panel:
    """Simulated beside real scores, by difficulty, by slice of the population and by system."""
    figures = []
    for one in [p for p in parts if p.value is not None] or [m]:
        for name, source in one.evidence.items():
            rows = columns_in(source, "real", "simulated") or []
            label = next((k for k in BINS if rows and k in rows[0]), "")
            rows = [r for r in rows if label and is_number(r["real"]) and is_number(r["simulated"])]
            if rows:
                figures.append(_bins(name, label, rows))
    return Panel(
        anchor="calibration",
        title="Calibration",
        asks=m.spec.asks,
        reading=calibration_sentence(m),
        figures=tuple(figures),
        asides=("Simulators can order systems rightly and still be too kind, or too hard, on some of them.",),
        tables=tuple(tables_in(m.evidence)),
    )


def _bins(name: str, label: str, rows: Sequence[Mapping[str, Any]]) -> Figure:
    entries, body = [], []
    for r in rows:
        text = str(r[label])
        text = f"{words(name)} {text}" if text.replace(".", "", 1).lstrip("-").isdecimal() else text
        both = float(r["real"]), float(r["simulated"])
        # Bounds without a side are those of the difference.
        marks = (Mark("real", both[0], bounds_of(r, "real")), Mark("synthetic", both[1], bounds_of(r, "simulated")))
        gap, reach = number(both[1] - both[0], 2, signed=True), bounds_of(r)
        texts = (number(both[0], 2), number(both[1], 2))
        entries.append(Entry(text, marks, (*texts, gap if reach is None else f"{gap} ({interval(reach, 2)})")))
        body.append((text, *texts, gap, interval(reach, 2)))
    heads = ("people", "simulated", "difference")
    figure = lanes_of(entries, heads, axis=axis_for(entries), layout="rates", key=PEOPLE_AND_OURS)
    table = Table(words(name), ("", *heads, "95 % interval"), tuple(body), (False, *(True,) * 4))
    return Figure(f"Scores by {words(name)}", table, figure)


def powered_panel(worth: Measurement | None, found: Sequence[Measurement]) -> list[Panel]:
    """Scores from people alone and with the simulator beside them; what to buy. Nothing where neither is known."""
    figures = [_powered(found)] if found else []
    buy = _purchases(worth.evidence if worth is not None else {})
    if not figures and not buy:
        return []
    return [
        Panel(
            anchor="prediction-powered",
            title="Scores with the simulator beside people",
            asks="How much sharper does the simulator make the human scores, and how many more people would be needed?",
            reading=_worth(worth),
            figures=(*figures, *buy),
            asides=(
                "A prediction-powered score uses the simulator only as far as people bear it out: it stays right where "
                "the simulator is wrong, and is sharper where it is informative.",
            ),
        )
    ]


def _worth(m: Measurement | None) -> str:
    if m is None:
        return ""
    if m.value is None:
        return f"Not scored: {m.reason}."
    held, effective = evidence_number(m, "n"), evidence_number(m, "n_effective")
    if held is None or effective is None:
        return f"With simulated scores beside it, a real episode is worth {number(m.value, 2)} real ones alone."
    each = f"{number(m.value, 2)} each"
    return f"With simulated scores beside them, {held:,.0f} real episodes are worth {effective:,.0f} alone ({each})."


def _powered(found: Sequence[Measurement]) -> Figure:
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
        counts = ["–" if n is None else f"{n:,.0f}" for n in (own, effective, more)]
        reach = interval(bounds, 2), interval(m.interval, 2)
        rows.append((system, number(alone, 2), reach[0], number(m.value, 2), reach[1], *counts))
    figure = lanes_of(
        entries,
        ("people", "powered", "real episodes"),
        axis=axis_for(entries),
        layout="rates",
        key=(("real", "people alone, with 95 % interval"), ("synthetic", "people with the simulator beside them")),
    )
    heads = ("system", "people alone", "95 % interval", "powered", "95 % interval", "episodes", "worth", "to buy")
    table = Table("prediction-powered scores", heads, tuple(rows), (False, *(True,) * 7))
    return Figure("Scores of the systems, people alone and prediction-powered", table, figure)


def _purchases(evidence: Mapping[str, Any]) -> list[Figure]:
    """How many more real episodes bring a wanted precision, and how a budget is best spent."""
    figures = []
    for key, counted in (("buy", "half_width"), ("spend", "budget")):
        source = evidence.get(key)
        rows = columns_in(source.get("systems"), "system", "buy") if isinstance(source, Mapping) else None
        rows = [r for r in rows or () if is_number(r["buy"])]
        if not rows or not isinstance(source, Mapping) or not is_number(source.get(counted)):
            continue
        most = [float(r[k]) for r in rows for k in ("buy", "buy_without") if is_number(r.get(k))]
        entries = []
        for r in rows:
            marks: tuple[Mark, ...] = (Mark("synthetic", float(r["buy"])),)
            without = r.get("buy_without")
            if is_number(without):
                marks = (Mark("real", float(without)), *marks)  # type: ignore[arg-type]
            held = f"{r['held']:,.0f} held" if is_number(r.get("held")) else ""
            alone = f"{without:,.0f}" if is_number(without) else "–"
            entries.append(Entry(str(r["system"]), marks, (alone, f"{r['buy']:,.0f}", held)))
        figure = lanes_of(
            entries,
            ("without", "buy", "now"),
            axis=axis_for(entries, always=(0.0, max(most))),
            layout="rates",
            key=(("real", "without the simulator"), ("synthetic", "with the simulator beside them")),
        )
        wanted = float(source[counted])
        caption = (
            f"Real episodes to buy for scores within ±{number(wanted, 3)}"
            if key == "buy"
            else f"How {wanted:,.0f} more real episodes are best spent"
        )
        dropped = source.get("left_out")
        note = f"Not known of {'; '.join(map(str, dropped))}." if isinstance(dropped, (list, tuple)) and dropped else ""
        figures.append(Figure(caption, lanes_table("to buy", figure), figure, note=note))
    return figures


def stability_panel(m: Measurement) -> Panel:
    """What each simulator would have had chosen, and what people lose by it."""
    rows = columns_in(m.evidence.get("decisions"), "simulator", "best") or []
    entries = [
        Entry(
            str(r["simulator"]),
            (Mark("synthetic", float(r["regret"]), bounds_of(r, "regret")),),
            (number(float(r["regret"]), 3), interval(bounds_of(r, "regret"), 3), ""),
            hint=f"best: {r['best']}" + (f"; tau {number(float(r['tau']), 2)}" if is_number(r.get("tau")) else ""),
        )
        for r in rows
        if is_number(r.get("regret"))
    ]
    figures: tuple[Figure, ...] = ()
    if entries:
        figure = lanes_of(
            entries,
            ("lost", "95 % interval", ""),
            axis=axis_for(entries, always=(0.0,)),
            rules=((0.0, "nothing lost"),),
            key=(("synthetic", "real score lost by choosing with this simulator, with 95 % interval"),),
        )
        figures = (Figure("What each simulator would choose", lanes_table("decisions", figure), figure),)
    return Panel(
        anchor="stability",
        title="Swapping the simulator",
        asks=m.spec.asks,
        reading=stability_sentence(m),
        figures=figures,
        tables=tuple(tables_in(m.evidence, leave_out=("decisions",))),
    )
