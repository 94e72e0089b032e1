"""All measurements of a raters' panel."""

from __future__ import annotations

import numpy as np

from understudy.measures.measurement import Measurement
from understudy.measures.raters.discrimination import discrimination
from understudy.measures.raters.partner import partner_models
from understudy.measures.raters.ratings import ratings
from understudy.measures.raters.records import PanelRecord


def panel_measurements(panel: PanelRecord, *, rng: np.random.Generator) -> list[Measurement]:
    """What the raters of `panel` said, task by task; a task that the panel did not have is left out.

    >>> panel_measurements(PanelRecord(settings={"pairs": 12}), rng=np.random.default_rng(0))[0].reason
    '0 attentive rater(s) judged pairs; at least 10 are needed'
    """
    asked = panel.settings
    found = [discrimination(panel)] if asked.get("pairs") or any(r.judgements for r in panel.raters) else []
    if asked.get("ratings") or any(r.ratings for r in panel.raters):
        found += ratings(panel)
    if asked.get("partner") or any(r.questionnaire for r in panel.raters):
        found += partner_models(panel, rng=rng)
    return found
