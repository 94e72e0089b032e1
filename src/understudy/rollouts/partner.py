"""The contract of a partner: the system that a simulated user talks to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from understudy.conversations import Ending, Turn


class PartnerTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the partner says next; `ending` where the partner closes the conversation."""

    text: str
    acts: tuple[str, ...] = ()
    ending: Ending | None = None
    meta: Mapping[str, Any] = msgspec.field(default_factory=dict)


class PartnerReply(Protocol):
    """What the rollout loop reads of a partner's answer: a `PartnerTurn`, or anything with the same fields."""

    @property
    def text(self) -> str: ...
    @property
    def acts(self) -> tuple[str, ...]: ...
    @property
    def ending(self) -> Ending | None: ...
    @property
    def meta(self) -> Mapping[str, Any]: ...


@runtime_checkable
class PartnerSession(Protocol):
    """One partner in one conversation. It receives the turns and nothing else: never the profile."""

    async def reply(self, history: Sequence[Turn]) -> PartnerReply: ...


@runtime_checkable
class Partner(Protocol):
    """A system under test or a fitted stand-in; `start` gives a session of its own to each conversation."""

    identity: str

    def start(self, *, topic: str | None, seed: int) -> PartnerSession: ...
