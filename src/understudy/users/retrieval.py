"""Real turns of one side as a table, and the few of them worth considering as the next thing said."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.users.intents import NONE, form_features
from understudy.users.material import Bools, Floats, Ints, Side, Turns

_BRUTE = 4000  # contexts up to which all are compared; beyond, only the nearest cells
_CELLS = 256
_PROBED = 3


class TurnTable(NamedTuple):
    """One role's turns, a row a turn. `before` is the direction of what the other side had just said (zeros if
    nothing), `before_row` that turn's row in the corpus, `own` the direction of the turn itself."""

    corpus_row: Ints
    talk: Ints
    position: Ints
    length: Ints
    user: Ints
    topic: Ints
    intent: Ints
    previous: Ints
    before_act: Ints
    before_row: Ints
    before: Floats
    own: Floats
    text_key: Ints
    first_row: Ints  # of each talk, plus one past the end
    spoke_last: Bools  # of each talk: whether this role had the last word
    opened: Bools  # of each talk: whether this role spoke first

    def rows_of(self, talk: int) -> Ints:
        return np.arange(self.first_row[talk], self.first_row[talk + 1])


def build_table(turns: Turns, own_side: Side, other_side: Side, embedded: Floats, *, user_side: bool) -> TurnTable:
    """The table of one role from the columns of the corpus and the embeddings of all its turns."""
    mine = turns.is_user if user_side else ~turns.is_user
    rows = np.flatnonzero(mine)
    rank = np.zeros(len(mine), dtype=np.int64)
    rank[mine] = np.arange(len(rows))
    rank[~mine] = np.arange(len(mine) - len(rows))
    talk = turns.talk[rows]
    first_row = np.searchsorted(talk, np.arange(turns.n_talks + 1))
    position = np.arange(len(rows)) - first_row[talk]
    begin = np.searchsorted(turns.talk, np.arange(turns.n_talks + 1))
    before_row = np.where((rows > begin[talk]) & ~mine[np.maximum(rows - 1, 0)], rows - 1, NONE)
    told = before_row >= 0
    before = np.zeros((len(rows), embedded.shape[1]), dtype=np.float32)
    before[told] = embedded[before_row[told]]
    before_act = np.full(len(rows), NONE, dtype=np.int64)
    before_act[told] = other_side.label[rank[before_row[told]]]
    previous = np.where(position > 0, np.roll(own_side.label, 1), NONE) if len(rows) else own_side.label
    empty = begin[:-1] == begin[1:]
    last = np.where(empty, 0, begin[1:] - 1)
    opening = np.minimum(begin[:-1], max(len(mine) - 1, 0))
    _, text_key = np.unique(np.array([turns.texts[k].lower() for k in rows.tolist()] or [""]), return_inverse=True)
    return TurnTable(
        rows,
        talk,
        position,
        (first_row[1:] - first_row[:-1])[talk],
        turns.user_of_talk[talk],
        turns.topic_of_talk[talk],
        own_side.label,
        previous,
        before_act,
        before_row,
        before,
        embedded[rows],
        text_key[: len(rows)],
        first_row,
        mine[last] & ~empty,
        mine[opening] & ~empty,
    )


def fit_cells(before: Floats, *, seed: int) -> Floats:
    """Centroids of the contexts, so that a large table is searched in part. Empty for a small one."""
    if len(before) <= _BRUTE:
        return np.zeros((0, before.shape[1]), dtype=np.float32)
    from sklearn.cluster import MiniBatchKMeans

    rng = np.random.default_rng(seed)
    sample = before[rng.choice(len(before), min(len(before), 20_000), replace=False)]
    cells = int(min(_CELLS, np.sqrt(len(before))))
    model = MiniBatchKMeans(cells, n_init=1, batch_size=4096, max_iter=30, random_state=seed % 2**32).fit(sample)
    return np.asarray(model.cluster_centers_, dtype=np.float32)


class Neighbours:
    """Rows whose context is near a given one. Ties (everybody is asked for a name) are broken at random."""

    def __init__(self, before: Floats, centroids: Floats) -> None:
        self.centroids = centroids
        if len(centroids):
            cell = np.argmax(before @ centroids.T - 0.5 * (centroids * centroids).sum(axis=1), axis=1)
            self.order = np.argsort(cell, kind="stable")
            self.begins = np.searchsorted(cell[self.order], np.arange(len(centroids) + 1))
            self._half = 0.5 * (centroids * centroids).sum(axis=1)
        else:
            self.order = np.arange(len(before))
        self.sorted = np.ascontiguousarray(before[self.order])

    def near(self, context: Floats, topic: Ints, wanted_topic: int, count: int, rng: np.random.Generator) -> Ints:
        """Up to `count` rows, those of the wanted topic preferred."""
        if len(self.centroids):
            closeness = self.centroids @ context - self._half
            cells = np.argpartition(-closeness, min(_PROBED, len(closeness) - 1))[:_PROBED]
            spans = [slice(int(self.begins[c]), int(self.begins[c + 1])) for c in cells]
            rows = np.concatenate([self.order[s] for s in spans])
            alike = np.concatenate([self.sorted[s] @ context for s in spans])
        else:
            rows, alike = self.order, self.sorted @ context
        if len(rows) <= count:
            return rows
        alike = alike + 0.02 * rng.random(len(rows), dtype=np.float32)
        if wanted_topic >= 0:
            alike = alike + 0.3 * (topic[rows] == wanted_topic)
        return rows[np.argpartition(-alike, count)[:count]]


class Styles(NamedTuple):
    """How each user writes, standardised over users: `vectors[user]`, and the plain named means."""

    names: tuple[str, ...]
    means: npt.NDArray[np.float64]
    vectors: Floats


def turn_style(texts: list[str]) -> npt.NDArray[np.float64]:
    """Surface habits of each turn: form, capitals and full stops."""
    habits = np.zeros((len(texts), 3))
    for k, text in enumerate(texts):
        letters = sum(c.isalpha() for c in text) or 1
        stripped = text.rstrip()
        habits[k] = (
            sum(c.isupper() for c in text) / letters,
            stripped[-1:] in ".。",
            text[:1].islower(),
        )
    return np.hstack([form_features(texts), habits])


STYLE_NAMES = ("log_chars", "question", "exclamation", "digits", "short", "capitals", "full_stop", "lower_start")


def fit_styles(features: npt.NDArray[np.float64], user: Ints, users: int) -> Styles:
    """Per-user means of `turn_style`, shrunk to everyone's by a few turns' worth."""
    overall = features.mean(axis=0) if len(features) else np.zeros(len(STYLE_NAMES))
    n = np.bincount(user, minlength=users)[:, None]
    sums = np.stack([np.bincount(user, weights=column, minlength=users) for column in features.T], axis=1)
    means = (sums + 4 * overall) / (n + 4)
    spread = means.std(axis=0)
    vectors = (means - means.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
    return Styles(STYLE_NAMES, means, vectors.astype(np.float32))
