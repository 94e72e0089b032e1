"""How much likelier is a reply after this history than after a matched one? A small scorer learned from people."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import TOKEN_PATTERN
from understudy.measures.distributions import Labels
from understudy.measures.relational.threads import DEPTH, FOLDS, OTHERS, Threads, kept_for, laid_out, threads
from understudy.measures.resampling import Floats
from understudy.measures.turn_words import Singles, turn_space, unit_rows
from understudy.seeds import stream

FEWEST_TRAINED = 60
DEPTHS = (1, 2, DEPTH)
FORM_MARKS = 300
FORM_DIMENSIONS = 24
FORM_CHARACTERS = 400
RIDGE = 0.05
# Edges of the bands within which hard shuffles share as much as the true history; wider ones let stuffing through.
SHARES = (1e-6, *(k / 20 for k in range(1, 20)))


class Fits(NamedTuple):
    """Log odds, in nats, that a reply belongs to a history, by depth (`DEPTHS`), out of fold.

    `own` (replies, depths) for the true history, `shuffled` (replies, depths, `OTHERS`) for matched ones (nan: no
    shuffle), `earlier` (replies,) at depth 1 with the same speaker's turn before its last in the place of its last
    (nan: none). `share` and `shuffled_share`: idf-weighted share of the reply's content words that the turn
    replied to has; `taken`, `shuffled_taken`: share of that turn's content words that the reply has (nan: none).
    """

    threads: Threads
    own: Floats
    shuffled: Floats
    earlier: Floats
    share: Floats
    shuffled_share: Floats
    taken: Floats
    shuffled_taken: Floats
    trained_on: int


def fits(real: Corpus, synthetic: Corpus) -> Fits | str:
    """Score all replies of both sides, or say why that cannot be done.

    For each role a scorer is trained on real replies with their true histories against the same replies with
    matched shuffles (`threads`), equally weighted, so that its logit estimates the pointwise mutual information
    of history and reply within a stratum. Units are dealt into three folds on both sides; every fold, real or
    synthetic, is scored by the model of the other real folds, so that neither a reply nor any history that it is
    scored with comes from a unit that the model saw.

    Inputs of the model: for each depth d = 1 .. 4 the idf-weighted share of the reply's content words said d turns
    before, and the cosine of TF-IDF/SVD vectors; and for d = 1, 2 the linear-Gaussian association `x' W y` of turn
    vectors (content and form: opening words, frequent words, last mark), `W = (Cxx + l I)^-1 Cxy (Cyy + l I)^-1`,
    cross-fitted between halves of the training folds.
    """
    found: Fits | str = kept_for(real, synthetic, "fits", lambda: _fits(real, synthetic))
    return found


def form_space(real: Corpus, synthetic: Corpus) -> Singles:
    """What kind of turn is it, topic aside? Unit vectors of opening words, frequent words and the last mark."""
    import polars as pl
    from scipy import sparse
    from sklearn.utils.extmath import randomized_svd

    text = laid_out(real, synthetic).select("row", low=pl.col("text").str.head(FORM_CHARACTERS).str.to_lowercase())
    words = text.select("row", "low", word=pl.col("low").str.extract_all(TOKEN_PATTERN))
    opening = pl.col("word").list
    marks = pl.concat(
        [
            words.select("row", mark="word").explode("mark", empty_as_null=False),
            words.select("row", mark="^" + opening.first().fill_null("")),
            words.select("row", mark="^" + opening.head(2).list.join(" ")),
            words.select("row", mark="$" + pl.col("low").str.extract(r"([^\p{L}\p{N}\s])\s*$").fill_null("")),
        ]
    ).unique()
    kept = marks.group_by("mark").agg(turns=pl.len()).sort(["turns", "mark"], descending=[True, False])
    kept = kept.head(FORM_MARKS).sort("mark").with_row_index("column")
    coded = marks.join(kept, on="mark").sort("row", "column")
    idf = np.log((1 + text.height) / (1 + kept["turns"].to_numpy())) + 0.1
    columns = coded["column"].to_numpy()
    shape = (text.height, kept.height)
    found = sparse.csr_matrix((idf[columns], (coded["row"].to_numpy(), columns)), shape=shape, dtype=np.float32)
    rank = min(FORM_DIMENSIONS, min(shape) - 1)
    if rank < 1:
        return np.zeros((text.height, 1), dtype=np.float32)
    seed = int(stream(0, "relational.form").integers(2**31))
    step = max(1, text.height // 20_000)
    _, _, components = randomized_svd(found[::step], rank, n_iter=2, random_state=seed)
    return unit_rows(np.asarray(found @ components.T, dtype=np.float32))


class _Space(NamedTuple):
    """Turns as idf rows (and their signs, their mass, their number of words), meanings, and whole vectors."""

    rare: Any
    present: Any
    mass: Floats
    size: Floats
    meaning: Singles
    whole: Singles


def _space(real: Corpus, synthetic: Corpus) -> _Space:
    space = turn_space(real, synthetic)
    present = space.rare.sign()
    mass, size = (np.asarray(m.sum(axis=1), dtype=np.float64).ravel() for m in (space.rare, present))
    whole = np.concatenate([space.meaning, form_space(real, synthetic)], axis=1)
    return _Space(space.rare, present, mass, size, space.meaning, whole)


def _shared(space: _Space, reply: Labels, turn: Labels) -> tuple[Floats, Floats]:
    """Idf-weighted share of the reply's content words in the turn; share of the turn's in the reply (nan: none)."""
    both = space.rare[reply].multiply(space.present[turn])
    weight = np.asarray(both.sum(axis=1), dtype=np.float64).ravel()
    number = np.diff(both.tocsr().indptr).astype(np.float64)
    taken = np.divide(number, space.size[turn], out=np.full(len(turn), np.nan), where=space.size[turn] > 0)
    return weight / np.maximum(space.mass[reply], 1e-9), taken


def _pair_features(space: _Space, reply: Labels, history: Labels) -> tuple[Floats, Floats]:
    """Shares and cosines by depth, `(pairs, 2 * DEPTH)`, 0 where there is no such turn; and `taken` at depth 1."""
    columns, taken = np.zeros((len(reply), 2 * DEPTH)), np.full(len(reply), np.nan)
    for d in range(DEPTH):
        there = np.flatnonzero(history[:, d] >= 0)
        share, back = _shared(space, reply[there], history[there, d])
        columns[there, d] = share
        columns[there, DEPTH + d] = np.einsum("ij,ij->i", space.meaning[reply[there]], space.meaning[history[there, d]])
        if d == 0:
            taken[there] = back
    return columns, taken


class _Model(NamedTuple):
    """Association matrices at depths 1 and 2, centres, and a logistic model a depth."""

    centre: Singles
    association: tuple[Singles, Singles]
    weights: tuple[Floats, ...]

    def logits(self, space: _Space, reply: Labels, history: Labels, columns: Floats) -> Floats:
        """`(pairs, depths)`."""
        x = np.column_stack([columns, _associated(space, self.centre, self.association, reply, history)])
        return np.stack([x[:, _used(d)] @ w[1:] + w[0] for d, w in zip(DEPTHS, self.weights, strict=True)], axis=1)


def _used(depth: int) -> Labels:
    """Which columns a model of this depth may see."""
    share = np.arange(depth)
    linked = 2 * DEPTH + np.arange(min(depth, 2))
    return np.concatenate([share, DEPTH + share, linked])


def _associated(
    space: _Space, centre: Singles, association: tuple[Singles, Singles], reply: Labels, history: Labels
) -> Floats:
    y = space.whole[reply] - centre
    found = np.zeros((len(reply), 2))
    for d in (0, 1):
        there = history[:, d] >= 0
        x = space.whole[history[there, d]] - centre
        found[there, d] = np.einsum("ij,ij->i", x @ association[d], y[there])
    return found


def _association(space: _Space, centre: Singles, reply: Labels, turn: Labels) -> Singles:
    there = turn >= 0
    x, y = space.whole[turn[there]] - centre, space.whole[reply[there]] - centre
    size, width = max(1, len(x)), x.shape[1]

    def inverse(z: Singles) -> Singles:
        c = z.T @ z / size
        ridge = RIDGE * float(np.trace(c)) / width + 1e-6
        return np.asarray(np.linalg.inv(c + ridge * np.eye(width)), dtype=np.float32)

    return np.asarray(inverse(x) @ (x.T @ y / size) @ inverse(y), dtype=np.float32)


class _Pairs(NamedTuple):
    """True pairs, then every shuffle: who replies, to which history, with which features."""

    entry: Labels
    reply: Labels
    history: Labels
    columns: Floats
    taken: Floats


def _train(space: _Space, t: Threads, pairs: _Pairs, chosen: Labels, rng: np.random.Generator) -> _Model:
    """Associations cross-fitted between halves of the chosen entries' units; then the logistic models."""
    centre = space.whole[t.row[chosen]].mean(axis=0)
    second = (rng.permutation(int(t.unit.max()) + 1) % 2)[t.unit].astype(bool)
    half = {}
    for flag in (False, True):
        own = chosen[second[chosen] == flag]
        first, second_last = (_association(space, centre, t.row[own], t.history[own, d]) for d in (0, 1))
        half[flag] = (first, second_last)
    inside = np.zeros(len(t.row), dtype=bool)
    inside[chosen] = True
    rows = np.flatnonzero(inside[pairs.entry])
    linked = np.zeros((len(rows), 2))
    for flag in (False, True):
        at = second[pairs.entry[rows]] == flag
        other = rows[at]
        linked[at] = _associated(space, centre, half[not flag], pairs.reply[other], pairs.history[other])
    x = np.column_stack([pairs.columns[rows], linked])
    true = rows < len(t.row)
    shuffles = np.bincount(pairs.entry[rows[~true]], minlength=len(t.row))[pairs.entry[rows]]
    weight = np.where(true, 1.0, 1.0 / np.maximum(shuffles, 1))
    both = tuple(np.asarray((half[False][d] + half[True][d]) / 2, dtype=np.float32) for d in (0, 1))
    return _Model(centre, (both[0], both[1]), tuple(_logistic(x[:, _used(d)], true, weight) for d in DEPTHS))


