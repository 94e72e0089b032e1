"""A scenario in words, for a model: one function, so that every mode of writing says the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from understudy.conversations import Conversation
from understudy.scenarios.characteristics import BY_NAME, NAMES, Context
from understudy.scenarios.personality import TRAITS
from understudy.scenarios.plan import WritingPlan
from understudy.scenarios.scenario import Scenario

_WORDS = ((1.5, "very high"), (0.5, "high"), (-0.5, "average"), (-1.5, "low"))
_LONGEST_EXEMPLAR = 4000  # characters


def prompt(name: str) -> str:
    """The text of a prompt; it lies beside the code, so that its digest can stand in the provenance."""
    return Path(__file__).parent.joinpath("prompts", f"{name}.txt").read_text("utf-8")


def persona_lines(scenario: Scenario) -> tuple[str, ...]:
    """Background facts, then each trait in words with its z-score.

    >>> from understudy.users.profile import Persona
    >>> persona = Persona("p", big_five={"openness": 1.2}, facts=("job: nurse",))
    >>> persona_lines(Scenario(id="", index=0, seed=0, topic="", subtopic="", persona=persona, goal="", context=None))
    ('job: nurse', 'openness: high (z = +1.2)')
    """
    traits = [(name, scenario.persona.big_five[name]) for name in TRAITS if name in scenario.persona.big_five]
    return (*scenario.persona.facts, *(f"{name}: {in_words(z)} (z = {z:+.1f})" for name, z in traits))


def in_words(z: float) -> str:
    """A z-score as one of five grades.

    >>> in_words(0.0), in_words(-2.0)
    ('average', 'very low')
    """
    return next((word for least, word in _WORDS if z >= least), "very low")


COUNTED = ("fillers", "hedges", "short_turns", "typos")


def told_lines(context: Context, writing: WritingPlan) -> tuple[str, ...]:
    """One line a characteristic: its name, the level, and what it means.

    The counted features of natural speech are told only where the plan says so: asked for fillers, models overdo
    them, so they are measured and chosen instead.
    """
    names = [name for name in NAMES if writing.tell_features or name not in COUNTED]
    return tuple(f"{name.replace('_', ' ')}: {getattr(context, name)} ({BY_NAME[name].says})" for name in names)


def prompts_digest() -> str:
    """A digest of all prompts of this room, for the provenance."""
    text = "\n".join(prompt(name) for name in ("subtopics", "whole"))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def turns_wanted(scenario: Scenario, cuts: Mapping[str, tuple[float, float]]) -> int:
    """How many turns the asked duration stands for: the middle of its level."""
    low, high = cuts["duration"]
    middle = {"short": max(2.0, low * 0.75), "medium": (low + high) / 2, "long": high * 1.3}
    return max(2, round(middle[scenario.context.duration]))


def whole_prompt(
    scenario: Scenario,
    cuts: Mapping[str, tuple[float, float]],
    shown: Sequence[Conversation],
    writing: WritingPlan,
) -> str:
    """The prompt for a whole conversation in one call."""
    return prompt("whole").format(
        topic=scenario.topic,
        subtopic=scenario.subtopic or scenario.topic,
        goal=f"What the user wants: {scenario.goal}\n" if scenario.goal else "",
        persona="\n".join(f"- {line}" for line in persona_lines(scenario)),
        context="\n".join(f"- {line}" for line in told_lines(scenario.context, writing)),
        exemplars="".join(_exemplar(k, talk) for k, talk in enumerate(shown, 1)),
        turns=turns_wanted(scenario, cuts),
    )


def _exemplar(number: int, talk: Conversation) -> str:
    said = "\n".join(f"{turn.role}: {turn.text}" for turn in talk.turns)[:_LONGEST_EXEMPLAR]
    return f"Real conversation {number}, for its manner only; take no sentence from it:\n{said}\n\n"
