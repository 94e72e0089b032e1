"""Twins, cross-prediction and silhouettes where it is known who is a person and who only talks of other things."""

from __future__ import annotations

import numpy as np
import pytest

from tests.measures.planted import corpus_of_users
from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.separability.cross_prediction import dominance, outdone, own_share, prediction
from understudy.measures.separability.histories import (
    Histories,
    Score,
    beside,
    beyond_topic,
    draw_histories,
    match_design,
)
from understudy.measures.separability.silhouette import silhouette, silhouettes
from understudy.measures.separability.twins import find_twins, twin_hits, twins

EFFECTS = np.random.default_rng(0).normal(0, 1, (4, 4))
SCORES = {"twins": twin_hits, "prediction": own_share, "silhouette": silhouettes}


def people(rng: np.random.Generator, *, style: float, topics: float, users: int = 14, sessions: int = 4) -> Histories:
    """Users with a style of size `style`, and a taste for some topics, whose effect is of size `topics`."""
    taste = rng.dirichlet(np.full(4, 0.5), users)
    topic = np.stack([rng.choice(4, sessions, p=p) for p in taste])
    values = rng.normal(0, 1, (users, sessions, 4)) + style * rng.normal(0, 1, (users, 1, 4))
    values += topics * EFFECTS[topic]
    return Histories(values, topic)


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_users_who_differ_by_topic_alone_are_found_at_the_level(score: Score) -> None:
    """100 worlds at the 10 % level: a binomial leaves 3 to 18 once in 100."""
    rng = np.random.default_rng(1)
    found = [
        beyond_topic(people(rng, style=0, topics=3), score, rng=rng, permutations=19).p_value <= 0.1 for _ in range(100)
    ]
    assert 3 <= sum(found) <= 18


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_planted_styles_are_found_under_topics(score: Score) -> None:
    rng = np.random.default_rng(2)
    found = [beyond_topic(people(rng, style=1.5, topics=3), score, rng=rng, permutations=39) for _ in range(10)]
    assert all(one.p_value <= 0.05 and one.value > one.topic_alone for one in found)


def test_without_holding_topic_constant_topic_passes_for_a_person() -> None:
    """Why it is held constant: the same users, whose topics are not known, are detected every time."""
    rng = np.random.default_rng(3)
    detected = 0
    for _ in range(10):
        topic = np.stack([rng.choice(4, 4, p=p) for p in rng.dirichlet(np.full(4, 0.3), 14)])
        values = rng.normal(0, 1, (14, 4, 4)) + 3 * rng.normal(0, 1, (4, 4))[topic]
        blind = Histories(values, np.zeros_like(topic))
        detected += beyond_topic(blind, twin_hits, rng=rng, permutations=39).p_value <= 0.05
    assert detected >= 7


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_equal_populations_differ_at_the_level_and_blurred_ones_always(score: Score) -> None:
    rng = np.random.default_rng(4)

    def p_value(style: float) -> float:
        sides = people(rng, style=1.2, topics=1), people(rng, style=style, topics=1)
        return beside(*sides, score, rng=rng, permutations=19).p_value

    assert sum(p_value(1.2) <= 0.1 for _ in range(80)) <= 15
    assert sum(p_value(0.0) <= 0.1 for _ in range(10)) >= 9


@pytest.mark.parametrize("measure", [twins, prediction, silhouette])
def test_two_corpora_of_people_and_one_of_average_users(measure) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(5)
    real = corpus_of_users(rng, 24, sessions=4, own=1.1)
    averages = corpus_of_users(rng, 24, sessions=4, own=0.0, name="s")
    found = measure(real, averages, rng=np.random.default_rng(0), permutations=59)
    by_kind = {m.evidence["features"]: m for m in (found, *found.parts)}
    assert by_kind["style"].value < 0
    assert by_kind["style"].p_value <= 0.05
    assert by_kind["style"].evidence["real_p_value"] <= 0.05 < by_kind["style"].evidence["synthetic_p_value"]


def test_topics_of_their_own_leave_nothing_to_compare() -> None:
    talks = [
        Conversation(f"{u}-{s}", (Turn("user", f"word{s} so it goes"),), f"u{u}", topic=f"{u}-{s}")
        for u in range(12)
        for s in range(2)
    ]
    corpus = Corpus(talks)
    found = twins(corpus, corpus, rng=np.random.default_rng(0), permutations=19)
    assert found.status == "unscored"
    assert "topic" in found.reason


def test_personas_that_are_all_one_are_found_by_chance() -> None:
    same = np.ones((25, 3))
    found = find_twins(same, same, rng=np.random.default_rng(0), permutations=99)
    assert found.top1 == pytest.approx(1 / 25)
    assert found.p_top1 == 1.0
    flat = dominance(np.ones((9, 9)), rng=np.random.default_rng(0), permutations=19)
    assert flat.share == 0.5
    assert flat.p_value == 1.0


def test_twins_by_chance_are_found_at_the_level() -> None:
    rng = np.random.default_rng(6)
    draws = [
        find_twins(rng.normal(0, 1, (15, 4)), rng.normal(0, 1, (15, 4)), rng=rng, permutations=19) for _ in range(100)
    ]
    assert 2 <= sum(d.p_mrr <= 0.1 for d in draws) <= 18


@pytest.mark.parametrize("noise", [0.2, 0.6, 5.0], ids=["nearly certain", "some", "chance"])
def test_intervals_of_users_sought_among_each_other_stay_in_range_and_cover(noise: float) -> None:
    """60 draws: a binomial at 95 % falls below 51 once in 1,000. A t interval over users holds 26, 56 and 48 of the
    twins here, and leaves the range in 26, 1 and 43 draws."""

    def twice(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        who = rng.standard_t(5, (14, 4))
        return who + rng.normal(0, noise, who.shape), who + rng.normal(0, noise, who.shape)

    def square(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return ((first[:, None] - second[None]) ** 2).sum(axis=2)

    rng = np.random.default_rng(7)
    worlds = [twice(rng) for _ in range(600)]
    top1 = np.mean([find_twins(*world, rng=rng, permutations=1).top1 for world in worlds])
    share = np.mean([outdone(square(*world)).mean() for world in worlds])
    held = np.zeros(2)
    for world in worlds[:60]:
        for place, (truth, (low, high)) in enumerate(
            (
                (top1, find_twins(*world, rng=rng, permutations=1).interval),
                (share, dominance(square(*world), rng=rng, permutations=1).interval),
            )
        ):
            assert 0.0 <= low < high <= 1.0
            held[place] += low <= truth <= high
    assert held.min() >= 51


def test_histories_are_whole_users_and_their_own_conversations() -> None:
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(30), 5)
    values = unit[:, None].astype(float)
    design = match_design(np.bincount(unit), np.bincount(unit))
    assert design is not None
    assert design == (30, 4)
    drawn = draw_histories(values, unit, np.zeros(150, dtype=int), design, rng)
    assert (drawn.values == drawn.values[:, :1]).all()
    assert len(np.unique(drawn.values)) == 30
