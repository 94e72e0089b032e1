"""Panels of raters whose making is known: how well they tell, how they rate, how careless they are."""

from __future__ import annotations

import numpy as np

from understudy.measures.pmq import presented
from understudy.measures.raters.records import (
    RATING_ITEMS,
    RATING_POINTS,
    Judgement,
    PanelRecord,
    Questionnaire,
    QuestionnaireLine,
    Rater,
    Rating,
)
from understudy.seeds import stream
from understudy.testing.questionnaires import simulated_answers


def simulated_panel(
    raters: int,
    *,
    seed: int,
    d_prime: float = 1.0,
    pairs: int = 12,
    pool: int = 60,
    rater_sd: float = 0.0,
    pair_sd: float = 0.0,
    bias_sd: float = 0.0,
    careless: float = 0.0,
    catch: int = 3,
    gap: float = 0.0,
    rated: int = 4,
    rated_pool: int = 24,
    conversation_sd: float = 0.5,
    questionnaires: bool = True,
) -> PanelRecord:
    """A finished panel. In a pair the two sides give evidence N(0, 1), the real one's mean `d'` higher; a rater takes
    the side with more, after adding a preference N(0, `bias_sd`) for the left one.

    d' is N(`d_prime`, `rater_sd`) by rater plus N(0, `pair_sd`) by pair. A share `careless` guesses everywhere, catch
    trials too; all others have those right. Ratings: conversation + rater + noise, cut to five points, synthetic ones
    `gap` higher before that. Questionnaires: `simulated_answers`.

    >>> panel = simulated_panel(3, seed=0)
    >>> len(panel.raters), sum(not j.catch for j in panel.raters[0].judgements)
    (3, 12)
    """
    rng = stream(seed, "panel")
    of_pair = rng.normal(0, pair_sd, pool)
    of_talk = rng.normal(0, conversation_sd, (rated_pool, len(RATING_ITEMS)))
    answers = simulated_answers(raters, seed=seed) if questionnaires else []
    people = []
    for k in range(raters):
        guesses = bool(rng.random() < careless)
        own, lean = rng.normal(d_prime, rater_sd), rng.normal(0, bias_sd)
        order = rng.permutation(pairs + catch)
        judgements = []
        for position, slot in enumerate(order):
            checked, left = bool(slot >= pairs), bool(rng.random() < 0.5)
            pair = int((k * pairs + slot) % pool)
            strength = 6.0 if checked else own + of_pair[pair]
            evidence = (strength if left else -strength) + rng.normal(0, np.sqrt(2)) + lean
            says_left = bool(rng.random() < 0.5) if guesses else (left if checked else evidence > 0)
            name = f"catch-{slot - pairs}" if checked else f"pair-{pair}"
            judgements.append(Judgement(position, name, checked, "a" if left else "b", "a" if says_left else "b"))
        people.append(
            Rater(
                str(k + 1), True, tuple(judgements), _ratings(rng, k, rated, rated_pool, of_talk, gap),
                _questionnaire(answers[k], seed, k) if questionnaires else None,
            )
        )  # fmt: skip
    return PanelRecord(settings={"pairs": pairs, "ratings": rated, "partner": "simulated"}, raters=tuple(people))


def _ratings(
    rng: np.random.Generator,
    rater: int,
    rated: int,
    pool: int,
    of_talk: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    gap: float,
) -> tuple[Rating, ...]:
    lenient = rng.normal(0, 0.5)
    found = []
    for position in range(rated):
        talk = (rater * rated + position) % pool
        synthetic = bool(talk % 2)
        for j, item in enumerate(RATING_ITEMS):
            value = 3 + of_talk[talk, j] + lenient + gap * synthetic + rng.normal(0, 0.7)
            points = int(np.clip(np.round(value), 1, RATING_POINTS))
            origin = "synthetic" if synthetic else "real"
            found.append(Rating(position, f"talk-{talk}", origin, item.key, points))  # type: ignore[arg-type]
    return tuple(found)


def _questionnaire(answers: dict[str, int | None], seed: int, rater: int) -> Questionnaire:
    mirrored = bool(stream(seed, "mirrored", rater).random() < 0.5)
    lines = []
    for position, line in enumerate(presented(seed=rater)):
        point = answers.get(line.key)
        shown = 8 - point if mirrored and point is not None else point
        lines.append(QuestionnaireLine(position, line.key, 2 if line.key == "attention" else shown))
    return Questionnaire(mirrored, tuple(lines))
