"""Response selection as a column of examples: a context, ten candidates, and how the nine wrong ones are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus, Role
from understudy.seeds import stream
from understudy.transfer.task import Floats, Ints
from understudy.transfer.tasks.texts import TextBank, Vocabulary

CANDIDATES = 10
EARLIER = 4  # turns of the context before the last one
DRAWN = 60  # turns of like length and topic among which the near ones are looked for
ELSEWHERE = 60  # turns from anywhere, for where there are too few of those
NEAR = 5  # of the nine wrong ones: the nearest in meaning among the drawn; the others are the first of the drawn
REACH = 300  # how far in the order of length the drawn may lie
DIMENSIONS = 32


class Choices:
    """A column of `(context, candidates)`: both tuples of texts, the context in the order said.

    `last` and `candidates` are rows of the bank, `earlier` too with -1 where there is no such turn; `place` is how
    many turns came before, `right` where the right candidate stands.
    """

    def __init__(
        self, bank: TextBank, *, last: Ints, earlier: Ints, place: Ints, candidates: Ints, right: Ints
    ) -> None:
        self.bank, self.last, self.earlier, self.place = bank, last, earlier, place
        self.candidates, self.right = candidates, right

    def __len__(self) -> int:
        return len(self.last)

    def __getitem__(self, index: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        texts = self.bank.texts
        before = [texts[row] for row in self.earlier[index].tolist() if row >= 0]
        return (*before, texts[int(self.last[index])]), tuple(texts[row] for row in self.candidates[index].tolist())

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        return (self[index] for index in range(len(self)))

    def take(self, rows: Ints) -> Choices:
        return Choices(
            self.bank,
            last=self.last[rows],
            earlier=self.earlier[rows],
            place=self.place[rows],
            candidates=self.candidates[rows],
            right=self.right[rows],
        )

    def followed_by(self, other: Any) -> Choices:
        bank, shift = self.bank.joined(other.bank)
        return Choices(
            bank,
            last=np.concatenate([self.last, other.last + shift]),
            earlier=np.concatenate([self.earlier, np.where(other.earlier < 0, -1, other.earlier + shift)]),
            place=np.concatenate([self.place, other.place]),
            candidates=np.concatenate([self.candidates, other.candidates + shift]),
            right=np.concatenate([self.right, other.right]),
        )


class _Said(NamedTuple):
    """Every turn with words: its conversation, unit, topic, text (and that without case and spacing), length."""

    talk: Ints
    unit: Ints
    topic: Ints
    is_user: npt.NDArray[np.bool_]
    text: Ints
    plain: Ints
    length: Ints


def choices_of(corpus: Corpus, role: Role, *, seed: int) -> tuple[Choices, Ints] | None:
    """Every turn of `role` that answers the other side, with wrong candidates; and the conversation of each.

    The wrong candidates are turns of the same role from other units of the corpus, none with the words of the right
    one or of another candidate. `DRAWN` turns are drawn among those of the same topic that are nearest in length;
    `NEAR` of the nine are the most similar of them to the right one (cosine of TF-IDF reduced by SVD), so that
    neither length nor topic nor a key word gives the answer away; the rest are drawn ones. Turns with fewer than nine
    other texts to be told from are left out; None where no turn is left.
    """
    bank, said = _said(corpus)
    pool = np.flatnonzero(said.is_user == (role == "user"))
    if not len(pool):
        return None
    last, earlier, place = _contexts(said)
    asked = np.flatnonzero(last[pool] >= 0)
    rng = stream(seed, "candidates", role)
    wrong, whole = _wrong_candidates(bank, said, pool, asked, rng)
    asked, wrong = asked[whole], wrong[whole]
    if not len(asked):
        return None
    turn = pool[asked]
    right = rng.integers(0, CANDIDATES, size=len(turn))
    candidates = np.empty((len(turn), CANDIDATES), dtype=np.int64)
    column = np.arange(CANDIDATES)
    others = column[None, :] != right[:, None]
    candidates[others] = said.text[wrong].ravel()
    candidates[~others] = said.text[turn]
    column_of = Choices(
        bank, last=last[turn], earlier=earlier[turn], place=place[turn], candidates=candidates, right=right
    )
    return column_of, said.talk[turn]


def _said(corpus: Corpus) -> tuple[TextBank, _Said]:
    number: dict[str, int] = {}
    plain: dict[str, int] = {}
    topics: dict[str | None, int] = {}
    _, unit = np.unique(corpus.unit_ids, return_inverse=True)
    rows = []
    for at, talk in enumerate(corpus):
        topic = topics.setdefault(talk.topic, len(topics))
        for turn in talk.turns:
            words = turn.text.lower().split()
            if words:
                text = number.setdefault(turn.text, len(number))
                same = plain.setdefault(" ".join(words), len(plain))
                rows.append((at, int(unit[at]), topic, turn.role == "user", text, same, len(turn.text)))
    columns = np.array(rows, dtype=np.int64).reshape(-1, 7).T
    talk_of, unit_of, topic_of, is_user, text_of, plain_of, length = columns
    return TextBank(list(number)), _Said(
        talk_of, unit_of, topic_of, is_user.astype(np.bool_), text_of, plain_of, length
    )


def _contexts(said: _Said) -> tuple[Ints, Ints, Ints]:
    """For each turn: the other side's last turn if it comes right before (else -1), those before it, their number."""
    n = len(said.talk)
    at = np.arange(n)
    first = np.searchsorted(said.talk, said.talk)
    before = np.maximum(at - 1, 0)
    answers = (at > first) & (said.is_user[before] != said.is_user)
    last = np.where(answers, said.text[before], -1)
    earlier = np.full((n, EARLIER), -1, dtype=np.int64)
    for back in range(EARLIER):
        source = at - 2 - back
        there = source >= first
        earlier[there, EARLIER - 1 - back] = said.text[source[there]]
    return last, earlier, at - first


