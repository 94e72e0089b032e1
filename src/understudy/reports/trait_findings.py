"""What else a corpus carries, in sentences by rule."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.measures.measurement import Measurement
from understudy.reports.findings import listed, plain_finding
from understudy.reports.panels import family
from understudy.reports.wording import evidence_number, number, percent, words

LINEAGE, EFFECT = "traits.lineage", "traits.effect"


def carried(m: Measurement, parts: Sequence[Measurement]) -> str:
    """A measurement of what else a corpus carries, as a sentence."""
    if m.name == LINEAGE:
        return lineage_sentence(m, parts)
    return effect_sentence(m, parts) if family([m], EFFECT) else plain_finding(m)


def lineage_sentence(m: Measurement, parts: Sequence[Measurement]) -> str:
    """What the graph says, in a sentence."""
    untold = next((p.value for p in parts if p.name.endswith(".untold")), None) or 0.0
    flagged = [e for e in m.evidence.get("edges") or () if e["flagged"]]
    silent = f" {percent(untold)} of the conversations do not say who generated them." if untold else ""
    if not flagged:
        return f"No edge between models of one family, by name.{silent}"
    kinds = listed(sorted({f"{e['kind']} ({e['source']} to {e['target']})" for e in flagged}))
    return f"{percent(m.value or 0.0)} of the conversations run over a flagged edge: {kinds}.{silent}"


def effect_sentence(m: Measurement, parts: Sequence[Measurement]) -> str:
    """What the audit with twins found, in a sentence that never says that nothing is carried."""
    pairs = m.evidence.get("twin_pairs")
    shown = [p for p in parts if words(p.name.rpartition(".")[2]) in map(words, m.evidence.get("shown") or ())]
    dumb = m.evidence.get("unreadable") or ()
    silent = f" Even open lessons do not move this student in {listed([words(str(d)) for d in dumb])}." if dumb else ""
    student = str(m.evidence.get("student", ""))
    if shown:
        told = listed([f"{words(p.name.rpartition('.')[2])} ({number(p.value, 2, signed=True)} nats)" for p in shown])
        unread = {words(p.name.rpartition(".")[2]) for p in shown} <= {words(str(d)) for d in dumb}
        but = " So what parts them is not shown to be a trait." if unread else ""
        return f"Twins part, student {student}: {told}, over {pairs} pairs.{silent}{but}"
    least = [v for p in parts if (v := evidence_number(p, "minimum_detectable")) is not None]
    span = f"{number(min(least), 2)} to {number(max(least), 2)}" if least else "–"
    return (
        f"Not detected with {pairs} twin pairs, student {student}; an effect of {span} nats, by probe, would have been "
        f"found four times in five. That does not show that nothing is carried.{silent}"
    )
