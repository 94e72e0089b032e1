"""Reading the setting off the text, confusion, calibration, guards and induced topics."""

from __future__ import annotations

import numpy as np
import pytest

from tests.scenarios.making import corpus, talk
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.scenarios.guards import twins
from understudy.scenarios.personality import big_five_scores, fitted
from understudy.scenarios.readings import UNREAD, choose_cuts, fit_contexts, read_conversations
from understudy.scenarios.realisation import confusion, recovered
from understudy.scenarios.topics import induce_topics

ENGLISH = "What is the film that I was looking for and where can I see it"


def said(*texts: str, id: str = "a") -> Conversation:
    return Conversation(id, tuple(Turn("user", text) for text in texts))


def test_planted_features_are_read() -> None:
    plain = said(ENGLISH, ENGLISH + " today", id="plain")
    hesitant = said("um, well, " + ENGLISH, "hmm maybe I think so", id="hesitant")
    casual = said("lol i dont know what the film was", "thx u too!!", id="casual")
    read = read_conversations([plain, hesitant, casual])
    cuts = choose_cuts(None, {})
    assert read.levels("fillers", cuts).tolist()[:2] == [0, 2]
    assert read.levels("hedges", cuts).tolist()[:2] == [0, 2]
    assert read.values["formality"][2] < read.values["formality"][0]
    assert read.levels("typos", cuts).tolist() == [0, 0, 2]


def test_without_a_word_list_nothing_is_read_as_none() -> None:
    read = read_conversations([said("Ich hätte gern den billigsten Film von heute Abend", "Nein danke schön")])
    assert np.isnan(read.values["fillers"]).all()
    assert read.levels("fillers", choose_cuts(None, {})).tolist() == [UNREAD]
    assert read.levels("duration", choose_cuts(None, {})).tolist() == [0]


def test_a_conversation_without_users_is_unread() -> None:
    read = read_conversations(
        [Conversation("a", (Turn("assistant", "Hello, what is it that you want?"),)), said(ENGLISH)]
    )
    assert np.isnan(read.values["short_turns"]).tolist() == [True, False]


def test_cuts_come_from_the_plan_then_the_reference_then_the_catalogue() -> None:
    reference = read_conversations([talk(k, turns=2 + k % 20) for k in range(60)])
    cuts = choose_cuts(reference, {"fillers": (0.0, 9.0)})
    assert cuts["fillers"] == (0.0, 9.0)
    assert 6 <= cuts["duration"][0] < cuts["duration"][1] <= 18
    assert choose_cuts(None, {})["duration"] == (6.0, 14.0)


def test_a_fitted_joint_has_the_references_dependence() -> None:
    talks = [said(*(["yes"] * 2 if k % 2 else [ENGLISH + f" {k}"] * 16), id=str(k)) for k in range(200)]
    read = read_conversations(talks)
    cuts = choose_cuts(None, {})
    fit = fit_contexts(read, ["duration", "short_turns"], cuts)
    assert fit is not None
    assert fit.cells[0, 2] == pytest.approx(0.5, abs=0.02)  # short and many short turns
    assert fit.cells[2, 0] == pytest.approx(0.5, abs=0.02)
    assert fit.cells.min() > 0
    german = read_conversations([said("Ich hätte gern den billigsten Film")])
    assert fit_contexts(german, ["fillers"], cuts) is None


def test_confusion_counts_and_information() -> None:
    asked = np.array([0, 1, 2] * 40)
    same = confusion("x", "a rule", ("a", "b", "c"), asked, asked, seed=0)
    assert (same.accuracy, same.unread) == (1.0, 0)
    assert same.bits == pytest.approx(np.log2(3), abs=0.05)
    assert same.p_value == pytest.approx(1 / 500)
    noise = confusion("x", "a rule", ("a", "b", "c"), asked, np.random.default_rng(0).permutation(asked), seed=0)
    assert noise.bits < 0.05
    assert noise.p_value > 0.01
    half = confusion("x", "a rule", ("a", "b", "c"), asked, np.where(asked == 2, UNREAD, asked), seed=0)
    assert (half.n, half.unread, half.table[2]) == (80, 40, (0, 0, 0))


