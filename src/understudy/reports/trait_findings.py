"""What else a corpus carries, in sentences by rule."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.measures.measurement import Measurement
from understudy.reports.findings import listed, plain_finding
from understudy.reports.wording import percent

LINEAGE = "traits.lineage"


def carried(m: Measurement, parts: Sequence[Measurement]) -> str:
    """A measurement of what else a corpus carries, as a sentence."""
    return lineage_sentence(m, parts) if m.name == LINEAGE else plain_finding(m)


def lineage_sentence(m: Measurement, parts: Sequence[Measurement]) -> str:
    """What the graph says, in a sentence."""
    untold = next((p.value for p in parts if p.name.endswith(".untold")), None) or 0.0
    flagged = [e for e in m.evidence.get("edges") or () if e["flagged"]]
    silent = f" {percent(untold)} of the conversations do not say who generated them." if untold else ""
    if not flagged:
        return f"No edge between models of one family, by name.{silent}"
    kinds = listed(sorted({f"{e['kind']} ({e['source']} to {e['target']})" for e in flagged}))
    return f"{percent(m.value or 0.0)} of the conversations run over a flagged edge: {kinds}.{silent}"
