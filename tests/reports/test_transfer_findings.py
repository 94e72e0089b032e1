"""The sentences about training, each rule on measurements made for it."""

from __future__ import annotations

import msgspec
import pytest

from tests.reports.constructed import missing, spec
from tests.reports.constructed_transfer import (
    ablation,
    false_progress,
    gap,
    gaps,
    mixture,
    reactions,
    train_measurements,
)
from understudy.measures.measurement import Estimate, Measurement, flatten
from understudy.reports.transfer_findings import gap_sentence, reaction_sentence, sentence
from understudy.reports.verdicts import Verdict, verdicts_of


def train(*measurements: Measurement) -> Verdict:
    return verdicts_of(flatten(measurements))["train"]


def test_one_task_leads_with_its_bounds_and_s_over_i_beside_b_over_i() -> None:
    verdict = train(gaps()[0])
    assert verdict.status == "measured"
    assert verdict.sentence == (
        "Genre: 89 % of the way from no training to real conversations, gap closed 0.89, 95 % interval 0.73 to 1.05; "
        "that it falls short of them is not shown; of the real-trained score it reaches 96 %, where no training "
        "reaches 66 %."
    )
    assert verdict.findings == ()


def test_s_over_i_is_never_said_alone() -> None:
    one = gaps()[0]
    without = {k: v for k, v in one.evidence.items() if k != "b_over_i"}
    assert "real-trained" not in train(msgspec.structs.replace(one, evidence=without)).sentence


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ((-0.5, -0.1), "worse than no training at all"),
        ((-0.1, 0.4), "not shown to be better than no training"),
        ((0.2, 0.6), "of the way from no training to real conversations, gap closed"),
        ((1.0, 1.2), "at least as good as real conversations"),
    ],
)
def test_what_is_claimed_follows_the_interval(interval: tuple[float, float], says: str) -> None:
    value = sum(interval) / 2
    one = gap("x", "accuracy", 0.2, 0.2 + 0.4 * value, 0.6, 0.1, interval=interval)
    assert says in gap_sentence(one)
    assert ("falls short of them is not shown" in gap_sentence(one)) == (0 < interval[0] < 0.9 and interval[1] >= 1)


def test_over_tasks_the_lead_spans_what_is_not_flagged_and_flags_are_named() -> None:
    verdict = train(*gaps())
    assert verdict.sentence == (
        "From an untrained model to one trained on as many real conversations, training on these goes from 4.2 % "
        "(next response) to 89 % of the way (genre); better than no training is shown in 2 of 4 tasks (1 more flagged)."
    )
    assert any(f.startswith("Intent is flagged") and "no room to differ" in f for f in verdict.findings)
    assert any("satisfaction: not scored, inverted" in f for f in verdict.findings)


def test_when_all_are_flagged_none_leads() -> None:
    flagged = [gap(t, "accuracy", 0.9, 0.95, 0.99, 0.1, flags=("saturated: no room",)) for t in ("a", "b")]
    assert train(*flagged).sentence == (
        "Gap closed goes from 0.56 (a) to 0.56 (b), but each of the 2 tasks is flagged: read each number with what is "
        "said of it."
    )
    arms = [msgspec.structs.replace(one, name=f"transfer.gap_closed.a.{k}") for k, one in enumerate(flagged)]
    assert "but the one task is flagged" in train(*arms).sentence
    assert train(flagged[0]).sentence.startswith("A is flagged (gap closed")


def test_corpora_are_not_counted_as_tasks() -> None:
    one = gap("a", "accuracy", 0.2, 0.4, 0.6, 0.1)
    arms = [msgspec.structs.replace(one, name=f"transfer.gap_closed.a.{k}") for k in "xy"]
    assert "in all of 2 comparisons" in train(*arms).sentence


def test_an_alarm_is_told_before_all_else() -> None:
    verdict = train(*train_measurements())
    assert verdict.status == "alarm"
    assert verdict.sentence == (
        "False progress (genre): with more training the score changes by +0.035 (0.030 to 0.040) per doubling on "
        "simulated users and by −0.002 (−0.007 to 0.003) on people, which does not keep up; the alarm is up from "
        "1,320 on."
    )
    assert verdict.findings[0].startswith("From an untrained model")


def test_several_alarms_are_told_in_one_sentence() -> None:
    other = msgspec.structs.replace(false_progress(), name="transfer.false_progress.topic")
    assert train(false_progress(), other).sentence.startswith("False progress (genre and topic): scores rise")


def test_without_an_alarm_the_monitor_says_that_none_was_detected() -> None:
    verdict = train(gaps()[0], false_progress(alarm=False))
    assert verdict.status == "measured"
    assert verdict.sentence.startswith("Genre: 89 %")
    assert any(f.startswith("False progress was not detected (genre)") for f in verdict.findings)


def test_unscored_says_why() -> None:
    verdict = train(missing(spec("transfer.gap_closed.topic", "?", "share", question="train"), "no topic is labelled"))
    assert verdict.status == "unscored"
    assert verdict.sentence == "Could not be answered: no topic is labelled."


def test_layers_and_mixtures() -> None:
    assert "together they bring about the sum" in sentence(ablation())
    assert train(mixture()).sentence == (
        "By words, which it was not fitted on, the mixture is nearer to people than every member: −0.030 (−0.042 to "
        "−0.018). Of 2 held-out families it is shown nearer by 1 and further by 1."
    )
    worse = msgspec.structs.replace(mixture(), value=0.02, interval=(-0.01, 0.05))
    assert "not shown to be nearer" in sentence(worse)


@pytest.mark.parametrize(
    ("value", "reach", "people", "says"),
    [
        (0.03, 0.01, (0.06, 0.12), "weaker than people's"),
        (0.3, 0.01, (0.06, 0.12), "stronger than people's"),
        (0.08, 0.02, (0.06, 0.12), "(0.06 to 0.12)."),
        (-0.03, 0.01, (-0.12, -0.06), "weaker than people's"),
    ],
)
def test_a_reaction_is_held_against_peoples(value: float, reach: float, people: tuple[float, float], says: str) -> None:
    floor = Estimate(sum(people) / 2, people)
    one = msgspec.structs.replace(reactions()[0], value=value, interval=(value - reach, value + reach), floor=floor)
    assert says in reaction_sentence(one)
