"""Small users and partners for the tests: each does one thing, right or wrong."""

import asyncio
import time

from understudy.conversations import Ending
from understudy.rollouts.partner import PartnerTurn
from understudy.users import Goal, Persona, Profile, UserTurn

PROFILE = Profile(id="s", user_id="u", persona=Persona("u", facts=("a secret",)), goal=Goal("hotel"))


class Session:
    def __init__(self, act):
        self._act = act

    async def reply(self, history):
        said = self._act(history)
        return await said if asyncio.iscoroutine(said) else said


class User:
    """A user whose every reply is `act(history)`."""

    identity = "user"

    def __init__(self, act):
        self.act = act

    def start(self, profile, *, seed):
        return Session(self.act)


class System:
    """A partner whose every reply is `act(history)`; remembers how it was started."""

    identity = "system"

    def __init__(self, act):
        self.act = act
        self.started = []

    def start(self, *, topic, seed):
        self.started.append((topic, seed))
        return Session(self.act)


class People:
    """A population of one user simulator."""

    identity = "people"

    def __init__(self, act):
        self._user = User(act)

    def draw(self, k, *, seed):
        return Profile(id=f"s{k}", user_id=f"u{k % 3}", persona=Persona("p"), goal=Goal("hotel"))

    def simulator(self):
        return self._user


def says(text):
    return lambda history: UserTurn(text)


def answers(text):
    return lambda history: PartnerTurn(text)


def leaves_after(turns):
    def act(history):
        said = sum(turn.role == "user" for turn in history)
        if said >= turns:
            return UserTurn("bye", ending=Ending("user", "done"))
        return UserTurn(f"turn {said}")

    return act


def plain_partner(history):
    return f"answer {len(history)}"


async def waiting_partner(history):
    await asyncio.sleep(0.001 * (len(history) % 3))
    return f"answer {len(history)}"


def hanging_partner(history):
    time.sleep(5)
    return "too late"


class Desk:
    """A partner with sessions of its own, as a module may hold one."""

    def start(self, *, topic, seed):
        return Session(answers(f"about {topic}"))


desk = Desk()
number = 7
