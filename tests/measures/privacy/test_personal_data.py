"""Recall on seeded sentences, precision on plain ones, and redaction that leaves the rest alone."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MissingExtraError
from understudy.measures.privacy.personal_data import personal_data, redact_corpus
from understudy.measures.privacy.pii import STRUCTURED, find_pii, presidio_finder, redact
from understudy.testing.personal_data import marked_sentences, recall


@pytest.mark.parametrize("seed", [0, 1])
def test_what_has_a_form_is_found_and_nine_names_and_addresses_in_ten(seed):
    sentences = marked_sentences(220, seed=seed)
    assert len(sentences) >= 2000
    counted = recall(find_pii, sentences)
    for kind, (found, planted) in counted.items():
        assert found / planted >= (0.99 if kind in STRUCTURED else 0.9), (kind, found, planted)


def test_a_finder_that_finds_nothing_has_no_recall():
    assert {found for found, _ in recall(lambda text: (), marked_sentences(5)).values()} == {0}


@pytest.mark.parametrize(
    "text",
    [
        "I would like a table for two at 19:30 on 2024-05-01",
        "the train leaves at 10:15 and costs 23.60 pounds",
        "Have you seen Star Wars or The Dark Knight?",
        "it was 1999 2000 or so, maybe 2001-2004",
        "a hotel in the north with 4 stars and free parking",
        "My card number is 4111 1111 1111 1112 I think".replace("4111 1111 1111 1112", "12"),
        "我想去北京看电影",
        "",
    ],
)
def test_plain_talk_is_left_alone(text):
    assert find_pii(text) == ()


@given(st.text())
def test_hits_lie_in_the_text_in_order_and_apart(text):
    hits = find_pii(text)
    ends = [0, *(place for hit in hits for place in (hit.start, hit.end)), len(text)]
    assert ends == sorted(ends)
    assert all(hit.start < hit.end for hit in hits)
    assert redact(text, ()) == text


def test_redaction_takes_the_hits_and_the_entities_and_leaves_the_rest():
    turns = (
        Turn("user", "I'm Laura, mail a@b.org", meta={"entities": [["name", "Laura"]], "stars": 3}),
        Turn("assistant", "Fine."),
    )
    clean, found = redact_corpus(Corpus([Conversation("c", turns, profile={"name": "Laura"})]))
    assert [turn.text for turn in clean[0].turns] == ["I'm [NAME], mail [EMAIL]", "Fine."]
    assert clean[0].turns[0].meta == {"stars": 3}
    assert clean[0].profile is None
    assert found == {"name": 1, "email": 1}


def test_data_of_train_users_alone_are_told_from_what_others_say_too():
    def side(name, *texts):
        return Corpus([Conversation(f"{name}{k}", (Turn("user", text),)) for k, text in enumerate(texts)])

    m = personal_data(
        side("t", "a@x.org and b@x.org"),
        side("s", "A@x.org", "b@x.org", "c@x.org", "nothing"),
        rng=np.random.default_rng(0),
        holdout=side("h", "b@x.org"),
    )
    kinds = m.evidence["kinds"]
    assert (m.value, kinds["distinct"], kinds["in_train"], kinds["in_train_alone"]) == (75.0, [3], [2], [1])


def test_presidio_is_asked_for_by_its_extra_and_its_kinds_become_ours(monkeypatch):
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(MissingExtraError, match="presidio"):
        presidio_finder()
    results = [
        SimpleNamespace(entity_type="PERSON", start=0, end=3, score=0.9),
        SimpleNamespace(entity_type="NRP", start=4, end=6, score=0.9),
        SimpleNamespace(entity_type="URL", start=1, end=3, score=0.9),
    ]
    engine = SimpleNamespace(analyze=lambda text, language: results)
    monkeypatch.setitem(sys.modules, "presidio_analyzer", SimpleNamespace(AnalyzerEngine=lambda: engine))
    assert [hit.kind for hit in presidio_finder()("Ann is here")] == ["name"]
