"""From the panel's file to the record that an audit reads."""

from __future__ import annotations

import os
from pathlib import Path

from understudy.measures.raters.records import (
    Judgement,
    PanelRecord,
    Questionnaire,
    QuestionnaireLine,
    Rater,
    Rating,
)
from understudy.measures.raters.tables import encoded
from understudy.web.panel.sessions import steps_of
from understudy.web.panel.storage import Answered, PanelStore
from understudy.web.panel.tasks import Stimuli


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
            judgements.append(_judgement(store.design.stimuli, step.place - 1, given))
        elif step.kind == "rating":
            ratings += _ratings(store.design.stimuli, step.place - 1, given)
        elif step.kind == "pmq":
            points = enumerate(given.answer["points"].items())
            lines = tuple(QuestionnaireLine(k, key, point) for k, (key, point) in points)
            filled = Questionnaire(given.answer["mirrored"], lines, given.seconds)
    finished = all(step.number in answers for step in steps)
    return Rater(str(number + 1), finished, tuple(judgements), tuple(ratings), filled, store.chat(number).turns)


def _judgement(stimuli: Stimuli, position: int, given: Answered) -> Judgement:
    answer = given.answer
    pair = next(pair for pair in (*stimuli.pairs, *stimuli.catches) if pair.name == answer["pair"])
    return Judgement(
        position, pair.name, pair in stimuli.catches, answer["real_side"], answer["side"],
        pair.real, pair.other, given.seconds, pair.units[0],
    )  # fmt: skip


def _ratings(stimuli: Stimuli, position: int, given: Answered) -> list[Rating]:
    name = given.answer["dialogue"]
    pair = next(pair for pair in stimuli.rated if name in (pair.real, pair.other))
    real = name == pair.real
    return [
        Rating(
            position, name, "real" if real else "synthetic", key, points, given.seconds, pair.units[0 if real else 1]
        )
        for key, points in given.answer["points"].items()
    ]
