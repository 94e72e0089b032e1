"""Degradations: pure, paired with the untouched set, and each does what it says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.measures.test_diversity import chat
from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.text import tokens
from understudy.testing.degrade import DEGRADATIONS, other_users_replies, over_clean, shuffled_turns, truncated


def _users(corpus: Corpus) -> list[str]:
    return [t.text for c in corpus for t in c.turns if t.role == "user"]


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_pure_repeatable_and_paired(name: str) -> None:
    corpus = chat(np.random.default_rng(0), 12)
    before = corpus.digest
    spoil = DEGRADATIONS[name]
    once, again = (spoil(corpus, rng=np.random.default_rng(7)) for _ in range(2))
    assert once.digest == again.digest != before
    assert Corpus(corpus.conversations).digest == before
    assert [c.id for c in once] == [c.id for c in corpus]
    assert once.unit_ids.tolist() == corpus.unit_ids.tolist()
    assert all(any(t.role == "user" and t.text.strip() for t in c.turns) for c in once)


def test_empty_and_silent_conversations_survive() -> None:
    corpus = Corpus(
        [
            Conversation("a", ()),
            Conversation("b", (Turn("assistant", "hi"),)),
            Conversation("c", (Turn("user", "yo"),)),
        ]
    )
    for spoil in DEGRADATIONS.values():
        assert len(spoil(corpus, rng=np.random.default_rng(0))) == 3


def test_shuffled_and_swapped_keep_the_words_of_the_corpus() -> None:
    corpus = chat(np.random.default_rng(1), 20)
    for spoil in (shuffled_turns, other_users_replies):
        assert Counter(_users(spoil(corpus, rng=np.random.default_rng(0)))) == Counter(_users(corpus))
    marked = Corpus(
        [
            Conversation(f"{u}-{s}", (Turn("assistant", "?"), Turn("user", f"u{u}")), user_id=f"u{u}")
            for u in range(10)
            for s in range(3)
        ]
    )
    swapped = other_users_replies(marked, rng=np.random.default_rng(0))
    assert all(c.turns[1].text != c.user_id for c in swapped)


def test_truncated_keeps_about_half_and_at_least_one_user_turn() -> None:
    corpus = chat(np.random.default_rng(2), 60)
    cut = truncated(corpus, rng=np.random.default_rng(0))
    assert abs(len(_users(cut)) / len(_users(corpus)) - 0.5) < 0.03
    assert all(c.turns == full.turns[: len(c.turns)] for c, full in zip(cut, corpus, strict=True))


def test_over_clean_mends_and_drops() -> None:
    said = ["i liked the restaurant a lot"] * 20
    talk = Conversation("a", (Turn("user", "um, i guess the restaraunt was sooooo good!!"), Turn("user", "nah")))
    corpus = Corpus([*(Conversation(str(i), (Turn("user", text),)) for i, text in enumerate(said)), talk])
    clean = over_clean(corpus, rng=np.random.default_rng(0))
    assert [t.text for t in clean[20].turns] == ["The restaurant was soo good!"]
    assert min(len(tokens(text)) for text in _users(clean)) > 3
