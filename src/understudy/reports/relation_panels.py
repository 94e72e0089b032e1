"""The panel of relations: what synthetic users show of each relation that people show, and how far back it reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.measures.measurement import Measurement
from understudy.measures.relational.scorer import DEPTHS
from understudy.reports.evidence import is_number
from understudy.reports.findings import listed
from understudy.reports.lanes import Bounds, Entry, Mark, axis_for, lanes_of
from understudy.reports.lineplot import Series, line_plot
from understudy.reports.panels import Figure, Panel, family, lanes_table, line_table
from understudy.reports.wording import number, title_of, words

RELATIONAL = "relational"
CONTINGENCY = "relational.contingency"
PEOPLE = 1.0
MOST = 4.0  # times people's: beyond, it is said in words, for it would crush the figure
_SEEN: Bounds = (-0.5, 2.0)  # intervals beyond are cut; values never
_IN_PROFILE = tuple(f"{CONTINGENCY}.depth_{depth}" for depth in DEPTHS[:-1])
Parts = Mapping[str, Sequence[Measurement]]


def relation_panels(heads: Sequence[Measurement], parts: Parts) -> list[Panel]:
    """One panel where relations were measured and people show any."""
    asked = [m for m in family(heads, RELATIONAL) if m.value is not None]
    every = [m for head in asked for m in (head, *parts.get(head.name, ())) if m.name not in _IN_PROFILE]
    rated = [(m, *found) for m in every if (found := _ratio(m))]
    entries = [_entry(m, value, interval, heads) for m, value, interval in rated if value <= MOST]
    if not entries:
        return []
    axis = axis_for(entries, always=(0.0, PEOPLE), within=_SEEN)
    rules = ((0.0, "chance"), (PEOPLE, "people"))
    drawn = lanes_of(entries, ("share", "95 % interval", ""), axis=axis, rules=rules)
    caption = "What synthetic users show of each relation, people’s own being 1 and unrelated turns 0"
    far = [f"{_label(m, heads).lower()} ({number(value, 0)} times)" for m, value, _ in rated if value > MOST]
    beyond = (f"Not drawn, since people show little of it: {listed(far)}.",) if far else ()
    figures = [Figure(caption, lanes_table("ratios to people", drawn), drawn)]
    profile = _profile(next((m for m in asked if m.name == CONTINGENCY), None), parts)
    return [
        Panel(
            anchor="relations",
            title="Relations",
            asks="Does what the two sides say depend on each other as it does between people?",
            reading=_reading([one for one in rated if one[1] <= MOST]),
            figures=(*figures, *profile),
            asides=(
                "A relation that people do not show clearly in this corpus has no ratio: its difference stands in its "
                "own section. More is not better: above 1, turns depend on each other more than people’s do.",
                *beyond,
            ),
        )
    ]


def _ratio(m: Measurement) -> tuple[float, Bounds] | None:
    found = m.evidence.get("human_ratio")
    if not isinstance(found, Mapping) or not is_number(found.get("value")):
        return None
    low, high = found["interval"]
    return float(found["value"]), (float(low), float(high))


def _entry(m: Measurement, value: float, interval: Bounds, heads: Sequence[Measurement]) -> Entry:
    reach = f"{number(interval[0], 2)} to {number(interval[1], 2)}"
    return Entry(
        _label(m, heads), (Mark("synthetic", value, interval),), (number(value, 2), reach, ""), str(m.evidence["says"])
    )


def _label(m: Measurement, heads: Sequence[Measurement]) -> str:
    mine = next((h for h in heads if m.name.startswith(f"{h.name}.")), None)
    return title_of(m) if mine is None else f"{title_of(mine)}: {words(m.name.removeprefix(mine.name + '.'))}"


def _reading(rated: Sequence[tuple[Measurement, float, Bounds]]) -> str:
    """Which heads fall short of people, exceed them, or are not told from them, by their intervals."""
    heads = [(title_of(m).lower(), value, bounds) for m, value, bounds in rated if m.name.count(".") == 1]
    short = [f"{name} ({number(value, 2)})" for name, value, bounds in heads if bounds[1] < PEOPLE]
    over = [f"{name} ({number(value, 2)})" for name, value, bounds in heads if bounds[0] > PEOPLE]
    rest = len(heads) - len(short) - len(over)
    told = [f"Less than people: {listed(short)}."] if short else []
    told += [f"More than people: {listed(over)}."] if over else []
    told += [f"{rest} of {len(heads)} are not told from people’s by their intervals."] if rest or not told else []
    return " ".join(told)


def _profile(m: Measurement | None, parts: Parts) -> list[Figure]:
    """Contingency gain of user replies by how many turns back the scorer sees."""
    if m is None:
        return []
    by = {p.name.removeprefix(f"{m.name}."): p for p in parts.get(m.name, ())}
    steps = [by.get(f"depth_{depth}") for depth in DEPTHS[:-1]]
    every = [p for p in (*steps, m) if p is not None and p.value is not None]
    if len(every) < len(DEPTHS):
        return []
    lines = [
        Series(side, name, [float(d) for d in DEPTHS], [float(p.evidence[key]) for p in every])
        for side, name, key in (("real", "people", "real"), ("synthetic", "synthetic", "synthetic"))
    ]
    plot = line_plot(lines, x_label="turns back that the scorer sees", y_label="nats a reply")
    caption = "How far back a reply reaches: contingency gain, in nats a reply"
    note = "Who only reacts to the last turn has it all at 1; 0 at every depth is a reply to nobody."
    return [Figure(caption, line_table("depth profile", "turns back", lines), plot=plot, note=note)]
