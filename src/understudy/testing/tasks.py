"""A conformance suite for transfer tasks, for anybody's own.

In pytest: `@pytest.mark.parametrize("check", list(check_task(mine)), ids=repr)`, then `def test(check): check()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, CorpusCard, Turn
from understudy.seeds import stream
from understudy.testing.checks import Check, watched_randomness
from understudy.transfer.task import Examples, Task

_WANTS = {
    "comedy": ("something that makes me laugh", "a funny film", "a silly one, for a good laugh"),
    "horror": ("something that scares me", "a frightening film", "a dark one, with a ghost in it"),
    "western": ("something with horses", "a film with cowboys", "a dusty one, with a sheriff"),
}
_TITLES = {"comedy": ("Two Left Shoes", "Cake"), "horror": ("The Cellar", "Fog"), "western": ("Dry Creek", "Spurs")}
_LIKED = (("no, not that one", 1), ("it may do", 3), ("lovely, thank you", 5))
_ASIDES = ("for tonight", "with a friend", "if you have one", "please", "", "for the two of us")


def example_task_corpus(*, users: int = 60, seed: int = 0) -> Corpus:
    """Two talks a user in which every built-in task finds examples: acts, topics, items, genres, ratings, summaries.

    >>> corpus = example_task_corpus(users=3)
    >>> len(corpus), corpus.has_users, corpus[0].topic in _WANTS
    (6, True, True)
    """
    talks = [_talk(user, session, seed) for user in range(users) for session in range(2)]
    return Corpus(talks, CorpusCard("real", "conformance"))


def _talk(user: int, session: int, seed: int) -> Conversation:
    rng = stream(seed, "task", user, session)

    def one(bank: tuple[Any, ...]) -> Any:
        return bank[int(rng.integers(len(bank)))]

    genre = one(tuple(_WANTS))
    title = f"{one(_TITLES[genre])} {int(rng.integers(1, 8))}"
    words, rating = one(_LIKED)
    wish = f"{one(_WANTS[genre])} {one(_ASIDES)}".strip()
    turns = (
        Turn("assistant", "What would you like to see?", acts=("ask",)),
        Turn("user", wish, acts=("wish",)),
        Turn("assistant", f"Any {genre}, or a new one? {one(_ASIDES)}".strip(), acts=("ask", "narrow")),
        Turn("user", f"{genre}, {one(_ASIDES)}", acts=("answer",), meta={"entities": [["genre", genre]]}),
        Turn("assistant", f"There is {title}. {one(_ASIDES)}", acts=("offer",), meta={"entities": [["film", title]]}),
        Turn("user", f"{words}, {one(_ASIDES)}", acts=("rate",), meta={"satisfaction": [rating, rating]}),
    )
    summary = f"The user wants {wish} and is offered {title}."
    return Conversation(f"{user}-{session}", turns, f"u{user}", genre, meta={"summaries": [summary]})


def check_task(task: Task, corpus: Corpus | None = None, *, trains: bool = True) -> Iterator[Check]:
    """The contract of a `Task`, as named checks. `corpus`: one in which it finds examples of several units.

    `trains=False` leaves out what needs a fitted model, for a task that takes minutes to train.

    >>> from understudy.testing.checks import failures
    >>> from understudy.transfer import open_task
    >>> failures(check_task(open_task("topic")))
    {}
    """
    given = corpus if corpus is not None else example_task_corpus()

    yield Check("names itself", "`name` is one word, `metric` and `needs` say what they are, `labelled` is a bool",
                lambda: _named(task))  # fmt: skip
    yield Check("finds examples", "aligned columns; labels are sorted texts without repeats; units are the corpus's",
                lambda: _sound(task, given, task.examples(given)))  # fmt: skip
    yield Check("finds the same again", "examples depend on the corpus alone and leave it as it is",
                lambda: _again(task, given))  # fmt: skip
    yield Check("finds nothing in nothing", "a corpus without what is needed gives no examples, and no error",
                lambda: _nothing(task, given))  # fmt: skip
    yield Check("does not read ids", "conversation ids carry no information", lambda: _renamed(task, given))
    if not trains:
        return
    yield Check("scores in [0, 1]", "one finite number an example, from the baseline and from the fitted model",
                lambda: _scores(task, given))  # fmt: skip
    yield Check("repeats itself exactly", "the same examples and seed give the same scores",
                lambda: _repeats(task, given))  # fmt: skip
    yield Check("scores each example alone", "an example scores the same in any company and order",
                lambda: _alone(task, given))  # fmt: skip
    yield Check("learns from one example", "`fit` takes one example or more", lambda: _one(task, given))
    yield Check("meets labels it never saw", "a test example may have labels that no training example had",
                lambda: _unseen(task, given))  # fmt: skip
    yield Check("trains on a mixture", "examples of two corpora can be put together", lambda: _mixture(task, given))
    yield Check("leaves global randomness alone", "draw from a generator seeded with `seed`",
                lambda: _untouched(task, given))  # fmt: skip


def _named(task: Task) -> str | None:
    if not isinstance(task.name, str) or not task.name.replace("_", "").isalnum():
        return f"the name is {task.name!r}"
    for field in ("metric", "needs"):
        if not isinstance(getattr(task, field), str) or not getattr(task, field).strip():
            return f"{field} is {getattr(task, field)!r}"
    return None if isinstance(task.labelled, bool) else f"labelled is {task.labelled!r}"


def _sound(task: Task, corpus: Corpus, found: Examples) -> str | None:
    lengths = {field: len(getattr(found, field)) for field in Examples._fields}
    if len(set(lengths.values())) != 1:
        return f"columns of different lengths: {lengths}"
    if found.size < 2:
        return f"{found.size} examples in a corpus of {len(corpus)} conversations"
    if (np.diff(found.conversations) < 0).any():
        return "the examples are not in the order of the corpus"
    if found.units.tolist() != corpus.unit_ids[found.conversations].tolist():
        return "units are not those of the examples' conversations"
    for labels in found.labels:
        texts = isinstance(labels, tuple) and bool(labels) and all(isinstance(name, str) for name in labels)
        if not texts or (task.labelled and list(labels) != sorted(set(labels))):
            return f"labels are {labels!r}"
    taken = found.take(np.array([1, 0]))
    if taken.inputs[0] != found.inputs[1] or taken.labels[1] != found.labels[0]:
        return "rows taken are not the rows asked for"
    return None


def _plain(found: Examples) -> tuple[Any, ...]:
    inputs = [found.inputs[row] for row in range(found.size)]
    return inputs, list(found.labels), found.units.tolist(), found.conversations.tolist()


def _again(task: Task, corpus: Corpus) -> str | None:
    digest = corpus.digest
    first, second = task.examples(corpus), task.examples(Corpus(corpus.conversations, corpus.card))
    if corpus.digest != digest:
        return "the corpus was changed"
    return None if _plain(first) == _plain(second) else "the same conversations give other examples"


def _nothing(task: Task, corpus: Corpus) -> str | None:
    silent = [
        msgspec.structs.replace(
            talk, turns=tuple(Turn(turn.role, "") for turn in talk.turns), topic=None, profile=None, meta={}
        )
        for talk in corpus
    ]
    for name, empty in (("no conversation", Corpus([])), ("no words and no labels", Corpus(silent))):
        if task.examples(empty).size:
            return f"{name}: {task.examples(empty).size} examples"
    return None


def _renamed(task: Task, corpus: Corpus) -> str | None:
    talks = [
        msgspec.structs.replace(talk, id=f"other-{row:06d}", user_id=str(unit))
        for row, (talk, unit) in enumerate(zip(corpus, corpus.unit_ids, strict=True))
    ]
    before, after = _plain(task.examples(corpus)), _plain(task.examples(Corpus(talks, corpus.card)))
    return None if before[:2] == after[:2] else "other conversation ids give other examples"


def _halves(task: Task, corpus: Corpus) -> tuple[Examples, Examples]:
    found = task.examples(corpus)
    half = found.size // 2
    return found.take(np.arange(half)), found.take(np.arange(half, found.size))


def _scores(task: Task, corpus: Corpus) -> str | None:
    train, test = _halves(task, corpus)
    for name, make in (("the baseline", task.baseline), ("the fitted model", task.fit)):
        scores: Any = task.score(make(train, seed=1), test)
        if not isinstance(scores, np.ndarray) or scores.shape != (test.size,):
            return f"{name} scores {test.size} examples with {getattr(scores, 'shape', type(scores).__name__)}"
        if not (np.isfinite(scores).all() and (scores >= 0.0).all() and (scores <= 1.0 + 1e-9).all()):
            return f"{name} scores from {scores.min()} to {scores.max()}"
    return None


def _repeats(task: Task, corpus: Corpus) -> str | None:
    train, test = _halves(task, corpus)
    makes: tuple[Callable[..., Any], ...] = (task.baseline, task.fit)
    for make in makes:
        first, second = (task.score(make(train, seed=1), test) for _ in range(2))
        if not np.array_equal(first, second):
            return "the same seed gives other scores"
    return None


def _alone(task: Task, corpus: Corpus) -> str | None:
    train, test = _halves(task, corpus)
    model = task.fit(train, seed=1)
    together = task.score(model, test)
    rows = np.arange(test.size)[::-1][: max(2, test.size // 3)]
    apart = task.score(model, test.take(rows))
    return None if np.allclose(together[rows], apart, atol=1e-4) else "an example scores differently in other company"


def _one(task: Task, corpus: Corpus) -> str | None:
    train, test = _halves(task, corpus)
    scores = task.score(task.fit(train.take([0]), seed=1), test)
    return None if len(scores) == test.size else f"{len(scores)} scores for {test.size} examples"


def _unseen(task: Task, corpus: Corpus) -> str | None:
    if not task.labelled:
        return None
    train, test = _halves(task, corpus)
    strange = test._replace(labels=[("a label of another corpus",)] * test.size)
    scores = task.score(task.fit(train, seed=1), strange)
    return None if (scores < 0.9).all() else "a label that nobody taught is scored as found"


def _mixture(task: Task, corpus: Corpus) -> str | None:
    train, test = _halves(task, corpus)
    other = task.examples(Corpus(corpus.conversations[::-1], corpus.card))
    both = train.followed_by(other)
    if both.size != train.size + other.size or both.inputs[train.size] != other.inputs[0]:
        return "the second part does not follow the first"
    scores = task.score(task.fit(both, seed=1), test)
    return None if len(scores) == test.size else f"{len(scores)} scores for {test.size} examples"


def _untouched(task: Task, corpus: Corpus) -> str | None:
    with watched_randomness() as touched:
        train, test = _halves(task, Corpus(corpus.conversations, corpus.card))
        task.score(task.fit(train, seed=1), test)
        return touched()