def _wrong_candidates(
    bank: TextBank, said: _Said, pool: Ints, asked: Ints, rng: np.random.Generator
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """`(asked, 9)` turns, and for which of the asked there are nine."""
    near = _drawn_nearby(said, pool, asked, rng)
    far = pool[rng.integers(0, len(pool), size=(len(asked), ELSEWHERE))]
    drawn = np.concatenate([near, far], axis=1)
    turn = pool[asked]
    usable = (said.unit[drawn] != said.unit[turn][:, None]) & (said.plain[drawn] != said.plain[turn][:, None])
    usable &= _first_of_its_kind(said.plain[drawn])
    nearby = np.arange(drawn.shape[1]) < near.shape[1]
    like = np.zeros(drawn.shape)
    like[:, nearby] = _likeness(bank, said, turn, near)
    # Nearest first among the drawn, then drawn ones in any order, then those from elsewhere.
    rank = np.where(usable & nearby, like, -3.0)
    best = np.argsort(-rank, axis=1, kind="stable")[:, :NEAR]
    worth = np.where(usable, np.where(nearby, 1.0, 0.0) - np.arange(drawn.shape[1]) / drawn.shape[1] / 2, -3.0)
    np.put_along_axis(
        worth, best, np.where(np.take_along_axis(usable & nearby, best, 1), 2.0, np.take_along_axis(worth, best, 1)), 1
    )
    chosen = np.argsort(-worth, axis=1, kind="stable")[:, : CANDIDATES - 1]
    whole = np.take_along_axis(usable, chosen, 1).sum(axis=1) == CANDIDATES - 1
    return np.take_along_axis(drawn, chosen, 1), whole


def _drawn_nearby(said: _Said, pool: Ints, asked: Ints, rng: np.random.Generator) -> Ints:
    """`(asked, DRAWN)` turns of the pool, of the same topic and of much the same length."""
    order = np.lexsort((rng.random(len(pool)), said.length[pool], said.topic[pool]))
    position = np.empty(len(pool), dtype=np.int64)
    position[order] = np.arange(len(pool))
    topic = said.topic[pool][order]
    start, end = np.searchsorted(topic, topic, "left"), np.searchsorted(topic, topic, "right")
    here = position[asked]
    reach = min(REACH, max(len(pool) // 20, 2 * CANDIDATES))
    low = np.maximum(start[here], here - reach)
    high = np.minimum(end[here], here + reach + 1)
    drawn = low[:, None] + (rng.random((len(asked), DRAWN)) * (high - low)[:, None]).astype(np.int64)
    found: Ints = pool[order[drawn]]
    return found


def _first_of_its_kind(values: Ints) -> npt.NDArray[np.bool_]:
    """Which entries are the first with their value in their row."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    new = np.ones(values.shape, dtype=np.bool_)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty_like(new)
    np.put_along_axis(first, order, new, axis=1)
    return first


def _likeness(bank: TextBank, said: _Said, turn: Ints, drawn: Ints) -> Floats:
    """Cosine of each drawn turn with the right one."""
    used = np.unique(np.concatenate([said.text[turn], said.text[drawn].ravel()]))
    vectors = reduced(bank.counts[used], DIMENSIONS)
    row = np.full(len(bank.texts), -1, dtype=np.int64)
    row[used] = np.arange(len(used))
    like = np.empty(drawn.shape)
    for begin in range(0, len(turn), 2048):
        block = slice(begin, begin + 2048)
        own, others = vectors[row[said.text[turn[block]]]], vectors[row[said.text[drawn[block]]]]
        like[block] = np.einsum("nd,nkd->nk", own, others)
    return like


def reduced(counts: Any, dimensions: int) -> npt.NDArray[np.float32]:
    """Unit rows: TF-IDF of `counts` on its first singular vectors, always the same for the same counts."""
    from sklearn.decomposition import TruncatedSVD

    weighted = Vocabulary(counts, fewest=2 if counts.shape[0] >= 50 else 1).weigh(counts)
    rank = min(dimensions, min(weighted.shape) - 1)
    if rank < 1:
        return np.zeros((counts.shape[0], 1), dtype=np.float32)
    vectors = TruncatedSVD(rank, n_iter=2, random_state=0).fit_transform(weighted.astype(np.float32))
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-6)
    return unit


def reciprocal_ranks(scores: Floats, right: Ints) -> Floats:
    """1 / rank of the right candidate, averaged over every order of those that tie with it.

    >>> reciprocal_ranks(np.array([[0.9, 0.1, 0.1], [0.2, 0.7, 0.7]]), np.array([0, 1]))
    array([1.  , 0.75])
    """
    own = np.take_along_axis(scores, right[:, None], axis=1)
    better = (scores > own).sum(axis=1)
    level = (scores == own).sum(axis=1)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, scores.shape[1] + 1))])
    mean: Floats = (harmonic[better + level] - harmonic[better]) / level
    return mean


def from_inputs(inputs: Any, labels: Sequence[tuple[str, ...]]) -> Choices:
    """`inputs` themselves, or plain `(context, candidates)` pairs as a column; the right ones are in `labels`."""
    if isinstance(inputs, Choices):
        return inputs
    number: dict[str, int] = {}

    def row(text: str) -> int:
        return number.setdefault(text, len(number))

    contexts = [[row(text) for text in context] for context, _ in inputs]
    candidates = [[row(text) for text in options] for _, options in inputs]
    right = [options.index(names[0]) for (_, options), names in zip(inputs, labels, strict=True)]
    earlier = [[-1] * EARLIER + context[:-1] for context in contexts]
    return Choices(
        TextBank(list(number)),
        last=np.array([context[-1] for context in contexts], dtype=np.int64),
        earlier=np.array([rows[len(rows) - EARLIER :] for rows in earlier], dtype=np.int64).reshape(-1, EARLIER),
        place=np.array([len(context) for context in contexts], dtype=np.int64),
        candidates=np.array(candidates, dtype=np.int64).reshape(len(candidates), -1),
        right=np.array(right, dtype=np.int64),
    )
