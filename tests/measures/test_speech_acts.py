"""Whose labels count as what a turn does."""

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.speech_acts import user_acts


def side(intent: str | None) -> Corpus:
    turns = (Turn("user", "thank you so much", intent, ("inform",)),)
    return Corpus([Conversation(f"{k}", turns) for k in range(4)])


def test_labels_that_came_with_the_data_are_used() -> None:
    assert user_acts(side(None), side(None)).origin == "own labels"


def test_what_a_simulator_planned_is_not_what_its_words_do() -> None:
    acts = user_acts(side(None), side("inform"))
    assert acts.origin == "word lists"
    assert {acts.names[k] for k in acts.label} == {"thanks"}
