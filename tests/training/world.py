"""A small world to train in: people of known facts, and a partner who asks about them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from understudy.conversations import Corpus, Turn
from understudy.measures.consistency.embedded_judge import EmbeddedJudge, fit_judge
from understudy.rollouts.partners import FunctionPartner, function_partner
from understudy.testing.personas import persona_world
from understudy.training.lessons import Lessons, lessons
from understudy.training.supervised import Supervision, beginning, learn
from understudy.users.neural.decoder import Shape, new_weights
from understudy.users.neural.population import NeuralPopulation
from understudy.users.population import FittedPopulation, fit_population

QUESTIONS = ("How was your day?", "Tell me about yourself.", "And what else?", "Why is that?")


def asks(history: Sequence[Turn]) -> str:
    return QUESTIONS[len(history) // 2 % len(QUESTIONS)]


def partner() -> FunctionPartner:
    return function_partner(asks, identity="asks")


@cache
def people() -> Corpus:
    return persona_world(60, seed=3, turns=5)


@cache
def fitted() -> FittedPopulation:
    return fit_population(people(), copy_guard="guarded", seed=0)


@cache
def taught() -> Lessons:
    return lessons(people(), fitted(), most_pieces=400)


@cache
def judge(kind: str = "words") -> EmbeddedJudge:
    return fit_judge([persona_world(80, seed=9)], kind, seed=0)  # type: ignore[arg-type]


def nothing(stage: str, done: int, total: int) -> None: ...


@cache
def users(epochs: int = 40) -> NeuralPopulation:
    """Users after supervised training in the world."""
    shape = Shape(len(taught().language.words), 48, 64)
    how = Supervision(epochs=epochs, batch=24, micro_batch=24, rate=8e-3, dropout=0.1, patience=99)
    done = learn(taught(), how, beginning(new_weights(shape, seed=0), how), seed=0, on_progress=nothing)
    return NeuralPopulation(
        taught().language, shape, done.best, taught().profiles, corpus_digest=people().digest, seed=0
    )
