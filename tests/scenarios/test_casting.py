"""Fitted speakers: the session that plays a scenario is one that shows what was asked."""

from __future__ import annotations

import numpy as np
import pytest

from tests.scenarios.making import ready
from understudy.scenarios.casting import Casting
from understudy.scenarios.characteristics import BY_NAME
from understudy.scenarios.plan import parse_plan
from understudy.users.population import fit_population


@pytest.fixture(scope="module")
def cast():
    from understudy import sample_corpus

    corpus = sample_corpus()
    plan = parse_plan(
        {
            "n": 60,
            "topics": {"source": "reference"},
            "contexts": {"fit": ["duration"]},
            "realisation": {"enforce": ["duration"]},
        }
    )
    prepared = ready(plan, reference=corpus)
    casting = Casting(fit_population(corpus, seed=0), prepared.material, enforce=["duration"])
    return prepared, casting


def row_of(profile) -> int:
    return int(profile.id.rsplit("-a", 1)[1])


def test_the_session_has_the_duration_and_mostly_the_topic(cast) -> None:
    prepared, casting = cast
    levels = prepared.material.readings.levels("duration", prepared.cuts)
    names = list(BY_NAME["duration"].base)
    rows = [row_of(casting.profile(s, 0)) for s in prepared.scenarios]
    duration = np.mean([names[levels[r]] == s.context.duration for r, s in zip(rows, prepared.scenarios, strict=True)])
    topic = np.mean([prepared.material.topic_of[r] == s.topic for r, s in zip(rows, prepared.scenarios, strict=True)])
    assert duration > 0.85
    assert topic > 0.85


def test_another_attempt_is_cast_anew_and_the_same_one_the_same(cast) -> None:
    prepared, casting = cast
    attempts = [[row_of(casting.profile(s, k)) for s in prepared.scenarios] for k in (0, 0, 1)]
    assert attempts[0] == attempts[1]
    assert attempts[0] != attempts[2]


def test_the_profile_is_the_scenarios_persona_in_the_sessions_manner(cast) -> None:
    prepared, casting = cast
    scenario = prepared.scenarios[0]
    profile = casting.profile(scenario, 0)
    assert profile.user_id == scenario.persona.id
    assert profile.persona.big_five == scenario.persona.big_five
    assert profile.persona.style
