"""Splits: every conversation once, nobody on two sides, near-copies together, the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conversations.making import talk
from understudy.conversations import Conversation, Corpus, check_no_leak, grouped_folds, split_corpus
from understudy.errors import CorpusError, UsageError

LONG = [" ".join(f"w{(7 * i + 13 * j) % 997}" for i in range(60)) for j in range(6)]
TALKS = st.lists(
    st.tuples(
        st.none() | st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", None]), st.sampled_from([*LONG, "hi"])
    ),
    min_size=2,
    max_size=40,
).map(lambda rows: [talk(f"c{i}", text, user=user, topic=topic) for i, (user, topic, text) in enumerate(rows)])


def units(talks: list[Conversation]) -> int:
    """How many groups share no user and no long text, by joining until nothing changes."""
    label = list(range(len(talks)))
    keys = [{c.user_id, c.turns[0].text if c.turns[0].text in LONG else None} - {None} for c in talks]
    for _ in talks:
        for a in range(len(talks)):
            for b in range(a):
                if keys[a] & keys[b]:
                    label[a] = label[b] = min(label[a], label[b])
    return len(set(label))


def fates(parts: tuple[Corpus, ...]) -> dict[str, int]:
    return {c.id: k for k, part in enumerate(parts) for c in part}


@settings(max_examples=150, deadline=None)
@given(
    talks=TALKS,
    seed=st.integers(0, 2**32),
    by_topic=st.booleans(),
    fractions=st.sampled_from([(0.5, 0.5), (0.7, 0.2, 0.1)]),
    shuffle=st.randoms(),
)
def test_split(talks: list[Conversation], seed: int, by_topic: bool, fractions: tuple[float, ...], shuffle) -> None:
    if units(talks) < len(fractions):
        with pytest.raises(CorpusError, match="cannot make"):
            split_corpus(Corpus(talks), fractions, seed=seed, by_topic=by_topic)
        return
    parts = split_corpus(Corpus(talks), fractions, seed=seed, by_topic=by_topic)
    assert all(len(part) > 0 for part in parts)
    assert Counter(c.id for part in parts for c in part) == Counter(c.id for c in talks)
    order = {c.id: i for i, c in enumerate(talks)}
    assert all([order[c.id] for c in part] == sorted(order[c.id] for c in part) for part in parts)
    check_no_leak(parts)
    shuffled = list(talks)
    shuffle.shuffle(shuffled)
    assert fates(split_corpus(Corpus(shuffled), fractions, seed=seed, by_topic=by_topic)) == fates(parts)


@settings(max_examples=50, deadline=None)
@given(talks=TALKS, seed=st.integers(0, 99))
def test_folds(talks: list[Conversation], seed: int) -> None:
    assume(units(talks) >= 3)
    fold = grouped_folds(Corpus(talks), 3, seed=seed)
    assert set(fold.tolist()) == {0, 1, 2}
    check_no_leak([Corpus([c for c, f in zip(talks, fold, strict=True) if f == k]) for k in range(3)])


def test_shares_and_topics_are_met() -> None:
    talks = [talk(f"c{i}", f"hi {i}", topic="rare" if i % 10 == 0 else "common") for i in range(500)]
    parts = split_corpus(Corpus(talks), (0.8, 0.1, 0.1), seed=0)
    assert [len(part) for part in parts] == [400, 50, 50]
    assert [sum(c.topic == "rare" for c in part) for part in parts] == [40, 5, 5]


def test_uneven_users_still_give_fair_shares() -> None:
    talks = [talk(f"c{u}-{i}", "hi", user=f"u{u}") for u in range(60) for i in range(1 + u % 12)]
    for seed in range(10):
        first, second = split_corpus(Corpus(talks), (0.5, 0.5), seed=seed)
        assert abs(len(first) - len(second)) <= 12


def test_seeds_differ_and_each_unit_meets_every_part() -> None:
    corpus = Corpus([talk(f"c{i}", f"hi {i}") for i in range(40)])
    counts = np.zeros(40)
    for seed in range(200):
        counts += grouped_folds(corpus, 2, seed=seed)
    # Binomial(200, 1/2): seven standard deviations.
    assert np.all(np.abs(counts - 100) < 50)
    assert counts.std() > 1


def test_the_largest_user_has_no_fixed_side() -> None:
    talks = [talk(f"c{i}", "hi", user="big" if i < 10 else f"u{i}") for i in range(40)]
    sides = {fates(split_corpus(Corpus(talks), (0.5, 0.5), seed=seed))["c0"] for seed in range(20)}
    assert sides == {0, 1}


def test_near_duplicates_pull_their_users_together_unless_told() -> None:
    talks = [talk("a", LONG[0], user="u1"), talk("b", LONG[0] + " bye", user="u2"), talk("c", LONG[1], user="u3")]
    for seed in range(10):
        assert len(set(map(fates(split_corpus(Corpus(talks), (0.5, 0.5), seed=seed)).get, "ab"))) == 1
    apart = [fates(split_corpus(Corpus(talks), (0.5, 0.5), seed=s, merge_near_duplicates=False)) for s in range(20)]
    assert any(fate["a"] != fate["b"] for fate in apart)


@pytest.mark.parametrize("fractions", [(1.0,), (0.5, 0.6), (1.5, -0.5), (0.0, 1.0), (float("nan"), 0.5)])
def test_fractions_that_are_none(fractions: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="add up to 1"):
        split_corpus(Corpus([talk("a", "hi"), talk("b", "ho")]), fractions, seed=0)


def test_too_few_units() -> None:
    talks = [talk(f"c{i}", "hi", user="ann") for i in range(9)]
    with pytest.raises(CorpusError, match="9 conversations by 1 user"):
        split_corpus(Corpus(talks), (0.5, 0.5), seed=0)
    with pytest.raises(UsageError, match="at least 2"):
        grouped_folds(Corpus(talks), 1, seed=0)


@pytest.mark.parametrize(("one", "two", "what"), [
    (talk("a", "hi", user="u"), talk("b", "ho", user="u"), "user 'u' stands in parts 1 and 2"),
    (talk("a", "hi"), talk("a", "ho"), "conversation 'a' stands in parts 1 and 2"),
    (talk("a", LONG[0]), talk("b", LONG[0] + " bye"), r"'a' and 'b' in parts 1 and 2 are near-duplicates"),
])  # fmt: skip
def test_leaks_are_errors(one: Conversation, two: Conversation, what: str) -> None:
    with pytest.raises(CorpusError, match=what):
        check_no_leak([Corpus([one]), Corpus([two])])
    check_no_leak([Corpus([one]), Corpus([talk("z", LONG[5], user="z")])])
