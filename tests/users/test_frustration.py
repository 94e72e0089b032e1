from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from tests.users.fitting_corpus import talks
from understudy.conversations import Conversation, Corpus, Turn
from understudy.users import UserTurn
from understudy.users.frustration import NOTHING, PRIOR_SLOPE, Events, Frustration
from understudy.users.population import FittedPopulation, fit_population

AGAIN = "Could you say that again?"
Says = Callable[[Sequence[Turn]], str]


def partner_has_the_last_word(corpus: Corpus) -> Corpus:
    return Corpus([msgspec.structs.replace(c, turns=c.turns[:-1]) for c in corpus])


@pytest.fixture(scope="module")
def population() -> FittedPopulation:
    return fit_population(partner_has_the_last_word(talks(80)), seed=0)


def converse(
    population: FittedPopulation, k: int, says: Says | None, *, patience: float = 1.0
) -> tuple[list[Turn], list[UserTurn]]:
    """One conversation, with the fitted partner where `says` is None."""

    async def talk() -> tuple[list[Turn], list[UserTurn]]:
        profile = msgspec.structs.replace(population.draw(k, seed=5), patience=patience)
        user = population.simulator().start(profile, seed=k)
        partner = population.partner().start(topic=profile.goal.topic, seed=k)
        history: list[Turn] = []
        replies: list[UserTurn] = []
        while len(history) < 40:
            replies.append(said := await user.reply(history))
            if said.text:
                history.append(Turn("user", said.text))
            if said.ending:
                break
            history.append(Turn("assistant", says(history) if says else (await partner.reply(history)).text))
        return history, replies

    return asyncio.run(talk())


def lengths(population: FittedPopulation, says: Says | None, *, n: int = 60, patience: float = 1.0) -> list[int]:
    return [sum(t.role == "user" for t in converse(population, k, says, patience=patience)[0]) for k in range(n)]


def constant(history: Sequence[Turn]) -> str:
    return AGAIN


def test_users_leave_a_partner_that_says_one_thing(population: FittedPopulation) -> None:
    usual, worse = np.array(lengths(population, None)), np.array(lengths(population, constant))
    assert 3.6 <= usual.mean() <= 4.2  # as in the corpus, where every user has four turns
    assert (worse < usual).mean() > 0.7
    assert 2 <= np.median(worse) <= 3


def test_the_patient_stay_longer(population: FittedPopulation) -> None:
    long = fit_population(partner_has_the_last_word(_joined(talks(80), 3)), seed=0)
    assert np.mean(lengths(long, constant, patience=4.0)) > 1.2 * np.mean(lengths(long, constant, patience=1.0))


def _joined(corpus: Corpus, times: int) -> Corpus:
    """Conversations several times as long, in which the partner asks the same things again, other things between."""
    return Corpus([msgspec.structs.replace(c, turns=c.turns * times) for c in corpus])


def test_frustration_is_told_and_grows(population: FittedPopulation) -> None:
    _, calm = converse(population, 0, None)
    assert [reply.state["frustration"] for reply in calm] == [0.0] * len(calm)
    levels = [r.state["frustration"] for k in range(20) for r in converse(population, k, constant, patience=50)[1][:4]]
    assert max(levels[0::4]) == 0.0
    assert min(levels[3::4]) > min(levels[2::4]) > 0.0


def test_a_let_down_user_does_not_go_on_with_its_plan(population: FittedPopulation) -> None:
    """Told the same again and again, it stays at what it said; answered, it goes through its session."""
    free = population.with_guard("free")
    answers = {"city": 0, "other": 0}
    for k in range(40):
        profile = msgspec.structs.replace(free.draw(k, seed=5), patience=50.0)
        session = free.simulator().start(profile, seed=k)
        history: list[Turn] = []
        for _ in range(4):
            reply = asyncio.run(session.reply(history))
            if reply.text:
                history += [Turn("user", reply.text), Turn("assistant", "Which city would you like to go to?")]
        last = [t.text.lower() for t in history if t.role == "user"][-1]
        answers["city" if "hotel" not in last and "may" not in last else "other"] += 1
    assert answers["city"] >= 32


