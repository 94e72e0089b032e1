"""The sentences about ranking, each rule on measurements made for it."""

from __future__ import annotations

import msgspec
import pytest

from tests.reports.constructed import scored, spec
from tests.reports.constructed_transfer import ranking, reactions
from understudy.measures.measurement import Estimate, Measurement, flatten
from understudy.reports.ranking_findings import agreement_sentence, descriptive, powered_sentence
from understudy.reports.verdicts import Verdict, verdicts_of


def rank(*measurements: Measurement) -> Verdict:
    return verdicts_of(flatten(measurements))["rank"]


def test_the_order_is_told_beside_what_people_agree() -> None:
    verdict = rank(*ranking())
    assert verdict.status == "measured"
    assert verdict.sentence == (
        "The order of 9 systems under simulated users against their order under people: Kendall's tau 0.72 "
        "(0.52 to 0.92); people agree with other people at 0.83 (0.64 to 0.93). Better than no order is shown; "
        "whether it falls short of people is not."
    )
    assert "Best score from people: retrieval-2; from simulated users: gpt-large." in verdict.findings
    assert any("are worth 1.77 times as many" in f for f in verdict.findings)
    assert any("too kind by 0.15, and besides uneven by 0.10" in f for f in verdict.findings)
    assert any(f.startswith("By Spearman's rho: 0.85") for f in verdict.findings)


@pytest.mark.parametrize("count", [4, 7])
def test_below_eight_systems_it_is_a_description(count: int) -> None:
    verdict = rank(*ranking(count))
    assert verdict.status == "descriptive"
    assert verdict.sentence.startswith(f"Descriptive only, at {count} systems:")
    assert "is shown" not in verdict.sentence


def test_few_systems_are_counted_where_the_measure_does_not_say() -> None:
    tau = ranking(5)[0]
    silent = {k: v for k, v in tau.evidence.items() if k != "descriptive"}
    assert descriptive(msgspec.structs.replace(tau, evidence=silent))


@pytest.mark.parametrize(
    ("interval", "ceiling", "says"),
    [
        ((-0.9, -0.2), (0.6, 0.9), "The order is reversed."),
        ((-0.1, 0.5), (0.6, 0.9), "better than no order at all is not shown"),
        ((0.1, 0.5), (0.6, 0.9), "less than people do"),
        ((0.7, 0.9), (0.6, 0.9), "as far as people do"),
        ((0.5, 0.8), (0.6, 0.9), "whether it falls short of people is not"),
    ],
)
def test_the_rule_of_the_intervals(interval: tuple[float, float], ceiling: tuple[float, float], says: str) -> None:
    one = msgspec.structs.replace(
        ranking()[0], value=sum(interval) / 2, interval=interval, ceiling=Estimate(sum(ceiling) / 2, ceiling)
    )
    assert says in agreement_sentence(one)


@pytest.mark.parametrize("interval", [(-0.9, -0.2), (-0.1, 0.5), (0.35, 1.0), (0.7, 0.9)])
@pytest.mark.parametrize("ceiling", [(0.34, 0.0, 0.62), (0.45, 0.2, 0.6), (0.6, -0.1, 0.8)])
def test_people_who_do_not_agree_themselves_are_no_measure(
    interval: tuple[float, float], ceiling: tuple[float, float, float]
) -> None:
    own = Estimate(ceiling[0], ceiling[1:])
    one = msgspec.structs.replace(ranking()[0], value=sum(interval) / 2, interval=interval, ceiling=own)
    sentence = rank(one).sentence
    assert "people do not order these systems reliably themselves" in sentence
    assert "as far as people do" not in sentence
    few = msgspec.structs.replace(ranking(4)[0], ceiling=own)
    assert "people do not order these systems reliably themselves" in rank(few).sentence


def pairs(**columns: list[object]) -> Measurement:
    tau = ranking()[0]
    systems = {"system": ["a", "b", "c"], "real": [0.72, 0.7, 0.1], "simulated": [0.6, 0.8, 0.1]}
    order = {"first": ["a", "a", "b"], "second": ["b", "c", "c"], **columns}
    return msgspec.structs.replace(tau, evidence={"systems": systems, "p_order": order, "descriptive": True})


