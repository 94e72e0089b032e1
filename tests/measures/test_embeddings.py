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


def test_equal_sample_keeps_units_together_and_order() -> None:
    users = [f"u{i // 5}" for i in range(100)]
    big = _corpus([f"t {i}" for i in range(100)], users)
    first, second = equal_sample(big, _corpus(FILMS), most=40, rng=np.random.default_rng(0))
    assert len(first) == len(second) == len(FILMS)
    rows = [int(c.id) for c in first]
    assert rows == sorted(rows)
    assert len(set(first.unit_ids.tolist())) == 2
