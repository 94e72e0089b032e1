import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.conversations import Conversation, Corpus, Ending, Turn
from understudy.errors import UsageError
from understudy.seeds import stream
from understudy.users import Goal, Persona, Profile
from understudy.users.lookahead import (
    AVAILABLE_BEFORE_TURN_1,
    before_first_turn,
    for_each,
    lint_population,
    lint_profile,
    undeclared_fields,
)

TALK = Conversation(
    "c1",
    (
        Turn("user", "Can you find me a hotel in the north of town for two nights"),
        Turn("assistant", "The Lighthouse is free."),
        Turn("user", "Fine, The Lighthouse then."),
    ),
)


def profile(**more):
    return Profile(**{"id": "p", "user_id": "u", "persona": Persona("u"), "goal": Goal("hotel"), **more})


def seen(given, talk=TALK):
    return {(leak.field, leak.kind) for leak in lint_profile(given, talk)}


def test_every_field_of_a_profile_is_declared():
    assert undeclared_fields() == ()
    leaves = {f"persona.{n}" for n in Persona.__struct_fields__} | {f"goal.{n}" for n in Goal.__struct_fields__}
    plain = set(Profile.__struct_fields__) - {"persona", "goal"}
    assert set(AVAILABLE_BEFORE_TURN_1) == leaves | plain


def test_a_clean_profile_is_clean():
    persona = Persona("u", {"words_per_turn": 4.0, "questions": 0.1, "turns_with_hedges": 0.2}, {"openness": 1.0})
    goal = Goal("hotel", (("area", "north"), ("hotel-stars", "4"), ("rating", "high")), "book a hotel")
    assert lint_profile(profile(persona=persona, goal=goal, knowledge=("it is late",)), TALK) == ()


OUTCOMES = [
    "satisfaction", "userSatisfaction", "task_success", "donation.amount", "n_turns", "num-turns", "Turn Count",
    "numberOfTurns", "CSAT", "overall rating",
]  # fmt: skip


@pytest.mark.parametrize("key", OUTCOMES)
def test_keys_named_like_outcomes(key):
    assert seen(profile(persona=Persona("u", {key: 1.0}))) == {("persona.style", "outcome_key")}
    assert seen(profile(knowledge=(f"{key}: 3",))) == {("knowledge", "outcome_key")}


@pytest.mark.parametrize("key", ["words", "turns_per_minute", "returns", "successor", "generating", "scored_words"])
def test_keys_that_only_look_like_it(key):
    assert seen(profile(persona=Persona("u", {key: 1.0}))) == set()


def test_an_entity_may_be_wanted_but_not_an_outcome():
    assert seen(profile(goal=Goal("h", (("satisfaction", "5"),)))) == {("goal.entities", "outcome_key")}
    assert seen(profile(goal=Goal("h", (("rating", "5"),)))) == set()


def test_verbatim_spans_of_its_own_conversation():
    text = "the user wants: find me a hotel in the north of town"
    leak = lint_profile(profile(goal=Goal("h", text=text)), TALK)[0]
    assert (leak.field, leak.kind, leak.evidence, leak.conversation) == (
        "goal.text",
        "future_text",
        "find me a hotel in the north",
        "c1",
    )
    assert seen(profile(persona=Persona("u", facts=(text,)))) == {("persona.facts", "future_text")}
    assert seen(profile(goal=Goal("h", text=text)), Conversation("other", (Turn("user", "a taxi please"),))) == set()


def test_entities_that_the_partner_brings_up():
    assert seen(profile(goal=Goal("h", (("name", "The Lighthouse"),)))) == {("goal.entities", "future_entity")}
    assert seen(profile(goal=Goal("h", (("area", "North"), ("name", "The Mill"))))) == set()
    assert seen(profile(goal=Goal("h", (("name", "house"),)))) == set()


def test_before_the_first_turn_nothing_is_said():
    talk = msgspec.structs.replace(
        TALK, user_id="u", topic="t", ending=Ending("user", "x"), meta={"task": 1, "rating": 2}, profile={"a": 1}
    )
    assert before_first_turn(talk, keep_meta=["task", "absent"]) == Conversation(
        "c1", (Turn("user", ""),), user_id="u", topic="t", meta={"task": 1}
    )
    assert before_first_turn(Conversation("empty", ())).turns == ()


