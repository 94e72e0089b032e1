"""Carrying out a plan: the account is exact whatever happens, and nothing is lost in silence."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.scenarios.making import Player, corpus, fresh, plan_of, ready, talk, words
from understudy.conversations import Corpus, Turn
from understudy.scenarios.generation import generate
from understudy.scenarios.preparation import exemplar_names
from understudy.scenarios.sidecar import sidecar
from understudy.scenarios.subtopics import Subtopics


def test_everything_planned_is_accounted_for_under_injected_faults() -> None:
    prepared = ready(plan_of(60, realisation={"attempts": 2}))
    twin = talk(99_999)

    def play(task):
        k = task.scenario.index
        if k % 5 == 0:
            return "user: unparsable: the answer holds no JSON object"
        if k % 5 == 1 and task.attempt == 0:
            return "environment: timeout: no reply"
        return twin if k % 10 == 2 else fresh(task)

    made = generate(prepared, Player(play))
    a = made.accounts
    assert a.balanced
    assert a.failed == {"user: unparsable": 12}
    assert a.deduplicated == 5  # six are twins, the first of them stays
    assert a.accepted == 60 - 12 - 5 == len(made.conversations)
    assert a.attempts == 60 + 12 + 12  # first attempts, then those of the failed
    assert a.attempts_failed == {"user: unparsable": 24, "environment: timeout": 12}
    assert Counter(o.outcome for o in made.outcomes) == {"accepted": 43, "failed": 12, "deduplicated": 5}
    assert [o.scenario for o in made.outcomes] == [s.id for s in prepared.scenarios]


def test_nothing_accepted_is_an_account_too() -> None:
    made = generate(ready(plan_of(4)), Player(lambda task: "user: refusal: declined"))
    assert made.conversations == ()
    assert made.accounts.balanced
    assert made.accounts.failed == {"user: refusal": 4}


def test_an_exception_is_not_swallowed() -> None:
    def play(task):
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="disk"):
        generate(ready(), Player(play))


def test_what_is_enforced_is_tried_again_and_then_rejected_with_the_reason() -> None:
    plan = plan_of(
        30, contexts={"duration": {"short": 1, "long": 1}}, realisation={"enforce": ["duration"], "attempts": 3}
    )
    prepared = ready(plan)

    def play(task):
        if task.scenario.context.duration == "short" or task.attempt < task.scenario.index % 4:
            return talk(task.scenario.index * 10 + task.attempt, turns=4)
        return talk(task.scenario.index * 10 + task.attempt, turns=16)

    made = generate(prepared, Player(play))
    long = [s for s in prepared.scenarios if s.context.duration == "long"]
    never = [s for s in long if s.index % 4 == 3]
    assert made.accounts.rejected == {"realisation: duration": len(never)}
    assert made.accounts.balanced
    found = {o.scenario: o for o in made.outcomes}
    assert all(found[s.id].attempt == s.index % 4 for s in long if s not in never)
    assert "long asked, short realised" in found[never[0].id].reason
    duration = next(r for r in made.realised if r.name == "duration")
    assert (duration.accuracy, duration.unread) == (1.0, 0)
    first = next(r for r in made.realised_at_first if r.name == "duration")
    assert first.accuracy < 1  # measured before anything was thrown away


def test_a_topic_without_subtopics_fails_with_its_reason_and_the_others_go_on() -> None:
    plan = plan_of(20, topic=[{"name": "films"}, {"name": "trains"}])
    named = {
        "films": Subtopics("films", ("old", "new", "silent", "short")),
        "trains": Subtopics("trains", (), faults=("unparsable: the answer holds no JSON object",)),
    }
    prepared = ready(plan, named=named)
    player = Player(fresh)
    made = generate(prepared, player)
    assert made.accounts.accepted == 10
    assert made.accounts.failed == {"subtopics: unparsable": 10}
    assert made.accounts.balanced
    assert all(task.scenario.topic == "films" for tasks in player.rounds for task in tasks)


def test_exemplars_are_drawn_for_each_scenario_from_train_alone() -> None:
    real = corpus(30)
    held = Corpus(real.conversations[:10])
    prepared = ready(plan_of(40), reference=real, test=held, exemplars=True)
    sets = exemplar_names(prepared.scenarios)
    assert len(sets) > 30  # not one set for all
    shown = {name for names in sets for name in names}
    assert shown.isdisjoint(t.id for t in held)
    assert len(shown) > 15
    assert "10 reference conversations" in prepared.notes[0]
    assert ready(plan_of(40), reference=real, test=held, exemplars=True).scenarios == prepared.scenarios


def test_copies_of_users_exemplars_and_the_test_set_are_rejected() -> None:
    real, held = corpus(20), Corpus([talk(5000 + k) for k in range(5)])
    prepared = ready(
        plan_of(40, realisation={"attempts": 1}, calibration={"enabled": False}),
        reference=real,
        test=held,
        exemplars=True,
    )

    def said(task, text, role):
        own = fresh(task)
        turns = (*own.turns, Turn(role, text))
        return type(own)(own.id, turns)

    def play(task):
        k = task.scenario.index % 4
        if k == 0:
            return said(task, "well " + real[3].turns[0].text, "user")
        if k == 1:
            return said(task, "so " + held[2].turns[1].text, "assistant")
        if k == 2:
            shown = prepared.shown(task.scenario)[0]
            return said(task, shown.turns[1].text, "assistant")
        return fresh(task)

    made = generate(prepared, Player(play))
    assert made.accounts.balanced
    assert made.accounts.accepted == 10
    rejected = made.accounts.rejected
    assert rejected["test contamination"] == 10
    assert rejected["copy of its exemplar"] >= 10
    assert rejected["copy of a real user"] + rejected["copy of its exemplar"] == 20


def test_rates_are_brought_to_the_target_by_choice() -> None:
    plan = plan_of(80, calibration={"rates": {"fillers": 0.02}, "candidates": 2, "most_dropped": 0.2})
    prepared = ready(plan)

    def play(task):
        said = "um well hmm I think that the film is" if task.attempt == 0 else "I think that the film is"
        return talk(task.scenario.index * 10 + task.attempt, said=said)

    made = generate(prepared, Player(play))
    rate = next(r for r in made.rates if r.name == "fillers")
    assert rate.before > 0.05
    assert rate.met
    assert abs(rate.after - 0.02) < 0.005
    assert made.accounts.balanced


def test_what_overshoots_without_choice_is_left_out_up_to_the_limit() -> None:
    plan = plan_of(40, calibration={"rates": {"fillers": 0.0}, "candidates": 1, "most_dropped": 0.1})

    def play(task):
        said = "um well hmm I think that" if task.scenario.index < 20 else "I think that"
        return talk(task.scenario.index, said=said)

    made = generate(ready(plan), Player(play))
    assert made.accounts.rejected == {"calibration": 4}
    assert not next(r for r in made.rates if r.name == "fillers").met
    assert made.accounts.balanced


def test_scenario_and_realisation_are_stored_with_each_conversation() -> None:
    prepared = ready()
    made = generate(prepared, Player(fresh))
    first = made.conversations[0]
    assert first.id == prepared.scenarios[0].id == first.meta["scenario"]["id"]
    assert first.meta["scenario"]["context"]["medium"] == prepared.scenarios[0].context.medium
    assert first.meta["realised"]["duration"] == "short"
    assert first.topic == prepared.scenarios[0].topic


def test_the_account_is_plain_and_the_same_again() -> None:
    def once():
        prepared = ready()
        return sidecar(prepared, generate(prepared, Player(fresh)), provenance={"by": "a test"})

    data = once()
    assert data == once()
    assert data["accounts"]["planned"] == 40
    assert len(data["outcomes"]) == 40
    assert {row["name"] for row in data["realised"]} >= {"duration", "age", "topic"}


def test_words_of_the_helper_differ() -> None:
    assert words(1, 12) != words(2, 12)


def test_attempts_that_are_left_go_to_features_that_are_too_rare() -> None:
    plan = plan_of(
        60,
        contexts={"fillers": {"none": 2, "some": 0, "many": 1}},
        calibration={"candidates": 2, "rates": {"fillers": 0.02}},
        realisation={"attempts": 6},
    )
    prepared = ready(plan)
    asked = {s.index for s in prepared.scenarios if s.context.fillers == "many"}

    def how(task):
        late = task.attempt >= 3 and task.scenario.index in asked
        plain = "I think that this is what we would like to have for the two of us"
        return talk(task.scenario.index * 10 + task.attempt, said=f"um, uh, {plain}" if late else plain)

    player = Player(how)
    made = generate(prepared, player)
    rounds = [{task.scenario.index for task in tasks} for tasks in player.rounds]
    assert [len(tasks) for tasks in rounds[:2]] == [60, 60]
    assert rounds[2] == rounds[3] == asked, "nobody else is asked again, and nobody of these too seldom"
    assert len(rounds) == 4, "then none of them lacks it"
    (rate,) = made.rates
    assert rate.met
    assert made.accounts.balanced
