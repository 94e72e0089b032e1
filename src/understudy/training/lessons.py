"""What a decoder learns from: real conversations with who spoke in them, as numbers."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.measures.consistency.personas import persona_of
from understudy.users.neural.language import Language, Line, learn_language
from understudy.users.population import FittedPopulation
from understudy.users.profile import Profile

MOST_PIECES = 4000
LEVELS = 5


class Lessons(NamedTuple):
    """Conversations in which a user speaks: profile, turns with intents, unit; and every line of every user."""

    language: Language
    profiles: list[Profile]
    turns: list[tuple[Turn, ...]]
    units: list[int]
    lines: list[Line]
    line_units: list[int]


def lessons(corpus: Corpus, fitted: FittedPopulation, *, most_pieces: int = MOST_PIECES) -> Lessons:
    """The lessons of a corpus, of which `fitted` is the population: its intents, topics, goals and styles.

    What is told of a user is what a profile holds: the facts beside the conversation, the goal, how they write in their
    other sessions. Raises `UsageError` where `fitted` was fitted to another corpus.
    """
    material = fitted.material
    if material.corpus_digest != corpus.digest:
        raise UsageError(
            "the users were fitted to other conversations than --real",
            why="intents, topics and goals are taken from what they were fitted to",
            fix="give the corpus that `understudy fit` was given, or the corpus in the place of the users",
        )
    talks = _turns_with_intents(fitted)
    profiles = [_with_facts(fitted.profile(talk), corpus[talk]) for talk in talks]
    edges = _style_edges(profiles)
    language = learn_language(
        [*material.turns.texts, *(fact for p in profiles for fact in p.persona.facts)],
        material.user.labels,
        edges,
        most=most_pieces,
    )
    turns = list(talks.values())
    units = [int(material.turns.user_of_talk[talk]) for talk in talks]
    by_talk = [language.lines(profile, said) for profile, said in zip(profiles, turns, strict=True)]
    lines = [line for found in by_talk for line in found]
    line_units = [unit for unit, found in zip(units, by_talk, strict=True) for _ in found]
    return Lessons(language, profiles, turns, units, lines, line_units)


def _turns_with_intents(fitted: FittedPopulation) -> dict[int, tuple[Turn, ...]]:
    """The turns of every conversation in which a user speaks, by its number."""
    material, labels = fitted.material, iter(fitted.material.user.label.tolist())
    found: dict[int, list[Turn]] = {}
    t = material.turns
    for talk, is_user, text in zip(t.talk.tolist(), t.is_user.tolist(), t.texts, strict=True):
        intent = material.user.labels[next(labels)] if is_user else None
        found.setdefault(talk, []).append(Turn("user" if is_user else "assistant", text, intent))
    return {talk: tuple(said) for talk, said in found.items() if any(turn.role == "user" for turn in said)}


def _with_facts(profile: Profile, talk: Conversation) -> Profile:
    persona = msgspec.structs.replace(profile.persona, facts=persona_of(talk, "user"))
    return msgspec.structs.replace(profile, persona=persona)


def _style_edges(profiles: list[Profile]) -> dict[str, list[float]]:
    """Where the levels of each style feature begin; features in which users do not differ are left out."""
    edges = {}
    for name in profiles[0].persona.style if profiles else ():
        values = np.array([p.persona.style[name] for p in profiles])
        cuts = np.quantile(values, np.arange(1, LEVELS) / LEVELS)
        if len(np.unique(cuts)) == LEVELS - 1:
            edges[name] = [round(float(cut), 6) for cut in cuts]
    return edges
