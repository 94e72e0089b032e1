"""Where a persona changes: planted changes are found where they are, ranges hold them, and calm users stay calm."""

from __future__ import annotations

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MeasureError
from understudy.measures.consistency.embedded_judge import KINDS, fit_judge, people_of
from understudy.measures.consistency.line_evidence import facts, strangers
from understudy.measures.consistency.persona_change import NEAR, Located, after, changes, fit_locator
from understudy.testing.personas import persona_world

WORLD = persona_world(150, seed=9)
JUDGES = [fit_judge([WORLD], kind, seed=0) for kind in KINDS]
LOCATOR = fit_locator([WORLD], JUDGES, seed=0)
CUT = 7


@pytest.fixture(scope="module")
def planted() -> list[Located]:
    return changes(persona_world(80, seed=1, turns=12, drift_at=CUT), LOCATOR, seed=0)


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_a_table_is_what_row_by_row_gives(kind: int) -> None:
    people = people_of(persona_world(6, seed=2))
    told, lines = [p.persona for p in people], [*people[0].lines, "zzz harbour", "", "..."]
    ranker = JUDGES[kind].ranker
    rows = ranker.ratios([p for _ in lines for p in told], [line for line in lines for _ in told])
    np.testing.assert_allclose(ranker.beside(told, lines), rows.reshape(len(lines), -1), atol=1e-9)


def test_planted_changes_are_found_where_they_are(planted: list[Located]) -> None:
    near = [abs(found.change.line - CUT) <= NEAR for found in planted]
    held = [found.change.interval[0] <= CUT <= found.change.interval[1] for found in planted]
    size = [found.change.interval[1] - found.change.interval[0] + 1 for found in planted]
    assert np.mean(near) >= 0.85
    assert np.mean(held) >= 0.8
    assert np.mean(size) <= 5
    assert np.mean([found.change.changed for found in planted]) >= 0.6
    assert all(found.turn == 2 * found.change.line for found in planted)
    assert all(found.change.posterior.sum() == pytest.approx(1) for found in planted)


def test_who_stays_the_same_is_left_alone() -> None:
    calm = changes(persona_world(120, seed=3, turns=12), LOCATOR, seed=0)
    assert np.mean([found.change.changed for found in calm]) <= 0.1  # 5 %, and two standard errors


def test_lines_of_two_people_in_no_order_are_no_change() -> None:
    rng = np.random.default_rng(0)
    mixed = []
    for talk in persona_world(80, seed=4, turns=12, drift_at=6):
        own = [turn for turn in talk.turns if turn.role == "user"]
        turns = tuple(own[k] for k in rng.permutation(len(own)).tolist())
        mixed.append(Conversation(talk.id, turns, meta=talk.meta))
    alarms = [found.change.changed for found in changes(Corpus(mixed), LOCATOR, seed=0)]
    assert np.mean(alarms) <= 0.12


def test_the_place_is_the_likeliest_and_the_odds_are_of_all_places() -> None:
    ratios = np.array([2.0, 2.0, 2.0, 2.0, -2.0, -2.0, -2.0])
    found = LOCATOR.locate(ratios, np.random.default_rng(0))
    assert found.line == int(np.argmax(found.posterior)) == 4
    np.testing.assert_allclose(found.posterior[1:], np.exp(after(ratios)) / np.exp(after(ratios)).sum())
    assert found.posterior[0] == 0


def test_one_line_cannot_change_and_nobody_beside_is_refused() -> None:
    rng = np.random.default_rng(0)
    alone = LOCATOR.locate(np.array([-5.0]), rng)
    assert alone.p_value == 1
    assert not alone.changed
    assert LOCATOR.locate(np.zeros(0), rng).p_value == 1
    with pytest.raises(MeasureError, match="none of them another"):
        LOCATOR.ratios("I sail.", ["my boat"], ["I sail."], rng)
    silent = Corpus([Conversation("a", (Turn("user", "hello"), Turn("user", "well")))])
    assert changes(silent, LOCATOR, seed=0) == []


def test_a_persona_is_its_sentences_in_any_order() -> None:
    told = ["I have a cat. I sail.", "I bake."]
    assert facts("I sail. I have a cat.") == facts(told[0])
    assert strangers("I sail. I have a cat.", told, np.random.default_rng(0)) == ["I bake."]


def test_too_few_people_or_one_persona_for_all_are_refused() -> None:
    with pytest.raises(MeasureError, match="5 people to learn from"):
        fit_locator([persona_world(5, seed=0)], JUDGES, seed=0)
    same = [Conversation(f"c{k}", WORLD[k].turns, meta={"persona": ["I sail."]}) for k in range(30)]
    with pytest.raises(MeasureError, match="one and the same persona"):
        fit_locator([Corpus(same)], JUDGES, seed=0)


def test_the_same_seed_gives_the_same_whatever_the_order(planted: list[Located]) -> None:
    corpus = persona_world(80, seed=1, turns=12, drift_at=CUT)
    again = changes(Corpus(list(reversed(list(corpus)))), LOCATOR, seed=0)
    assert [(a.turn, a.change.p_value) for a in reversed(again)] == [(a.turn, a.change.p_value) for a in planted]
