"""What the tasks with classes share: a prior as the baseline, the linear text learner, a score for each example."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.transfer.task import Examples, Floats, Labels, Predictor, no_examples
from understudy.transfer.tasks.linear import STRENGTH, average_precision_of_each, f1_of_each, fit_linear, prior_model
from understudy.transfer.tasks.texts import Texts


class Row:
    """One example before it is put in columns."""

    __slots__ = ("conversation", "labels", "texts")

    def __init__(self, conversation: int, texts: tuple[str, ...], labels: Sequence[str]) -> None:
        self.conversation, self.texts, self.labels = conversation, texts, tuple(sorted(set(labels)))


class LabelledTextTask(ABC):
    """A task whose examples are texts with classes; a subclass says which texts and which classes.

    Baseline: the shares of the classes, words unread. Learner: `fit_linear`. Score: F1 of an example's chosen
    classes (accuracy where each has one), or, with `ranked`, the average precision of its ranking of all classes.
    """

    name: str
    metric: str
    needs: str
    labelled = True
    ranked = False
    strength = STRENGTH

    @abstractmethod
    def rows(self, corpus: Corpus) -> list[Row]:
        """The examples of `corpus`, in its order."""

    def examples(self, corpus: Corpus) -> Examples:
        return corpus.memo(("transfer.examples", type(self)), self._examples)

    def _examples(self, corpus: Corpus) -> Examples:
        rows = self.rows(corpus)
        if not rows:
            return no_examples()
        talks = np.array([row.conversation for row in rows], dtype=np.int64)
        texts = Texts.of(list(zip(*(row.texts for row in rows), strict=True)))
        return Examples(texts, [row.labels for row in rows], corpus.unit_ids[talks], talks)

    def baseline(self, examples: Examples, *, seed: int) -> Predictor:
        return prior_model(examples.labels)

    def fit(self, examples: Examples, *, seed: int) -> Predictor:
        return fit_linear(examples.inputs, examples.labels, strength=self.strength)

    def score(self, predictor: Predictor, examples: Examples) -> Floats:
        score = average_precision_of_each if self.ranked else f1_of_each
        return score(predictor, examples.inputs, examples.labels)


def turn_before(talk: Conversation, at: int) -> str:
    """What the other side said last before the turn at `at`; empty where it said nothing."""
    role = talk.turns[at].role
    return next((turn.text for turn in reversed(talk.turns[:at]) if turn.role != role), "")


def turn_labels(turn: Turn) -> Labels:
    """The acts of a turn: those it came with, else those that its simulator planned.

    >>> turn_labels(Turn("user", "hi", acts=("greet", "ask"))), turn_labels(Turn("user", "hi", intent="ask+greet"))
    (('ask', 'greet'), ('ask', 'greet'))
    """
    named = turn.acts or (turn.intent.split("+") if turn.intent else ())
    return tuple(sorted({name for name in named if name}))
