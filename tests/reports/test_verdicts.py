"""The rules of the verdicts, each on measurements made for it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.reports.constructed import all_measurements, discriminator, icc, messiness, missing, scored, spec
from understudy.measures.behaviours import BEHAVIOURS
from understudy.measures.measurement import Estimate, Measurement, flatten
from understudy.measures.raters.discrimination import PERCENT
from understudy.measures.raters.discrimination import SPEC as TOLD_SPEC
from understudy.measures.realism.messiness_columns import OVER_CONVERSATIONS, Column
from understudy.reports.findings import Gap, finding
from understudy.reports.html import render_html
from understudy.reports.plots import natural_scale
from understudy.reports.report import make_report
from understudy.reports.verdicts import Verdict, verdicts_of
from understudy.reports.views import row_of, section_of
from understudy.reports.wording import amounts, words

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
    assert verdict.sentence == (
        "Not told apart (AUC 0.51). At n = 612 real and 600 synthetic conversations, an AUC of 0.57 would have been "
        "found four times in five. That does not show that they are alike."
    )
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
    others = [scored(spec(f"realism.m{i}", "?", "u"), 0.5, 0.1, 0.01, evidence={"permutations": 99}) for i in range(8)]
    capped = [msgspec.structs.replace(m, adjusted_p=0.09) for m in (clear, *others)]
    verdict = real(*capped)
    assert verdict.status == "unscored"
    assert "99 relabellings are too few for 9 tests" in verdict.sentence
    assert "--permutations 199 or more" in verdict.sentence
    assert "alike" not in said(verdict)


def test_too_few_relabellings_are_told_in_every_section_and_rows_stay_plain() -> None:
    weak = [
        msgspec.structs.replace(
            m,
            adjusted_p=None if m.p_value is None else 0.9,
            evidence={**m.evidence, "permutations": 19},
            parts=tuple(
                p if p.p_value is None else msgspec.structs.replace(p, p_value=0.05, adjusted_p=0.9) for p in m.parts
            ),
        )
        for m in all_measurements()
    ]
    text = render_html(make_report(weak))
    assert "19 relabellings are too few" in text
    assert text.count("Not tested: 19 relabellings") > 3
    assert "No difference detected" not in text
    assert "not detected" not in text
    assert "faint lines" not in text
    assert 'class="row rates quiet"' not in text
    assert "<code>--permutations 199</code>" in text
    enough = [msgspec.structs.replace(m, evidence={**m.evidence, "permutations": 999}) for m in weak]
    assert "Not tested" not in render_html(make_report(enough))


def test_what_is_asked_besides_takes_no_relabellings_from_the_headline() -> None:
    def tested(name: str, p: float) -> Measurement:
        return scored(spec(name, "?", "u", headline=True), 0.1, 0.2, p, evidence={"permutations": 199})

    heads = [tested(name, 0.6) for name in ("realism.discriminator", "realism.messiness", "separability.icc")]
    others = [tested(f"relational.m{i}", 0.5) for i in range(9)]
    text = render_html(make_report([*heads, *others]))
    assert "Not tested" not in text
    assert "3 for “Do they look real?”, 9 for relational" in text


def test_closer_than_other_real_users_is_said_and_no_effect_size() -> None:
    near = scored(JUDGE, 0.40, 0.05, 1.0, floor=Estimate(0.5), evidence={"detectable_auc": 0.57})
    says = "Closer to these real users than other real users are (AUC 0.40, 0.35 to 0.45; real against real 0.50)"
    assert says in real(near).sentence
    assert "were the users fitted to the same people?" in real(near).sentence
    assert "0.57" not in real(near).sentence
    assert says in finding(near, [])
    assert "Closer" not in real(msgspec.structs.replace(near, interval=(0.38, 0.51))).sentence


def test_the_parts_named_are_those_that_the_value_comes_from() -> None:
    declared = spec("realism.diversity", "?", "mean absolute log ratio", 0.0, None)
    ratio = spec("realism.diversity", "?", "log ratio", None, None)

    def piece(name: str, value: float, p: float, both: tuple[float, float]) -> Measurement:
        evidence = {"real": both[0], "synthetic": both[1]}
        return scored(ratio, value, 0.1, p, name=f"realism.diversity.{name}", evidence=evidence)

    parts = (
        piece("spread", 0.04, 0.001, (0.79, 0.82)),
        piece("first_turn", -1.6, 0.2, (0.9, 0.17)),
        piece("own_words", -0.3, 0.001, (0.83, 0.6)),
        piece("openings", -0.5, 0.001, (40.0, 24.0)),
    )
    told = finding(scored(declared, 1.2, 0.1, 0.001), parts)
    most = told.partition("Largest gaps: ")[2]
    assert most.startswith("Jaccard distance between first turns: 0.17 where people show 0.90 (not shown by itself); ")
    assert "effective number of openings: 24.0 where people show 40.0; words not taken" in most
    assert "conversations" not in most


@pytest.mark.parametrize(
    ("name", "both", "told"),
    [
        ("echo", (0.04, 0.03), "echo: 3 % of the partner's content words said back where people show 4 %"),
        ("front_loading", (0.5, 0.6), "front loading: 60 % of all the user's words in the first turn where people"),
        ("hedges", (0.5, 0.07), "hedges: 0.07 per 100 words where people show 0.50"),
        ("short", (0.15, 0.89), "short: 89 % of user turns where people show 15 %"),
    ],
)
def test_a_gap_says_what_it_is_counted_in(name: str, both: tuple[float, float], told: str) -> None:
    (behaviour,) = (b for b in (*BEHAVIOURS, *(b for b, _ in OVER_CONVERSATIONS)) if b.name == name)
    none, some = np.zeros(0, dtype=np.int64), np.zeros(0)
    column = Column(behaviour, (), none, some, some if behaviour.kind == "count" else None, True)
    assert Gap(words(name), column.unit, *both, 0.1).phrase().startswith(told)


def people(d_prime: float, p: float) -> list[Measurement]:
    """Raters' judgements."""
    told = scored(TOLD_SPEC, d_prime, 0.3, p, evidence={"detectable_d": 0.4})
    share = scored(PERCENT, 0.71, 0.09, None)
    return [told, share]


