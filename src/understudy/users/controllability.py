"""Controllability: how well what a simulated user was told can be read back from what it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus
from understudy.errors import UsageError
from understudy.measures.resampling import Floats, Ints
from understudy.seeds import stream

FOLDS = 5
PERMUTATIONS = 199
_FEATURES = 2**14
_FEWEST = 5  # of a class: fewer cannot be in every fold
_RIDGE = 1.0
_MOST = 3000  # texts; more are sampled, since every pair of them is compared
_HALF = 0.5


class Recovery(msgspec.Struct, frozen=True):
    """How well one variable is recovered from text, out of sample.

    `texts` (at most 3,000, sampled) of `units` users were read. `accuracy` is balanced: the mean over classes of the
    share that is recovered. `chance` is the mean of it under permuted labels, `p_value` that of the permutation
    test, `lift` `(accuracy - chance) / (1 - chance)`: 0 where text says nothing of the variable, 1 where it says
    all. With `accuracy` None, `reason` says why.
    """

    variable: str
    accuracy: float | None
    chance: float | None
    p_value: float | None
    classes: int
    texts: int
    units: int
    reason: str = ""

    @property
    def lift(self) -> float | None:
        """`(accuracy - chance) / (1 - chance)`."""
        if self.accuracy is None or self.chance is None or self.chance >= 1:
            return None
        return (self.accuracy - self.chance) / (1 - self.chance)


def controllability(
    corpus: Corpus, *, variables: Sequence[str] = ("intent",), seed: int, permutations: int = PERMUTATIONS
) -> tuple[Recovery, ...]:
    """Are simulated users what they were told to be? Each of `variables`, read back from text alone.

    `intent` is the turn latent: the planned intent of every user turn, read from that turn. All others are session
    latents, read from all that the user said: `topic`, `user`, or a path into the stored profile, such as
    `persona.big_five.extraversion` (numbers: above or below their median) or `partner_belief`.

    A ridge classifier on hashed words, pairs of words and pairs of characters (any script), cross-validated in
    five folds that no user crosses; against it, the same with labels permuted: between users as a whole where
    each has one value, else among the texts of one user, so that what is particular to a user passes for no control.
    Recovered is not the same as true to life: a user who recites its profile is recovered perfectly
    (`simulator_faults` counts that). Source: latent variables as labels of the simulation, arXiv:2305.07961; the
    score, its null and its units are this project's.

    >>> from understudy.conversations import Turn
    >>> said = {"ask": "where is it", "thank": "thank you"}
    >>> talks = [Conversation(f"{k}{v}", (Turn("user", said[v], intent=v),)) for k in range(20) for v in said]
    >>> found, = controllability(Corpus(talks), seed=0, permutations=19)
    >>> found.accuracy, found.p_value
    (1.0, 0.05)
    """
    return tuple(_recovery(corpus, name, seed, permutations) for name in variables)


def _recovery(corpus: Corpus, name: str, seed: int, permutations: int) -> Recovery:
    texts, values, units = _turns(corpus) if name == "intent" else _sessions(corpus, name)
    rng = stream(seed, "controllability", name)
    if len(texts) > _MOST:
        kept = np.sort(rng.choice(len(texts), _MOST, replace=False)).tolist()
        texts, values, units = ([column[k] for k in kept] for column in (texts, values, units))
    texts, label, unit, classes = _usable(texts, values, units)
    users = len(np.unique(unit))
    if classes < 2 or users < FOLDS:
        what = "fewer than two values that occur often enough" if classes < 2 else f"fewer than {FOLDS} users"
        return Recovery(name, None, None, None, classes, len(texts), users, f"{what} (n={len(texts)})")
    fold = rng.permuted(np.arange(users) % FOLDS)[unit]
    labels = np.column_stack([label, *(_permuted(label, unit, rng) for _ in range(permutations))])
    accuracy = _cross_validated(_features(texts), labels, fold, classes)
    beaten = int((accuracy[1:] >= accuracy[0] - 1e-12).sum())
    return Recovery(
        name,
        round(float(accuracy[0]), 4),
        round(float(accuracy[1:].mean()), 4),
        (1 + beaten) / (1 + permutations),
        classes,
        len(texts),
        users,
    )


def _turns(corpus: Corpus) -> tuple[list[str], list[Any], list[str]]:
    rows = [
        (turn.text, turn.intent, unit)
        for talk, unit in zip(corpus, corpus.unit_ids.tolist(), strict=True)
        for turn in talk.turns
        if turn.role == "user" and turn.intent is not None
    ]
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]


def _sessions(corpus: Corpus, name: str) -> tuple[list[str], list[Any], list[str]]:
    rows = [
        ("\n".join(turn.text for turn in talk.turns if turn.role == "user"), _value(talk, name), unit)
        for talk, unit in zip(corpus, corpus.unit_ids.tolist(), strict=True)
    ]
    rows = [row for row in rows if row[1] is not None and row[0].strip()]
    numbers = [row[1] for row in rows if isinstance(row[1], int | float) and not isinstance(row[1], bool)]
    values = [row[1] for row in rows]
    if rows and len(numbers) == len(rows):
        middle = float(np.median(numbers))
        values = ["above" if value > middle else "below" for value in numbers]
    return [row[0] for row in rows], values, [row[2] for row in rows]


def _value(talk: Conversation, name: str) -> Any:
    if name in ("topic", "user"):
        return talk.topic if name == "topic" else talk.user_id
    found: Any = talk.profile
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    if isinstance(found, dict | list):
        raise UsageError(
            f"{name!r} of the profile holds several values",
            why="one variable at a time can be recovered",
            fix=f"name one of them, for example {name}.{next(iter(found), 'NAME')}",
        )
    return found


def _usable(texts: list[str], values: list[Any], units: list[str]) -> tuple[list[str], Ints, Ints, int]:
    """Texts whose value is common enough, as numbers; rarer ones are left out, because no fold can learn them."""
    common = sorted(str(v) for v, n in Counter(map(str, values)).items() if n >= _FEWEST)
    number = {value: k for k, value in enumerate(common)}
    kept = [k for k, value in enumerate(values) if str(value) in number]
    label = np.array([number[str(values[k])] for k in kept], dtype=np.int64)
    _, unit = np.unique(np.array([units[k] for k in kept], dtype=np.str_), return_inverse=True)
    return [texts[k] for k in kept], label, unit.astype(np.int64), len(common)


def _permuted(label: Ints, unit: Ints, rng: np.random.Generator) -> Ints:
    """Labels exchanged between users as a whole where each has one value, else among the texts of one user."""
    first = np.zeros(int(unit.max()) + 1, dtype=np.int64)
    first[unit] = label
    if np.array_equal(first[unit], label):
        return rng.permutation(first)[unit]
    order = np.lexsort((rng.random(len(label)), unit))
    out = np.empty_like(label)
    out[np.argsort(unit, kind="stable")] = label[order]
    return out


def _features(texts: Sequence[str]) -> Floats:
    """Kernel between texts: what a ridge classifier on their hashed words and characters needs, and nothing more."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    words = HashingVectorizer(n_features=_FEATURES, ngram_range=(1, 2), alternate_sign=False, norm=None)
    pairs = HashingVectorizer(
        n_features=_FEATURES, analyzer="char_wb", ngram_range=(1, 3), alternate_sign=False, norm=None
    )
    counted = [TfidfTransformer(sublinear_tf=True).fit_transform(v.transform(texts)) for v in (words, pairs)]
    table = hstack(counted).tocsr() * np.sqrt(_HALF)
    kernel: Floats = np.asarray((table @ table.T).todense())
    return kernel


