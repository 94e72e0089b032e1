"""The rules of the verdicts, each on measurements made for it."""

from __future__ import annotations

import msgspec
import pytest

from tests.reports.constructed import all_measurements, discriminator, icc, messiness, missing, scored, spec
from understudy.measures.measurement import Estimate, Measurement, flatten
from understudy.reports.verdicts import Verdict, verdicts_of

JUDGE = spec("realism.discriminator", "?", "AUC", 0.0, 1.0)


def real(*measurements: Measurement) -> Verdict:
    return verdicts_of(flatten(measurements))["real"]


def said(verdict: Verdict) -> str:
    return " ".join((verdict.sentence, *verdict.findings))


def test_questions_that_were_not_asked_say_so() -> None:
    verdicts = verdicts_of(flatten(all_measurements()))
    assert [verdicts[q].status for q in ("real", "rank", "train", "carry")] == ["told_apart"] + 3 * ["not_asked"]
    assert verdicts["rank"].sentence == "Not asked in this run."


def test_told_apart_names_the_number_its_floor_and_the_worst_behaviours() -> None:
    verdict = real(discriminator(), messiness())
    assert verdict.status == "told_apart"
    assert "94 times in 100; between halves of the real users it is 50 in 100" in verdict.sentence
    assert "all lower case: 4 % of user turns where people show 55 %" in verdict.sentence


def test_hedges_in_plain_words() -> None:
    only = [p for p in messiness().parts if p.name.endswith("hedges")]
    verdict = real(discriminator(), msgspec.structs.replace(messiness(), parts=tuple(only)))
    assert "hedges: 0.07 per 100 words where people show 0.50" in verdict.sentence


def test_a_behaviour_that_was_not_shown_to_differ_is_not_named() -> None:
    assert "emoji" not in said(real(discriminator(), messiness()))


def test_not_told_apart_is_not_sameness() -> None:
    quiet = scored(JUDGE, 0.51, 0.04, 0.4, evidence={"detectable_auc": 0.57})
    verdict = real(quiet)
    assert verdict.status == "not_told_apart"
    assert "Not told apart at n = 612 real and 600 synthetic conversations" in verdict.sentence
    assert "AUC of 0.57" in verdict.sentence
    assert "does not show that they are alike" in verdict.sentence
    assert "same" not in said(verdict).lower()


def test_the_adjusted_p_decides() -> None:
    raw = msgspec.structs.replace(scored(JUDGE, 0.56, 0.05, 0.03), adjusted_p=0.24)
    assert real(raw).status == "not_told_apart"
    assert real(msgspec.structs.replace(raw, adjusted_p=None)).status == "told_apart"


def test_told_apart_by_others_though_not_by_the_discriminator() -> None:
    verdict = real(scored(JUDGE, 0.52, 0.04, 0.3), icc())
    assert verdict.sentence == "Told apart, by one user, one style, though not by the discriminator (AUC 0.52)."
    assert any("Users blur into one another" in f for f in verdict.findings)
    assert any("No difference detected at this n in: telling the two apart" in f for f in verdict.findings)


@pytest.mark.parametrize(
    ("other", "where"),
    [((0.97, 0.99), "nearer than that"), ((0.70, 0.75), "further than that"), ((0.9, 0.95), "as far")],
)
def test_the_ceiling_is_compared_by_intervals(other: tuple[float, float], where: str) -> None:
    ceiling = Estimate(sum(other) / 2, other, "another real corpus: star.jsonl")
    found = scored(JUDGE, 0.94, 0.02, 0.001, ceiling=ceiling)
    assert any(f"these synthetic users stand {where}" in f and "star.jsonl" in f for f in real(found).findings)


def test_too_few_relabellings_are_no_answer() -> None:
    clear = scored(JUDGE, 1.0, 0.0, 0.01, evidence={"permutations": 99})
    others = [
        scored(spec(f"realism.m{i}", "?", "u"), 0.5, 0.1, 0.01, evidence={"permutations": 99}) for i in range(8)
    ]
    capped = [msgspec.structs.replace(m, adjusted_p=0.09) for m in (clear, *others)]
    verdict = real(*capped)
    assert verdict.status == "unscored"
    assert "99 relabellings are too few for 9 tests" in verdict.sentence
    assert "--permutations 199 or more" in verdict.sentence
    assert "alike" not in said(verdict)


def test_unscored_is_told_with_its_reason() -> None:
    verdict = real(missing(JUDGE, "the real side has 3 unit(s); at least 10 are needed"))
    assert verdict.status == "unscored"
    assert "the real side has 3 unit(s)" in verdict.sentence
    partly = real(discriminator(), missing(spec("separability.icc", "?", "none"), "no user has two conversations"))
    assert any("no user has two conversations" in f for f in partly.findings)


def test_numbers_without_tests_are_reported_as_such() -> None:
    tau = scored(spec("ranking.tau", "?", "tau", -1.0, 1.0, question="rank"), 0.71, 0.1, None, floor=Estimate(0.9))
    verdict = verdicts_of([tau])["rank"]
    assert verdict.status == "measured"
    assert "0.71 (0.61 to 0.81), real against real 0.90" in verdict.sentence


def test_same_measurements_same_words() -> None:
    assert verdicts_of(flatten(all_measurements())) == verdicts_of(flatten(all_measurements()))
