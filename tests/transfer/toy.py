"""A world small enough to know: two-dimensional points, a class each, and a learner of class means."""

from __future__ import annotations

from typing import Any

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.transfer.task import Examples, Floats, no_examples


class ToyTask:
    """The class of a turn `x y` in its acts, by the nearest class mean; the baseline says one class to all."""

    name = "toy"
    metric = "accuracy"
    labelled = True
    needs = "user turns with acts"

    def examples(self, corpus: Corpus) -> Examples:
        rows = [(row, t) for row, talk in enumerate(corpus) for t in talk.turns if t.acts]
        if not rows:
            return no_examples()
        talks = np.array([row for row, _ in rows])
        return Examples([t.text for _, t in rows], [t.acts for _, t in rows], corpus.unit_ids[talks], talks)

    def baseline(self, examples: Examples, *, seed: int) -> Any:
        label = sorted({name for names in examples.labels for name in names})[0]
        return {label: np.zeros(2)}

    def fit(self, examples: Examples, *, seed: int) -> Any:
        points, labels = numbers(examples), [names[0] for names in examples.labels]
        return {name: points[[label == name for label in labels]].mean(axis=0) for name in sorted(set(labels))}

    def score(self, predictor: Any, examples: Examples) -> Floats:
        names = list(predictor)
        centres = np.stack([predictor[name] for name in names])
        nearest = ((numbers(examples)[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        return np.array([float(names[k] in own) for k, own in zip(nearest, examples.labels, strict=True)])


def numbers(examples: Examples) -> Floats:
    return np.array([[float(x) for x in text.split()] for text in examples.inputs])


def corpus(
    rng: np.random.Generator,
    users: int = 40,
    *,
    turn: float = 0.0,
    classes: tuple[str, ...] = ("a", "b"),
    share: float = 0.5,
    per_user: int = 6,
    noise: float = 1.0,
    name: str = "u",
) -> Corpus:
    """Users with a bias of their own. Class means stand `turn` radians from where they belong; `share` is that of the
    first class."""
    talks = []
    for user in range(users):
        bias = rng.normal(0, 0.3, 2)
        turns = []
        for _ in range(per_user):
            k = 0 if rng.random() < share else 1 + int(rng.integers(len(classes) - 1))
            angle = 2 * np.pi * k / len(classes) + turn
            x, y = np.array([np.cos(angle), np.sin(angle)]) + bias + rng.normal(0, noise, 2)
            turns.append(Turn("user", f"{x:.4f} {y:.4f}", acts=(classes[k],)))
        talks.append(Conversation(f"{name}{user}", tuple(turns), user_id=f"{name}{user}"))
    return Corpus(talks)
