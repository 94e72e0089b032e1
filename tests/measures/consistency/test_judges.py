"""Embedded judges: two with different eyes, saved whole, refused when tampered with, checked against people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import run
from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.writing import write_corpus
from understudy.errors import MeasureError
from understudy.measures.consistency.embedded_judge import KINDS, fit_judge, people_of
from understudy.measures.consistency.judge_calibration import Label, agreement, surest
from understudy.measures.consistency.judge_storage import HEADER, load_judge, save_judge
from understudy.measures.consistency.letter_ranker import decoys
from understudy.testing.personas import persona_world

WORLD = persona_world(300, seed=9)
JUDGES = {kind: fit_judge([WORLD], kind, seed=0) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_people_unseen_are_ranked_above_decoys(kind: str) -> None:
    people = people_of(persona_world(60, seed=1))
    told = [p.persona for p in people for _ in p.lines]
    lines = [line for p in people for line in p.lines]
    unit = np.repeat(np.arange(len(people)), [len(p.lines) for p in people])
    own = JUDGES[kind].belongs(told, lines).value
    other = JUDGES[kind].belongs(decoys(told, np.random.default_rng(0)), lines).value
    means = [np.bincount(unit, x) / np.bincount(unit) for x in (own, other)]
    assert (means[0] > means[1]).mean() >= 0.9


def test_the_judges_look_at_different_things() -> None:
    lines = [line for p in people_of(persona_world(30, seed=2)) for line in p.lines]
    told = [p.persona for p in people_of(persona_world(30, seed=2)) for _ in p.lines]
    one, other = (JUDGES[kind].belongs(told, lines).value for kind in KINDS)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.9


def test_without_personas_earlier_lines_stand_for_them() -> None:
    bare = [Conversation(c.id, c.turns, user_id=c.user_id) for c in persona_world(40, seed=3, sessions=2)]
    people = people_of(Corpus(bare))
    assert len(people) == 40
    assert fit_judge([Corpus(bare)], "words", seed=0).belongs([people[0].persona], [people[0].lines[0]]).scorable[0]


def test_too_few_people_are_refused() -> None:
    with pytest.raises(MeasureError, match="5 people to learn from"):
        fit_judge([persona_world(5, seed=0)], "words", seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_it_judges_the_same(kind: str, tmp_path: Path) -> None:
    judge = JUDGES[kind]
    save_judge(judge, tmp_path / "judge", fitted_on={"world": WORLD.digest})
    again = load_judge(tmp_path / "judge")
    lines = ["the ward was full all night", "a trout", "", "what about you"]
    for question in ("belongs", "contradicts"):
        mine, theirs = (getattr(j, question)(["I work as a nurse."] * 4, lines) for j in (judge, again))
        np.testing.assert_allclose(mine.value, theirs.value, atol=1e-5)
        assert (mine.scorable == theirs.scorable).all()
    assert again.identity == judge.identity


@pytest.mark.parametrize("kind", KINDS)
def test_a_tampered_judge_is_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    save_judge(JUDGES[kind], folder, fitted_on={})
    table = next(folder.glob("*.parquet"))
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(MeasureError, match="not those that the header was written with"):
        load_judge(folder)
    (folder / HEADER).write_text("{}")
    with pytest.raises(MeasureError, match="no judge of lines"):
        load_judge(folder)
    with pytest.raises(MeasureError, match="no judge of lines"):
        load_judge(tmp_path / "nothing")


def test_agreement_covers_its_truth_and_refuses_one_answer() -> None:
    rng = np.random.default_rng(0)
    labels = [Label(f"u{k // 2}", ("a",), "b", bool(k % 3 == 0)) for k in range(300)]
    noise = agreement(rng.random(300), labels, rng=rng, resamples=199)
    assert noise.auc_interval[0] < 0.5 < noise.auc_interval[1]
    assert noise.kappa_interval[0] < 0 < noise.kappa_interval[1]
    with pytest.raises(MeasureError, match="all of them alike"):
        agreement(np.zeros(3), [Label("u", ("a",), "b", True)] * 3, rng=rng)


def test_surest_is_the_highest_over_earlier_lines() -> None:
    label = Label("u", ("what a week", "I have two dogs."), "I do not have two dogs.", True)
    both = surest(JUDGES["words"], [label, label._replace(earlier=("what a week",))])
    assert both[0] > 0.5 > both[1]


def test_fit_judge_writes_two_judges_and_tells_how_far_to_trust_them(capsys, tmp_path: Path) -> None:
    write_corpus(tmp_path / "people.jsonl", persona_world(60, seed=0))
    talks = [
        Conversation(
            f"l{k}",
            (Turn("user", "I have two dogs."), Turn("assistant", "Oh?"), Turn("user", line)),
            meta={"is_contradiction": line.startswith("I do not")},
        )
        for k, line in enumerate(["I do not have two dogs.", "the sea is cold today"] * 20)
    ]
    write_corpus(tmp_path / "labels.jsonl", Corpus(talks))
    bare = run(capsys, "fit-judge", tmp_path / "people.jsonl", "--out", tmp_path / "bare")
    assert "uncalibrated: 0 human labels" in bare.out
    checked = run(
        capsys, "fit-judge", tmp_path / "people.jsonl", "--labels", tmp_path / "labels.jsonl",
        "--out", tmp_path / "judge", "--json", "-q",
    )  # fmt: skip
    told = json.loads(checked.out)["judges"]
    assert {kind: told[kind]["auc"] for kind in told} == {"words": 1.0, "letters": 1.0}
    assert load_judge(tmp_path / "judge" / "words").human_labels == 40
    missing = run(
        capsys, "fit-judge", tmp_path / "people.jsonl", "--labels", tmp_path / "people.jsonl", "--out", tmp_path
    )
    assert missing.code == 2
    assert "meta.is_contradiction" in missing.err