def test_what_people_tell_stands_in_the_answer_before_the_behaviours() -> None:
    said = real(discriminator(), messiness(), *people(0.8, 0.001)).sentence
    assert "times in 100; between" in said
    assert (
        "People found the real user in 71 % of pairs (62 % to 80 %; guessing is 50 %). They can tell: d′ 0.80" in said
    )
    assert said.index("They can tell") < said.index("Furthest from people:")
    assert render_html(make_report([discriminator(), messiness(), *people(0.8, 0.001)])).count("They can tell") > 1


def test_people_who_can_tell_answer_the_question_whatever_the_measures_found() -> None:
    quiet = scored(JUDGE, 0.52, 0.05, 0.9, floor=Estimate(0.5), evidence={"detectable_auc": 0.57})
    assert real(quiet).status == "not_told_apart"
    both = real(quiet, *people(0.8, 0.001))
    assert both.status == "told_apart"
    assert both.sentence.startswith("Told apart by people. People found")
    assert "By the measures: Not told apart" in both.sentence
    for d_prime, p in ((0.1, 0.6), (-0.8, 0.001)):  # not shown; taken for real
        verdict = real(quiet, *people(d_prime, p))
        assert verdict.status == "not_told_apart"
        assert "d′" in verdict.sentence
    assert real(*people(0.8, 0.001)).sentence.endswith("They can tell: d′ 0.80 (0.50 to 1.10).")


@pytest.mark.parametrize(("share", "first"), [(0.4, True), (0.02, False)])
def test_how_much_is_copied_is_said_in_the_answer(share: float, first: bool) -> None:
    copied = {"copies": {"synthetic": share, "real": 0.01}}
    findings = make_report([discriminator(), icc()], provenance=copied).verdicts["real"].findings
    said = [k for k, one in enumerate(findings) if "word for word" in one]
    assert said == ([0] if first else [len(findings) - 1])
    assert len(findings) > 1


def test_the_page_heads_each_family_of_tests() -> None:
    besides = scored(spec("separability.twins", "?", "share", -1.0, 1.0), 0.1, 0.05, 0.04)
    page = render_html(make_report([discriminator(), icc(), besides]))
    first, second = (
        '<p class="lede">Do they look real? (adjusted for 2 tests)',
        '<p class="lede">Asked besides: sep',
    )
    assert page.index(first) < page.index(second)
    assert first not in render_html(make_report([discriminator(), icc()]))


def test_shares_below_none_are_shares_too() -> None:
    assert amounts((-0.09, 0.69), "share of the variation") == ["−9 %", "69 %"]


@pytest.mark.parametrize(
    ("value", "reach", "shown"),
    [
        (1.0, (0.99, 1.0), ("1.00", "0.99 to 1.00")),
        (0.024, (0.008, 0.041), ("0.02", "0.01 to 0.04")),
        (0.013, (0.011, 0.015), ("0.013", "0.011 to 0.015")),
        (0.04, (-0.06, 0.15), ("0.04", "0.00 to 0.15")),
        (0.97, (0.9, 1.3), ("0.97", "0.90 to 1.00")),
    ],
)
def test_one_rule_for_numbers_in_table_and_sentence(
    value: float, reach: tuple[float, float], shown: tuple[str, str]
) -> None:
    m = msgspec.structs.replace(
        scored(spec("realism.x", "?", "share", 0.0, 1.0), value, 0.1, 0.9), interval=reach, floor=None
    )
    row = row_of(m, "x", None)
    assert (row.value, row.interval) == shown
    assert f"{shown[0]} ({shown[1]})" in finding(m, [])
    scale = natural_scale([m])
    assert scale.low >= 0
    assert scale.high <= 1
    assert all(0 <= float(t.label) <= 1 for t in scale.ticks)


def test_a_missing_interval_and_floor_say_why() -> None:
    bare = msgspec.structs.replace(
        scored(JUDGE, 0.6, 0.1, 0.2, evidence={"no_floor": "12 real units in equal samples"}), interval=None
    )
    assert section_of(bare, []).gaps == (
        "No interval was computed for this number.",
        "No floor of real against real: 12 real units in equal samples.",
    )


def test_unscored_is_told_with_its_reason() -> None:
    verdict = real(missing(JUDGE, "the real side has 3 unit(s); at least 10 are needed"))
    assert verdict.status == "unscored"
    assert "the real side has 3 unit(s)" in verdict.sentence
    partly = real(discriminator(), missing(spec("separability.icc", "?", "none"), "no user has two conversations"))
    assert any("no user has two conversations" in f for f in partly.findings)


def test_numbers_without_tests_are_reported_as_such() -> None:
    own = spec("ranking.other", "?", "tau", -1.0, 1.0, question="rank")
    tau = scored(own, 0.71, 0.1, None, floor=Estimate(0.9))
    verdict = verdicts_of([tau])["rank"]
    assert verdict.status == "measured"
    assert "0.71 (0.61 to 0.81), real against real 0.90" in verdict.sentence


def test_same_measurements_same_words() -> None:
    assert verdicts_of(flatten(all_measurements())) == verdicts_of(flatten(all_measurements()))
