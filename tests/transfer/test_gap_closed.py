"""Gap closed: right on worlds with known truth, its interval covers, and what cannot be scored says why."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.transfer.known_gaps import World
from tests.transfer.toy import ToyTask, corpus
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MeasureError
from understudy.transfer.arms import ArmScores, estimate
from understudy.transfer.gap_closed import copies_of, gap_closed, gap_of, gaps_closed, ratio_interval
from understudy.transfer.matching_arms import Matching, match

MEANS = {"baseline": 0.4, "in_domain": 0.6, "s": 0.55}
MATCHED = Matching((), {}, 100, {}, {}, {}, {}, {}, 1.0, ("size is the same in all arms",))


def coverage(world: World, studies: int) -> tuple[float, float]:
    """Share of studies whose interval holds the truth: of gap closed (no bound holds it), and of S - I."""
    b, i, s = (world.means[name] for name in ("baseline", "in_domain", "s"))
    held = [0, 0]
    for number in range(studies):
        rng = np.random.default_rng((11, number))
        scores = world.draw(rng)._replace(matching=MATCHED)
        gap = gap_of(scores, "s", rng=rng)
        low, high = gap.interval or (-np.inf, np.inf)
        held[0] += low <= (s - b) / (i - b) <= high
        found = estimate(scores, lambda m: m["s"] - m["in_domain"], rng=rng, resamples=1999)
        held[1] += found.low <= s - i <= found.high
    return held[0] / studies, held[1] / studies


def test_the_interval_covers() -> None:
    # 250 studies: 95 % has a standard error of 1.4 points.
    for share in coverage(World(MEANS), 250):
        assert 0.91 <= share <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"units": 15},
        {"units": 300},
        {"pool": 0.05},
        {"pool": 0.05, "redraws": 8},
        {"pool": 0.0},
        {"drawn": 0.8, "pool": 0.03},
        {"drawn": 0.2, "pool": 0.03},
        {"unit": 0.3, "taste": 0.15},
        {"per_unit": 20.0},
        {"binary": False, "unit": 0.05},
        {"means": {"baseline": 0.4, "in_domain": 0.6, "s": 0.38}},
    ],
    ids=str,
)
def test_the_interval_covers_in_many_worlds(change: dict) -> None:
    gap, difference = coverage(World(**{"means": MEANS, **change}), 2000)
    assert 0.93 <= gap <= 0.975
    assert 0.93 <= difference <= 0.975


def test_redraws_that_differ_widen_the_interval() -> None:
    widths = []
    for pool in (0.0, 0.08):
        rng = np.random.default_rng(1)
        scores = World(MEANS, units=400, pool=pool)._replace(redraws=8).draw(rng)
        found = estimate(scores, lambda m: m["s"] - m["in_domain"], rng=rng)
        widths.append(found.high - found.low)
    assert widths[1] > 2 * widths[0]


def test_a_ratio_without_a_bound_has_no_interval() -> None:
    rng = np.random.default_rng(0)
    top = rng.normal(1, 0.1, 9999)
    assert ratio_interval(top, rng.normal(0.1, 0.1, 9999)) is None
    low, high = ratio_interval(top, rng.normal(2, 0.1, 9999))
    assert low == pytest.approx(0.39, abs=0.02)
    assert high == pytest.approx(0.62, abs=0.02)
    # With a few denominators below 0 it is still Fieller's set, and wider than the percentiles of the ratios.
    bottom = rng.normal(0.22, 0.1, 99999)
    wide = ratio_interval(rng.normal(0.2, 0.02, 99999), bottom)
    assert wide is not None
    assert wide[1] > 5


def arms(baseline: float, in_domain: float, s: float, n: int = 400, spread: bool = True) -> ArmScores:
    rng = np.random.default_rng(2)
    means = {"baseline": baseline, "in_domain": in_domain, "s": s}
    draw = (lambda m: rng.binomial(1, m, (5, n)) * 1.0) if spread else (lambda m: np.full((5, n), m))
    scores = {name: draw(mean) for name, mean in means.items()}
    return ArmScores("t", "accuracy", np.arange(n), scores, 100, dict.fromkeys(means, 0.5), MATCHED)


def test_flags_by_rule() -> None:
    rng = np.random.default_rng(0)
    inverted = gap_of(arms(0.7, 0.6, 0.65), "s", rng=rng)
    assert inverted.value is None
    assert inverted.reason.startswith("inverted: in-domain training")
    flat = gap_of(arms(0.5, 0.5, 0.5, spread=False), "s", rng=rng)
    assert "every test example scores the same" in flat.reason
    faint = gap_of(arms(0.5, 0.52, 0.51, n=60), "s", rng=rng)
    assert faint.value is None
    assert faint.reason.startswith(("uninformative", "inverted"))
    saturated = gap_of(arms(0.6, 0.995, 0.9), "s", rng=rng)
    assert saturated.value == pytest.approx(0.76, abs=0.05)
    assert any(flag.startswith("saturated") for flag in saturated.flags)
    plain = gap_of(arms(0.4, 0.8, 0.6), "s", rng=rng)
    assert not plain.flags
    assert plain.interval is not None
    assert plain.interval[0] < 0.5 < plain.interval[1]


def measured(**synthetic):
    rng = np.random.default_rng(5)
    train, test = corpus(rng, 80, name="t", noise=0.6), corpus(rng, 80, name="h", noise=0.6)
    return gap_closed(
        train, test, corpus(rng, 80, name="s", **{"noise": 0.6, **synthetic}), task=ToyTask(), seed=0, redraws=5
    )


def test_good_data_close_the_gap_and_turned_data_open_it() -> None:
    good, useless, harmful = measured(), measured(turn=np.pi / 2), measured(turn=np.pi)
    assert good.name == "transfer.gap_closed.toy"
    assert good.value == pytest.approx(1.0, abs=0.1)
    assert good.interval is not None
    assert good.interval[0] < 1 < good.interval[1]
    assert useless.value < 0.6
    assert harmful.value < -0.5
    assert set(good.evidence["arms"]["arm"]) == {"baseline", "in_domain", "synthetic"}
    assert good.evidence["s_over_i"] > 0.9 > good.evidence["b_over_i"]


def test_s_over_i_never_stands_alone() -> None:
    m = measured()
    assert ("s_over_i" in m.evidence) == ("b_over_i" in m.evidence)


def test_what_cannot_be_compared_is_unscored_with_its_reason() -> None:
    m = measured(classes=("x", "y"))
    assert m.status == "unscored"
    assert "label(s) are shared" in m.reason


def test_too_few_units_are_unscored_with_the_arms_in_evidence() -> None:
    rng = np.random.default_rng(5)
    train, test, other = (corpus(rng, users, name=name) for users, name in ((40, "t"), (6, "h"), (40, "s")))
    m = gap_closed(train, test, other, task=ToyTask(), seed=0, redraws=5)
    assert m.value is None
    assert "6 unit(s)" in m.reason
    assert "arms" in m.evidence


def test_several_corpora_in_one_comparison_and_a_poor_one_by_itself() -> None:
    rng = np.random.default_rng(5)
    three = ("a", "b", "c")
    train, test, good = (corpus(rng, 60, name=n, classes=three, share=0.4, noise=0.5) for n in "thg")
    poor = corpus(rng, 60, name="p", classes=("a", "b"), noise=0.5)
    bare = corpus(rng, 60, name="q", classes=("x", "y"))
    found = gaps_closed(train, test, {"good": good, "poor": poor, "bare": bare}, task=ToyTask(), seed=0, redraws=5)
    assert [m.name.rpartition(".")[2] for m in found] == ["good", "poor", "bare"]
    assert list(found[0].evidence["matching"]["labels"]) == ["a", "b", "c"]
    assert list(found[1].evidence["matching"]["labels"]) == ["a", "b"]
    assert any("left out" in flag for flag in found[1].evidence["flags"])
    assert found[2].value is None


def test_the_learning_curve_rises_and_ends_where_the_arms_stand() -> None:
    rng = np.random.default_rng(5)
    train, test, other = (corpus(rng, 80, name=n, noise=0.8) for n in "ths")
    m = gap_closed(train, test, other, task=ToyTask(), seed=0, redraws=5, curve=True)
    curve, scores = m.evidence["learning_curve"], m.evidence["arms"]["score"]
    assert curve["size"] == sorted(curve["size"])
    assert curve["size"][-1] == m.evidence["size"]
    assert curve["real"][-1] == pytest.approx(scores[1])
    assert curve["synthetic"][-1] == pytest.approx(scores[2])
    assert curve["baseline"] == pytest.approx(scores[0])
    for kind in ("real", "synthetic", "mixed"):
        assert all(
            a <= b <= c for a, b, c in zip(curve[f"{kind}_low"], curve[kind], curve[f"{kind}_high"], strict=True)
        )


def test_users_fitted_to_the_test_people_are_seen() -> None:
    words = np.array(
        [
            "a",
            "few",
            "words",
            "that",
            "people",
            "say",
            "when",
            "they",
            "talk",
            "about",
            "the",
            "weather",
            "and",
            "their",
            "dog",
            "in",
            "spring",
        ]
    )

    def talks(seed: int) -> Corpus:
        rng = np.random.default_rng(seed)
        said = [" ".join(rng.permutation(words)) for _ in range(9)]
        return Corpus([Conversation(f"{seed}-{k}", (Turn("user", text),)) for k, text in enumerate(said)])

    people, others = talks(1), talks(2)
    assert copies_of(people, others, people).startswith("100% of the long synthetic turns")
    assert copies_of(people, others, talks(3)) == ""
    assert copies_of(people, people, people) == ""


def test_users_fitted_to_the_people_who_test_are_flagged() -> None:
    rng = np.random.default_rng(4)
    train, test, made = (corpus(rng, 40, name=name) for name in "abc")
    whole = Corpus([*train, *test])

    def by(real: Corpus, role: str = "simulator") -> Corpus:
        origin = {"simulator": "other:1", "partner": "none", role: f"fitted:guarded:{real.digest[:12]}:0"}
        return Corpus([msgspec.structs.replace(talk, provenance=origin) for talk in made])

    def flags(synthetic: Corpus, **given: Corpus) -> list[str]:
        found = gap_closed(train, test, synthetic, task=ToyTask(), seed=0, redraws=5, **given)
        assert found.evidence["contaminated"] == any(
            flag.startswith("contaminated") for flag in found.evidence["flags"]
        )
        return [flag for flag in found.evidence["flags"] if flag.startswith("contaminated")]

    assert flags(by(train)) == []
    assert flags(by(train), whole=whole) == []
    assert len(flags(by(test))) == 1
    assert flags(by(whole)) == []  # nobody said what the parts were drawn from
    assert len(flags(by(whole), whole=whole)) == 1
    assert "the partner was fitted" in flags(by(test, "partner"))[0]


def test_six_words_on_end_give_away_users_fitted_to_some_of_the_people_who_test() -> None:
    rng = np.random.default_rng(8)
    words = [f"w{k}" for k in range(400)]

    def said(name: str, count: int = 60) -> Corpus:
        texts = [" ".join(rng.choice(words, 12)) for _ in range(count)]
        return Corpus([Conversation(f"{name}{k}", (Turn("user", text),)) for k, text in enumerate(texts)])

    def reworded(corpus: Corpus) -> Corpus:
        """Seven words of each turn, then others: no eight of it on end."""
        cut = [(*talk.turns[0].text.split()[:7], *rng.choice(words, 5)) for talk in corpus]
        return Corpus([Conversation(f"x{k}", (Turn("user", " ".join(one)),)) for k, one in enumerate(cut)])

    test, train, other = said("test"), said("train"), said("other")
    part = Corpus([*test][:30])
    assert copies_of(test, train, reworded(other)) == ""
    assert "repeat six words" in copies_of(test, train, reworded(Corpus([*part, *other])))
    assert copies_of(test, train, reworded(part)) == ""  # 30 long turns are too few to say


def test_what_fails_is_said_of_the_arm_at_fault_with_labels_of_each_side() -> None:
    rng = np.random.default_rng(6)
    train, test, good = (corpus(rng, 40, name=name) for name in "abc")
    strange = corpus(rng, 40, name="d", classes=("x", "z"))
    found = gaps_closed(train, test, {"good": good, "strange": strange}, task=ToyTask(), seed=0, redraws=5)
    assert found[0].status == "scored"
    assert "good" not in found[1].reason
    rare = Corpus([*strange][:1])
    found = gaps_closed(train, test, {"good": good, "rare": rare}, task=ToyTask(), seed=0, redraws=5)
    assert [m.status for m in found] == ["scored", "unscored"]
    (alone,) = gaps_closed(train, test, {"strange": strange}, task=ToyTask(), seed=0, redraws=5)
    assert alone.status == "unscored"
    examples = {"in_domain": ToyTask().examples(train), "strange": ToyTask().examples(strange)}
    with pytest.raises(MeasureError, match="in_domain has 'a', 'b'; strange has 'x', 'z'; the test has 'a', 'b'"):
        match(examples, ToyTask().examples(test), labelled=True)


def test_a_few_left_out_of_the_test_are_a_note_and_many_a_flag() -> None:
    rng = np.random.default_rng(7)
    train, test, good = (corpus(rng, 60, name=name) for name in "abc")

    def found(share: float):
        other = corpus(rng, int(60 * share), name="o", classes=("x", "z"))
        (m,) = gaps_closed(train, Corpus([*test, *other]), {"good": good}, task=ToyTask(), seed=0, redraws=5)
        return m.evidence["flags"], m.evidence["notes"]

    flags, notes = found(0.1)
    assert flags == []
    assert notes == ["9% of the test examples have no label that the arms share and are left out"]
    flags, notes = found(0.4)
    assert flags == ["29% of the test examples have no label that the arms share and are left out"]
    assert notes == []
