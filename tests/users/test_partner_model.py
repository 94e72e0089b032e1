"""A user's view of its partner: what moves it, what it moves, and that it leaves alone whoever has none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from tests.users.fitting_corpus import talks
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.users import UserTurn
from understudy.users.partner_acts import ActReader, said_of
from understudy.users.partner_learning import Decisions, effects_in, fit_partner_model
from understudy.users.partner_model import NEUTRAL, USUAL_RATES, PartnerState, View, prior, usual_model
from understudy.users.population import FittedPopulation, fit_population

MODEL = usual_model("en")
Says = Callable[[Sequence[Turn]], str]


def state_after(*said: str, belief: str = "new") -> PartnerState:
    turns = [Turn("assistant" if k % 2 else "user", text) for k, text in enumerate(said)]
    return View(belief).after(turns, MODEL)


def test_each_act_moves_its_factor() -> None:
    usual = state_after("book the mill", "the mill is booked")
    failed = state_after("book the mill", "sorry, I cannot book the mill")
    warm = state_after("book the mill", "the mill, a great choice, is booked")
    rote = state_after("book the mill", "the time is nine", "and the mill?", "the time is nine")
    assert failed.competence < usual.competence - 0.2
    assert warm.human_likeness > usual.human_likeness + 0.2
    assert rote.flexibility < usual.flexibility - 0.3
    ignored = state_after("no, you said the mill", "it is raining in town")
    assert ignored.competence < usual.competence - 0.2


@pytest.mark.parametrize(
    ("says", "fails"),
    [
        ("I am not sure about that.", 1.0),
        ("I can't help you with that.", 1.0),
        ("Could you say that again?", 1.0),
        ("That is not something I know.", 1.0),
        ("I’m afraid I didn’t quite catch that", 1.0),
        ("Sure, I know a place. Is it not too far?", 0.0),
        ("Follow the river. You get there by nine.", 0.0),
    ],
)
def test_what_counts_as_failing(says: str, fails: float) -> None:
    assert ActReader("en").read(says, [], None).failure == fails


def test_it_stays_in_range_and_usual_partners_leave_it() -> None:
    rng = np.random.default_rng(0)
    model = MODEL
    ends = []
    for _ in range(300):
        state = NEUTRAL
        for _ in range(6):
            acts = (rng.random(5) < np.array(model.rates)).astype(float)
            state = model.updated(state, type(ActReader("en").read("", [], None))(*acts))
            assert all(-1 <= x <= 1 for x in state)
        ends.append(state)
    assert np.abs(np.mean(ends, axis=0)).max() < 0.15


def test_priors_differ_by_label_and_experience() -> None:
    assert prior("usual") == (NEUTRAL, 1.0)
    assert prior("human")[0].human_likeness > prior("new")[0].human_likeness > prior("ai")[0].human_likeness
    seasoned, green = (state_after("book it", "sorry, I cannot", belief=b).competence for b in ("ai", "ai+new"))
    assert green < seasoned
    with pytest.raises(UsageError):
        prior("martian")


def test_the_whole_history_at_once_is_the_same_as_turn_by_turn() -> None:
    lines = ("hello", "sorry, I cannot", "no, you said so", "it rains", "ok", "it rains")
    turns = [Turn("assistant" if k % 2 else "user", text) for k, text in enumerate(lines)]
    slowly = View("ai")
    for k in range(len(turns) + 1):
        end = slowly.after(turns[:k], MODEL)
    assert end == View("ai").after(turns, MODEL)
    assert slowly.after(turns[:2], MODEL) == View("ai").after(turns[:2], MODEL)


def planted(gain: float, *, seed: int, n: int = 500) -> Corpus:
    """People whose words go with how able they take their partner to be, of which three in ten turns speak against."""
    model = msgspec.structs.replace(usual_model("en"), gains=(gain,) * 3, rates=(0.3, *USUAL_RATES[1:]))
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        turns: list[Turn] = [Turn("user", "where is the mill")]
        state = NEUTRAL
        for _ in range(8):
            told = "sorry, I cannot say" if rng.random() < 0.3 else "it is over there"
            state = model.updated(state, ActReader("en").read(told, [], None))
            words = max(1, round(float(np.exp(2.6 + 0.8 * state.competence + 0.1 * rng.normal()))) - 1)
            line = " ".join(("where is the mill that you have for me " * 20).split()[:words])
            turns += [Turn("assistant", told), Turn("user", line)]
        made.append(Conversation(f"{i}", tuple(turns)))
    return Corpus(made)


@pytest.mark.parametrize("gain", [0.1, 0.35, 0.75])
def test_gains_and_effects_of_people_are_found_again(gain: float) -> None:
    people = planted(gain, seed=1)
    found = fit_partner_model(people)
    assert found.gains[0] == gain
    assert found.rates[0] == pytest.approx(0.3, abs=0.03)
    told = 0.8 / found.units[0]  # of log(1 + words), in standard deviations a unit of the factor
    assert effects_in(people, found).value[1][0] == pytest.approx(told, rel=0.1)
    assert found.effects[1][0] == pytest.approx(told, rel=0.5)


def test_where_partners_are_always_as_usual_nothing_is_claimed() -> None:
    """Words that go with nothing: the effects stay near what was stated, and intervals of people's hold 0."""
    rng = np.random.default_rng(0)
    misses = 0
    for seed in range(20):
        talks = []
        for i in range(60):
            turns: list[Turn] = []
            for _ in range(5):
                told = "sorry, I cannot say" if rng.random() < 0.3 else "it is over there"
                line = " ".join(["where", "is", "the", "mill"] * 4)[: int(rng.integers(5, 60))]
                turns += [Turn("assistant", told), Turn("user", line)]
            talks.append(Conversation(f"{seed}-{i}", tuple(turns)))
        people = Corpus(talks)
        low, high = effects_in(people, fit_partner_model(people)).interval[1][0]
        misses += not low <= 0 <= high
    assert misses <= 4


