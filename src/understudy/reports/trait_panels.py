"""The panels of hidden cargo: who had a hand in a corpus, and what a model trained on it takes on besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import tables_in
from understudy.reports.findings import LEVEL
from understudy.reports.lanes import Entry, Mark, axis_for, lanes_of
from understudy.reports.panels import Figure, Panel, anchor_of, family, lanes_table
from understudy.reports.trait_findings import EFFECT, LINEAGE, effect_sentence, lineage_sentence
from understudy.reports.wording import evidence_number, interval, number, percent, words


def lineage_panel(m: Measurement, parts: Sequence[Measurement]) -> Panel:
    """The hands in a corpus, each with its share of the conversations, and the edges that are flagged."""
    total = m.n["synthetic"].conversations
    hands = m.evidence.get("hands") or []
    entries = []
    for hand in hands:
        share = hand["conversations"] / total
        texts = (f"{hand['conversations']:,}", percent(share), "")
        hint = f"{hand['side']}; family {', '.join(hand['families'])}"
        entries.append(Entry(f"{hand['action']}: {hand['by']}", (Mark("synthetic", share),), texts, hint))
    figures: tuple[Figure, ...] = ()
    if entries:
        drawn = lanes_of(entries, ("conversations", "share", ""), axis=axis_for(entries, always=(0.0, 1.0)))
        figures = (Figure("Hands in these conversations", lanes_table("hands", drawn), drawn),)
    return Panel(
        anchor=anchor_of(m.name),
        title="Lineage",
        asks=m.spec.asks,
        reading=lineage_sentence(m, parts),
        figures=figures,
        alarms=tuple(_flag(e) for e in m.evidence.get("edges") or () if e["flagged"]),
        asides=(
            "Families are told by name. A graph without a flag is no proof: some channels need no common base, and "
            "what is not written down is not seen.",
        ),
        tables=tuple(tables_in(m.evidence)),
    )


def _flag(edge: dict[str, object]) -> str:
    shared = edge["shared"]
    base = f" (both {', '.join(map(str, shared))})" if isinstance(shared, (list, tuple)) and shared else ""
    return f"{str(edge['kind']).capitalize()}: {edge['source']} to {edge['target']}{base}; {edge['why']}."


def trait_panels(heads: Sequence[Measurement], parts: Mapping[str, Sequence[Measurement]]) -> list[Panel]:
    """The panels of what else a corpus carries."""
    panels = [effect_panel(m, parts.get(m.name, ())) for m in family(heads, EFFECT) if m.value is not None]
    return panels + [lineage_panel(m, parts.get(m.name, ())) for m in family(heads, LINEAGE) if m.value is not None]


def effect_panel(m: Measurement, parts: Sequence[Measurement]) -> Panel:
    """The forest of probes: by how much the twin of the suspect shows each trait more, beside the floor."""
    entries = []
    for p in parts:
        shown = p.adjusted_p is not None and p.adjusted_p <= LEVEL
        least = evidence_number(p, "minimum_detectable")
        texts = (number(p.value, 3, signed=True), interval(p.interval, 3), number(least, 3))
        marks: tuple[Mark, ...] = (Mark("synthetic", p.value or 0.0, p.interval),)
        if p.floor is not None:
            marks += (Mark("real", p.floor.value, p.floor.interval),)
        flag = "detected" if shown else ""
        entries.append(Entry(words(p.name.rpartition(".")[2]), marks, texts, p.spec.asks, flag, quiet=not shown))
    drawn = lanes_of(
        entries,
        ("effect", "95 % interval", "detectable"),
        axis=axis_for(entries, always=(0.0,)),
        rules=((0.0, "twins alike"),),
        key=(("synthetic", "suspect against control"), ("real", "control against control, other shares")),
    )
    caption = "Nats a word by which the trait is likelier after the suspect than after the control"
    matching = str(m.evidence.get("matching", ""))
    return Panel(
        anchor=anchor_of(m.name),
        title="Twins of a matched control",
        asks=m.spec.asks,
        reading=effect_sentence(m, parts),
        figures=(Figure(caption, lanes_table("probes", drawn), drawn),),
        asides=(
            f"{matching[:1].upper()}{matching[1:]}. Battery: {m.evidence.get('battery')}.",
            f"This student sees {m.evidence.get('sees')}. It is blind to {m.evidence.get('blind')}.",
        ),
        tables=tuple(tables_in({"probes": [_row(p) for p in parts]})),
    )


def _row(p: Measurement) -> dict[str, object]:
    ceiling = None if p.ceiling is None else p.ceiling.value
    keys = ("base", "suspect_shift", "control_shift", "minimum_detectable")
    told = {key: p.evidence.get(key) for key in keys}
    shuffled = {k: v["value"] for k, v in p.evidence.items() if k.startswith("shuffled_") and isinstance(v, Mapping)}
    name = words(p.name.rpartition(".")[2])
    return {"probe": name, **told, "adjusted p": p.adjusted_p, "taught openly": ceiling, **shuffled}
