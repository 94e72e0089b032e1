"""The panels of 'Do they train well?': what a model trained on synthetic users does on people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import is_number, tables_in
from understudy.reports.lanes import Entry, Lanes, Mark, axis_for, lanes_of
from understudy.reports.lineplot import Series, line_plot
from understudy.reports.panels import (
    Figure,
    Panel,
    anchor_of,
    bounds_of,
    columns_in,
    family,
    lanes_table,
    line_table,
    series_in,
)
from understudy.reports.transfer_findings import FALSE, GAP, flags_of, sentence, task_of
from understudy.reports.transfer_more import ablation_panel, mixture_panel, reaction_panel
from understudy.reports.wording import as_sentence, evidence_number, interval, number, words

ENDS = ((0.0, "no training"), (1.0, "real"))
# A gap closed is worth reading between these; what lies beyond is drawn as going on.
READABLE = (-0.5, 1.5)
ARMS = {"baseline": "baseline", "in_domain": "real", "real": "real"}
ARM_NAMES = {
    "baseline": "no training (B)",
    "in_domain": "real conversations (I)",
    "synthetic": "synthetic users (S)",
}
CURVES = (
    ("real", "real", "real"),
    ("mixed", "mixed", "real + synthetic"),
    ("synthetic", "synthetic", "synthetic"),
)
DRAWN = ("learning_curve", "arms", "metric", "flags", "matching", "b_over_i", "s_over_i")


def gap_panel(gaps: Sequence[Measurement]) -> Panel:
    """The forest of tasks: how much of the way each goes, between no training and real conversations."""
    scored = [m for m in gaps if m.value is not None]
    figure = forest(gaps)
    asides = [
        "0: no better than no training on conversations. 1: as good as as many real conversations. An arrow says that "
        "an interval goes on beyond the figure."
    ]
    if any(evidence_number(m, "s_over_i") is not None for m in gaps):
        asides.append(
            "S/I, the share of the real-trained score, is large wherever B/I, the share reached without training, is; "
            "read it only beside it."
        )
    return Panel(
        anchor="gap-closed",
        title="Gap closed",
        asks="Does a model trained on synthetic users work on people, on conversations that it has not seen?",
        reading="",
        figures=(Figure("Gap closed, task by task", lanes_table("gap closed", figure), figure),) if scored else (),
        asides=tuple(asides) if scored else (),
    )


def forest(gaps: Sequence[Measurement]) -> Lanes:
    """A row a task, with the place of no training and of real conversations marked."""
    entries = [_forest_row(m) for m in gaps]
    axis = axis_for(entries, always=(0.0, 1.0), within=READABLE)
    return lanes_of(
        entries,
        ("gap closed", "95 % interval", "B/I, S/I"),
        axis=axis,
        rules=ENDS,
        key=(("synthetic", "trained on synthetic users, with 95 % interval"),),
    )


def _forest_row(m: Measurement) -> Entry:
    flags = flags_of(m)
    metric = str(m.evidence.get("metric") or m.spec.unit)
    if m.value is None:
        return Entry(task_of(m), (), ("–", "–", _ratios(m)), metric, f"not scored: {m.reason}", quiet=True)
    texts = (number(m.value, 2), interval(m.interval, 2), _ratios(m))
    flag = f"flagged: {'; '.join(flags)}" if flags else ""
    return Entry(task_of(m), (Mark("synthetic", m.value, m.interval),), texts, metric, flag, quiet=bool(flags))


def _ratios(m: Measurement) -> str:
    base, own = evidence_number(m, "b_over_i"), evidence_number(m, "s_over_i")
    return "–" if base is None or own is None else f"{number(base, 2)}, {number(own, 2)}"


def task_panel(found: Sequence[Measurement]) -> Panel:
    """One task: its arms on the metric's own axis, and the learning curves of each synthetic corpus."""
    first = found[0]
    metric = str(first.evidence.get("metric") or "score")
    figures: list[Figure] = []
    shown: list[object] = []
    for m in found:
        if m.evidence.get("arms") not in shown:
            shown.append(m.evidence.get("arms"))
            figures += [f for f in (_arms(m, metric),) if f is not None]
    figures += [f for m in found if (f := learning_curves(m, metric, named=len(found) > 1)) is not None]
    return Panel(
        anchor=anchor_of(".".join(first.name.split(".")[:3])),
        title=f"Task: {words(first.name.split('.')[2])}",
        asks=first.spec.asks,
        reading=sentence(first) if first.value is not None else f"Not scored: {first.reason}.",
        figures=tuple(figures),
        asides=_held_equal(first),
        tables=tuple(tables_in(first.evidence, leave_out=DRAWN)),
    )


def _by_task(gaps: Sequence[Measurement]) -> list[list[Measurement]]:
    tasks: dict[str, list[Measurement]] = {}
    for m in gaps:
        if m.value is not None or m.evidence.get("arms"):
            tasks.setdefault(".".join(m.name.split(".")[:3]), []).append(m)
    return list(tasks.values())


