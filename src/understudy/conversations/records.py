"""The nouns: Turn, Ending, Conversation. Frozen; behaviour lives elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Role = Literal["user", "assistant"]
SCHEMA = "understudy.conversation/1"

# gc=False below: records are trees of plain data, so they never form a cycle, and a corpus of a million turns
# would otherwise be walked by every full collection (reading takes half as long without).


class Turn(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=False, gc=False):
    """One speaker's contribution.

    `intent` is what a simulator planned; `acts` are labels that came with the data. A turn that has both was made by
    a simulator, and its acts are those of the real turn that its words were taken from. `meta["entities"]`, where
    present, is a list of `[type, surface]` pairs mentioned in the text.
    """

    role: Role
    text: str
    intent: str | None = None
    acts: tuple[str, ...] = ()
    meta: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Ending(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who ended a conversation and why: data beside the text, never a magic word in it."""

    by: Literal["user", "assistant", "limit", "fault"]
    reason: str


class Conversation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=False, gc=False):
    """A finished record.

    `profile` is what a simulated user was started from, as plain data; `provenance` says who generated it.

    >>> talk = Conversation("c1", (Turn("assistant", "Hello?"), Turn("user", "hi")))
    >>> [turn.role for turn in talk.view_for("assistant")]
    ['user', 'assistant']
    """

    id: str
    turns: tuple[Turn, ...]
    user_id: str | None = None
    topic: str | None = None
    profile: Mapping[str, Any] | None = None
    ending: Ending | None = None
    provenance: Mapping[str, Any] | None = None
    meta: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def view_for(self, role: Role) -> tuple[Turn, ...]:
        """The turns as the holder of `role` sees them over a chat API, where the other side is always `user`.

        For `assistant` the roles stay swapped: over HTTP a simulated user answers as `assistant`, so its own
        turns must read `assistant` and the partner's `user`. For `user` the turns come back unchanged.
        """
        if role == "user":
            return self.turns
        swap: dict[Role, Role] = {"user": "assistant", "assistant": "user"}
        return tuple(msgspec.structs.replace(turn, role=swap[turn.role]) for turn in self.turns)
