"""Who speaks: persona, goal, profile. Everything in a profile is knowable before turn 1."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Persona(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stable who. `style` holds named style features (see `measures.style`); `big_five` z-scores by trait.

    `slots` says what this person does more (above 0) or less than others, as log odds (see `users.slots`); `text` says
    it in words.
    """

    id: str
    style: Mapping[str, float] = msgspec.field(default_factory=dict)
    big_five: Mapping[str, float] = msgspec.field(default_factory=dict)
    facts: tuple[str, ...] = ()
    slots: Mapping[str, float] = msgspec.field(default_factory=dict)
    text: str = ""


class Goal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the session is for: a topic and the entities `(type, surface)` the user has in mind."""

    topic: str | None = None
    entities: tuple[tuple[str, str], ...] = ()
    text: str = ""


class Profile(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The session latent of one simulated user.

    `patience` is a multiplier on the odds of staying (1 = as the population does); `opens` says whether the user
    speaks first; `partner_belief` is what the user takes the partner for: `usual`, `human`, `ai`, `new` (it has
    met none before), `human+new`, `ai+new`, or `unknown`, with which it holds no partner model.
    """

    id: str
    user_id: str
    persona: Persona
    goal: Goal
    knowledge: tuple[str, ...] = ()
    patience: float = 1.0
    opens: bool = True
    partner_belief: str = "unknown"
