"""Arms are comparable: one label space, balance and size; drawn by unit; nothing crosses from training to test."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transfer.toy import ToyTask, corpus
from understudy.errors import MeasureError, UsageError
from understudy.transfer.arms import estimate, prepare_arms, run_arms
from understudy.transfer.matching_arms import scaled
from understudy.transfer.scoring import BASELINE, IN_DOMAIN


def worlds(seed: int = 0, **synthetic):
    rng = np.random.default_rng(seed)
    return corpus(rng, name="t"), corpus(rng, name="h"), corpus(rng, name="s", **synthetic)


def counts(examples) -> dict[str, int]:
    labels = [own[0] for own in examples.labels]
    return {name: labels.count(name) for name in sorted(set(labels))}


def test_every_arm_gets_the_same_balance_and_size() -> None:
    train, test, other = worlds(share=0.8, users=60)
    arms = prepare_arms(ToyTask(), train, test, {"other": other}, seed=1)
    sets = {counts(arms.training_set(arm, r)).__str__() for arm in (IN_DOMAIN, "other") for r in range(5)}
    assert len(sets) == 1
    assert arms.matching.matched
    assert sum(arms.matching.balance.values()) == arms.matching.size
    assert "label space, class balance and size are the same" in arms.matching.notes[0]


def test_a_label_that_one_arm_lacks_is_asked_of_none() -> None:
    rng = np.random.default_rng(0)
    train, test = (corpus(rng, name=n, classes=("a", "b", "c"), share=0.4) for n in "th")
    other = corpus(rng, name="s", classes=("a", "b"))
    arms = prepare_arms(ToyTask(), train, test, {"other": other}, seed=1)
    assert arms.matching.labels == ("a", "b")
    assert set(arms.test.labels) == {("a",), ("b",)}
    assert 0.5 < arms.matching.test_kept < 0.9
    assert any("left out" in note for note in arms.matching.notes)


def test_a_poor_arm_does_not_bind_the_others() -> None:
    rng = np.random.default_rng(0)
    train, test, good = (corpus(rng, name=n, classes=("a", "b", "c"), share=0.4) for n in "thg")
    poor = corpus(rng, name="p", classes=("a", "z"))
    arms = prepare_arms(ToyTask(), train, test, {"good": good, "poor": poor}, seed=1)
    assert arms.matching.labels == ("a", "b", "c")
    assert set(arms.matching.apart) == {"poor"}
    assert not arms.matching.matched
    assert any("poor teaches 1 of 3 labels" in note for note in arms.matching.notes)


def test_whole_units_are_drawn_and_smaller_sets_are_part_of_larger() -> None:
    train, test, other = worlds()
    arms = prepare_arms(ToyTask(), train, test, {"other": other}, seed=1)
    large, small = arms.training_set(IN_DOMAIN, 0), arms.training_set(IN_DOMAIN, 0, 40)
    assert set(small.inputs) <= set(large.inputs)
    assert small.size == 40
    # Half the examples of 40 users with 6 each: whole users come to about half of them, single turns to nearly all.
    assert len(set(large.units)) <= 28
    assert set(arms.training_set(IN_DOMAIN, 1).inputs) != set(large.inputs)


def test_the_same_seed_gives_the_same_scores() -> None:
    train, test, other = worlds()
    one, same, another = (
        run_arms(ToyTask(), train, test, {"other": other}, seed=s, redraws=5).scores["other"] for s in (3, 3, 4)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, another)


def test_processes_change_no_number() -> None:
    train, test, other = worlds()
    one, two = (run_arms(ToyTask(), train, test, {"other": other}, seed=3, redraws=5, workers=w) for w in (1, 2))
    assert all(np.array_equal(one.scores[name], two.scores[name]) for name in one.scores)


def test_arms_score_what_they_should() -> None:
    train, test, turned = worlds(turn=np.pi)
    scores = run_arms(ToyTask(), train, test, {"turned": turned}, seed=0, redraws=5)
    means = {name: float(rows.mean()) for name, rows in scores.scores.items()}
    assert means[IN_DOMAIN] > 0.75 > 0.6 > means[BASELINE] > 0.4 > means["turned"]
    assert scores.scores[IN_DOMAIN].shape == (5, len(scores.units))
    gap = estimate(scores, lambda m: m[IN_DOMAIN] - m["turned"], rng=np.random.default_rng(0))
    assert 0 < gap.low < gap.value < gap.high


def test_nobody_is_on_both_sides() -> None:
    train, test, other = worlds()
    with pytest.raises(UsageError, match="40 user"):
        run_arms(ToyTask(), train, train, {"other": other}, seed=0)
    with pytest.raises(UsageError, match="in_domain"):
        run_arms(ToyTask(), train, test, {"in_domain": other}, seed=0)
    with pytest.raises(UsageError, match="redraws"):
        run_arms(ToyTask(), train, test, {"other": other}, seed=0, redraws=4)


def test_what_has_no_examples_says_what_it_needs() -> None:
    from understudy.conversations import Conversation, Corpus, Turn

    train, test, _ = worlds()
    bare = Corpus([Conversation("x", (Turn("user", "hi"),))])
    with pytest.raises(MeasureError, match="bare holds no example; the task needs user turns with acts"):
        run_arms(ToyTask(), train, test, {"bare": bare}, seed=0)
    with pytest.raises(MeasureError, match="real test"):
        run_arms(ToyTask(), train, bare, {"other": test}, seed=0)


@pytest.mark.parametrize("size", [1, 7, 20, 99, 100, 500])
def test_quotas_add_up(size: int) -> None:
    quotas = np.array([60, 30, 9, 1, 0])
    out = scaled(quotas, size)
    assert out.sum() == min(size, 100)
    assert (out <= quotas).all()


def _copied(source, times: int):
    from msgspec.structs import replace

    from understudy.conversations import Corpus

    return Corpus(
        [replace(talk, id=f"{talk.id}-{k}", user_id=f"{talk.user_id}-{k}") for k in range(times) for talk in source]
    )


def test_copies_do_not_make_a_pool_larger() -> None:
    rng = np.random.default_rng(2)
    train, test = (corpus(rng, 200, name=name) for name in "th")
    few = corpus(rng, 20, name="s")

    def width(times: int) -> float:
        copied = _copied(few, times)
        scores = run_arms(ToyTask(), train, test, {"other": copied}, seed=0, redraws=20, size=50)
        assert any("word for word" in note for note in scores.matching.notes) == (times > 1)
        found = estimate(scores, lambda m: m["other"], rng=np.random.default_rng(0))
        return found.high - found.low

    once = width(1)
    assert width(10) > 0.9 * once
    rows = prepare_arms(ToyTask(), train, test, {"other": _copied(few, 10)}, seed=0, size=50).matching
    alone = prepare_arms(ToyTask(), train, test, {"other": few}, seed=0, size=50).matching
    assert alone.share["other"] == pytest.approx(50 / 120, abs=0.05)
    assert 0.25 < rows.share["other"] < alone.share["other"]


def test_one_user_says_nothing_of_others() -> None:
    from msgspec.structs import replace

    from understudy.conversations import Corpus

    train, test, other = worlds()
    alone = Corpus([replace(talk, user_id="me") for talk in other])
    for synthetic, told in ((alone, True), (other, False)):
        notes = prepare_arms(ToyTask(), train, test, {"other": synthetic}, seed=0).matching.notes
        assert any("other is by 1 user(s)" in note for note in notes) == told


def test_labels_that_only_differ_in_spelling_are_named() -> None:
    from msgspec.structs import replace

    from understudy.conversations import Corpus

    rng = np.random.default_rng(0)
    classes = ("ask price", "inform", "bye")
    train, test, other = (corpus(rng, 60, name=name, classes=classes, share=0.4) for name in "ths")

    def spelt(change):
        return Corpus(
            [replace(c, turns=tuple(replace(t, acts=tuple(map(change, t.acts))) for t in c.turns)) for c in other]
        )

    with pytest.raises(
        MeasureError, match=r"3 label\(s\) of other only differ in spelling.*'ASK_PRICE' for 'ask price'"
    ):
        prepare_arms(ToyTask(), train, test, {"other": spelt(lambda x: x.upper().replace(" ", "_"))}, seed=0)
    some = prepare_arms(
        ToyTask(), train, test, {"other": spelt(lambda x: "Price-ask" if x == "ask price" else x)}, seed=0
    )
    assert some.matching.labels == ("bye", "inform")
    assert any("1 label(s) of other only differ" in note for note in some.matching.notes)
    same = prepare_arms(ToyTask(), train, test, {"other": other}, seed=0).matching.notes
    assert not any("spelling" in note for note in same)