def test_what_is_in_the_words_is_recovered_and_what_is_not_is_not() -> None:
    talks = [said(f"{'red green blue' if k % 2 else 'cat dog horse'} and item {k % 7}", id=str(k)) for k in range(120)]
    there = recovered("medium", ["sms" if k % 2 else "chat" for k in range(120)], talks, seed=0)
    absent = recovered("age", ["old" if k % 4 < 2 else "young" for k in range(120)], talks, seed=0)
    assert there.accuracy == 1.0
    assert there.p_value < 0.01
    assert absent.p_value > 0.01
    assert "at least 60" in recovered("age", ["old", "young"], talks[:2], seed=0).reason


def test_twins_follow_the_first() -> None:
    a, b = talk(1, turns=6), talk(2, turns=6)
    nearly = Conversation("n", (*a.turns, Turn("user", "bye")))
    assert twins([a, b, nearly, a], threshold=0.8) == {2: 0, 3: 0}
    assert twins([said("hi"), said("hi"), said("ho")], threshold=0.8) == {1: 0}


def test_topics_are_induced_under_readable_names() -> None:
    themes = {"harbour": "boat harbour sailor anchor", "kitchen": "oven kitchen recipe butter"}
    talks = [
        said(f"the {w} is near the {words.split()[k % 4]} {words.split()[(k + 1) % 4]}", id=f"{w}{k}")
        for w, words in themes.items()
        for k in range(24)
    ]
    found = induce_topics(Corpus(talks), most=2, subtopics=1, seed=0)
    assert len(found) == 2
    for topic in found:
        kinds = {talks[row].id[:6] for row in topic.rows}
        assert len(kinds) == 1
        [kind] = kinds
        own = next(words for name, words in themes.items() if name.startswith(kind))
        assert topic.name.split(", ")[0] in own.split()


def test_topics_without_spaces_are_named_by_more_than_a_character() -> None:
    talks = [said(f"我想{'学英语' if k % 2 else '去北京'}吧{chr(0x4E00 + k)}", id=str(k)) for k in range(40)]
    for topic in induce_topics(Corpus(talks), most=2, subtopics=1, seed=0):
        assert all(len(word) == 2 for word in topic.name.split(", "))


def test_labelled_topics_are_kept() -> None:
    talks = [Conversation(str(k), talk(k).turns, topic="films" if k % 3 else "trains") for k in range(60)]
    found = induce_topics(Corpus(talks), most=12, subtopics=3, seed=0)
    assert [topic.name for topic in found] == ["films", "trains"]
    assert all(1 <= len(topic.subtopics) <= 3 for topic in found)
    assert sum(len(topic.rows) for topic in found) == 60


def scored(count: int, seed: int = 0) -> Corpus:
    rng = np.random.default_rng(seed)
    talks = []
    for k in range(count):
        o = rng.normal()
        scores = {
            "open": 3 + o,
            "conscientious": 2.0,
            "extrovert": 3 + 0.9 * o,
            "agreeable": 4.0,
            "neurotic": rng.normal(),
        }
        talks.append(Conversation(str(k), talk(k).turns, meta={"who": {"big5": scores}}))
    return Corpus(talks)


def test_big_five_are_fitted_to_a_corpus() -> None:
    from understudy.scenarios.design import space_filling

    fit, z = fitted(scored(300), "meta.who.big5")
    assert z.shape == (300, 5)
    drawn = fit.at(space_filling(1024, [5], seed=0))
    assert np.corrcoef(drawn[:, 0], drawn[:, 2])[0, 1] > 0.9
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 4])[0, 1]) < 0.15
    assert drawn[:, 0].std() == pytest.approx(1.0, abs=0.05)
    assert drawn[:, 0].max() <= z[:, 0].max()  # nobody beyond the people seen
    assert drawn[:, 1].std() == 0  # a trait that does not vary there


def test_big_five_at_a_wrong_path_are_refused() -> None:
    with pytest.raises(UsageError, match="0 users"):
        fitted(corpus(40), "meta.big5")
    assert np.isnan(big_five_scores(corpus(2), "meta.big5")).all()
