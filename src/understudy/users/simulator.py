"""The contract between a simulated user and whatever talks to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from understudy.conversations import Ending, Turn
from understudy.users.profile import Profile


class UserTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a simulated user does next. With an `ending` the text, if any, is the last thing said.

    `acts` are the labels of the turn that the words were taken from, where the simulator has such a turn: they go
    with the transcript, as the generator's word for what it meant, and never to the partner.
    """

    text: str
    intent: str | None = None
    state: Mapping[str, Any] = msgspec.field(default_factory=dict)
    ending: Ending | None = None
    meta: Mapping[str, Any] = msgspec.field(default_factory=dict)
    acts: tuple[str, ...] = ()


@runtime_checkable
class UserSession(Protocol):
    """One user in one conversation. Holds its own random stream; never sees the partner's insides."""

    async def reply(self, history: Sequence[Turn]) -> UserTurn: ...


@runtime_checkable
class UserSimulator(Protocol):
    """Makes user turns. `identity` goes into every report; the same `(profile, seed, history)` gives the same turn."""

    identity: str

    def start(self, profile: Profile, *, seed: int) -> UserSession: ...


@runtime_checkable
class Population(Protocol):
    """Simulated users with a distribution: the k-th draw depends only on `(seed, k)`."""

    identity: str

    def draw(self, k: int, *, seed: int) -> Profile: ...
