"""Fitted speakers for a scenario: which real session's user is nearest to what the plan asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.embeddings import user_texts
from understudy.scenarios.characteristics import BY_NAME, READABLE
from understudy.scenarios.readings import UNREAD, Cuts, Readings
from understudy.scenarios.scenario import Scenario
from understudy.seeds import stream
from understudy.users.profile import Goal, Persona, Profile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_SESSION = re.compile(r"-a(\d+)$")
_ENFORCED, _ASKED, _TOPIC, _SUBTOPIC, _TRAITS, _WORDS = 3.0, 1.0, 6.0, 3.0, 0.6, 2.0
_TEMPERATURE = 0.35


class Drawn(Protocol):
    """What is read of a fitted population."""

    @property
    def n_sessions(self) -> int: ...
    def draw(self, k: int, *, seed: int) -> Profile: ...


class Material(NamedTuple):
    """The corpus that the speakers were fitted to, with what was read off each conversation."""

    corpus: Corpus
    readings: Readings
    cuts: Cuts
    topic_of: Sequence[str | None]
    subtopic_of: Sequence[str | None]
    big_five: Floats | None  # z-scores a conversation, NaN where unknown


class Casting:
    """Chooses, for each scenario and attempt, the session whose user plays it.

    A session scores by the characteristics that its real conversation shows as asked (those enforced count three
    times), by topic and subtopic, by the words of the subtopic, and by the distance of its user's own Big Five
    scores where the corpus carries them. Of the best, one is drawn with the scenario's seed, another for each
    attempt. What a corpus does not show (age, medium, location ...) cannot be cast, and the realisation says so.
    """

    def __init__(self, population: Drawn, material: Material, *, enforce: Sequence[str]) -> None:
        self._material = material
        profiles: dict[int, Profile] = {}
        for k in range(population.n_sessions):
            profile = population.draw(k, seed=0)
            session = _SESSION.search(profile.id)
            if session is not None:
                profiles[int(session[1])] = profile
        self._rows = np.array(sorted(profiles), dtype=np.int64)
        self._profiles = profiles
        self._levels = {name: material.readings.levels(name, material.cuts)[self._rows] for name in READABLE}
        self._weight = {name: _ENFORCED if name in enforce else _ASKED for name in READABLE}
        self._topic = np.array([material.topic_of[k] or "" for k in self._rows], dtype=np.str_)
        self._subtopic = np.array([material.subtopic_of[k] or "" for k in self._rows], dtype=np.str_)
        self._words = _WordMatch(user_texts(material.corpus), self._rows)
        z = material.big_five
        self._traits = None if z is None else np.where(np.isnan(z[self._rows]), 0.0, z[self._rows])

    def profile(self, scenario: Scenario, attempt: int) -> Profile:
        """The profile of the session that plays this attempt: its wishes and manner under the scenario's persona."""
        score = np.zeros(len(self._rows))
        for name in READABLE:
            wanted = list(BY_NAME[name].base).index(getattr(scenario.context, name))
            levels = self._levels[name]
            weight = self._weight[name]
            if wanted and BY_NAME[name].zero_means_none:
                weight *= 1 + attempt  # Sessions with something rare are few: topic and length would outvote it.
            # A level apart costs less than two.
            score -= weight * np.where(levels == UNREAD, 0.0, np.abs(levels - wanted) ** 0.5)
        same = self._topic == scenario.topic
        score += _TOPIC * same + _SUBTOPIC * (same & (self._subtopic == scenario.subtopic))
        score += _WORDS * self._words.to(f"{scenario.topic} {scenario.subtopic} {scenario.goal}")
        if self._traits is not None and scenario.persona.big_five:
            asked = np.array(list(scenario.persona.big_five.values()))
            score -= _TRAITS * np.sqrt(np.square(self._traits - asked).mean(axis=1))
        rng = stream(scenario.seed, "casting", attempt)
        row = int(self._rows[(score / _TEMPERATURE + rng.gumbel(size=len(score))).argmax()])
        found = self._profiles[row]
        persona = Persona(
            id=scenario.persona.id,
            style=found.persona.style,
            big_five=scenario.persona.big_five,
            facts=scenario.persona.facts,
        )
        goal = Goal(topic=found.goal.topic, entities=found.goal.entities, text=scenario.goal)
        return msgspec.structs.replace(
            found, id=f"{scenario.id}-a{row}", user_id=scenario.persona.id, persona=persona, goal=goal
        )


class _WordMatch:
    """Cosine of a phrase and the user turns of each session, by the words they share."""

    def __init__(self, texts: Sequence[str], rows: Ints) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._known: dict[str, Floats] = {}
        self._vectorizer = TfidfVectorizer(token_pattern=TOKEN_PATTERN, sublinear_tf=True, dtype=np.float32)
        self._n = len(rows)
        try:
            self._matrix = self._vectorizer.fit_transform([texts[k] for k in rows])
        except ValueError as error:
            if "empty vocabulary" not in str(error):
                raise
            self._matrix = None

    def to(self, phrase: str) -> Floats:
        """One cosine a session."""
        if self._matrix is None:
            return np.zeros(self._n)
        if phrase not in self._known:
            cosine = self._matrix @ self._vectorizer.transform([phrase]).T
            self._known[phrase] = np.asarray(cosine.todense(), dtype=float).ravel()
        return self._known[phrase]
