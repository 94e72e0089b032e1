"""Style features: known values, any script, no user turn."""

from __future__ import annotations

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.style import STYLE_FEATURES, speaks, style_matrix


def _row(*texts: str) -> dict[str, float]:
    talk = Conversation("a", tuple(Turn("user", text) for text in texts))
    return dict(zip(STYLE_FEATURES, style_matrix(Corpus([talk]))[0].tolist(), strict=True))


def test_known_values() -> None:
    row = _row("one two three", 'Really? "Yes."', "wow! ok")
    assert np.isclose(row["words_per_turn"], np.log1p(7 / 3))
    assert np.isclose(row["user_turns"], np.log1p(3))
    assert np.isclose(row["opening_length"], np.log1p(3))
    assert np.isclose(row["length_variation"], np.std([3, 2, 2]) / (7 / 3))
    assert np.isclose(row["question_rate"], 1 / 3)
    assert np.isclose(row["exclamation_rate"], 1 / 3)
    assert np.isclose(row["final_punctuation_rate"], 1 / 3)


def test_scripts_without_spaces_and_full_width_marks() -> None:
    row = _row("我想学英语？", "太好了！")
    assert np.isclose(row["words_per_turn"], np.log1p(4))
    assert row["question_rate"] == row["exclamation_rate"] == 0.5
    assert row["final_punctuation_rate"] == 1.0


def test_conversation_without_user_turn_is_masked_not_nan() -> None:
    corpus = Corpus(
        [
            Conversation("a", (Turn("assistant", "Hello?"),)),
            Conversation("b", (Turn("user", ""),)),
            Conversation("c", (Turn("assistant", "Hi"), Turn("user", "yes"))),
            Conversation("d", ()),
        ]
    )
    matrix = style_matrix(corpus)
    assert np.isfinite(matrix).all()
    assert speaks(corpus).tolist() == [False, True, True, False]
    assert not matrix[0].any()
    assert matrix[1, 0] == 0.0


def test_computed_once_and_read_only() -> None:
    corpus = Corpus([Conversation("a", (Turn("user", "hi"),))])
    assert style_matrix(corpus) is style_matrix(corpus)
    assert not style_matrix(corpus).flags.writeable
