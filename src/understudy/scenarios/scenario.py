"""A scenario: one cell of the plan, fixed before anything is generated."""

from __future__ import annotations

import hashlib

import msgspec

from understudy.scenarios.characteristics import Context
from understudy.users.profile import Goal, Persona, Profile


class Scenario(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Topic and subtopic, persona, goal, context, exemplars and a seed; `id` is the digest of all of them.

    `exemplars` are ids of reference conversations that a model is shown for this scenario alone.
    """

    id: str
    index: int
    seed: int
    topic: str
    subtopic: str
    persona: Persona
    goal: str
    context: Context
    exemplars: tuple[str, ...] = ()


def with_id(scenario: Scenario) -> Scenario:
    """The scenario under the id that its content has."""
    bare = msgspec.structs.replace(scenario, id="")
    digest = hashlib.blake2b(msgspec.json.encode(bare, order="sorted"), digest_size=8).hexdigest()
    return msgspec.structs.replace(scenario, id=f"sc-{scenario.index:05d}-{digest}")


def profile_of(scenario: Scenario) -> Profile:
    """The profile that a simulated user starts from; all of it is known before the first turn."""
    about = f"{scenario.goal} ({scenario.subtopic})" if scenario.goal and scenario.subtopic else ""
    return Profile(
        id=scenario.id,
        user_id=scenario.persona.id,
        persona=scenario.persona,
        goal=Goal(topic=scenario.topic, text=about or scenario.goal or scenario.subtopic),
    )
