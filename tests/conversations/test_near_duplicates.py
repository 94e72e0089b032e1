"""MinHash finds what a comparison of all pairs finds, and cries wolf at nothing."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest

from tests.conversations.making import talk
from understudy.conversations import Conversation, Corpus, Turn, near_duplicates
from understudy.conversations.text import tokens

WIDTH = 4


def shingles(conversation: Conversation) -> set[tuple[str, ...]]:
    words = tokens("\n".join(turn.text for turn in conversation.turns))
    return set(zip(*(words[i:] for i in range(WIDTH)), strict=False))


def family(rng: np.random.Generator, count: int, copies: int) -> list[Conversation]:
    """Texts with copies that differ in ever more words."""
    talks = []
    for text in range(count):
        words = [f"w{k}" for k in rng.integers(0, 300, rng.integers(40, 120))]
        for copy in range(copies):
            changed = list(words)
            for _ in range(copy):
                changed[rng.integers(len(changed))] = f"new{rng.integers(1000)}"
            talks.append(talk(f"{text}-{copy}", *(" ".join(part) for part in np.array_split(changed, 4))))
    return talks


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.9])
def test_the_same_pairs_as_by_brute_force(threshold: float) -> None:
    talks = family(np.random.default_rng(0), 40, 5)
    sets = [shingles(c) for c in talks]
    exact = {(i, j): len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in combinations(range(len(talks)), 2)}
    wanted = {pair: value for pair, value in exact.items() if value >= threshold}
    found = {(pair.first, pair.second): pair.jaccard for pair in near_duplicates(Corpus(talks), threshold=threshold)}
    assert set(found) <= set(wanted)
    assert len(found) >= 0.97 * len(wanted) > 20
    assert all(found[pair] == pytest.approx(wanted[pair]) for pair in found)


def test_order_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    talks = [
        *family(rng, 20, 3),
        *(talk(f"same{i}", *["one two three four five six seven"] * 3) for i in range(30)),
    ]
    names = [{talks[p.first].id, talks[p.second].id} for p in near_duplicates(Corpus(talks))]
    order = rng.permutation(len(talks))
    turned = Corpus([talks[i] for i in order])
    again = [{turned[p.first].id, turned[p.second].id} for p in near_duplicates(turned)]
    different = lambda sets: {frozenset(s) for s in sets if not all(n.startswith("same") for n in s)}
    assert different(names) == different(again)
    assert near_duplicates(turned) is near_duplicates(turned)


def test_swapped_sides_and_case_do_not_hide_a_copy() -> None:
    text = " ".join(f"word{i}" for i in range(30))
    one = Conversation("a", (Turn("user", text), Turn("assistant", "and so on it goes")))
    two = Conversation("b", (Turn("assistant", text.upper()), Turn("user", "And so on, it goes!")))
    assert [pair.jaccard for pair in near_duplicates(Corpus([one, two]))] == [1.0]


def test_short_conversations_never_count() -> None:
    talks = [talk(str(i), "hi", "hello, how can I help you?", "bye", "goodbye") for i in range(50)]
    assert near_duplicates(Corpus([*talks, talk("empty"), talk("blank", "", "!")])) == ()


def test_scripts_without_spaces() -> None:
    text = "最近由于自身兴趣想要通过一年左右的时间来学习英语你之前在这方面没有基础是一个初学者"
    talks = [talk("a", text), talk("b", text + "吗"), talk("c", text[::-1])]
    assert [(pair.first, pair.second) for pair in near_duplicates(Corpus(talks))] == [(0, 1)]


def test_a_thousand_equal_texts_stay_one_group_at_linear_cost() -> None:
    text = " ".join(f"word{i}" for i in range(30))
    pairs = near_duplicates(Corpus([talk(str(i), text) for i in range(2_000)]))
    assert len(pairs) <= 2_000 * 8
    group = list(range(2_000))
    for pair in pairs:
        a, b = sorted((group[pair.first], group[pair.second]))
        if a != b:
            group = [a if g == b else g for g in group] if len(set(group)) > 1 else group
        if len(set(group)) == 1:
            break
    assert len(set(group)) == 1


def test_cost_is_linear() -> None:
    rng = np.random.default_rng(2)
    words = [f"w{i}" for i in range(3_000)]
    spent = []
    for count in (1_000, 4_000):
        talks = [talk(str(i), " ".join(words[k] for k in rng.integers(0, 3_000, 100))) for i in range(count)]
        started = time.process_time()
        near_duplicates(Corpus(talks))
        spent.append(time.process_time() - started)
    assert spent[1] < 10 * spent[0]
