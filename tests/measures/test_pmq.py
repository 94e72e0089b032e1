"""The questionnaire: its items, orientation, attention check and missing rule."""

from __future__ import annotations

import pytest

from understudy.errors import MeasureError
from understudy.measures.pmq import ATTENTION, FACTORS, ITEMS, POINTS, oriented, presented, score


def test_it_has_nine_six_and_three_items_half_of_them_turned_round() -> None:
    assert [sum(item.factor == f for item in ITEMS) for f in FACTORS] == [9, 6, 3]
    assert len({item.key for item in ITEMS}) == 18
    assert sum(item.positive_left for item in ITEMS) == 9
    assert all({item.left, item.right} == {item.positive, item.negative} for item in ITEMS)


def test_every_item_moves_its_own_factor_towards_its_favourable_pole() -> None:
    middle: dict[str, int | None] = {item.key: 4 for item in ITEMS}
    for item in ITEMS:
        better = score(middle | {item.key: 1 if item.positive_left else POINTS})._asdict()
        assert [f for f in FACTORS if better[f] > 4] == [item.factor]


def test_a_factor_is_unscored_when_more_than_a_third_of_it_is_missing() -> None:
    keys = [item.key for item in ITEMS if item.factor == "human_likeness"]
    answers: dict[str, int | None] = {item.key: 3 for item in ITEMS}
    assert score(answers | dict.fromkeys(keys[:2])).scored
    lacking = score(answers | dict.fromkeys(keys[:3]))
    assert lacking.human_likeness is None
    assert lacking.competence is not None
    assert lacking.reason == "human_likeness: 3 of 6 items answered"
    assert not score({}).scored


def test_careless_answers_are_not_scored() -> None:
    same: dict[str, int | None] = {item.key: 1 for item in ITEMS}
    assert "same extreme point" in score(same).reason
    assert "attention" in score({item.key: 4 for item in ITEMS} | {ATTENTION.key: 4}).reason
    assert score({item.key: 4 for item in ITEMS} | {ATTENTION.key: ATTENTION.expected}).scored
    # Whoever leaves the check out is not accused of having failed it.
    assert score({item.key: 4 for item in ITEMS} | {ATTENTION.key: None}).scored


@pytest.mark.parametrize(("key", "point"), [("competent", 0), ("competent", 8), ("kind", 4), ("competent", True)])
def test_answers_off_the_scale_are_refused(key: str, point: int) -> None:
    with pytest.raises(MeasureError):
        oriented(key, point)
    with pytest.raises(MeasureError):
        score({key: point})


def test_everybody_sees_all_lines_in_an_order_of_their_own() -> None:
    assert {line.key for line in presented(seed=3)} == {item.key for item in ITEMS} | {ATTENTION.key}
    assert len({tuple(line.key for line in presented(seed=s)) for s in range(20)}) == 20
