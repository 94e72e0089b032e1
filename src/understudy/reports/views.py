"""What the page shows, section by section, as plain values: the template only lays them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from understudy.measures.measurement import Counts, Measurement
from understudy.measures.resampling import FEWEST_CLUSTERS
from understudy.reports.evidence import Quote, Table, curves_in, is_number, quotes, tables_in
from understudy.reports.findings import TooFew, differs, finding, gap_weight, p_of
from understudy.reports.matrices import matrices_in
from understudy.reports.panels import Matrix
from understudy.reports.plots import (
    Chart,
    Pair,
    Scale,
    Strip,
    chart,
    kept_within,
    natural_scale,
    pair,
    scale_over,
    strip,
)
from understudy.reports.wording import (
    amounts,
    figures_of,
    number,
    p_text,
    part_label,
    percent,
    rates,
    title_of,
    unit_of,
    words,
)

SHOWN_FIRST = 12
MOST_QUOTES = 4
MOST_TELLS = 12
NOT_TESTED = "not tested"


class Row(NamedTuple):
    """A line of a figure: name, marks (`strip` or `pair`), numbers as text, and what opens under it."""

    label: str
    hint: str
    state: str
    strip: Strip | None = None
    scale: Scale | None = None
    pair: Pair | None = None
    value: str = ""
    interval: str = ""
    real: str = ""
    synthetic: str = ""
    unit: str = ""
    floor: str = ""
    ceiling: str = ""
    p: str = ""
    reason: str = ""
    quotes: tuple[tuple[Quote, ...], tuple[Quote, ...]] = ((), ())
    tables: tuple[Table, ...] = ()

    @property
    def opens(self) -> bool:
        """Whether there is something to open."""
        return bool(self.tables or any(self.quotes))


class Section(NamedTuple):
    """A headline measurement with its parts: one figure, its table, its evidence."""

    anchor: str
    head: Row
    asks: str
    reading: str
    gaps: tuple[str, ...]
    how: str
    rows: tuple[Row, ...]
    more: tuple[Row, ...]
    table: Table
    tables: tuple[Table, ...]
    charts: tuple[tuple[str, Chart, Table], ...]
    matrices: tuple[Matrix, ...]
    tells: tuple[Row, ...]
    axis: Scale | None
    unit: str
    source: str
    bare: bool
    has_ceiling: bool
    has_floor: bool


def state_of(m: Measurement) -> str:
    """One word for what was shown."""
    if m.status == "unscored":
        return "not scored"
    return "differs" if differs(m) else "not detected" if p_of(m) is not None else "no test"


def row_of(m: Measurement, label: str, scale: Scale | None, *, hint: str = "") -> Row:
    """A measurement as a line of a figure."""
    figures = figures_of(m, signed=m.spec.range[0] is None or m.spec.range[0] < 0)
    return Row(
        label=label,
        hint=hint,
        state=state_of(m),
        strip=strip(m, scale) if scale else None,
        scale=scale,
        value=figures.value,
        interval=figures.interval,
        floor=figures.floor,
        ceiling=figures.ceiling,
        p=p_text(p_of(m)),
        reason=m.reason,
        unit=unit_of(m) or m.spec.unit,
        tables=tuple(_side_tables(m)),
    )


def _side_tables(m: Measurement) -> list[Table]:
    """Tables of a part that set the two sides beside each other."""
    tables = [t for t in tables_in(m.evidence) if "real" in t.columns and "synthetic" in t.columns]
    return tables[:2]


def _quoted(evidence: Mapping[str, Any]) -> tuple[tuple[Quote, ...], tuple[Quote, ...]]:
    return tuple(quotes(evidence, "real")[:MOST_QUOTES]), tuple(quotes(evidence, "synthetic")[:MOST_QUOTES])


def _bounds(m: Measurement, side: str) -> Sequence[float] | None:
    found = m.evidence.get(f"{side}_interval")
    whole = isinstance(found, (list, tuple)) and len(found) == 2 and all(map(is_number, found))
    return found if whole else None


def rate_row(m: Measurement, label: str, scale: Scale | None, tell: Mapping[str, Any] | None = None) -> Row:
    """A part as a dumbbell of what the two sides show; on an axis of its own, from 0, where no scale is given."""
    both = rates(m)
    assert both is not None
    unit = unit_of(m) or (m.spec.unit if m.spec.unit.startswith("share") else "")
    says = m.evidence.get("behaviour", "")
    own = scale or scale_over([0.0, *both])
    if scale is None:
        low, high = min(0.0, *both), max(0.0, *both)
        own = Scale(low, high + (high - low or 1.0) * 0.04, (high - low or 1.0))
    texts = amounts(both, unit)
    ends = [_bounds(m, side) for side in ("real", "synthetic")]
    row = row_of(m, label, None, hint=says if isinstance(says, str) and says != unit else "")
    return row._replace(
        pair=pair(*both, own, real_interval=ends[0], synthetic_interval=ends[1]),
        scale=own,
        real=texts[0],
        synthetic=texts[1],
        unit=unit,
        quotes=_quoted(tell if tell is not None else m.evidence),
    )


def _tell_rows(evidence: Mapping[str, Any]) -> tuple[Row, ...]:
    """What a discriminator leans on, as dumbbells over one axis."""
    tells = [t for t in evidence.get("tells") or () if isinstance(t, Mapping)][:MOST_TELLS]
    tells = [t for t in tells if is_number(t.get("real_rate")) and is_number(t.get("synthetic_rate"))]
    if not tells:
        return ()
    scale = scale_over([0.0, *(float(t[k]) for t in tells for k in ("real_rate", "synthetic_rate"))])
    rows = []
    for tell in tells:
        both = (float(tell["real_rate"]), float(tell["synthetic_rate"]))
        texts = amounts(both, str(tell.get("unit", "")))
        rows.append(
            Row(
                label=str(tell.get("feature", "")),
                hint="too often" if both[1] > both[0] else "too rarely",
                state="differs",
                pair=pair(*both, scale),
                scale=scale,
                real=texts[0],
                synthetic=texts[1],
                unit=str(tell.get("unit", "")),
                quotes=_quoted(tell),
            )
        )
    return tuple(rows)


def _part_rows(m: Measurement, parts: Sequence[Measurement]) -> tuple[list[Row], Scale | None, bool]:
    """The parts as lines of one figure; the axis that they share, if any; whether they are dumbbells."""
    scored = [p for p in parts if p.status == "scored"]
    if not scored:
        return [], None, False
    paired = all(rates(p) is not None for p in scored)
    if paired and m.name == "separability.icc":
        ends = [b for p in scored for side in ("real", "synthetic") for b in _bounds(p, side) or ()]
        levels = [v for p in scored for v in rates(p) or ()]
        axis = kept_within(scale_over([0.0, 1.0, *levels, *ends], count=6), (-1.0, 1.0), levels)
        return [rate_row(p, part_label(p, m), axis) for p in scored], axis, True
    if paired:
        tells = {str(t.get("feature")): t for t in m.evidence.get("tells") or () if isinstance(t, Mapping)}
        last = [p.name.removeprefix(m.name + ".") for p in scored]
        rows = [rate_row(p, part_label(p, m), None, tells.get(n)) for p, n in zip(scored, last, strict=True)]
        order = sorted(range(len(rows)), key=lambda i: (rows[i].state != "differs", -gap_weight(scored[i]), i))
        return [rows[i] for i in order], None, True
    shared = len({p.spec.unit for p in scored}) == 1
    common = natural_scale(scored) if shared else None
    rows = [row_of(p, part_label(p, m), common or natural_scale([p])) for p in scored]
    return rows, common, False


def _figure_table(m: Measurement, parts: Sequence[Measurement]) -> Table:
    """Every number of the figure, exact to what is shown."""
    rows = []
    for one in (m, *parts):
        row = row_of(one, title_of(m) if one is m else part_label(one, m), None)
        both = rates(one) if one is not m else None
        sides = amounts(both, unit_of(one)) if both else ["", ""]
        value = row.value if one.status == "scored" else f"not scored: {one.reason}"
        rows.append((row.label, *sides, value, row.interval, row.floor, row.ceiling, row.p))
    heads = ("", "people", "synthetic", "value", "95 % interval", "real vs real", "other real", "adjusted p")
    used = [i for i in range(8) if i in (0, 3) or any(r[i] not in ("", "–") for r in rows)]
    body = tuple(tuple(r[i] for i in used) for r in rows)
    return Table("every number", tuple(heads[i] for i in used), body, tuple(i > 0 for i in used))


def _charts(m: Measurement, parts: Sequence[Measurement]) -> tuple[tuple[str, Chart, Table], ...]:
    found = []
    for one in (m, *parts):
        name = title_of(m) if one is m else part_label(one, m)
        for key, lines in curves_in(one.evidence).items():
            caption = words(key) if key else name
            known = [dict(zip(line.x, line.y, strict=True)) for line in lines]
            places = sorted({x for side in known for x in side})
            shares = all(0 <= y <= 1 for line in lines for y in line.y)
            show = percent if shares else number
            body = tuple((number(x, 0), *(show(side[x]) if x in side else "–" for side in known)) for x in places)
            table = Table(caption, ("turn", *(line.side for line in lines)), body, (True,) * 3)
            found.append((caption if one is m else f"{name}: {caption}" if key else name, chart(lines), table))
    unique = {caption: each for each in found for caption in [each[0]]}
    return tuple(unique.values())[:4]


def _gaps(m: Measurement) -> tuple[str, ...]:
    """Why there is no interval or no floor, where there is none and the reason is known."""
    units = {side: counts.users for side, counts in m.n.items()}
    told = []
    if m.interval is None:
        few = [f"{count} {side}" for side, count in units.items() if count < FEWEST_CLUSTERS]
        why = m.evidence.get("no_interval") or (f"{' and '.join(few)} users are too few" if few else "")
        told.append(f"No interval: {why}." if why else "No interval was computed for this number.")
    if m.floor is None:
        real = units.get("real", 2 * FEWEST_CLUSTERS)
        few_real = f"{real} real users cannot be halved; at least {2 * FEWEST_CLUSTERS} are needed"
        why = m.evidence.get("no_floor") or (few_real if real < 2 * FEWEST_CLUSTERS else "")
        told += [f"No floor of real against real: {why}."] if why else []
    return tuple(told)


def section_of(m: Measurement, parts: Sequence[Measurement], few: TooFew | None = None) -> Section:
    """A headline measurement and its parts, ready to lay out; `few` where its tests could not reject."""
    rows, axis, paired = _part_rows(m, parts)
    tells: tuple[Row, ...] = ()
    if m.name == "realism.discriminator":
        named = next((p for p in parts if p.name.endswith(".words") and p.evidence.get("tells")), None)
        tells = _tell_rows(named.evidence if named else m.evidence)
    elif not paired:
        tells = _tell_rows(m.evidence)
    charts = _charts(m, parts)
    tables = tables_in(m.evidence, leave_out=("matrices", *(("tells",) if tells or paired else ())))
    for p in parts if m.name == "realism.discriminator" else ():
        extra = tables_in({f"{part_label(p, m)}: what gives it away": p.evidence.get("tells") or []})
        tables += extra
    how = "paired" if paired and axis is None else "levels" if paired else "ladder" if axis else "own"
    scale = natural_scale([m]) if m.status == "scored" else None
    head = row_of(m, title_of(m), scale, hint=m.spec.asks)
    if few:
        head, *rows = [r._replace(state=NOT_TESTED, p="–") if r.state == "not detected" else r for r in (head, *rows)]
    if len(rows) == 1 and not paired and parts[0].spec.unit != m.spec.unit:
        # A single part in another unit: the headline stands above it, each on its own axis.
        rows, axis = [head._replace(hint=m.spec.unit, tables=()), *rows], None
    return Section(
        anchor=m.name.replace(".", "-").replace("_", "-"),
        head=head,
        asks=m.spec.asks,
        reading=finding(m, parts, few) if m.status == "scored" else "",
        gaps=_gaps(m),
        how=how,
        rows=tuple(rows[:SHOWN_FIRST]) or (head._replace(hint=m.spec.unit, tables=()),),
        more=tuple(rows[SHOWN_FIRST:]),
        table=_figure_table(m, parts),
        tables=tuple(tables),
        charts=charts,
        matrices=matrices_in(m),
        tells=tells,
        axis=axis,
        unit=m.spec.unit,
        source=m.spec.source,
        bare=not any(row.unit for row in rows),
        has_ceiling=any(p.ceiling is not None for p in (m, *parts)),
        has_floor=any(p.floor is not None for p in (m, *parts)),
    )


def unscored_rows(measurements: Sequence[Measurement]) -> list[tuple[str, tuple[str, ...]]]:
    """Reasons, each with the measurements that it stopped."""
    reasons: dict[str, list[str]] = {}
    for m in measurements:
        if m.status == "unscored":
            reasons.setdefault(m.reason, []).append(m.name)
    return [(reason, tuple(names)) for reason, names in reasons.items()]


def sizes_of(n: Mapping[str, Counts], side: str, users_known: bool) -> list[tuple[str, str]]:
    """How much a side holds, as numbers and nouns."""
    counts = n.get(side)
    if counts is None:
        return []
    users = [(f"{counts.users:,}", "users")] if users_known else []
    turns = [(f"{counts.turns:,}", "turns")] if counts.turns else []
    # Tables of scores have no turns: their rows need be no conversations.
    noun = "conversations" if counts.turns else "episodes"
    return [(f"{counts.conversations:,}", noun), *users, *turns]
