"""Separability: planted ICCs are recovered and covered, nulls are calibrated, variance collapse is seen."""

from __future__ import annotations

import numpy as np

from tests.measures.planted import corpus_of_users, two_sides
from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.resampling import observed_weights, two_sample
from understudy.measures.separability.dispersion import dispersion, dispersion_statistic
from understudy.measures.separability.icc import icc, icc_statistic
from understudy.measures.separability.identification import identification
from understudy.measures.separability.styles import styles_of
from understudy.measures.style import STYLE_FEATURES
from understudy.measures.variance_components import intraclass


def test_intraclass_is_the_anova_estimate() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 5)) + rng.normal(size=(20, 1))
    unit = np.repeat(np.arange(20), 5)
    styles = styles_of(values.reshape(-1, 1), unit, np.zeros(100, dtype=np.int64), np.arange(20) >= 10)
    real, synthetic = observed_weights(styles.units)
    row = icc_statistic(styles)(real, synthetic)[0]
    for side, rows in ((2, values[:10]), (3, values[10:])):
        between = 5 * rows.mean(axis=1).var(ddof=1)
        within = rows.var(axis=1, ddof=1).mean()
        assert np.isclose(row[side], (between - within) / (between + 4 * within))
    assert np.isclose(row[0], row[3] - row[2])


def test_nothing_varies_is_zero_not_nan() -> None:
    sums = np.array([[10.0], [30.0], [100.0], [0.0], [0.0]])
    assert intraclass(sums, np.zeros(1)).tolist() == [0.0]


def test_planted_icc_is_recovered_and_its_interval_covers() -> None:
    truth = np.array([-0.45, -0.45, 0.5, 0.05])
    covered, values = np.zeros(4), []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        styles = two_sides(rng, 60, 0.5, 0.05)
        result = two_sample(icc_statistic(styles), styles.units, rng=rng, permutations=1, floor_splits=0)
        assert result.interval is not None
        low, high = result.interval[:4].T
        covered += (low <= truth) & (truth <= high)
        values.append(result.value[:4])
    assert np.abs(np.mean(values, axis=0) - truth).max() < 0.02
    assert (np.abs(covered[:1] / 200 - 0.95) <= 0.02).all()
    assert (covered / 200 >= 0.91).all()


def test_null_is_calibrated_with_user_effects_even_when_means_differ() -> None:
    # 100 draws at 5 %: below 12 with probability .996.
    for shift in (0.0, 3.0):
        rejected = np.zeros(2)
        for seed in range(100):
            rng = np.random.default_rng(seed)
            styles = two_sides(rng, 30, 0.4, 0.4, features=2, shift=shift)
            run = {"rng": rng, "permutations": 99, "floor_splits": 0}
            a = two_sample(icc_statistic(styles), styles.units, two_sided=True, **run)
            b = two_sample(dispersion_statistic(styles), styles.units, **run)
            rejected += a.p_value[-1] <= 0.05, b.p_value[-1] <= 0.05
        assert (rejected < 12).all(), (shift, rejected)


def test_identical_average_users_are_caught_though_means_agree() -> None:
    rng = np.random.default_rng(1)
    real, collapsed = corpus_of_users(rng, 40, own=1.0), corpus_of_users(rng, 40, own=0.0)
    found = icc(real, collapsed, rng=rng, permutations=199)
    assert found.value is not None
    assert found.value < -0.2
    assert found.p_value == 1 / 200
    assert found.interval is not None
    assert found.interval[1] < 0
    assert found.evidence["features_at_least_half"] <= 2
    spread = dispersion(real, collapsed, rng=rng, permutations=199)
    assert spread.p_value is not None
    assert spread.p_value <= 0.01
    users = [p.value for p in spread.parts if ".users." in p.name]
    assert np.mean([v for v in users if v is not None]) < -0.2
    again = identification(real, collapsed, rng=rng, permutations=99)
    assert again.value is not None
    assert again.value < -0.05
    assert again.p_value == 0.01
    assert abs(again.evidence["synthetic_accuracy"] - again.evidence["chance"]) < 0.05


def test_same_making_is_silent() -> None:
    rng = np.random.default_rng(2)
    first, second = corpus_of_users(rng, 40), corpus_of_users(rng, 40, name="v")
    for measure in (icc, dispersion, identification):
        found = measure(first, second, rng=rng, permutations=99)
        assert found.p_value is not None
        assert found.p_value > 0.05, found.name
    found = icc(first, second, rng=rng, permutations=9)
    assert found.interval is not None
    assert found.interval[0] < 0 < found.interval[1]
    assert found.floor is not None
    assert [p.name for p in found.parts] == [f"separability.icc.{name}" for name in STYLE_FEATURES]


def test_caricatures_are_as_wrong_as_collapse() -> None:
    rng = np.random.default_rng(3)
    found = icc(corpus_of_users(rng, 40, own=0.3), corpus_of_users(rng, 40, own=1.15), rng=rng, permutations=99)
    assert found.value is not None
    assert found.value > 0.2
    assert found.p_value == 0.01


def test_no_repeats_is_unscored_with_the_reason() -> None:
    rng = np.random.default_rng(4)
    real = corpus_of_users(rng, 12)
    single = Corpus([Conversation(str(i), (Turn("user", "hi " * (i + 1)),)) for i in range(12)])
    found = icc(real, single, rng=rng)
    assert found.status == "unscored"
    assert found.reason == "no user with two or more conversations on the synthetic side"
    assert identification(real, single, rng=rng).status == "unscored"
    spread = dispersion(real, single, rng=rng, permutations=9)
    assert spread.status == "scored"
    assert all(".conversations." in p.name for p in spread.parts)


def test_constant_feature_is_unscored_or_zero() -> None:
    rng = np.random.default_rng(5)
    real = corpus_of_users(rng, 12)
    flat = Corpus(
        [
            Conversation(f"{u}-{s}", (Turn("user", "no " * (1 + (u + s) % 5)),), user_id=str(u))
            for u in range(12)
            for s in range(3)
        ]
    )
    by_name = {p.name.rsplit(".", 1)[1]: p for p in icc(real, flat, rng=rng, permutations=9).parts}
    assert by_name["question_rate"].evidence["synthetic"] == 0.0
    by_name = {p.name.rsplit(".", 1)[1]: p for p in icc(flat, flat, rng=rng, permutations=9).parts}
    assert by_name["question_rate"].status == "unscored"
    assert by_name["words_per_turn"].status == "scored"


def test_topic_effects_do_not_pass_for_users() -> None:
    # Each user keeps to one topic, and topics differ in length: without topics every user looks distinct.
    def side(rng: np.random.Generator, labelled: bool) -> Corpus:
        return Corpus(
            [
                Conversation(
                    f"{u}-{s}",
                    (Turn("user", "so " * int(rng.poisson(4 + 20 * (u % 2)))),),
                    user_id=str(u),
                    topic=f"t{u % 2}" if labelled else None,
                )
                for u in range(30)
                for s in range(4)
            ]
        )

    rng = np.random.default_rng(6)
    seen = [
        icc(side(rng, labelled), side(rng, labelled), rng=rng, permutations=9).parts[0].evidence["real"]
        for labelled in (True, False)
    ]
    assert abs(seen[0]) < 0.2
    assert seen[1] > 0.8
