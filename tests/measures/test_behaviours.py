"""Behaviours are read as a person would read them, and are null where no list or script fits."""

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Ending, Turn
from understudy.measures.behaviours import (
    BEHAVIOURS,
    PARTNER_ACTS,
    conversation_behaviours,
    partner_turn_acts,
    user_turn_behaviours,
    writing,
)

# Enough plain English around a line that its language is known.
PADDING = "I would like to know what you have for the two of us and how much it is"


def read(*lines, padding=PADDING):
    """Behaviours of the given user turns, the last rows of a corpus."""
    talks = [Conversation("pad", (Turn("user", padding),))]
    talks += [Conversation(str(i), (Turn("user", line),)) for i, line in enumerate(lines)]
    return user_turn_behaviours(Corpus(talks)).tail(len(lines))


ENGLISH = [
    ("hedges", "maybe the red one I guess", 2),
    ("hedges", "What kind of food is it?", 0),
    ("hedges", "it was kind of slow", 1),
    ("hedges", "Around 5:30 would be fine.", 1),
    ("boosters", "It is really very good!", 2),
    ("fillers", "umm well lol", 3),
    ("fillers", "That works well.", 0),
    ("shorthand", "can u book it pls", True),
    ("shorthand", "Can you book it please?", False),
    ("contractions", "I 'm sure it does n't", True),
    ("thanks", "thx a lot", True),
    ("polite", "Could you send it?", True),
    ("apology", "Sorry about that", True),
    ("greeting", "Hello there, I need a room", True),
    ("greeting", "She said hello to me", False),
    ("closing", "No, that's all. Bye!", True),
    ("explicit_preference", "I really love horror films", True),
    ("indirect_preference", "something like Alien for my kids", True),
    ("self_correction", "Sorry, I meant Friday", True),
    ("self_correction", "I would like it on Friday.", False),
    ("rejection", "No, I don't want that", True),
    ("acknowledgement", "ok great, thanks!", True),
    ("acknowledgement", "ok book the hotel", False),
    ("no_preference", "I do n't care about the price range", True),
    ("no_preference", "It's up to you", True),
    ("assistant_voice", "How can I help you today?", True),
    ("assistant_voice", "Can you help me today?", False),
    ("fragment", "two nights, Friday", True),
    ("fragment", "I need two nights", False),
    ("unmarked_question", "what is the phone number", True),
    ("question", "cheap?", True),
    ("ellipsis", "hm...", True),
    ("repeated_characters", "sooooo good", True),
    ("emoji", "nice :)", True),
    ("emoji", "great 😀", True),
    ("emoji", "at 10:30 (a table for 8)", False),
    ("lower_case", "no capitals here", True),
    ("capital_start", "Yes", True),
    ("no_final_mark", "no mark here", True),
    ("no_final_mark", 'He said "no."', False),
    ("short", "the cheap one", True),
    ("several_sentences", "It is fine. Book it.", True),
    ("digits", "a table for 2", True),
    ("line_break", "one\ntwo", True),
]


@pytest.mark.parametrize(("name", "text", "expected"), ENGLISH, ids=lambda x: str(x)[:30])
def test_english_turns_are_read_as_a_person_would(name, text, expected):
    assert read(text)[name][0] == expected


CHINESE = [
    ("hedges", "可能要去北京", True),
    ("thanks", "谢谢你的建议", True),
    ("polite", "请推荐一家餐厅", True),
    ("acknowledgement", "好的，谢谢", True),
    ("rejection", "我不想去那里", True),
    ("rejection", "这个地方不错", False),
    ("unmarked_question", "有什么好吃的", True),
    ("question", "多少钱？", True),
    ("no_preference", "随便都可以", True),
    ("no_final_mark", "我想去北京。", False),
]