def _logistic(x: Floats, true: Any, weight: Floats) -> Floats:
    """Intercept and weights; columns are scaled inside, so that the penalty is the same for all."""
    from sklearn.linear_model import LogisticRegression

    scale = x.std(axis=0)
    usable = scale > 1e-9
    found = np.zeros(x.shape[1] + 1)
    if not usable.any():
        return found
    model = LogisticRegression(C=1.0, max_iter=200)
    model.fit(x[:, usable] / scale[usable], true, sample_weight=weight)
    found[0] = model.intercept_[0]
    found[1:][usable] = model.coef_[0] / scale[usable]
    return found


def _fits(real: Corpus, synthetic: Corpus) -> Fits | str:
    t = threads(real, synthetic)
    shuffled = np.flatnonzero((t.others >= 0).any(axis=1))
    for flag in (True, False):
        trained = shuffled[(t.by_user[shuffled] == flag) & ~t.is_synthetic[shuffled]]
        if len(np.unique(t.unit[trained])) >= 2 * FOLDS and len(trained) >= FEWEST_TRAINED:
            break
    else:
        return f"too few real replies to learn what belongs together; at least {FEWEST_TRAINED} of a role are needed"
    space = _space(real, synthetic)
    rng = stream(0, "relational.scorer")
    pairs = _all_pairs(space, t)
    own = np.full((len(t.row), len(DEPTHS)), np.nan)
    spread = np.full((len(t.row), len(DEPTHS), OTHERS), np.nan)
    earlier = np.full(len(t.row), np.nan)
    trained_on = 0
    for flag in (False, True):
        mine = shuffled[t.by_user[shuffled] == flag]
        learn = mine[~t.is_synthetic[mine]]
        if len(learn) < FEWEST_TRAINED or len(np.unique(t.unit[learn])) < 2 * FOLDS:
            continue
        trained_on += len(learn)
        for k in range(FOLDS):
            model = _train(space, t, pairs, learn[t.fold[learn] != k], rng)
            _score(model, space, t, pairs, mine[t.fold[mine] == k], (own, spread, earlier))
    share, taken = pairs.columns[:, 0], pairs.taken
    column = np.full((2, len(t.row), OTHERS), np.nan)
    at = np.nonzero(t.others >= 0)
    column[0][at], column[1][at] = share[len(t.row) :], taken[len(t.row) :]
    n = len(t.row)
    return Fits(t, own, spread, earlier, share[:n], column[0], taken[:n], column[1], trained_on)