def _held_equal(m: Measurement) -> tuple[str, ...]:
    """What was matched between the arms, in the words of the measure."""
    matching = m.evidence.get("matching")
    if isinstance(matching, str):
        return (matching,)
    notes = matching.get("notes") or matching.get("statement") if isinstance(matching, Mapping) else None
    if isinstance(notes, str):
        return (notes,)
    return (" ".join(as_sentence(str(n)) for n in notes),) if isinstance(notes, (list, tuple)) and notes else ()


def _arms(m: Measurement, metric: str) -> Figure | None:
    rows = columns_in(m.evidence.get("arms"), "arm", "score")
    rows = [r for r in rows or () if is_number(r["score"])]
    if not rows:
        return None
    entries = []
    for row in rows:
        arm, bounds = str(row["arm"]), bounds_of(row)
        texts = (number(row["score"], 3), interval(bounds, 3), "")
        mark = Mark(ARMS.get(arm, "synthetic"), float(row["score"]), bounds)
        entries.append(Entry(ARM_NAMES.get(arm, arm), (mark,), texts))
    figure = lanes_of(
        entries, ("score", "95 % interval", ""), axis=axis_for(entries), key=_key({e.marks[0].side for e in entries})
    )
    return Figure(f"What each arm scores on held-out people, {metric}", lanes_table("arms", figure), figure)


KEY = {
    "baseline": "no training",
    "real": "trained on people",
    "mixed": "people and synthetic users",
    "synthetic": "trained on synthetic users",
}


def _key(sides: set[str]) -> tuple[tuple[str, str], ...]:
    return tuple((side, text) for side, text in KEY.items() if side in sides)


def learning_curves(m: Measurement, metric: str, *, named: bool = False) -> Figure | None:
    """Scores on real held-out conversations as the training set grows, arm by arm."""
    source = m.evidence.get("learning_curve")
    if not isinstance(source, Mapping):
        return None
    lines = series_in(source, "size", CURVES)
    if not lines:
        return None
    base = source.get("baseline")
    places = sorted({x for line in lines for x in line.x})
    if is_number(base):
        lines.append(Series("baseline", "no training", [places[0], places[-1]], [float(base)] * 2))  # type: ignore[arg-type]
    plot = line_plot(lines, x_label="training examples (each step a doubling)", y_label=metric, doubling=True)
    of = f" of {m.evidence.get('arm') or task_of(m)}" if named else ""
    caption = f"Learning curves{of}: {metric} on held-out people, with 95 % bands"
    return Figure(caption, line_table("learning curves", "examples", lines), plot=plot)


def progress_panel(m: Measurement) -> Panel:
    """Scores on simulated and on real hold-out as training goes on, and where they part."""
    alarmed = m.evidence.get("alarm") is True
    along = next((k for k in ("step", "size") if isinstance(m.evidence.get(k), (list, tuple))), "step")
    lines = series_in(m.evidence, along, (("simulated", "synthetic", "simulated"), ("held_out", "real", "real people")))
    figures: tuple[Figure, ...] = ()
    if lines:
        since = m.evidence.get("alarm_at")
        moment = (float(since), "alarm") if alarmed and is_number(since) else None  # type: ignore[arg-type]
        metric, doubling = str(m.evidence.get("metric") or "score"), m.evidence.get("per") != "step"
        label = "training examples (each step a doubling)" if doubling else "training steps"
        plot = line_plot(lines, x_label=label, y_label=metric, doubling=doubling, moment=moment)
        caption = "The same model, scored on simulated users and on real people, as its training data grow"
        figures = (Figure(caption, line_table("false progress", along, lines), plot=plot),)
    return Panel(
        anchor=anchor_of(m.name),
        title=f"False progress: {task_of(m)}",
        asks="Does what looks like progress on simulated users show on people?",
        reading=sentence(m) if m.value is not None else f"Not scored: {m.reason}",
        figures=figures,
        alarms=("Alarm: the slopes part.",) if alarmed else (),
        asides=(f"The rule: {rule}.",) if isinstance(rule := m.evidence.get("rule"), str) else (),
        tables=tuple(tables_in(m.evidence, leave_out=("alarm", "rule"))),
    )


def transfer_panels(heads: Sequence[Measurement], parts: Mapping[str, Sequence[Measurement]]) -> list[Panel]:
    """The panels of the measurements of training: alarms, the forest, a panel a task, then the rest."""
    gaps = family(heads, GAP)
    rows = [row for m in gaps for row in (m, *parts.get(m.name, ()))]
    panels = [
        progress_panel(m) for m in family(heads, FALSE) if m.evidence.get("alarm") is True and m.value is not None
    ]
    panels += [gap_panel(rows)] if any(m.value is not None for m in rows) else []
    panels += [task_panel(group) for group in _by_task(gaps)]
    panels += [
        progress_panel(m) for m in family(heads, FALSE) if m.evidence.get("alarm") is not True and m.value is not None
    ]
    panels += [
        ablation_panel(m, parts.get(m.name, ())) for m in family(heads, "transfer.ablation") if m.value is not None
    ]
    reactions = [m for m in family(heads, "transfer.reaction") if m.value is not None]
    panels += [reaction_panel([r for m in reactions for r in (m, *parts.get(m.name, ()))])] if reactions else []
    panels += [
        mixture_panel(m, parts.get(m.name, ())) for m in family(heads, "transfer.mixture") if m.value is not None
    ]
    return panels
