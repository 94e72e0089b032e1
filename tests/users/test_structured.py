import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.conversations import Conversation, Corpus, Ending, Turn
from understudy.errors import CorpusError, UsageError
from understudy.rollouts.loop import roll_out
from understudy.rollouts.partners import function_partner
from understudy.testing.checks import failures
from understudy.testing.simulators import check_population, check_user_simulator
from understudy.users import Goal
from understudy.users.opening import SimulatedUsers, open_users
from understudy.users.structured import GOODBYE, GoalOf, StructuredPopulation, StructuredSimulator, goals_of

HOTEL = Goal("hotel", (("area", "north"), ("stars", "4"), ("area", "north")), "a hotel")


def spoken(goal, partner=lambda history: "Why do you ask?"):
    profile = StructuredPopulation([goal]).draw(0, seed=0)
    done = asyncio.run(roll_out(StructuredSimulator(), profile, function_partner(partner), seed=0))
    assert done.fault is None
    return [turn.text for turn in done.conversation.turns if turn.role == "user"], done.conversation


def talk(id, *texts, entities=(), **more):
    turns = [Turn("user", text, meta={"entities": list(entities)} if entities else {}) for text in texts]
    return Conversation(id, tuple(turns), **more)


def test_it_says_its_goal_plainly_then_thanks_and_leaves():
    said, record = spoken(HOTEL)
    assert said == ["area: north", "stars: 4", GOODBYE]
    assert record.ending == Ending("user", "goal said")
    assert [turn.intent for turn in record.turns if turn.role == "user"] == ["inform", "inform", "thank"]


def test_it_never_reacts_to_its_partner():
    answers = ["What?", "###STOP###", "Go away.", "hotels are full, goodbye"]
    assert len({tuple(spoken(HOTEL, lambda history, a=a: a)[0]) for a in answers}) == 1


def test_without_entities_it_says_its_text_or_its_topic():
    assert spoken(Goal("hotel", text="two  rooms\nplease"))[0] == ["goal: two rooms please", GOODBYE]
    assert spoken(Goal("hotel"))[0] == ["topic: hotel", GOODBYE]
    assert spoken(Goal())[0] == ["topic: help", GOODBYE]


def test_goals_of_a_corpus_are_the_entities_of_the_user():
    turns = (
        Turn("assistant", "Hi", meta={"entities": [["movie", "Suggested"]]}),
        Turn("user", "I like X", meta={"entities": [["movie", " The  X "], ["movie", "The X"], ["", "horror"]]}),
        Turn("user", "hm", meta={"entities": [["broken"], "no", [1, 2], ["a", "  "]]}),
    )
    goal = goals_of(Corpus([Conversation("c", turns, topic="films")]))[0]
    assert goal.goal == Goal("films", (("movie", "The X"), ("item", "horror")))
    assert not goal.opens


def test_without_entities_the_salient_words_of_the_user_stand_in():
    filler = [talk(f"f{i}", "i would like some help please") for i in range(8)]
    corpus = Corpus([talk("a", "i would like a violin", "the violin please"), *filler])
    assert ("keyword", "violin") in goals_of(corpus)[0].goal.entities
    assert ("keyword", "like") not in goals_of(corpus)[0].goal.entities


def test_scripts_without_spaces_give_pairs_of_characters():
    corpus = Corpus([talk("a", "我想学英语"), talk("b", "我想去北京"), talk("c", "我想看电影")])
    assert ("keyword", "英语") in goals_of(corpus)[0].goal.entities


def test_users_keep_their_sessions_and_lose_their_names():
    corpus = Corpus([talk(f"c{i}", f"word{i}", user_id=f"secret-{i % 2}") for i in range(4)])
    assert [goal.user for goal in goals_of(corpus)] == [0, 1, 0, 1]
    drawn = {StructuredPopulation.from_corpus(corpus).draw(k, seed=0).user_id for k in range(40)}
    assert drawn == {"structured-user-00000", "structured-user-00001"}


