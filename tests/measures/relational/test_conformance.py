"""Every relational measure keeps the contract of measures."""

import pytest

from understudy.measures.relational.act_contingency import act_contingency
from understudy.measures.relational.alignment import alignment
from understudy.measures.relational.contingency import contingency
from understudy.measures.relational.coordination import coordination
from understudy.measures.relational.eventfulness import eventfulness
from understudy.measures.relational.expected_context import expected_context
from understudy.measures.relational.format import format_gap
from understudy.measures.relational.grounding import grounding
from understudy.measures.relational.latency import latency
from understudy.measures.relational.next_utterance import next_utterance
from understudy.measures.relational.redirection import redirection
from understudy.measures.relational.repair import repair
from understudy.measures.relational.uptake import uptake
from understudy.testing.measures import check_measure

MEASURES = (
    act_contingency, alignment, contingency, coordination, eventfulness, expected_context, format_gap, grounding,
    latency, next_utterance, redirection, repair, uptake,
)  # fmt: skip


@pytest.mark.parametrize(
    "check",
    [pytest.param(check, id=f"{m.spec.name}: {check!r}") for m in MEASURES for check in check_measure(m)],
)
def test_contract(check) -> None:
    check()
