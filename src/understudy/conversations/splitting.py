"""Dividing a corpus so that no person, conversation or near-copy stands on two sides."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from understudy.conversations.corpus import Corpus
from understudy.conversations.near_duplicates import find_near_duplicates, near_duplicates
from understudy.errors import CorpusError, UsageError
from understudy.seeds import derive_seed

_THRESHOLD = 0.8


def split_corpus(
    corpus: Corpus,
    fractions: Sequence[float],
    *,
    seed: int,
    by_topic: bool = True,
    merge_near_duplicates: bool = True,
) -> tuple[Corpus, ...]:
    """Divide `corpus` into one part for each fraction of its conversations.

    All conversations of a user (where there is none, the conversation alone) go to one part; with
    `merge_near_duplicates` so do users with conversations that are nearly the same text (Jaccard >= .8, see
    `near_duplicates`). Units are drawn in random order and each goes where it is most wanted, by the whole and,
    with `by_topic`, within the topic that most of its conversations have; so shares are met as far as the units
    allow.

    The parts hold every conversation exactly once, in the order of the corpus. Which part a conversation falls
    into depends on `seed` and on the ids and texts, not on the order. Raises `UsageError` for fractions that are
    not positive or do not add up to 1, `CorpusError` when there are fewer units than parts.

    >>> from understudy.conversations import Conversation, Turn
    >>> talks = [Conversation(f"c{i}", (Turn("user", "hi"),), user_id=f"u{i % 5}") for i in range(20)]
    >>> train, test = split_corpus(Corpus(talks), (0.8, 0.2), seed=1)
    >>> len(train), len(test), set(train.unit_ids) & set(test.unit_ids)
    (16, 4, set())
    """
    if len(fractions) < 2 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1.0, abs_tol=1e-9):
        raise UsageError(
            f"cannot split into fractions {tuple(fractions)}",
            why="two or more positive fractions that add up to 1 are needed",
            fix="e.g. (0.8, 0.2)",
        )
    part = _assign(corpus, list(fractions), seed, by_topic, merge_near_duplicates)
    return tuple(corpus.subset(np.flatnonzero(part == k)) for k in range(len(fractions)))


def grouped_folds(
    corpus: Corpus, folds: int, *, seed: int, by_topic: bool = True, merge_near_duplicates: bool = True
) -> npt.NDArray[np.int64]:
    """The fold of each conversation, for cross-validation under the same promises as `split_corpus`.

    >>> from understudy.conversations import Conversation, Turn
    >>> talks = [Conversation(f"c{i}", (Turn("user", "hi"),)) for i in range(9)]
    >>> np.bincount(grouped_folds(Corpus(talks), 3, seed=0)).tolist()
    [3, 3, 3]
    """
    if folds < 2:
        raise UsageError(f"{folds} folds are no split", why="at least 2 are needed", fix="e.g. 5")
    return _assign(corpus, [1.0 / folds] * folds, seed, by_topic, merge_near_duplicates)


def check_no_leak(parts: Sequence[Corpus], *, threshold: float = _THRESHOLD) -> None:
    """Raise `CorpusError` when a user, a conversation id or a near-duplicate stands in two of `parts`.

    For splits that somebody else made. Near-duplicates are those of `near_duplicates`, at `threshold`.

    >>> from understudy.conversations import Conversation, Turn
    >>> one = Corpus([Conversation("a", (Turn("user", "hi"),), user_id="ann")])
    >>> two = Corpus([Conversation("b", (Turn("user", "ho"),), user_id="ann")])
    >>> check_no_leak([one, two])
    Traceback (most recent call last):
    understudy.errors.CorpusError: user 'ann' stands in parts 1 and 2
      why: what is learned in one part would be known in the other: 1 user crosses
      fix: split again with split_corpus, which keeps users and near-duplicates on one side
    """
    talks = [talk for part in parts for talk in part]
    side = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    crossing = {
        "user": _crossing([talk.user_id for talk in talks], side),
        "conversation": _crossing([talk.id for talk in talks], side),
    }
    for what, found in crossing.items():
        if found:
            name, first, second = found[0]
            raise _leak(f"{what} {str(name)!r} stands in parts {first + 1} and {second + 1}", what, len(found))
    pairs = [p for p in find_near_duplicates(talks, threshold) if side[p.first] != side[p.second]]
    if pairs:
        pair = max(pairs, key=lambda p: (p.jaccard, -p.first, -p.second))
        a, b = talks[pair.first], talks[pair.second]
        where = f"parts {int(side[pair.first]) + 1} and {int(side[pair.second]) + 1}"
        what = f"conversations {a.id!r} and {b.id!r} in {where} are near-duplicates (Jaccard {pair.jaccard:.2f})"
        raise _leak(what, "near-duplicate pair", len(pairs))


def _leak(what: str, kind: str, count: int) -> CorpusError:
    verb = "crosses" if count == 1 else "cross"
    return CorpusError(
        what,
        why=f"what is learned in one part would be known in the other: {count:,} {kind}{'s' * (count > 1)} {verb}",
        fix="split again with split_corpus, which keeps users and near-duplicates on one side",
    )


def _crossing(names: list[str | None], side: npt.NDArray[np.int64]) -> list[tuple[str, int, int]]:
    first: dict[str, int] = {}
    found: dict[str, tuple[str, int, int]] = {}
    for name, part in zip(names, side.tolist(), strict=True):
        if name is not None and first.setdefault(name, part) != part:
            found.setdefault(name, (name, first[name], part))
    return list(found.values())


def _assign(corpus: Corpus, fractions: list[float], seed: int, by_topic: bool, merge: bool) -> npt.NDArray[np.int64]:
    units = _units(corpus, merge)
    if len(units) < len(fractions):
        users = corpus.has_users
        raise CorpusError(
            f"{len(corpus)} conversations by {len(units)} {'users' if users else 'units'} cannot make"
            f" {len(fractions)} parts",
            why="all conversations of a user, and near-duplicates, stay together, and no part may be empty",
            fix="give more data, or ask for fewer parts",
        )
    topics = corpus.topics
    names = {key: min(str(corpus.unit_ids[row]) for row in rows) for key, rows in units.items()}
    strata: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
    for key, rows in units.items():
        counts = Counter(topics[row] or "" for row in rows) if by_topic else Counter({"": 1})
        topic = min(counts, key=lambda name: (-counts[name], name))
        strata[topic].append((derive_seed(seed, "split", names[key]), names[key], key))
    share = np.array(fractions)
    held = np.zeros(len(fractions))
    part = np.empty(len(corpus), dtype=np.int64)
    left = len(units)
    for topic in sorted(strata):
        inside = np.zeros(len(fractions))
        for draw, _, key in sorted(strata[topic], key=lambda entry: entry[:2]):
            size = len(units[key])
            wanted = share * (held.sum() + size) - held + share * (inside.sum() + size) - inside
            empty = held == 0
            if left <= int(empty.sum()):
                wanted = np.where(empty, wanted, -np.inf)
            best = np.flatnonzero(wanted >= wanted.max() - 1e-9)
            chosen = int(best[draw % len(best)])
            held[chosen] += size
            inside[chosen] += size
            left -= 1
            part[units[key]] = chosen
    return part


def _units(corpus: Corpus, merge: bool) -> dict[int, list[int]]:
    """Rows that must stay together: by user, and where `merge` also by near-duplicate text."""
    _, label = np.unique(corpus.unit_ids, return_inverse=True)
    if merge and len(corpus) > 1 and (pairs := near_duplicates(corpus, threshold=_THRESHOLD)):
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        ends = np.array([(label[pair.first], label[pair.second]) for pair in pairs])
        count = int(label.max()) + 1
        graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
        _, joined = connected_components(graph, directed=False)
        label = joined[label]
    units: dict[int, list[int]] = defaultdict(list)
    for row, key in enumerate(label.tolist()):
        units[key].append(row)
    return dict(units)
