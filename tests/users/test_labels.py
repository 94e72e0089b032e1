"""The labels of simulated turns: the source turn's own, true of the words that are said, kept from the partner."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.rollouts.partner import PartnerTurn
from understudy.rollouts.partners import function_partner
from understudy.rollouts.simulate import simulate
from understudy.seeds import stream
from understudy.users.labels import entities_as_said
from understudy.users.material import flatten, satisfaction_of
from understudy.users.population import FittedPopulation, fit_population, load_population
from understudy.users.structured import StructuredPopulation

PLACES = ("York", "Leeds", "Hull", "Ripon", "Selby", "Whitby", "Malton")
FOODS = ("thai", "greek", "polish", "welsh", "cuban")
FRAMES = (
    "hello there , i would like a {food} place somewhere in {place} if that can be done today",
    "please could you find me some {food} food near {place} for my mother and my two brothers",
    "is there anything {food} in {place} that a person on a small budget could think about",
)


def talk(k: int) -> Conversation:
    rng = stream(11, "labels", k)
    turns: list[Turn] = []
    for _ in range(3):
        food, place = FOODS[rng.integers(5)], PLACES[rng.integers(7)]
        frame = int(rng.integers(3))
        acts = ("inform", f"rare-{k}") if k % 9 == 0 else ("inform", "request")[: 1 + frame % 2]
        meta = {"entities": [["food", food], ["place", place]], "satisfaction": [1 + k % 5, 1 + k % 5, 3]}
        turns.append(Turn("user", FRAMES[frame].format(food=food, place=place), acts=acts, meta=meta))
        answer = f"There is a {food} place in {place} , shall i book it?"
        turns.append(Turn("assistant", answer, acts=("offer", "ask"), meta={"entities": [["place", place]]}))
    return Conversation(f"c{k}", (*turns, Turn("user", "yes , thank you", acts=("thank",))), topic="food")


@pytest.fixture(scope="module")
def real() -> Corpus:
    return Corpus([talk(k) for k in range(60)])


@pytest.fixture(scope="module")
def population(real: Corpus) -> FittedPopulation:
    return fit_population(real, copy_guard="free", seed=0)


def simulated(population: FittedPopulation, n: int = 40) -> list[Turn]:
    talks = simulate(population, population.partner(), n=n, seed=2).conversations
    return [turn for talk in talks for turn in talk.turns]


def test_turns_carry_the_acts_and_the_satisfaction_of_their_source(population: FittedPopulation) -> None:
    turns = population.material.turns
    said = [turn for turn in simulated(population) if turn.meta.get("source")]
    assert {turn.role for turn in said} == {"user", "assistant"}
    for turn in said:
        (source,) = turn.meta["source"]
        assert turn.acts == turns.acts[source]
        if turn.role == "user":
            assert turn.meta["state"].get("satisfaction") == turns.satisfaction[source]
            assert turn.intent is not None
    assert any("rare-" in act for turn in said for act in turn.acts)


@pytest.mark.parametrize("guard", ["free", "guarded"])
def test_entities_are_those_of_the_words_that_are_said(population: FittedPopulation, guard: str) -> None:
    said = simulated(population.with_guard("free" if guard == "free" else "guarded"))
    named = [(turn, kind, surface) for turn in said for kind, surface in turn.meta.get("entities", ())]
    assert all(surface.lower() in turn.text.lower() for turn, _, surface in named)
    # Every food that a user names is labelled, whether it was in the source turn or filled in.
    asked = [turn for turn in said if turn.role == "user" and any(food in turn.text.split() for food in FOODS)]
    assert len(asked) > 40
    for turn in asked:
        foods = {word for word in turn.text.split() if word in FOODS}
        assert {surface for kind, surface in turn.meta["entities"] if kind == "food"} == foods
    if guard == "guarded":
        assert any(turn.meta["reworded"] for turn in asked)
    refilled = [turn for turn in asked if turn.text != population.material.turns.texts[turn.meta["source"][0]]]
    assert refilled


def test_the_partner_is_told_no_label(population: FittedPopulation) -> None:
    seen: list[Turn] = []

    def answer(history: tuple[Turn, ...]) -> PartnerTurn:
        seen.extend(turn for turn in history if turn.role == "user")
        return PartnerTurn("Which food?")

    done = simulate(population, function_partner(answer), n=4, seed=1).conversations
    assert any(turn.acts for talk in done for turn in talk.turns if turn.role == "user")
    assert seen
    assert all(turn == Turn("user", turn.text) for turn in seen)


def test_saved_and_loaded_the_labels_are_the_same(population: FittedPopulation, tmp_path: Path) -> None:
    population.save(tmp_path)
    assert simulated(load_population(tmp_path), 5) == simulated(population, 5)


def test_a_folder_without_ratings_has_no_column_for_them_and_loads(tmp_path: Path) -> None:
    """What was saved before ratings were kept is such a folder."""
    bare = [Conversation(f"b{k}", (Turn("user", f"hello {k}"), Turn("assistant", "hi"))) for k in range(4)]
    fit_population(Corpus(bare), seed=0).save(tmp_path)
    assert "satisfaction" not in pl.read_parquet(tmp_path / "turns.parquet").columns
    assert json.loads((tmp_path / "population.json").read_text("utf-8"))["schema"] == "understudy.population/1"
    assert load_population(tmp_path).material.turns.satisfaction == [None] * 8


@pytest.mark.parametrize(
    ("raw", "number"),
    [(3, 3.0), ([4, 4, 3], 3.667), ("5", 5.0), (["2", 4], 3.0), ([], None), ([3, "high"], None), (True, None),
     (float("nan"), None), (None, None), ({"x": 1}, None)],
)  # fmt: skip
def test_satisfaction_labels_become_one_number(raw: object, number: float | None) -> None:
    assert satisfaction_of(raw) == number
    assert flatten(Corpus([Conversation("a", (Turn("user", "x", meta={"satisfaction": raw}),))])).satisfaction == [
        number
    ]


def test_entities_follow_what_became_of_the_words() -> None:
    pairs = (("movie", "Alien  (1979)"), ("genre", "comedy"), ("year", "1979"))
    before = "i liked Alien (1979) , not comedies"
    kept = entities_as_said(pairs, {"Alien (1979)": "Heat (1995)"}, before, "i liked Heat (1995) , not comedies")
    assert kept == (("movie", "Heat (1995)"), ("genre", "comedy"))
    assert entities_as_said(pairs, {}, before, before) == pairs
    assert entities_as_said(pairs, {}, before, "i liked it", brought=[("movie", "it"), ("x", "gone")]) == (
        ("movie", "it"),
    )


def test_structured_users_carry_the_labels_of_the_turns_that_named_their_attributes(real: Corpus) -> None:
    people = StructuredPopulation.from_corpus(real)
    talks = simulate(people, function_partner(lambda history: "ok"), n=20, seed=1).conversations
    of_goal = {goal.goal: goal.labels for goal in people.goals}
    for k, talk in enumerate(talks):
        labels = of_goal[people.draw(k, seed=1).goal]
        mine = [turn for turn in talk.turns if turn.role == "user"]
        assert [turn.acts for turn in mine] == [label.acts for label in labels]
        assert [turn.meta.get("state", {}).get("satisfaction") for turn in mine] == [x.satisfaction for x in labels]
        assert mine[-1].acts == ("thank",)
        assert "inform" in mine[0].acts


def test_structured_users_of_a_corpus_without_labels_carry_none() -> None:
    people = StructuredPopulation.from_corpus(Corpus([Conversation("a", (Turn("user", "i want jazz"),))]))
    (done,) = simulate(people, function_partner(lambda history: "ok"), n=1, seed=1).conversations
    assert people.goals[0].labels == ()
    assert all(turn.acts == () and "state" not in turn.meta for turn in done.turns)
