"""Surface forms of two sources become one, and meaning stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.conversations import Conversation, Corpus, Turn, normalise_surface
from understudy.conversations.cleaning import normalised
from understudy.conversations.text import tokens


@pytest.mark.parametrize(("tokenised", "natural"), [
    ("That does n't matter as long as it has free wifi .", "That doesn't matter as long as it has free wifi."),
    ("i don ' t care , what 's there ?", "I don't care, what's there?"),
    ("really ? ( yes ! )", "Really? (yes!)"),
    ("i ' ve been  there\n", "I've been there"),
    ("学 习 。", "学 习 。"),
])  # fmt: skip
def test_both_forms_meet(tokenised: str, natural: str) -> None:
    assert normalise_surface(tokenised) == normalise_surface(natural)


@given(st.text())
def test_words_survive_and_twice_is_once(text: str) -> None:
    once = normalise_surface(text)
    assert normalise_surface(once) == once
    assert (
        "".join(tokens(once)).replace("’", "'") == "".join(tokens(text)).replace("’", "'") or "'" in text or "’" in text
    )


def test_a_corpus_keeps_all_but_the_surface() -> None:
    talk = Conversation("a", (Turn("user", "Hi , you", "greet", ("x",), {"k": 1}),), "u", "t", meta={"m": 2})
    (found,) = normalised(Corpus([talk]))
    assert found.turns[0] == Turn("user", "hi, you", "greet", ("x",), {"k": 1})
    assert (found.id, found.user_id, found.topic, found.meta) == ("a", "u", "t", {"m": 2})