def test_conversations_without_a_word_of_the_user_give_no_goal():
    silent = Conversation("s", (Turn("assistant", "hello?"), Turn("user", "  ")))
    assert len(goals_of(Corpus([silent, talk("a", "hi there")]))) == 1
    with pytest.raises(UsageError, match="no goals"):
        StructuredPopulation.from_corpus(Corpus([silent]))


def test_it_keeps_the_contracts():
    people = StructuredPopulation([HOTEL, GoalOf(Goal("taxi"), 7, opens=False)])
    assert isinstance(people, SimulatedUsers)
    assert failures(check_population(people)) == {}
    for k in range(4):
        assert failures(check_user_simulator(people.simulator(), people.draw(k, seed=1))) == {}
    assert {people.draw(k, seed=1).opens for k in range(20)} == {True, False}


def test_the_identity_names_the_goals():
    same = StructuredPopulation([HOTEL]).identity == StructuredPopulation([HOTEL]).identity
    assert same
    assert StructuredPopulation([HOTEL]).identity != StructuredPopulation([Goal("taxi")]).identity


CLEAN = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ENTITIES = st.lists(st.tuples(CLEAN, CLEAN), max_size=5).map(tuple)


@given(st.builds(Goal, topic=st.none() | CLEAN, text=CLEAN, entities=ENTITIES))
def test_every_goal_is_said_whole_and_once(goal):
    said, record = spoken(goal)
    values = {value.strip() for _, value in goal.entities if value.strip()}
    assert said[-1] == GOODBYE
    assert all(any(value in line for line in said) for value in values)
    assert len(said) == len(set(said))
    assert record.ending.by == "user"


class TestOpening:
    def test_goal_files(self, tmp_path):
        rows = [{"topic": "hotel", "entities": [["area", "north"]]}, {"topic": "taxi"}]
        (tmp_path / "goals.json").write_bytes(msgspec.json.encode(rows))
        (tmp_path / "goals.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
        one, two = (open_users(f"structured:{tmp_path / name}") for name in ("goals.json", "goals.jsonl"))
        assert one.identity == two.identity
        assert [goal.goal for goal in one.goals] == [Goal("hotel", (("area", "north"),)), Goal("taxi")]

    @pytest.mark.parametrize("name", ["real.jsonl", "real.json"])
    def test_corpus_files(self, tmp_path, name):
        rows = [{"id": f"c{i}", "topic": "x", "turns": [{"role": "user", "text": f"word{i} word"}]} for i in range(3)]
        data = b"\n".join(map(msgspec.json.encode, rows)) if name.endswith("l") else msgspec.json.encode(rows)
        (tmp_path / name).write_bytes(data)
        assert len(open_users(f"structured:{tmp_path / name}").goals) == 3

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ('[{"topic": "a"}, {"topic": 5}]', "goal 2 cannot be read"),
            ('[{"topic": "a", "entitys": []}]', "goal 1 cannot be read: its keys"),
            ('[{"entities": [["a"]]}]', "goal 1 cannot be read"),
        ],
    )
    def test_broken_goals_are_told_by_number(self, tmp_path, text, what):
        (tmp_path / "goals.json").write_text(text)
        with pytest.raises(UsageError, match=what):
            open_users(f"structured:{tmp_path / 'goals.json'}")

    @pytest.mark.parametrize("text", ["", "{", "[]", '"goals"'])
    def test_files_that_hold_nothing_are_told_by_the_reader(self, tmp_path, text):
        (tmp_path / "goals.json").write_text(text)
        with pytest.raises(CorpusError):
            open_users(f"structured:{tmp_path / 'goals.json'}")

    def test_what_is_no_users(self, tmp_path):
        (tmp_path / "users").mkdir()
        (tmp_path / "real.jsonl").write_text("{}")
        for uri, why, fix in (
            (str(tmp_path / "user"), "did you mean", "understudy fit"),
            (str(tmp_path / "real.jsonl"), "is a file", "understudy fit"),
            ("prompted:plan.toml", "speaks for them", "--model"),
            ("structured:", "nothing but its goal", "GOALS"),
        ):
            with pytest.raises(UsageError) as told:
                open_users(uri)
            assert why in told.value.why
            assert fix in told.value.fix