@pytest.mark.parametrize(("name", "text", "expected"), CHINESE, ids=lambda x: str(x)[:30])
def test_chinese_turns_are_read_with_chinese_lists(name, text, expected):
    value = read(text, padding="我想去北京旅游三天，请帮我安排一下行程")[name][0]
    assert bool(value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Ich hätte gern den billigsten Film für heute Abend, aber nicht zu lang",
        "Je voudrais le film le moins cher pour ce soir, s'il vous plaît",
        "Quiero la película más barata para esta noche, por favor",
        "Ik wil graag de goedkoopste film voor vanavond, is dat goed",
        "Я хочу самый дешёвый фильм на сегодня",
        "今夜一番安い映画を見たいです",
        "أريد أرخص فيلم لهذه الليلة",
    ],
)
def test_a_language_without_lists_gets_nulls_not_zeros(text):
    frame = user_turn_behaviours(Corpus([Conversation("a", (Turn("user", text),))]))
    for behaviour in BEHAVIOURS:
        missing = frame[behaviour.name].null_count() == 1
        if behaviour.scope == "list" and behaviour.name != "fragment":
            assert missing, behaviour.name
        elif behaviour.scope == "any":
            assert not missing, behaviour.name


def test_case_is_null_in_scripts_without_case():
    frame = read("好的", padding="我想去北京旅游三天")
    assert frame["lower_case"][0] is None
    assert frame["capital_start"][0] is None


def test_echo_and_ignored_questions_look_at_the_turn_before():
    lines = [
        ("assistant", "Do you like Italian food?"),
        ("user", "Tell me about the weather in London next week, that is what I want"),
        ("assistant", "Shall I book the Golden Curry restaurant?"),
        ("user", "please book the golden curry restaurant"),
        ("user", "and what about the trains?"),
    ]
    frame = user_turn_behaviours(Corpus([Conversation("a", tuple(Turn(*line) for line in lines))]))
    assert frame["ignores_question"].to_list() == [True, False, None]
    assert frame["echo"].to_list() == [0.0, 1.0, None]
    assert frame["borrowed"][1] > 0.7


def test_partner_acts():
    lines = [
        ("user", "I want to eat and to see the town"),
        ("assistant", "Hello and welcome."),
        ("user", "so?"),
        ("assistant", "Sorry, I could not find it. Another one?"),
        ("user", "yes"),
        ("assistant", "Which area?"),
        ("user", "north"),
        ("user", "or east"),
        ("assistant", "Have a nice day!"),
        ("user", "bye"),
        ("assistant", "The taxi is yellow."),
        ("user", "good"),
    ]
    acts = partner_turn_acts(Corpus([Conversation("a", tuple(Turn(*line) for line in lines))]))["act"]
    found = [PARTNER_ACTS[a] for a in acts]
    assert found == ["opening", "greeting", "trouble", "question", "own turn", "closing", "statement"]


def test_conversation_behaviours():
    first = Turn("user", "thai food in the north please", meta={"entities": [["food", "thai"], ["area", "north"]]})
    talk = Conversation("a", (first, Turn("user", "for the two of us")))
    cut = Conversation(
        "b", (Turn("user", "what is it"), Turn("user", "that you have")), ending=Ending("limit", "turns")
    )
    frame = conversation_behaviours(Corpus([talk, cut]))
    assert frame["front_loading"].round(3).to_list() == [0.545, 0.5]
    assert frame["reveal_area"].to_list() == [1.0, None]
    assert frame["leaves_unsaid"].to_list() == [True, None]


def test_a_turn_is_read_alone():
    """Nothing of a turn's value depends on the other conversations of the corpus."""
    lines = [text for _, text, _ in ENGLISH]
    together = read(*lines).drop("conversation", "position")
    apart = [read(line).drop("conversation", "position").row(0) for line in lines]
    assert together.rows() == apart


def test_empty_and_hostile_turns():
    frame = read("", "   ", "\u2028", "🙂" * 500, "a" * 5000, "?!?!", "\x00")
    assert frame.height == 7
    assert frame["n_words"].to_list()[:3] == [0, 0, 0]
    assert not np.isnan(frame["n_chars"].to_numpy().astype(float)).any()


def test_the_language_of_most_turns_decides():
    english, chinese = Turn("user", PADDING), Turn("user", "我想去北京旅游三天，请帮我安排一下行程")
    mixed = Corpus([Conversation(str(i), (english if i % 10 else chinese,)) for i in range(100)])
    assert writing(mixed).language == "en"
    assert writing(Corpus([Conversation("a", (chinese,))])) == ("zh", False, False)
