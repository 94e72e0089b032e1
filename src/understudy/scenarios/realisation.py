"""Did it come out as asked? For each characteristic, what was requested against what the text shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.embeddings import user_texts
from understudy.scenarios.characteristics import BY_NAME, NAMES, READABLE, Context
from understudy.scenarios.readings import UNREAD, Cuts, Readings
from understudy.scenarios.scenario import Scenario
from understudy.seeds import derive_seed, stream

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_FEWEST = 60
_PERMUTATIONS = 499


class Realisation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Requested (rows) against realised (columns) for one characteristic.

    `accuracy` is the share on the diagonal, `chance` what independence of the two would give; `bits` their mutual
    information with the bias that permutations show taken off, `p_value` of that permutation test. Unscored, with
    a reason, where nothing can be told.
    """

    name: str
    how: str
    levels: tuple[str, ...] = ()
    table: tuple[tuple[int, ...], ...] = ()
    n: int = 0
    unread: int = 0
    accuracy: float | None = None
    chance: float | None = None
    bits: float | None = None
    p_value: float | None = None
    reason: str = ""


def mutual_information(table: Floats) -> float:
    """In bits, from counts.

    >>> mutual_information(np.array([[5.0, 0.0], [0.0, 5.0]])), mutual_information(np.ones((2, 2)))
    (1.0, 0.0)
    """
    total = table.sum()
    if total <= 0:
        return 0.0
    p = table / total
    product = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    some = p > 0
    return float((p[some] * np.log2(p[some] / product[some])).sum())


def confusion(
    name: str, how: str, levels: Sequence[str], asked: Ints, found: Ints, *, seed: int, agreement: bool = False
) -> Realisation:
    """The table of one characteristic from level numbers, `UNREAD` where the text shows nothing.

    With `agreement` only hits count as information: cross-validation leaves guesses a little below chance, and a
    classifier that is wrong on purpose has recovered nothing.
    """
    read = found != UNREAD
    unread = int((~read).sum())
    asked, found = asked[read], found[read]
    if len(asked) == 0:
        return Realisation(name, how, tuple(levels), unread=unread, reason="no conversation could be read")
    k = len(levels)

    def table_of(rows: Ints) -> Floats:
        return np.bincount(rows * k + found, minlength=k * k).reshape(k, k).astype(float)

    table = table_of(asked)
    n = table.sum()
    bits = mutual_information(table)
    rng = stream(seed, "realisation", name)
    tables = [table_of(rng.permutation(asked)) for _ in range(_PERMUTATIONS)]
    null = np.array([mutual_information(shuffled) for shuffled in tables])
    accuracy, chance = float(np.trace(table) / n), float((table.sum(axis=1) @ table.sum(axis=0)) / n**2)
    if agreement:
        above = sum(bool(np.trace(shuffled) >= np.trace(table)) for shuffled in tables)
        bits = bits if accuracy > chance else 0.0
    else:
        above = int((null >= bits - 1e-12).sum())
    return Realisation(
        name,
        how,
        tuple(levels),
        tuple(tuple(int(v) for v in row) for row in table),
        int(n),
        unread,
        round(accuracy, 4),
        round(chance, 4),
        round(max(0.0, bits - float(null.mean())), 4),
        (1 + above) / (1 + _PERMUTATIONS),
    )


def realised(
    scenarios: Sequence[Scenario], talks: Sequence[Conversation], readings: Readings, cuts: Cuts, *, seed: int
) -> tuple[Realisation, ...]:
    """Every characteristic and the topic, requested against realised.

    Readable ones (`characteristics.READABLE`) go by rule. For the others, and for the topic, a classifier that has
    not seen a conversation is asked to recover the request from its user turns: how well it can is how much of
    the request is in the text. Below 60 conversations, or with one level only, that is unscored.
    """
    found = []
    for name in NAMES:
        if name not in READABLE:
            asked = [str(getattr(s.context, name)) for s in scenarios]
            found.append(recovered(name, asked, talks, seed=seed))
            continue
        levels = list(BY_NAME[name].base)
        wanted = np.array([levels.index(getattr(s.context, name)) for s in scenarios], dtype=np.int64)
        found.append(confusion(name, BY_NAME[name].reads, levels, wanted, readings.levels(name, cuts), seed=seed))
    found.append(recovered("topic", [s.topic for s in scenarios], talks, seed=seed))
    return tuple(found)


def recovered(name: str, asked: Sequence[str], talks: Sequence[Conversation], *, seed: int) -> Realisation:
    """How well a classifier on the words recovers what was asked, by five-fold cross-validation."""
    how = "recovered from the words by a classifier, five folds"
    levels, wanted = np.unique(np.array(asked, dtype=np.str_), return_inverse=True)
    if len(levels) < 2:
        return Realisation(name, how, reason="only one level was asked for")
    smallest = int(np.bincount(wanted).min())
    if len(talks) < _FEWEST or smallest < 5:
        least = f"{len(talks)} conversations, {smallest} of the rarest level"
        return Realisation(name, how, reason=f"{least}: at least {_FEWEST} and 5 are needed")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import StratifiedKFold

    texts = user_texts(Corpus(talks))
    try:
        words = TfidfVectorizer(token_pattern=TOKEN_PATTERN, sublinear_tf=True, max_features=4000).fit_transform(texts)
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        return Realisation(name, how, reason="the conversations have no words")
    found = np.full(len(wanted), UNREAD, dtype=np.int64)
    folds = StratifiedKFold(5, shuffle=True, random_state=derive_seed(seed, "folds", name) % 2**32)
    for train, held in folds.split(words, wanted):
        model = RidgeClassifier(alpha=1.0, solver="sparse_cg", random_state=0, class_weight="balanced")
        found[held] = model.fit(words[train], wanted[train]).predict(words[held])
    return confusion(name, how, [str(level) for level in levels], wanted, found, seed=seed, agreement=True)


def mismatches(context: Context, row: int, levels: Mapping[str, Ints], enforce: Sequence[str]) -> list[str]:
    """What was enforced and did not come out, as `duration: long asked, short realised`.

    What cannot be read is no mismatch: nothing is rejected for want of a word list.
    """
    wrong = []
    for name in enforce:
        known = list(BY_NAME[name].base)
        at = int(levels[name][row])
        if at != UNREAD and known[at] != getattr(context, name):
            wrong.append(f"{name}: {getattr(context, name)} asked, {known[at]} realised")
    return wrong
