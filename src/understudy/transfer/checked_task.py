"""A task held to its contract as it is used, so that a fault in somebody's own is named and not measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from understudy.conversations import Corpus
from understudy.errors import UnderstudyError, UsageError
from understudy.transfer.task import Examples, Floats, Labels, Predictor, Task

Found = TypeVar("Found")
SLACK = 1e-9  # what rounding may add to 1
SEEDS = 2**32  # a task is handed seeds below it, which every common library takes (scikit-learn none above)


class CheckedTask:
    """`task`, whose examples and scores are looked at before anything is made of them.

    Raises `UsageError` where columns are not aligned, labels are not tuples of texts, or scores are not one finite
    number in [0, 1] an example; and where a method of a task that is not built in raises.
    """

    def __init__(self, task: Task) -> None:
        self.name, self.metric, self.labelled = task.name, task.metric, task.labelled
        self.needs = getattr(task, "needs", "")
        self._task = task

    def examples(self, corpus: Corpus) -> Examples:
        found = self._call("examples", self._task.examples, corpus)
        if fault := _misshapen(found) or _mislabelled(found.labels, self.labelled):
            raise self._broken("examples", fault)
        return found

    def baseline(self, examples: Examples, *, seed: int) -> Predictor:
        return self._call("baseline", self._task.baseline, examples, seed=seed % SEEDS)

    def fit(self, examples: Examples, *, seed: int) -> Predictor:
        return self._call("fit", self._task.fit, examples, seed=seed % SEEDS)

    def score(self, predictor: Predictor, examples: Examples) -> Floats:
        given = self._call("score", self._task.score, predictor, examples)
        try:
            scores = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise self._broken("score", f"gives {type(given).__name__}, not numbers") from error
        if scores.shape != (examples.size,):
            raise self._broken("score", f"gives {scores.shape} numbers for {examples.size} examples")
        wrong = np.flatnonzero(~((scores >= -SLACK) & (scores <= 1 + SLACK)))
        if len(wrong):
            told = f"gives {scores[wrong[0]]} for example {wrong[0]}, and {len(wrong) - 1} more outside 0 and 1"
            raise self._broken("score", told)
        return scores

    def _call(self, method: str, call: Callable[..., Found], *given: Any, **named: Any) -> Found:
        try:
            return call(*given, **named)
        except UnderstudyError:
            raise
        except Exception as error:
            if type(self._task).__module__.startswith("understudy."):
                raise  # a fault of ours, which the command reports as one
            raise self._broken(method, f"raised {type(error).__name__}: {error}") from error

    def _broken(self, method: str, fault: str) -> UsageError:
        return UsageError(
            f"task {self.name!r}: {method} {fault}",
            why="what is measured with it would mean nothing",
            fix="mend it; understudy.testing.tasks.check_task says what else is wrong, --debug where it happened",
        )


def checked(task: Task) -> Task:
    """`task` as a `CheckedTask`, once."""
    return task if isinstance(task, CheckedTask) else CheckedTask(task)


def _misshapen(found: Any) -> str:
    if not isinstance(found, Examples):
        return f"gives {type(found).__name__}, not Examples"
    lengths = {field: len(column) for field, column in zip(Examples._fields, found, strict=True)}
    return "" if len(set(lengths.values())) == 1 else f"gives columns of different lengths: {lengths}"


def _mislabelled(labels: Any, classes: bool) -> str:
    def wrong(own: Labels) -> bool:
        texts = isinstance(own, tuple) and all(isinstance(name, str) for name in own)
        return not texts or (classes and not own)

    bad = next((own for own in labels if wrong(own)), None)
    return "" if bad is None else f"gives the labels {bad!r:.80}; labels are a tuple of one or more texts"
