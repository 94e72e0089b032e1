"""What the tests of adapters share: a small fitted population, a partner that does the same everywhere, and the
transcript that our own loop makes of the two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache

import msgspec

from tests.users.fitting_corpus import ASKED, talks
from understudy.conversations import Turn
from understudy.integrations.people import People, Person
from understudy.rollouts.loop import roll_out
from understudy.rollouts.partners import function_partner
from understudy.users.population import FittedPopulation, fit_population

QUESTIONS = tuple(ASKED)
SEED = 4


@cache
def population() -> FittedPopulation:
    """Users fitted to the small written corpus."""
    return fit_population(talks(), seed=0)


def answer_to(user_turns: int) -> str:
    """What the partner says after so many turns of the user."""
    return QUESTIONS[(user_turns - 1) % len(QUESTIONS)]


def partner_says(history: Sequence[Turn]) -> str:
    """The partner of the tests: it goes through its questions, whatever it hears."""
    return answer_to(sum(turn.role == "user" for turn in history))


def as_our_loop_has_it(person: Person, *, people: People, greeting: str | None = None) -> list[str]:
    """What the user says to the same partner in `roll_out`, which the peer's loop has to repeat word for word.

    `greeting` is what the partner says first, where the peer has it speak first; otherwise the user opens.
    """
    profile = msgspec.structs.replace(person.profile, opens=greeting is None)

    def partner(history: Sequence[Turn]) -> str:
        return greeting if greeting and not history else partner_says(history)

    rollout = asyncio.run(
        roll_out(people.users.simulator(), profile, function_partner(partner), seed=person.seed, max_turns=40)
    )
    assert rollout.fault is None
    assert rollout.conversation.ending is not None
    return [turn.text for turn in rollout.conversation.turns if turn.role == "user"]
