"""Embeddings: shape, determinism, edge cases, nearness that means something."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MeasureError, MissingExtraError
from understudy.measures.embeddings import conversation_embeddings
from understudy.measures.sampling import equal_sample


def _corpus(texts: list[str], users: list[str] | None = None) -> Corpus:
    return Corpus(
        [
            Conversation(str(i), (Turn("assistant", "secret"), Turn("user", text)), user_id=users and users[i])
            for i, text in enumerate(texts)
        ]
    )


FILMS = [f"i like the {w} film about {v}" for w in ("old", "new", "sad") for v in ("love", "war", "dogs")]
HOTELS = [f"book a {w} hotel near {v} station" for w in ("cheap", "big", "quiet") for v in ("north", "south")]


def test_unit_rows_deterministic_and_nearest_is_of_the_same_kind() -> None:
    first = conversation_embeddings(_corpus(FILMS), _corpus(HOTELS), rng=np.random.default_rng(3))
    again = conversation_embeddings(_corpus(FILMS), _corpus(HOTELS), rng=np.random.default_rng(3))
    assert np.array_equal(first, again)
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    near = first @ first.T - 2 * np.eye(len(first))
    assert ((near.argmax(axis=1) < len(FILMS)) == (np.arange(len(first)) < len(FILMS))).all()


def test_partner_words_are_not_seen() -> None:
    silent = Corpus([Conversation("a", (Turn("assistant", "film"),)), Conversation("b", (Turn("user", "!?"),))])
    vectors = conversation_embeddings(_corpus(FILMS), silent, rng=np.random.default_rng(0))
    assert not vectors[-2:].any()


def test_no_words_at_all() -> None:
    vectors = conversation_embeddings(_corpus(["!"] * 3), _corpus(["?", ""]), rng=np.random.default_rng(0))
    assert vectors.shape == (5, 1)
    assert not vectors.any()


def test_unknown_method_says_what_to_do() -> None:
    with pytest.raises(MeasureError, match="nonsense"):
        conversation_embeddings(
            _corpus(FILMS),
            _corpus(HOTELS),
            rng=np.random.default_rng(0),
            method="nonsense",  # type: ignore[arg-type]
        )


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is not None, reason="extra hf is installed")
def test_sentence_method_names_its_extra() -> None:
    with pytest.raises(MissingExtraError, match="sentence_transformers"):
        conversation_embeddings(_corpus(FILMS), _corpus(HOTELS), rng=np.random.default_rng(0), method="sentence")


def test_equal_sample_keeps_order_and_takes_of_every_unit_in_turn() -> None:
    users = [f"u{i // 50}" for i in range(2000)]
    big = _corpus([f"t {i}" for i in range(2000)], users)
    small = _corpus([f"s {i}" for i in range(60)])
    first, second = equal_sample(big, small, most=400, rng=np.random.default_rng(0))
    assert len(first) == len(second) == 60
    rows = [int(c.id) for c in first]
    assert rows == sorted(rows)
    # All forty users, one or two conversations of each, and not one user's fifty.
    assert sorted(np.unique(first.unit_ids, return_counts=True)[1].tolist()) == [1] * 20 + [2] * 20


def test_equal_sample_takes_no_more_units_than_the_other_side_has() -> None:
    big = _corpus([f"t {i}" for i in range(400)], [f"u{i // 4}" for i in range(400)])
    small = _corpus([f"s {i}" for i in range(100)], [f"v{i // 4}" for i in range(100)])
    first, _ = equal_sample(big, small, most=400, rng=np.random.default_rng(0))
    assert np.unique(first.unit_ids, return_counts=True)[1].tolist() == [4] * 25
