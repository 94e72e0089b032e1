"""The prompted users of a plan: which scenario, in which order, told what, and for how long."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from tests.scenarios.making import corpus, plan_of, ready
from understudy.conversations.writing import write_corpus
from understudy.errors import UsageError
from understudy.models.scripted import Scripted
from understudy.rollouts.model_partner import ModelPartner
from understudy.rollouts.simulate import simulate
from understudy.scenarios.people import PlannedUsers, open_planned
from understudy.scenarios.plan import parse_plan

PLAN = """
n = 8
reference = "real.jsonl"
[[topic]]
name = "films"
subtopics = ["old", "new"]
"""


def people(**given) -> PlannedUsers:
    said = '{"text": "a word about harbours", "leaving": false}'
    return PlannedUsers(Scripted(lambda request: said, name="user"), ready(plan_of(10), **given))


def test_beliefs_of_a_plan_are_drawn_by_weight() -> None:
    plan = parse_plan({**msgspec.to_builtins(plan_of(40)), "personas": {"partner_belief": {"ai": 3.0, "human": 1.0}}})
    users = PlannedUsers(Scripted(lambda request: "", name="user"), ready(plan))
    drawn = Counter(users.draw(k, seed=0).partner_belief for k in range(40))
    assert set(drawn) == {"ai", "human"}
    assert 20 <= drawn["ai"] <= 38
    assert {people().draw(k, seed=0).partner_belief for k in range(10)} == {"unknown"}


@pytest.mark.parametrize("table", [{"robot": 1.0}, {"ai": 0.0}])
def test_beliefs_that_nobody_can_hold_are_refused(table: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        parse_plan({**msgspec.to_builtins(plan_of(4)), "personas": {"partner_belief": table}})


def test_every_scenario_comes_before_any_comes_again() -> None:
    users = people()
    drawn = [users.draw(k, seed=4).id for k in range(25)]
    assert len(set(drawn[:10])) == len(set(drawn[10:20])) == 10
    assert drawn[:10] != drawn[10:20]
    assert drawn == [users.draw(k, seed=4).id for k in range(25)]
    assert drawn != [users.draw(k, seed=5).id for k in range(25)]


def test_a_profile_has_the_persona_the_setting_and_the_length_of_its_scenario() -> None:
    users = people()
    profiles = [users.draw(k, seed=0) for k in range(10)]
    assert all(any(fact.startswith("medium: ") for fact in p.persona.facts) for p in profiles)
    assert not any(fact.startswith("fillers") for p in profiles for fact in p.persona.facts)
    by_length: dict[str, set[float]] = {}
    for profile in profiles:
        length = next(fact.split()[1] for fact in profile.persona.facts if fact.startswith("duration"))
        by_length.setdefault(length, set()).add(profile.patience)
    assert all(len(patience) == 1 for patience in by_length.values())
    assert max(by_length["short"]) < min(by_length["long"])


def test_they_talk(tmp_path) -> None:
    done = simulate(people(), ModelPartner(Scripted(lambda request: "I see.", name="bot")), n=12, seed=0)
    assert done.counts.accepted == 12
    talks = done.conversations
    assert Counter(talk.topic for talk in talks).keys() <= {"films", "trains"}
    assert all(talk.ending.by == "user" for talk in talks)
    again = simulate(people(), ModelPartner(Scripted(lambda request: "I see.", name="bot")), n=12, seed=0)
    assert again.conversations == talks


@pytest.mark.parametrize("reference", [True, False])
def test_opened_from_a_plan_its_intents_are_the_reference_s(tmp_path, reference) -> None:
    write_corpus(tmp_path / "real.jsonl", list(corpus(12)))
    text = PLAN if reference else PLAN.replace('reference = "real.jsonl"', "")
    (tmp_path / "plan.toml").write_text(text)
    asked: list[str] = []

    def models(uri: str) -> Scripted:
        asked.append(uri)
        return Scripted(["x"], name="m")

    users = open_planned(str(tmp_path / "plan.toml"), models=models, model="openai:m", seed=0)
    assert asked == ["openai:m"]
    assert ("fitted:" in users.simulator().identity) == reference
    other = open_planned(str(tmp_path / "plan.toml"), models=models, model="openai:m", seed=1)
    assert other.identity != users.identity
