"""The design: the declared joint comes out, norms are recovered, scenarios are fixed by plan and seed."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.scenarios.making import plan_of, ready
from understudy.errors import UsageError
from understudy.scenarios.characteristics import NAMES
from understudy.scenarios.coverage import cover
from understudy.scenarios.design import shares, space_filling
from understudy.scenarios.goodness import fit_of, holm
from understudy.scenarios.joint import build_joint
from understudy.scenarios.personality import TRAITS, norms
from understudy.scenarios.plan import ContextsPlan, RulePlan, parse_plan
from understudy.scenarios.scenario import with_id

SMS = [
    {"when": {"medium": "sms"}, "set": "fillers", "to": {"none": 9, "some": 1}},
    {"when": {"medium": "sms"}, "set": "short_turns", "to": {"many": 1}},
    {"when": {"familiarity": ["close"]}, "set": "formality", "to": {"informal": 1}},
]
FORBID = [{"medium": "email", "familiarity": "close"}]


def test_margins_and_pairs_match_the_declaration() -> None:
    prepared = ready(plan_of(2000, contexts={"rules": SMS, "forbid": FORBID}), seed=3)
    coverage = prepared.coverage
    assert len(coverage.fits) == 1 + len(NAMES) * 2 + len(NAMES) * (len(NAMES) - 1) // 2
    assert holm(coverage.fits) > 0.05
    assert all(fit.impossible == 0 for fit in coverage.fits)
    assert coverage.one_way[0] == coverage.one_way[1]
    assert coverage.two_way[0] >= 0.99 * coverage.two_way[1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [100, 512])
def test_no_pair_of_layers_is_covered_badly(n, seed) -> None:
    facts = {"job": ["a", "b", "c"], "house": ["d", "e"]}
    prepared = ready(plan_of(n, contexts={"rules": SMS, "forbid": FORBID}, personas={"facts": facts}), seed=seed)
    assert holm([fit for fit in prepared.coverage.fits if " x " in fit.what]) > 0.05
    sets = [s.persona.facts for s in prepared.scenarios]
    assert abs(sum(f == ("house: d", "job: a") for f in sets) / n - 1 / 6) < 0.06


def test_independent_draws_from_the_joint_match_too() -> None:
    joint = build_joint(ContextsPlan(rules=[msgspec.convert(rule, RulePlan) for rule in SMS], forbid=FORBID))
    drawn = joint.at(np.random.default_rng(0).random((5000, len(NAMES))))
    a, b = NAMES.index("medium"), NAMES.index("fillers")
    table = joint.pair("medium", "fillers")
    counts = np.bincount(drawn[:, a] * 3 + drawn[:, b], minlength=table.size).astype(float)
    assert fit_of("medium x fillers", counts, table.ravel()).p_value > 0.001


def test_a_design_of_another_distribution_is_found_out() -> None:
    declared = ready(plan_of(600, contexts={"medium": {"chat": 1, "sms": 1}}))
    other = ready(plan_of(600, contexts={"medium": {"chat": 13, "sms": 7}}))
    coverage = cover(other.scenarios, declared.layers.strata, declared.joint, declared.personality)
    assert holm(coverage.fits) < 0.001


def test_a_forbidden_or_excluded_cell_never_comes() -> None:
    prepared = ready(plan_of(3000, contexts={"rules": SMS, "forbid": FORBID}))
    contexts = [s.context for s in prepared.scenarios]
    assert not any(c.medium == "email" and c.familiarity == "close" for c in contexts)
    assert {c.fillers for c in contexts if c.medium == "sms"} == {"none", "some"}
    assert {c.short_turns for c in contexts if c.medium == "sms"} == {"many"}


def test_the_last_rule_decides() -> None:
    first = RulePlan(when={"medium": "sms"}, set="typos", to={"none": 1})
    second = RulePlan(when={"location": "home"}, set="typos", to={"many": 1})
    joint = build_joint(ContextsPlan(rules=[first, second]))
    assert joint.pair("location", "typos")[joint.levels["location"].index("home")][:2].tolist() == [0, 0]


def test_rules_in_a_circle_and_impossible_plans_are_refused() -> None:
    circle = [
        RulePlan(when={"medium": "sms"}, set="typos", to={"none": 1}),
        RulePlan(when={"typos": "none"}, set="medium", to={"sms": 1}),
    ]
    with pytest.raises(UsageError, match="circle"):
        build_joint(ContextsPlan(rules=circle))
    with pytest.raises(UsageError, match="nothing is left"):
        build_joint(ContextsPlan(medium={"sms": 1}, forbid=[{"medium": "sms"}]))


def test_big_five_norms_are_recovered() -> None:
    prepared = ready(plan_of(1024))
    summary = prepared.coverage.big_five
    assert all(abs(v) < 0.02 for v in summary["mean"].values())
    assert all(abs(v - 1) < 0.03 for v in summary["sd"].values())
    assert summary["largest_correlation_gap"] < 0.05
    assert norms().correlation[TRAITS.index("neuroticism"), TRAITS.index("conscientiousness")] == -0.43


def test_a_plans_own_moments_are_recovered() -> None:
    own = {"mean": {"openness": 1.0}, "sd": {"openness": 0.5}, "correlation": {"openness": {"neuroticism": 0.5}}}
    summary = ready(plan_of(1024, personas={"big_five": own})).coverage.big_five
    assert summary["mean"]["openness"] == pytest.approx(1.0, abs=0.02)
    assert summary["sd"]["openness"] == pytest.approx(0.5, abs=0.02)
    assert summary["correlation"][0][4] == pytest.approx(0.5, abs=0.05)


def test_impossible_correlations_are_refused() -> None:
    with pytest.raises(UsageError, match="no possible correlation"):
        norms(correlation={"openness": {"extraversion": 0.99, "neuroticism": 0.9}})


def test_strata_get_their_exact_share() -> None:
    scenarios = ready(plan_of(40)).scenarios
    counts = [sum(s.topic == "films" for s in scenarios), sum(s.subtopic == "new" for s in scenarios)]
    assert counts == [30, 15]
    assert shares([1, 1, 1], 7).tolist() == [3, 2, 2]


def test_the_same_seed_gives_the_same_scenarios_and_another_does_not() -> None:
    one, two, other = ready(seed=1), ready(seed=1), ready(seed=2)
    assert one.scenarios == two.scenarios
    assert not {s.id for s in one.scenarios} & {s.id for s in other.scenarios}
    assert len({s.seed for s in one.scenarios}) == len(one.scenarios)


def test_an_id_is_the_digest_of_the_content() -> None:
    scenario = ready().scenarios[0]
    assert with_id(scenario) == scenario
    assert with_id(msgspec.structs.replace(scenario, goal="another")).id != scenario.id


def test_a_scenario_is_frozen() -> None:
    with pytest.raises(AttributeError):
        ready().scenarios[0].goal = "changed"


def test_the_design_fills_space_better_than_independent_draws() -> None:
    n = 64
    points = space_filling(n, [2], seed=5)
    cells = {(int(x * 8), int(y * 8)) for x, y in points}
    independent = np.mean(
        [len({(int(x * 8), int(y * 8)) for x, y in np.random.default_rng(s).random((n, 2))}) for s in range(20)]
    )
    assert len(cells) > independent + 10


def test_facts_and_goals_come_from_their_pools() -> None:
    plan = parse_plan(
        {
            "n": 90,
            "topic": [{"name": "a", "goals": ["g1", "g2"]}, {"name": "b"}],
            "personas": {"facts": {"job": ["nurse", "clerk", "cook"]}, "goals": ["g3"]},
        }
    )
    scenarios = ready(plan).scenarios
    jobs = [s.persona.facts[0] for s in scenarios]
    assert {jobs.count(f"job: {job}") for job in ("nurse", "clerk", "cook")} <= set(range(25, 36))
    assert {s.goal for s in scenarios if s.topic == "a"} == {"g1", "g2"}
    assert {s.goal for s in scenarios if s.topic == "b"} == {"g3"}
