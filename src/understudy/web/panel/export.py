"""From the panel's file to the record that an audit reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from understudy.measures.raters.records import (
    RATING_ITEMS,
    Judgement,
    PanelRecord,
    Questionnaire,
    QuestionnaireLine,
    Rater,
    Rating,
)
from understudy.measures.raters.tables import encoded
from understudy.web.panel.sessions import Step, questionnaire_of, steps_of
from understudy.web.panel.storage import Answered, PanelStore


def record_of(store: PanelStore) -> PanelRecord:
    """Everything that is in the file, but for the codes of the raters."""
    everybody = store.raters()
    design = store.design
    settings = {
        **design.settings,
        "pairs": design.wanted.pairs,
        "catch_trials": design.wanted.catches,
        "ratings": design.wanted.ratings,
        "pool": len(design.stimuli.pairs),
        "matching": design.stimuli.matching,
        "seed": design.seed,
    }
    return PanelRecord(
        settings=settings,
        withdrawn=sum(everybody.values()),
        raters=tuple(_rater(store, number) for number, withdrawn in everybody.items() if not withdrawn),
    )


def write_record(record: PanelRecord, path: Path) -> None:
    """Write `.json` or `.csv`, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(encoded(record, path.suffix))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _rater(store: PanelStore, number: int) -> Rater:
    steps = steps_of(store.design, number)
    answers = store.answers(number)
    judgements, ratings, filled = [], list[Rating](), None
    for step in steps:
        given = answers.get(step.number)
        if given is None:
            continue
        if step.kind == "pair":
            judgements.append(_judgement(step, given))
        elif step.kind == "rating":
            ratings += _ratings(step, given)
        elif step.kind == "pmq":
            mirrored, lines = questionnaire_of(store.design, number)
            points = [
                QuestionnaireLine(k, line.key, given.answer["points"].get(line.key)) for k, line in enumerate(lines)
            ]
            filled = Questionnaire(mirrored, tuple(points), given.seconds)
    finished = all(step.number in answers for step in steps)
    return Rater(str(number + 1), finished, tuple(judgements), tuple(ratings), filled, store.chat(number).turns)


def _judgement(step: Step, given: Answered) -> Judgement:
    assert step.pair is not None
    return Judgement(
        step.place - 1, step.pair.name, step.catch, step.real_side, given.answer["side"],
        step.pair.real, step.pair.other, given.seconds, step.pair.units[0],
    )  # fmt: skip


def _ratings(step: Step, given: Answered) -> list[Rating]:
    origin: Literal["real", "synthetic"] = "synthetic" if step.dialogue.startswith("synthetic:") else "real"
    return [
        Rating(
            step.place - 1,
            step.dialogue,
            origin,
            item.key,
            given.answer["points"].get(item.key),
            given.seconds,
            step.unit,
        )
        for item in RATING_ITEMS
    ]