def _all_pairs(space: _Space, t: Threads) -> _Pairs:
    entry, column = np.nonzero(t.others >= 0)
    entries = np.concatenate([np.arange(len(t.row)), entry])
    history = np.concatenate([t.history, t.history[t.others[entry, column]]])
    columns, taken = _pair_features(space, t.row[entries], history)
    return _Pairs(entries, t.row[entries], history, columns, taken)


def _score(
    model: _Model, space: _Space, t: Threads, pairs: _Pairs, mine: Labels, into: tuple[Floats, Floats, Floats]
) -> None:
    """Logits of the entries `mine`: true, shuffled, and with the same speaker's earlier turn."""
    own, spread, earlier = into
    inside = np.zeros(len(t.row), dtype=bool)
    inside[mine] = True
    rows = np.flatnonzero(inside[pairs.entry])
    logits = model.logits(space, pairs.reply[rows], pairs.history[rows], pairs.columns[rows])
    true = rows < len(t.row)
    own[pairs.entry[rows[true]]] = logits[true]
    at = np.nonzero(t.others >= 0)
    place = rows[~true] - len(t.row)
    spread[at[0][place], :, at[1][place]] = logits[~true]
    swapped = mine[t.history[mine, 2] >= 0]
    history = t.history[swapped].copy()
    history[:, 0] = history[:, 2]
    columns, _ = _pair_features(space, t.row[swapped], history)
    earlier[swapped] = model.logits(space, t.row[swapped], history, columns)[:, 0]
