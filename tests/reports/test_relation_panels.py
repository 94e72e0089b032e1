"""The panel of relations: ratios to people, the depth profile, and what is left out."""

from __future__ import annotations

from typing import Any

from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.reports.chapters import RELATING, chapters_of
from understudy.reports.relation_panels import relation_panels


def measured(name: str, ratio: float | None = None, half: float = 0.2, **evidence: Any) -> Measurement:
    spec = MeasureSpec(name, "real", "Does it?", "nats", (None, None), "match", "nowhere")
    n = {"real": Counts(20, 20, 80), "synthetic": Counts(20, 20, 80)}
    shown = {"says": "what it says", "real": 0.5, "synthetic": 0.2, **evidence}
    if ratio is not None:
        shown["human_ratio"] = {"value": ratio, "interval": [ratio - half, ratio + half]}
    return Measurement(name=name, value=-0.3, status="scored", n=n, spec=spec, evidence=shown)


CONTINGENCY = measured("relational.contingency", 0.4, synthetic=0.3)
DEPTHS = tuple(measured(f"relational.contingency.depth_{d}", 0.3, real=0.1 * d, synthetic=0.1) for d in (1, 2))


def test_ratios_and_profile_are_drawn() -> None:
    heads = [CONTINGENCY, measured("relational.uptake", 1.5), measured("relational.repair")]
    (panel,) = relation_panels(heads, {CONTINGENCY.name: DEPTHS})
    ratios, profile = panel.figures
    assert [lane.label for lane in ratios.lanes.lanes] == ["Contingency", "Uptake"]  # no ratio, no lane; depths below
    assert [rule.label for rule in ratios.lanes.rules] == ["chance", "people"]
    assert "Less than people: contingency (0.40)." in panel.reading
    assert "More than people: uptake (1.50)." in panel.reading
    assert [s.name for s in profile.plot.series] == ["people", "synthetic"]
    assert len(profile.table.rows) == 3


def test_what_people_hardly_show_is_said_and_not_drawn() -> None:
    (panel,) = relation_panels([CONTINGENCY, measured("relational.redirection", 40.0)], {})
    (figure,) = panel.figures  # and no profile without the depths
    assert len(figure.lanes.lanes) == 1
    assert figure.lanes.axis.high < 3
    assert any("redirection (40 times)" in aside for aside in panel.asides)


def test_no_relations_no_panel() -> None:
    assert relation_panels([measured("realism.discriminator", 1.0)], {}) == []
    assert relation_panels([measured("relational.repair")], {}) == []
    assert chapters_of([measured("relational.repair")], {}) == []
    assert chapters_of([CONTINGENCY], {})[0].question == RELATING
