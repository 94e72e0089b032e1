"""Which measurements are shown together in panels, and under which question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.measures.measurement import Measurement
from understudy.reports.panels import Chapter, family
from understudy.reports.ranking_findings import CALIBRATION, POWERED, SPEARMAN, STABILITY, TAU
from understudy.reports.ranking_panels import ranking_panels
from understudy.reports.rater_panels import CHAPTER, RATERS, rater_panels
from understudy.reports.relation_panels import relation_panels
from understudy.reports.trait_findings import EFFECT, LINEAGE
from understudy.reports.trait_panels import trait_panels
from understudy.reports.transfer_findings import ABLATION, FALSE, GAP, MIXTURE, REACTION
from understudy.reports.transfer_panels import transfer_panels
from understudy.reports.verdicts import QUESTIONS

PANELLED = (
    GAP, FALSE, ABLATION, REACTION, MIXTURE, TAU, SPEARMAN, CALIBRATION, POWERED, STABILITY, LINEAGE, EFFECT, *RATERS,
)  # fmt: skip
RELATING = "Do they relate as people do?"


def panelled(m: Measurement) -> bool:
    """Whether a panel shows the measurement; any other has a section of its own."""
    return any(family([m], name) for name in PANELLED)


def chapters_of(heads: Sequence[Measurement], parts: Mapping[str, Sequence[Measurement]]) -> list[Chapter]:
    """What raters say, the panels of relations, then those of each question that has any, in order."""
    first = ((CHAPTER, rater_panels(heads, parts)), (RELATING, relation_panels(heads, parts)))
    chapters = [Chapter(title, tuple(panels)) for title, panels in first if panels]
    for question, title in QUESTIONS.items():
        own = [m for m in heads if m.spec.question == question and panelled(m)]
        panels = (*ranking_panels(own, parts), *transfer_panels(own, parts), *trait_panels(own, parts))
        if panels:
            chapters.append(Chapter(title, panels))
    return chapters