def corpus(n=12):
    talks = []
    for i in range(n):
        words = stream(1, i).integers(2, 20)
        turns = (Turn("user", "word " * int(words)), Turn("assistant", "ok"), Turn("user", "bye"))
        meta = {"task": f"task {i}", "rating": i}
        talks.append(Conversation(f"c{i}", turns, user_id=f"u{i % 4}", topic="ab"[i % 2], meta=meta))
    return Corpus(talks)


def clean(talk):
    return profile(
        id=talk.id,
        persona=Persona(talk.user_id, {"draw": float(stream(0, talk.id).random())}),
        goal=Goal(talk.topic, text=talk.meta["task"]),
        opens=talk.turns[0].role == "user",
    )


def words_of(talk):
    return float(sum(len(turn.text.split()) for turn in talk.turns if turn.role == "user"))


def test_a_clean_deriver_is_proved_clean():
    report = lint_population(corpus(), for_each(clean), keep_meta=["task"])
    assert report.clean
    assert report.checked == 12
    assert report.share == {}


def test_a_deriver_that_reads_the_future_is_caught_by_field():
    def leaking(talk):
        return msgspec.structs.replace(clean(talk), patience=float(len(talk.turns)), knowledge=(talk.turns[-1].text,))

    report = lint_population(corpus(), for_each(leaking), keep_meta=["task"])
    assert report.share == {"knowledge": 1.0, "patience": 1.0}
    assert {leak.kind for leak in report.leaks} == {"changed"}
    assert report.leaks[1].evidence == "3.0 -> 1.0"


def test_meta_that_was_not_known_beforehand_is_the_future():
    report = lint_population(corpus(), for_each(clean))
    assert {leak.kind for leak in report.leaks} == {"needs_future"}
    assert "KeyError" in report.leaks[0].evidence
    rated = for_each(lambda talk: profile(patience=float(talk.meta.get("rating", -1))))
    assert lint_population(corpus(), rated, keep_meta=["task"]).share == {"patience": 1.0}


def by_user(own_session):
    def derive(talks):
        profiles = []
        for talk in talks:
            others = [t for t in talks if t.user_id == talk.user_id and (own_session or t.id != talk.id)]
            style = {"words": sum(map(words_of, others)) / len(others)}
            profiles.append(profile(id=talk.id, persona=Persona(talk.user_id, style)))
        return profiles

    return derive


def test_a_users_other_sessions_are_known_and_this_one_is_not():
    assert lint_population(corpus(), by_user(own_session=False)).clean
    assert lint_population(corpus(), by_user(own_session=True)).share == {"persona.style.words": 1.0}


def test_scaling_over_the_whole_corpus_is_seen():
    def derive(talks):
        mean = sum(map(words_of, talks)) / len(talks)
        return [profile(id=talk.id, patience=mean) for talk in talks]

    assert lint_population(corpus(), derive).share == {"patience": 1.0}


def test_the_sample_is_drawn_by_seed_and_counted():
    derive = by_user(own_session=True)
    first, again, other = (lint_population(corpus(), derive, sample=3, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first.checked == other.checked == 3
    assert {leak.conversation for leak in first.leaks} != {leak.conversation for leak in other.leaks}


def test_nan_is_no_change():
    assert lint_population(corpus(3), for_each(lambda talk: profile(patience=float("nan")))).clean


def test_misuse_is_told():
    with pytest.raises(UsageError, match="2 profiles for 3"):
        lint_population(corpus(3), lambda talks: [profile()] * 2)
    with pytest.raises(UsageError, match="empty corpus"):
        lint_population(Corpus([]), for_each(clean))


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=0, max_size=20), st.integers(1, 8))
def test_a_shared_span_is_found_exactly_when_there_is_one(words, span):
    said = ["d", "c", "b", "a", "a", "c", "d", "d", "b"]
    talk = Conversation("c", (Turn("user", " ".join(said)),))
    shared = any(
        words[i : i + span] == said[j : j + span]
        for i in range(len(words) - span + 1)
        for j in range(len(said) - span + 1)
    )
    leaks = lint_profile(profile(goal=Goal(text=" ".join(words))), talk, span=span)
    assert bool(leaks) == shared
