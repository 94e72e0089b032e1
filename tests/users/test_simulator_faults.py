import pytest

from understudy.conversations import Conversation, Ending, Turn
from understudy.users.simulator_faults import NAMES, fault_rates, flips_role, recital, simulator_faults

PROFILE = {
    "persona": {"id": "u", "facts": ["I collect old railway maps", "有三个孩子，住在海边的小城市里，每天早上去钓鱼"]},
    "goal": {"topic": "x", "entities": [["area", "north"], ["stars", "4"], ["price", "cheap"]]},
    "knowledge": ["the museum is closed on Mondays until the first week of April"],
}


def talk(*texts, ending=None, profile=None, meta=None):
    turns = []
    for k, text in enumerate(texts):
        turns += [Turn("user", text, meta=(meta or {}).get(k, {})), Turn("assistant", "I see.")]
    return Conversation("c", tuple(turns), ending=ending, profile=profile)


def names(conversation):
    return [(fault.name, fault.turn) for fault in simulator_faults(conversation)]


def test_an_ordinary_conversation_has_none():
    said = talk("Any maps of old railways?", "In the north, cheap if you can", "thanks, bye", profile=PROFILE,
                ending=Ending("user", "done"))  # fmt: skip
    assert names(said) == []


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["hello", "How may I assist you today?"], ("role_flip", 2)),
        (["Assistant: of course"], ("role_flip", 0)),
        (["A 4 star hotel in the north, cheap"], ("front_loading", 0)),
        (["hi", "well, I COLLECT old railway-maps"], ("persona_recital", 2)),
        (["他有三个孩子，住在海边的小城市里，每天早上去钓鱼。"], ("persona_recital", 0)),
        (["so: the museum is closed on Mondays until the first, they say"], ("persona_recital", 0)),
    ],
)
def test_each_fault_of_a_turn_is_seen(texts, expected):
    assert names(talk(*texts, profile=PROFILE)) == [expected]


def test_stopping_too_soon_and_never():
    state = {"state": {"planned": 4}}
    wish = {0: {**state, "asked_to_leave": True}, 1: state}
    assert names(talk("hi", "so", meta=wish, ending=Ending("user", "left"))) == [("premature_stop", 0)]
    assert names(talk("hi", meta={0: state}, ending=Ending("user", "left"))) == [("premature_stop", 0)]
    at_its_end = {1: {"state": {"planned": 2}, "asked_to_leave": True}}
    assert names(talk("hi", "bye", meta=at_its_end, ending=Ending("user", "done"))) == []
    late = {k: {"state": {"planned": 2}} for k in range(3)}
    assert names(talk("a", "b", "c", meta=late, ending=Ending("limit", "6 turns"))) == [("never_stopping", None)]
    loop = talk("ok thank you bye", "ok thank you, bye", "ok, thank you bye", ending=Ending("limit", "6 turns"))
    assert names(loop) == [("never_stopping", 4)]
    assert names(talk("one", "two", "three", ending=Ending("limit", "6 turns"))) == []


def test_words_of_a_user_are_no_flip():
    for text in (
        "Can you help me?",
        "how can I help my son with maths",
        "Is the assistant manager in?",
        "my AI: broken",
    ):
        assert not flips_role(text)


def test_a_recital_needs_more_than_chance():
    assert recital("I like maps", ["I like maps of old railways very much indeed"]) is None
    assert recital("", ["x"]) is None
    assert recital("yes", ["yes"]) is None


def test_rates_count_conversations():
    rates = fault_rates([talk("hi"), talk("How can I help you?", "How can I help you?")])
    assert rates == {"conversations": 2, **dict.fromkeys(NAMES, 0.0), "role_flip": 0.5}
    assert fault_rates([]) == {"conversations": 0}