def test_a_fresh_session_relives_its_frustration(population: FittedPopulation) -> None:
    for k in range(10):
        history, replies = converse(population, k, constant, patience=5.0)
        fresh = population.simulator().start(msgspec.structs.replace(population.draw(k, seed=5), patience=5.0), seed=k)
        upto = [n for n, turn in enumerate(history) if turn.role == "user"][-1]
        spoken = [reply for reply in replies if reply.text]
        assert asyncio.run(fresh.reply(history[:upto])) == spoken[-1]


def test_reasons_say_how_the_user_left(population: FittedPopulation) -> None:
    def reasons(says: Says | None, people: FittedPopulation) -> Counter[str]:
        return Counter(r[-1].ending.reason for k in range(40) if (r := converse(people, k, says)[1])[-1].ending)

    answered, let_down = reasons(None, population), reasons(constant, population)
    assert answered["gave_up"] <= 12  # sixty short talks make a partner that repeats itself now and then
    assert let_down["gave_up"] >= 25
    politely = fit_population(talks(60), seed=0)
    assert reasons(None, politely)["done"] >= 25


def fitted(population: FittedPopulation) -> Frustration:
    return population.speaker.frustration


def test_events_are_read_from_what_the_partner_did(population: FittedPopulation) -> None:
    learned, embed = fitted(population), population.speaker.vectors.embed

    def events(text: str, *before: str) -> Events:
        told = []
        for one in before:
            told.append(learned.events(one, embed(one), told, None)[1])
        return learned.events(text, embed(text), told, None)[0]

    assert events("Which city?") == NOTHING
    assert events("which CITY", "Which city?") == Events(1, 1, False, False)
    assert events("Which city?", "Which city?", "Sorry, I failed.") == Events(1, 0, False, False)
    assert events("Which city?", "Which city?", "Which city?") == Events(2, 2, False, False)
    assert events("Sorry, something went wrong.").fails


def test_fails_and_repeats_count_less_where_the_real_partner_does_so() -> None:
    once = fitted(fit_population(talks(60), seed=0))
    often = fitted(fit_population(_joined(talks(60), 2), seed=0))
    copy = Events(1, 0, False, False)
    assert often.level(0.0, copy) < 0.5 < once.level(0.0, copy)


def test_the_level_adds_up_and_fades(population: FittedPopulation) -> None:
    learned = fitted(population)
    one = learned.level(0.0, Events(1, 1, False, False))
    assert learned.level(one, Events(2, 2, False, False)) >= 2 * one > 0
    assert learned.level(one, NOTHING) == pytest.approx(one / 2)


def test_the_slope_is_the_priors_where_the_data_have_no_such_events(population: FittedPopulation) -> None:
    learned = fitted(population)
    assert learned.log_odds_ratio(0.0) == 0.0
    above = learned.log_odds_ratio(9.0) - learned.log_odds_ratio(8.0)
    assert above == pytest.approx(PRIOR_SLOPE)


@pytest.mark.parametrize("closes", [True, False])
def test_without_word_lists_an_intent_that_ends_sessions_closes(closes: bool) -> None:
    """Nonsense words: no list applies; the labelled intent `ende` stands at the end or anywhere."""
    rng = np.random.default_rng(0)
    words = [f"wq{chr(97 + k)}x" for k in range(12)]
    made = []
    for number in range(40):
        acts = ["frage", "wunsch", "ende"] if closes else list(rng.permutation(["frage", "wunsch", "ende"]))
        turns: list[Turn] = []
        for act in acts:
            turns.append(Turn("user", " ".join([act, *rng.choice(words, 3)]), acts=(str(act),)))
            turns.append(Turn("assistant", " ".join(rng.choice(words, 4))))
        made.append(Conversation(str(number), tuple(turns)))
    population = fit_population(Corpus(made), seed=0)
    learned, labels = fitted(population), population.material.user.labels
    assert learned.language == ""
    assert [learned.closes("wqax", k) for k in range(3)] == [closes and name == "ende" for name in labels]
