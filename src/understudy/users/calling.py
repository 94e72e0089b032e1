"""Who is person k, and with which random streams: the one rule of `simulate`, of `serve` and of every adapter."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from understudy.seeds import derive_seed
from understudy.users.profile import Profile


class Drawn(Protocol):
    """What is asked of a population to know who somebody is."""

    def draw(self, k: int, *, seed: int) -> Profile: ...


class Called(NamedTuple):
    """Who speaks in a conversation, and the seed of that conversation: each side has its stream from it."""

    profile: Profile
    seed: int


def call(users: Drawn, k: int, *, seed: int) -> Called:
    """The person of the k-th conversation of a run with that seed.

    >>> from understudy.users.structured import Goal, StructuredPopulation
    >>> who = call(StructuredPopulation([Goal(topic="hotel")]), 2, seed=1)
    >>> who.profile.id, who.seed == conversation_seed(2, seed=1)
    ('structured-000002', True)
    """
    return Called(users.draw(k, seed=seed), conversation_seed(k, seed=seed))


def conversation_seed(k: int, *, seed: int) -> int:
    """The seed of the k-th conversation of a run with that seed."""
    return derive_seed(seed, "rollout", k)


def user_seed(conversation: int) -> int:
    """The user's stream in the conversation of that seed."""
    return derive_seed(conversation, "user")


def partner_seed(conversation: int) -> int:
    """The partner's stream in the conversation of that seed."""
    return derive_seed(conversation, "partner")
