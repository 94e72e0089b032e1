"""Panels whose making is known give it back: d', intervals, gaps, agreement, questionnaire scores."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from understudy.measures.measurement import Measurement
from understudy.measures.raters.agreement import agreement, coefficients
from understudy.measures.raters.discrimination import detected, discrimination
from understudy.measures.raters.panel import panel_measurements
from understudy.measures.raters.partner import partner_models
from understudy.measures.raters.ratings import ratings
from understudy.measures.raters.records import Judgement, PanelRecord, Rater
from understudy.testing.raters import simulated_panel

# Krippendorff (2011): four observers, twelve units, five categories; alpha there .743 nominal, .815 ordinal.
PUBLISHED = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)


def trials(panel: PanelRecord) -> list[tuple[str, Judgement]]:
    return [(r.id, j) for r in panel.raters for j in r.judgements if not j.catch]


def flat(m: Measurement) -> dict[str, Measurement]:
    return {m.name: m, **{p.name: p for p in m.parts}}


@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_d_prime_is_recovered_and_covered(truth: float) -> None:
    found = [
        detected(trials(simulated_panel(12, seed=s, d_prime=truth, bias_sd=0.2, rated=0, questionnaires=False)))
        for s in range(60)
    ]
    assert np.mean([f.d_prime for f in found]) == pytest.approx(truth, abs=0.08)
    covered = np.mean([f.d_interval[0] <= truth <= f.d_interval[1] for f in found])
    assert covered >= 0.9
    rejected = np.mean([f.p_value <= 0.05 for f in found])
    assert rejected <= 0.1 if truth == 0 else rejected >= 0.95
    share = {0.0: 0.5, 1.0: 0.760}[truth]
    assert np.mean([f.correct for f in found]) == pytest.approx(share, abs=0.02)


def test_raters_and_pairs_that_differ_widen_the_interval() -> None:
    """With few pairs that differ much the binomial interval would be far too narrow."""
    narrow, wide = ([], [])
    for s in range(12):
        for into, sd in ((narrow, 0.0), (wide, 1.5)):
            low, high = detected(
                trials(simulated_panel(40, seed=s, d_prime=1.0, pool=12, pair_sd=sd, rated=0, questionnaires=False))
            ).d_interval
            into.append(high - low)
    assert np.mean(wide) > 1.5 * np.mean(narrow)


def test_a_preference_for_one_side_is_not_taken_for_knowing() -> None:
    always_left = [("1", Judgement(k, f"p{k}", False, "ab"[k % 2], "a")) for k in range(40)]
    found = detected([(str(r), j) for r in range(10) for _, j in always_left])
    assert found.d_prime == pytest.approx(0.0, abs=1e-9)
    assert found.bias < -2
    assert found.correct == 0.5


def test_raters_who_know_everything_have_a_finite_d_and_an_interval() -> None:
    perfect = [
        (str(r), Judgement(k, f"p{k}", False, "ab"[(k + r) % 2], "ab"[(k + r) % 2]))
        for r in range(10)
        for k in range(12)
    ]
    found = detected(perfect)
    assert 3 < found.d_prime < 5
    assert found.d_interval[0] < found.d_prime < found.d_interval[1]
    assert found.correct_interval[0] < 1.0


def test_inattentive_raters_are_left_out_and_counted() -> None:
    panel = simulated_panel(40, seed=3, d_prime=1.5, careless=0.4)
    whole = flat(discrimination(panel))
    head, everybody = whole["panel.discrimination"], whole["panel.discrimination.all_raters"]
    out = head.evidence["excluded_raters"]
    assert out == sum(not r.attentive for r in panel.raters) > 5
    assert head.n["raters"].users == 40 - out
    assert everybody.value < head.value
    assert head.evidence["catch_trials"] == 120


def test_one_in_five_catch_trials_may_be_missed() -> None:
    def rater(right: int, of: int) -> Rater:
        return Rater("1", True, tuple(Judgement(k, f"c{k}", True, "a", "a" if k < right else "b") for k in range(of)))

    assert [rater(right, of).attentive for right, of in ((3, 3), (2, 3), (4, 5), (3, 5), (0, 0))] == [
        True, False, True, False, True,
    ]  # fmt: skip


def test_pairs_of_one_user_count_as_one() -> None:
    panel = simulated_panel(12, seed=0)
    judged = [(r, msgspec.structs.replace(j, unit=f"u{int(j.pair[5:]) % 5}")) for r, j in trials(panel)]
    assert detected(judged).units == 5
    few = PanelRecord(
        raters=tuple(
            msgspec.structs.replace(r, judgements=tuple(msgspec.structs.replace(j, unit="one") for j in r.judgements))
            for r in panel.raters
        )
    )
    assert "of 1 real user(s)" in discrimination(few).reason


@pytest.mark.parametrize(("raters", "why"), [(0, "0 attentive"), (9, "9 attentive rater(s) judged pairs; at least 10")])
def test_too_few_raters_are_unscored_with_a_reason(raters: int, why: str) -> None:
    for m in panel_measurements(simulated_panel(raters, seed=0), rng=np.random.default_rng(0)):
        assert m.status == "unscored"
    assert discrimination(simulated_panel(raters, seed=0)).reason.startswith(why)


def test_ratings_give_back_the_gap() -> None:
    none = [m for s in range(8) for m in ratings(simulated_panel(15, seed=s, gap=0.0, questionnaires=False))]
    some = [m for s in range(8) for m in ratings(simulated_panel(15, seed=s, gap=-1.0, questionnaires=False))]
    assert abs(np.mean([m.value for m in none])) < 0.15
    assert np.mean([m.interval[0] <= 0 <= m.interval[1] for m in none]) >= 0.85
    assert np.mean([m.value for m in some]) == pytest.approx(-0.9, abs=0.2)
    assert np.mean([m.p_value <= 0.05 for m in some]) > 0.8
    assert some[0].evidence["synthetic"] < some[0].evidence["real"]


def test_agreement_agrees_with_the_published_example() -> None:
    rated = [(f"r{r}", f"i{i}", c - 1) for r, row in enumerate(PUBLISHED) for i, c in enumerate(row) if c is not None]
    counts = np.zeros((12, 5))
    for _, item, category in rated:
        counts[int(item[1:]), category] += 1
    nominal, ordinal = coefficients(counts), coefficients(counts, ordinal=True)
    assert nominal.alpha == pytest.approx(0.743, abs=5e-4)
    assert ordinal.alpha == pytest.approx(0.815, abs=5e-4)
    # Gwet's irrCAC package on the same table.
    assert nominal.gwet == pytest.approx(0.77544, abs=5e-5)
    assert nominal.kappa == pytest.approx(0.76117, abs=5e-5)
    m = agreement(rated, categories=5, ordinal=False, name="panel.x.agreement", asks="?")
    assert m.value == pytest.approx(0.743, abs=5e-4)
    assert m.interval[0] < 0.6 < m.value < m.interval[1]


def test_guessers_agree_by_chance_and_copies_fully() -> None:
    rng = np.random.default_rng(0)
    guesses = [(f"r{r}", f"i{i}", int(rng.integers(2))) for r in range(6) for i in range(40)]
    chance = agreement(guesses, categories=2, ordinal=False, name="x.agreement", asks="?")
    assert chance.interval[0] <= 0 <= chance.interval[1]
    same = [(f"r{r}", f"i{i}", i % 2) for r in range(6) for i in range(40)]
    assert agreement(same, categories=2, ordinal=False, name="x.agreement", asks="?").value == pytest.approx(1.0)
    flat_out = [(f"r{r}", f"i{i}", 0) for r in range(6) for i in range(40)]
    assert "one category" in agreement(flat_out, categories=2, ordinal=False, name="x.agreement", asks="?").reason
    assert "two ratings" in agreement(same[:40], categories=2, ordinal=False, name="x.agreement", asks="?").reason


def test_questionnaires_are_turned_back_and_careless_ones_counted() -> None:
    panel = simulated_panel(60, seed=1)
    found = partner_models(panel, rng=np.random.default_rng(0))
    assert [m.status for m in found] == ["scored"] * 3
    assert all(abs(m.value - 4) < 0.5 and m.interval[0] < m.value < m.interval[1] for m in found)
    # Half of the questionnaires are mirrored: read as printed, the items would not hang together.
    assert found[0].parts[0].value == pytest.approx(0.88, abs=0.06)
    failed = [
        msgspec.structs.replace(
            r,
            questionnaire=msgspec.structs.replace(
                r.questionnaire,
                lines=tuple(
                    msgspec.structs.replace(line, point=6) if line.key == "attention" else line
                    for line in r.questionnaire.lines
                ),
            ),
        )
        for r in panel.raters[:20]
    ]
    mixed = msgspec.structs.replace(panel, raters=(*failed, *panel.raters[20:]))
    again = partner_models(mixed, rng=np.random.default_rng(0))
    assert again[0].evidence["not_scored"] == {"attention check not passed": 20}
    assert again[0].n["raters"].users == 40
    small = partner_models(simulated_panel(15, seed=1), rng=np.random.default_rng(0))
    assert "needs 30" in small[0].parts[0].reason
