"""What a task is: examples out of a corpus, a baseline, a learner, and a score for each example."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.errors import UsageError
from understudy.rollouts.importing import import_object, is_import_path

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]
Labels: TypeAlias = tuple[str, ...]
# What `fit` and `baseline` return. Only the `score` of the same task reads it.
Predictor: TypeAlias = Any


@runtime_checkable
class Column(Protocol):
    """Inputs that know how to take rows of themselves, so that what was computed from them is shared and not redone."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def take(self, rows: Ints) -> Column: ...
    def followed_by(self, other: Any) -> Column: ...


class Examples(NamedTuple):
    """Aligned columns, a row an example.

    `inputs`: what the learner reads (a text; a context and its candidates). `labels`: the right label or labels,
    sorted and without repeats; for a ranking task the text of the right candidate, for a generation task the
    reference texts. `units`: the unit of analysis of the example's conversation (`Corpus.unit_ids`).
    `conversations`: its row in the corpus.

    >>> two = Examples(["hi", "bye"], [("greet",), ("leave",)], np.array(["u1", "u2"]), np.array([0, 1]))
    >>> two.take([1]).inputs, len(two.take([1, 1]).labels), two.size
    (['bye'], 2, 2)
    """

    inputs: Sequence[Any] | Column
    labels: Sequence[Labels]
    units: npt.NDArray[np.str_]
    conversations: Ints

    @property
    def size(self) -> int:
        """How many examples (`len` of a named tuple counts its columns)."""
        return len(self.labels)

    def take(self, rows: Rows) -> Examples:
        """The examples at `rows` (positions, repeats allowed), in that order."""
        at: Ints = np.asarray(rows, dtype=np.int64)
        inputs, labels = self.inputs, self.labels
        taken = inputs.take(at) if isinstance(inputs, Column) else [inputs[int(row)] for row in at]
        return Examples(taken, [labels[int(row)] for row in at], self.units[at], self.conversations[at])

    def followed_by(self, other: Examples) -> Examples:
        """These examples and then those of `other`, for training on a mixture. `conversations` keep their own
        numbering, so that rows of two corpora are told apart by position only.

        >>> one = Examples(["hi"], [("greet",)], np.array(["u1"]), np.array([0]))
        >>> one.followed_by(one).size
        2
        """
        mine, theirs = self.inputs, other.inputs
        inputs = mine.followed_by(theirs) if isinstance(mine, Column) else [*mine, *theirs]
        return Examples(
            inputs,
            [*self.labels, *other.labels],
            np.concatenate([self.units, other.units]),
            np.concatenate([self.conversations, other.conversations]),
        )


def no_examples() -> Examples:
    """What a corpus gives that has nothing for a task."""
    return Examples([], [], np.empty(0, dtype=np.str_), np.empty(0, dtype=np.int64))


class Task(Protocol):
    """Something that a model can be trained for on conversations and tested for on others.

    - `name`: one word, as in `transfer.gap_closed.<name>`;
    - `metric`: what `score` averages to, in words, e.g. `accuracy`;
    - `labelled`: whether `Examples.labels` are classes, so that label space and class balance have to be the same
      in every training arm; false for ranking and generation;
    - `needs`: what a corpus must hold, in words; said where it gives no example.

    Every method is deterministic given its arguments and `seed` (0 to 2**32 - 1), and leaves the corpus as it is.
    """

    name: str
    metric: str
    labelled: bool
    needs: str

    def examples(self, corpus: Corpus) -> Examples:
        """Every example of `corpus`, in its order; none (`no_examples()`) where it lacks what the task needs.

        Reads real and synthetic corpora by the same rule. An input holds nothing that comes after what is
        asked for, and never the label itself.
        """

    def baseline(self, examples: Examples, *, seed: int) -> Predictor:
        """B, the arm that no conversation taught: prior, majority, or a ranker that was not trained."""

    def fit(self, examples: Examples, *, seed: int) -> Predictor:
        """A model trained on `examples`, which are at least one."""

    def score(self, predictor: Predictor, examples: Examples) -> Floats:
        """One number an example in [0, 1], higher is better, in their order. The metric is their mean.

        An example's score depends on the predictor and that example alone, so that examples can be resampled
        and weighted without scoring again.
        """


# Built-in tasks, in the order in which they are offered.
BUILT_IN = {
    "acts": "understudy.transfer.tasks.acts:ActsTask",
    "topic": "understudy.transfer.tasks.topic:TopicTask",
    "next_response": "understudy.transfer.tasks.next_turn:NextResponseTask",
    "next_user_turn": "understudy.transfer.tasks.next_turn:NextUserTurnTask",
    "satisfaction": "understudy.transfer.tasks.satisfaction:SatisfactionTask",
    "attributes": "understudy.transfer.tasks.attributes:AttributesTask",
    "genre": "understudy.transfer.tasks.attributes:GenreTask",
    "item": "understudy.transfer.tasks.item:ItemTask",
    "summarisation": "understudy.transfer.tasks.summarisation:SummarisationTask",
}
_METHODS = ("examples", "baseline", "fit", "score")
_FIELDS = {"name": str, "metric": str, "labelled": bool, "needs": str}


def open_task(name_or_uri: str) -> Task:
    """The task that `name_or_uri` names: one of `BUILT_IN`, or your own as `module:object`.

    `module:object` is an object with the fields and methods of `Task`, or a class that makes one without arguments,
    imported from the path of Python or from the working folder. Raises `UsageError`, with the nearest name.

    >>> open_task("topic").metric
    'accuracy'
    >>> open_task("act")
    Traceback (most recent call last):
    understudy.errors.UsageError: there is no task 'act'
      why: a task is one of acts, topic, next_response, next_user_turn, satisfaction, attributes, genre, item,
        summarisation, or module:object; did you mean 'acts'?
      fix: give acts
    """
    path = BUILT_IN.get(name_or_uri)
    if path is not None:
        task: Task = import_object(path, what="task", used="trained and tested", give="a built-in task")()
        return task
    if is_import_path(name_or_uri):
        return _own_task(name_or_uri)
    near = difflib.get_close_matches(name_or_uri, BUILT_IN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(
        f"there is no task {name_or_uri!r}",
        why=f"a task is one of {', '.join(BUILT_IN)}, or module:object{hint}",
        fix=f"give {near[0] if near else 'topic'}",
    )


def _own_task(path: str) -> Task:
    give = "module:object as in `from module import object`"
    found = import_object(path, what="task", used="trained and tested", give=give)
    if isinstance(found, type):
        try:
            found = found()
        except TypeError as error:
            raise UsageError(
                f"task {path!r} cannot be made without arguments: {error}",
                why="a class is called to get the task",
                fix="give its arguments defaults, or point to an object that is made already",
            ) from error
    missing = [name for name in _METHODS if not callable(getattr(found, name, None))]
    missing += [name for name, kind in _FIELDS.items() if not isinstance(getattr(found, name, None), kind)]
    if missing:
        raise UsageError(
            f"task {path!r} is a {type(found).__name__} without {', '.join(missing)}",
            why="a task gives examples, a baseline, a fitted model and a score for each example",
            fix="follow understudy.transfer.Task; understudy.testing.tasks.check_task says what is still missing",
        )
    task: Task = found
    return task