def test_what_is_rare_after_what_is_rare_is_not_shown_too_often() -> None:
    """Requests in 2 % of turns, warmth too, and nothing between them; errors by unit alone find it in four of ten."""
    model = msgspec.structs.replace(MODEL, rates=(0.02, 0.02, 0.4, 0.02, 0.02))
    rng = np.random.default_rng(0)
    found = []
    for seed in range(30):
        talks = []
        for i in range(130):
            turns = [Turn("user", "where is the mill")]
            for _ in range(6):
                turns.append(Turn("assistant", "happy to help" if rng.random() < 0.02 else "it is over there"))
                turns.append(Turn("user", "can you book the mill" if rng.random() < 0.02 else "where is the mill"))
            talks.append(Conversation(f"{seed}-{i}", tuple(turns)))
        found.append(effects_in(Corpus(talks), model).p[3][1])
    assert np.sum(np.array(found) < 0.05) <= 3


def test_who_leaves_without_a_word_is_counted_as_leaving() -> None:
    """Half of the users go without a word after a failure, none otherwise."""
    rng = np.random.default_rng(1)
    talks = []
    for i in range(300):
        turns = [Turn("user", "where is the mill")]
        for _ in range(6):
            fails = rng.random() < 0.3
            turns.append(Turn("assistant", "sorry, I cannot say" if fails else "it is over there"))
            if fails and rng.random() < 0.5:
                break
            turns.append(Turn("user", "where is the mill then"))
        talks.append(Conversation(f"{i}", tuple(turns)))
    seen = Decisions.of([said_of(talk.turns) for talk in talks], "en")
    failed = seen.acts[:, 0] == 1.0
    assert seen.outcomes[failed & (seen.place < 6), 0].mean() > 0.4
    silent = np.isnan(seen.outcomes[:, 1])
    assert failed[silent].all()
    assert silent.sum() == sum(talk.turns[-1].role == "assistant" for talk in talks)


@pytest.fixture(scope="module")
def population() -> FittedPopulation:
    return fit_population(talks(80), seed=0)


def converse(
    population: FittedPopulation, k: int, says: Says, *, belief: str, view: PartnerState | None = None
) -> list[UserTurn]:
    async def talk() -> list[UserTurn]:
        profile = msgspec.structs.replace(population.draw(k, seed=5), partner_belief=belief)
        simulator = population.simulator() if view is None else population.simulator().with_view(view)
        user = simulator.start(profile, seed=k)
        history: list[Turn] = []
        replies: list[UserTurn] = []
        while len(history) < 16:
            replies.append(said := await user.reply(history))
            if said.text:
                history.append(Turn("user", said.text))
            if said.ending:
                break
            history.append(Turn("assistant", says(history)))
        return replies

    return asyncio.run(talk())


def test_without_a_belief_nothing_is_tracked_or_changed(population: FittedPopulation) -> None:
    replies = converse(population, 0, lambda h: "Which city would you like to go to?", belief="unknown")
    assert all("partner_model" not in reply.state for reply in replies)


def test_a_failure_at_one_turn_is_a_step_in_the_state(population: FittedPopulation) -> None:
    def says(at: int) -> Says:
        return lambda h: "sorry, I cannot do that" if len(h) == at else "Which city would you like to go to?"

    tracked = []
    for at in (3, -1):
        replies = converse(population, 1, says(at), belief="new", view=None)
        tracked.append([reply.state["partner_model"]["competence"] for reply in replies])
    assert tracked[0][:2] == tracked[1][:2]
    assert tracked[0][2] < tracked[1][2] - 0.2


def test_a_set_state_moves_leaving_as_the_effects_say(population: FittedPopulation) -> None:
    def turns(view: PartnerState) -> float:
        says: Says = lambda h: "Which city would you like to go to?"
        return float(np.mean([len(converse(population, k, says, belief="new", view=view)) for k in range(40)]))

    speaker = population.simulator().start(population.draw(0, seed=5), seed=0)._speaker
    sign = np.sign(speaker.partner_model.leaving(PartnerState(1.0, 0.0, 0.0)))
    gap = turns(PartnerState(-1.0, 0.0, 0.0)) - turns(PartnerState(1.0, 0.0, 0.0))
    assert gap * sign >= 0