def _cross_validated(
    kernel: Floats, labels: npt.NDArray[np.int64], fold: Ints, classes: int
) -> npt.NDArray[np.float64]:
    """Balanced out-of-sample accuracy of every column of `labels`: one factorisation a fold serves them all."""
    columns = labels.shape[1]
    right = np.zeros((classes, columns))
    of_class = np.stack([(labels == c).sum(axis=0) for c in range(classes)])
    for k in range(FOLDS):
        test, train = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        if not len(test) or not len(train):
            continue
        inner = kernel[np.ix_(train, train)] + _RIDGE * np.eye(len(train))
        weight = np.linalg.solve(inner, kernel[np.ix_(train, test)]).T
        best = np.full((len(test), columns), -np.inf)
        guess = np.zeros((len(test), columns), dtype=np.int64)
        for c in range(classes):
            share = (labels[train] == c).mean(axis=0)
            # Centred and scaled by class, so that a common class is not guessed for being common.
            target = ((labels[train] == c) - share) / np.maximum(np.sqrt(share * (1 - share)), 1e-6)
            score = weight @ target
            guess = np.where(score > best, c, guess)
            best = np.maximum(score, best)
        hit = guess == labels[test]
        for c in range(classes):
            right[c] += (hit & (labels[test] == c)).sum(axis=0)
    accuracy: npt.NDArray[np.float64] = (right / np.maximum(of_class, 1)).mean(axis=0)
    return accuracy
