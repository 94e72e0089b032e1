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
from understudy.users.partner_acts import ActReader
from understudy.users.partner_model import (
    NEUTRAL,
    PartnerState,
    View,
    fit_partner_model,
    prior,
    usual_model,
)  # fmt: skip
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
    """People whose words go with how able they take their partner to be."""
    model = usual_model("en")._replace(gains=(gain,) * 3)
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        turns: list[Turn] = [Turn("user", "where is the mill")]
        state = NEUTRAL
        for _ in range(8):
            told = "sorry, I cannot say" if rng.random() < 0.3 else "it is over there"
            state = model.updated(state, ActReader("en").read(told, [], None))
            words = max(1, round(float(np.exp(2.0 + 0.8 * state.competence + 0.1 * rng.normal()))))
            line = " ".join(("where is the mill that you have for me " * 9).split()[:words])
            turns += [Turn("assistant", told), Turn("user", line)]
        made.append(Conversation(f"{i}", tuple(turns)))
    return Corpus(made)


@pytest.mark.parametrize("gain", [0.1, 0.35, 0.75])
def test_gains_and_effects_of_people_are_found_again(gain: float) -> None:
    found = fit_partner_model(planted(gain, seed=1))
    assert found.gains[0] == gain
    assert found.effects[1][0] > 1.0
    assert found.rates[0] == pytest.approx(0.3, abs=0.03)


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