def test_what_noise_may_have_reversed_is_undecided() -> None:
    findings = rank(pairs(p_real=[0.58, 1.0, 1.0], p_simulated=[0.01, 1.0, 1.0], p_same=[0.42, 1.0, 1.0])).findings
    assert findings[0] == (
        "Best score from people: a; from simulated users: b. Which of the two is better is undecided by people "
        "(probability that a is better: 0.58 by people, 0.01 by simulated users)."
    )
    assert findings[1].startswith("2 of 3 pairs in people's order, 0 against it, 1 undecided")
    assert "Against" not in findings[1]


def test_what_the_data_decide_against_people_is_named_with_its_number() -> None:
    findings = rank(pairs(p_real=[0.99, 1.0, 1.0], p_simulated=[0.01, 1.0, 1.0], p_same=[0.02, 1.0, 1.0])).findings
    assert "Which of the two is better is decided by both" in findings[0]
    assert findings[1].endswith("Against people's order: a and b (probability of one order 0.02).")


def test_a_common_choice_names_the_rival_that_people_have_not_ruled_out() -> None:
    one = pairs(p_real=[0.58, 1.0, 1.0], p_simulated=[0.99, 1.0, 1.0], p_same=[0.58, 1.0, 1.0])
    systems = {**one.evidence["systems"], "simulated": [0.9, 0.8, 0.1]}
    findings = rank(msgspec.structs.replace(one, evidence={**one.evidence, "systems": systems})).findings
    assert findings[0] == (
        "a has the best score on both sides; people have not decided between it and b "
        "(probability that it is better: 0.58)."
    )


def test_without_a_ceiling_it_is_said() -> None:
    bare = msgspec.structs.replace(ranking()[0], ceiling=None)
    assert "how far people agree among themselves is not known here" in agreement_sentence(bare)


def test_a_simulator_that_adds_nothing_is_said_to() -> None:
    tau, _, _, powered = ranking()
    useless = msgspec.structs.replace(powered, evidence={**powered.evidence, "n_effective": 57 * 9})
    assert "Beside the human scores the simulator adds no precision: buy people." in rank(tau, useless).findings


def test_a_prediction_powered_score_stands_beside_the_human_one() -> None:
    assert powered_sentence(ranking()[3].parts[0]) == (
        "retrieval-2: 0.75 (0.70 to 0.80); from people alone 0.74 (0.68 to 0.80); "
        "120 more real episodes would bring the wanted precision."
    )


@pytest.mark.parametrize(("best", "says"), [("a", "the best system stays"), ("b", "the best system would be b")])
def test_what_leaving_out_spoiled_episodes_changes_is_told(best: str, says: str) -> None:
    tau = ranking()[0]
    spoiled = {"share": 0.041, "tau": 0.66, "best_with": "a", "best_without": best}
    verdict = rank(msgspec.structs.replace(tau, evidence={**tau.evidence, "spoiled": spoiled}))
    told = f"Without the 4.1 % of episodes that the simulator spoiled, the order agrees at 0.66; {says}."
    assert told in verdict.findings


@pytest.mark.parametrize(
    ("flipped", "says"),
    [
        ([], "no pair of systems is surely ordered otherwise by one than by another."),
        ([["one", "two", "a", "b"]], "1 pair of systems is surely ordered otherwise by one than by another."),
        ([["one", "two", "a", "b"]] * 2, "2 pairs of systems are surely ordered otherwise by one than by another."),
    ],
)
def test_swapping_the_simulator(flipped: list[list[str]], says: str) -> None:
    declared = spec("ranking.stability", "?", "tau", -1.0, 1.0, question="rank")
    verdict = rank(ranking()[0], scored(declared, 0.7, 0.1, None, evidence={"flipped": flipped}))
    assert f"Swapping the simulator: the two that agree least agree at 0.70 (0.60 to 0.80); {says}" in verdict.findings


def test_reactions_alone_answer_in_their_own_words() -> None:
    verdict = rank(*reactions())
    assert verdict.sentence.startswith("Reaction to a worse partner, leaving")
    assert verdict.status == "measured"
