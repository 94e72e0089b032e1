"""A small written corpus with users who differ, questions that call for answers, and named things."""

from __future__ import annotations

import numpy as np

from understudy.conversations import Conversation, Corpus, CorpusCard, Turn

CITIES = ("Paris", "London", "Oslo", "Madrid", "Vienna", "Lisbon")
KINDS = ("cheap", "quiet", "central", "friendly", "modern")
ASKED = {
    "Which city would you like to go to?": ["I would like to go to {city} please", "to {city}", "{city} i think"],
    "When do you want to leave?": ["I want to leave on the {n}th of May in the early morning", "the {n}th", "early"],
    "Do you need a hotel as well?": [
        "Yes I need a {kind} hotel close to the old centre of the town",
        "yes, {kind}",
        "no",
    ],
    "Can I help with anything else?": ["No that is all that I wanted to know today, thank you", "no thanks", "bye"],
}


def talks(count: int = 60, *, users: int = 12, seed: int = 0, named: bool = True) -> Corpus:
    """`count` conversations; each user has a habit of writing, long or short, loud or not."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        user = number % users
        turns: list[Turn] = [Turn("user", _habit("Hello, I am planning a trip and I could use some help", user))]
        for question, answers in ASKED.items():
            city, kind, n = rng.choice(CITIES), rng.choice(KINDS), int(rng.integers(4, 29))
            answer = answers[user % 3 if rng.random() < 0.8 else int(rng.integers(3))]
            turns.append(Turn("assistant", question))
            turns.append(Turn("user", _habit(answer.format(city=city, kind=kind, n=n), user)))
        made.append(
            Conversation(
                id=f"real-{number}",
                turns=tuple(turns),
                user_id=f"person-{user}" if named else None,
                topic="travel" if named else None,
            )
        )
    return Corpus(made, CorpusCard("real", "written for the tests"))


def _habit(text: str, user: int) -> str:
    text = text.upper() if user % 4 == 0 else text
    return text + "!" if user % 5 == 0 else text
