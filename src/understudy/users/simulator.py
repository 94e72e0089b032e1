"""The contract between a simulated user and whatever talks to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from understudy.conversations import Ending, Turn
from understudy.users.profile import Profile


class UserTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a simulated user does next. With an `ending` the text, if any, is the last thing said."""

    text: str
    intent: str | None = None
    state: Mapping[str, Any] = msgspec.field(default_factory=dict)
    ending: Ending | None = None
    meta: Mapping[str, Any] = msgspec.field(default_factory=dict)


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
