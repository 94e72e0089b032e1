"""The panels of hidden cargo: who had a hand in a corpus, and what a model trained on it takes on besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import tables_in
from understudy.reports.lanes import Entry, Mark, axis_for, lanes_of
from understudy.reports.panels import Figure, Panel, anchor_of, family, lanes_table
from understudy.reports.trait_findings import LINEAGE, lineage_sentence
from understudy.reports.wording import percent


def lineage_panel(m: Measurement, parts: Sequence[Measurement]) -> Panel:
    """The hands in a corpus, each with its share of the conversations, and the edges that are flagged."""
    total = m.n["synthetic"].conversations
    hands = m.evidence.get("hands") or []
    entries = []
    for hand in hands:
        share = hand["conversations"] / total
        texts = (f"{hand['conversations']:,}", percent(share), ", ".join(hand["families"]))
        entries.append(Entry(f"{hand['action']}: {hand['by']}", (Mark("synthetic", share),), texts, hand["side"]))
    figures: tuple[Figure, ...] = ()
    if entries:
        drawn = lanes_of(entries, ("conversations", "share", "family"), axis=axis_for(entries, always=(0.0, 1.0)))
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
    return [lineage_panel(m, parts.get(m.name, ())) for m in family(heads, LINEAGE) if m.value is not None]
