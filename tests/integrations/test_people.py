"""Simulated users in somebody else's loop: the words, the seeds, the ending."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integrations.talking import SEED, as_our_loop_has_it, partner_says, population
from tests.users.fitting_corpus import talks
from understudy.conversations import Corpus, Ending, Turn
from understudy.conversations.lineage import simulated
from understudy.integrations.openevals import openevals_user, openevals_user_async
from understudy.integrations.people import People, Person, people_of, turns_from
from understudy.rollouts.partners import function_partner
from understudy.rollouts.simulate import simulate
from understudy.users import Goal, Profile, UserTurn
from understudy.users.origins import contamination
from understudy.users.structured import StructuredPopulation


def held(person: Person, *, limit: int = 40) -> list[Turn]:
    """The conversation of `person` with the partner of the tests, until it leaves."""
    history: list[Turn] = []
    while len(history) < limit:
        said = person.now(person.answer, history)
        if said.text.strip():
            history.append(Turn("user", said.text))
        if said.ending is not None:
            return history
        history.append(Turn("assistant", partner_says(history)))
    raise AssertionError("the person never left")


@pytest.mark.parametrize("k", range(6))
def test_the_kth_person_is_the_kth_of_simulate(k: int) -> None:
    people = People(population(), seed=SEED)
    ours = simulate(population(), function_partner(partner_says), n=k + 1, seed=SEED).conversations[k]
    talk_of_person = People(population(), seed=SEED).person(k)
    turns = held(talk_of_person)
    assert [turn.text for turn in turns] == [turn.text for turn in ours.turns]
    assert talk_of_person.ending == ours.ending
    assert people.person(k).profile.user_id == ours.user_id


def test_the_record_is_what_simulate_writes() -> None:
    people = People(population(), seed=SEED)
    person = people.person(2)
    held(person)
    ours = simulate(population(), function_partner(partner_says), n=3, seed=SEED).conversations[2]
    (mine,) = people.conversations()
    assert mine.turns == ours.turns  # intents, states and labels among them
    assert (mine.user_id, mine.topic, mine.profile, mine.ending) == (
        ours.user_id, ours.topic, ours.profile, ours.ending,
    )  # fmt: skip


def test_a_name_is_a_person_whatever_came_before() -> None:
    one, other = People(population(), seed=SEED), People(population(), seed=SEED)
    other.person("somebody else")
    other.person(3)
    assert held(one.person("ticket 12")) == held(other.person("ticket 12"))
    names = {People(population(), seed=SEED).person(f"ticket {k}").profile.user_id for k in range(30)}
    assert len(names) > 8  # of twelve people
    assert People(population(), seed=5).person("ticket 12").seed != one.person("ticket 12").seed


def test_asking_twice_or_ahead_changes_nothing() -> None:
    plain = held(People(population(), seed=SEED).person(1))
    nosy = People(population(), seed=SEED).person(1)
    history: list[Turn] = []
    for turn in plain:
        if turn.role == "user":
            for _ in range(3):
                assert nosy.now(nosy.leaves_after, history) is False
                assert nosy.now(nosy.answer, history).text == turn.text
        history.append(turn)


class _Leaves:
    """A user simulator that says one thing and leaves: with last words or without any."""

    identity = "leaves"

    def __init__(self, last_words: str) -> None:
        self._last = last_words
        self.asked = 0
        self.closed = 0
        self.loops: list[asyncio.AbstractEventLoop] = []

    @property
    def goals(self) -> list[str]:
        return []

    def draw(self, k: int, *, seed: int) -> Profile:
        return StructuredPopulation([Goal("hotel", (("area", "north"),), "its own")]).draw(k, seed=seed)

    def simulator(self) -> _Leaves:
        return self

    def start(self, profile: Profile, *, seed: int) -> _Leaves:
        self.goal = profile.goal.text
        return self

    async def reply(self, history: tuple[Turn, ...]) -> UserTurn:
        self.asked += 1
        self.loops.append(asyncio.get_running_loop())
        if len(history) < 2:
            return UserTurn("hello")
        return UserTurn(self._last, ending=Ending("user", "gave_up"))

    async def aclose(self) -> None:
        self.closed += 1
        self.loops.append(asyncio.get_running_loop())


@pytest.mark.parametrize("last_words", ["never mind", ""])
def test_who_has_left_stays_away(last_words: str) -> None:
    users = _Leaves(last_words)
    people = People(users, seed=0)
    person = people.person(0)
    history = (Turn("user", "hello"), Turn("assistant", "no"))
    assert person.now(person.answer, history).text == last_words
    assert person.now(person.leaves_after, history) is (last_words == "")
    longer = (*history, Turn("user", last_words or "…"), Turn("assistant", "Wait!"))
    assert person.now(person.answer, longer) == UserTurn("", ending=Ending("user", "gave_up"))
    assert person.now(person.leaves_after, longer) is True
    assert person.ending == Ending("user", "gave_up")
    assert users.asked == 1  # it was not asked again
    people.close()
    assert users.closed == 1
    texts = ["hello", "no", *([last_words] if last_words else [])]
    assert [turn.text for turn in person.conversation().turns] == texts


def test_a_model_is_called_on_one_loop_whoever_asks() -> None:
    """Peers ask from threads of theirs, and with an event loop for each conversation."""
    users = _Leaves("")
    with People(users) as people, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda k: people.person(k).now(people.person(k).answer, ()), range(8)))
        for k in range(3):
            assert asyncio.run(people.person(k).answer(())).text == "hello"
    assert users.asked == 11
    assert len(set(map(id, users.loops))) == 1
    assert users.loops[0].is_closed()
    assert people.person(1).now(people.person(2).answer, ()).text == "hello"  # it starts again
    people.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "understudy-people"]


def test_a_cancelled_peer_cancels_the_call() -> None:
    class Slow(_Leaves):
        cancelled = False

        async def reply(self, history: tuple[Turn, ...]) -> UserTurn:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled = True
                raise
            raise AssertionError

    users = Slow("")

    async def impatient() -> None:
        async with asyncio.timeout(0.05):
            await people.person(0).answer(())

    with People(users) as people:
        with pytest.raises(TimeoutError):
            asyncio.run(impatient())
        people.person(0)._loop.submit(asyncio.sleep(0.01)).result()
    assert users.cancelled


def test_nothing_is_left_running() -> None:
    people = People(_Leaves(""))
    people.person(0).now(people.person(0).answer, ())
    del people
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "understudy-people"]


def test_a_goal_reaches_the_user() -> None:
    users = _Leaves("")
    People(users).person(0, goal="cancel order 7")
    assert users.goal == "cancel order 7"
    People(users).person(0)
    assert users.goal == "its own"


def test_people_keep_their_seed() -> None:
    people = People(population(), seed=9)
    assert people_of(people, 3) is people
    assert people_of(population(), 3).seed == 3


def test_inside_a_running_loop() -> None:
    """A notebook, or a synchronous peer called from an asynchronous test."""

    async def inside() -> list[Turn]:
        return held(People(population(), seed=SEED).person(1))

    assert asyncio.run(inside()) == held(People(population(), seed=SEED).person(1))


def test_turns_of_messages_that_are_none() -> None:
    odd = [{"role": "user"}, {"role": "user", "content": 3}, {"content": "x"}, {"role": "tool", "content": "y"}]
    assert turns_from([*odd, {"role": "user", "content": ["a", 1, {"type": "image"}]}]) == (Turn("user", "a"),)


def test_what_was_only_foreseen_is_not_in_the_record() -> None:
    """openevals looks ahead after each answer, and may then stop at its limit."""
    people = People(population(), seed=SEED)
    user = openevals_user(people, 3)
    trajectory = their_loop(user, limit=2)
    (talk,) = people.conversations()
    assert [turn.text for turn in talk.turns] == [message["content"] for message in trajectory]
    assert talk.ending is None
    said = user.user(trajectory)
    (talk,) = people.conversations()
    assert [turn.text for turn in talk.turns] == [*(message["content"] for message in trajectory), said["content"]]


def test_the_record_says_who_made_it() -> None:
    people = People(population(), seed=SEED)
    held(people.person(1))
    (talk,) = people.conversations()
    ours = simulate(population(), function_partner(partner_says), n=1, seed=SEED).conversations[0].provenance
    assert talk.provenance is not None
    assert ours is not None
    assert {key: talk.provenance[key] for key in ("generator", "users", "simulator", "seed")} == {
        key: ours[key] for key in ("generator", "users", "simulator", "seed")
    }
    assert simulated(talk)
    assert contamination(Corpus([talk]), [talks()])


def their_loop(user: openevals_user, limit: int) -> list[dict[str, str]]:  # type: ignore[valid-type]
    """The order of calls of `run_multiturn_simulation`, as its documentation describes it."""
    trajectory: list[dict[str, str]] = []
    for turn in range(limit):
        trajectory.append(user.user(trajectory, turn_counter=turn, thread_id="t"))  # type: ignore[attr-defined]
        trajectory.append({"role": "assistant", "content": partner_says(turns_from(trajectory))})
        if user.stopping_condition(trajectory, turn_counter=turn + 1):  # type: ignore[attr-defined]
            break
    return trajectory


@pytest.mark.parametrize("k", range(6))
def test_openevals_hears_what_our_own_loop_hears(k: int) -> None:
    people = People(population(), seed=SEED)
    user = openevals_user(people, k)
    trajectory = their_loop(user, limit=30)
    said = [message["content"] for message in trajectory if message["role"] == "user"]
    assert said == as_our_loop_has_it(user.person, people=people)
    assert all(text.strip() for text in said)
    assert user.person.ending is not None
    assert len(said) < 30


def test_openevals_async_says_the_same() -> None:
    now, later = openevals_user(population(), 1, seed=SEED), openevals_user_async(population(), 1, seed=SEED)
    trajectory = their_loop(now, limit=30)
    for at, message in enumerate(trajectory):
        if message["role"] == "user":
            assert asyncio.run(later.user(trajectory[:at])) == message
    assert asyncio.run(later.stopping_condition(trajectory)) is True


def test_the_tests_of_peers_are_offline(offline: list[str]) -> None:
    with socket.socket() as plain, pytest.raises(OSError, match="the test is offline"):
        plain.connect(("192.0.2.1", 9))
    with pytest.raises(socket.gaierror):
        socket.create_connection(("telemetry.example.com", 443), timeout=1)
    assert offline == ["192.0.2.1:9", "telemetry.example.com"]
    offline.clear()
