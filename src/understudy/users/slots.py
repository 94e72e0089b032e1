"""The typed slots of a persona: how much more, or less, than others a user does something, and what that explains."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.users.deeds import LEAVES, LENGTH, MARKS, DeedReader, Rows

if TYPE_CHECKING:
    from understudy.users.speaker import Speaker

Array = npt.NDArray[np.float64]
Tables = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

STEP = 0.25
GRID = np.arange(-2.5, 2.5 + STEP / 2, STEP)  # what a slot may be; bounded, so that no user becomes a caricature
ZERO = len(GRID) // 2
FURTHEST = 6  # steps that one update may move a slot
PRIORS = (0.25, 0.5, 1.0)  # spreads of a slot between users that are tried
SURE = 2.0  # standard errors by which later sessions must gain for slots of a kind to be used at all
TRUSTS = (1.0, 0.5, 0.25)  # what a turn is worth where turns of one session go together
USUAL_PRIOR, USUAL_TRUST = 0.25, 0.5  # where nobody repeats
HALF_LIFE = 10.0  # sessions after which what a user did counts half
REPLAY = 0.1  # what it counts at least, however old
_RIDGE = 4.0
_LATER = 4  # user turns from this on stand at one place
_LEAST, _MOST = 0.005, 0.995


class Sessions(NamedTuple):
    """Sessions as the slots see them: `fit` (S, K, G), the log likelihood of what was done in session s as far as slot
    k speaks of it, at each value of the grid, less that at 0; `turns` (S,); `topic` (S,), -1 for an unknown one;
    `loss` (S,), minus the log likelihood with all slots at 0."""

    fit: Tables
    turns: Ints
    topic: Ints
    loss: Array

    def take(self, rows: Ints) -> Sessions:
        """The sessions at `rows`."""
        return Sessions(self.fit[rows], self.turns[rows], self.topic[rows], self.loss[rows])


class SlotModel:
    """What a persona's slots say of each turn of the fitted engine.

    The conditional model, for one user turn with what came before it (topic, place, the partner's act, the intent of
    the turn before). Each deed k (see `deeds`; an intent, a mark, a reaction, leaving, naming an item of a group) has
    a base rate m_k in context, a ridge regression over all people of the population, and a slot s_k moves its log odds:

        P(deed k) = m_k e^s_k / (1 - m_k + m_k e^s_k)

    Length is `log(1 + words) ~ N(m + s sigma, sigma^2)`. Deeds are taken as independent of each other given the
    context: the sum of their losses is a composite likelihood, in nats a turn. A slot is 0 where the user does it as
    others do, and a multiple of .25 between -2.5 and 2.5.

    `prior` and `trust` (K,): how far users of the population differ in slots of a kind, and what a turn is worth, are
    those of a small grid under which the earlier sessions of the population's users best tell their later ones.
    """

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self.deeds = DeedReader(speaker)
        pool = self.deeds.pool()
        self.names: tuple[str, ...] = pool.names
        self._gaussian = np.array([name == LENGTH for name in self.names])
        weight = self._regress(pool)
        self._weight, self._sigma = weight, 1.0
        residual = (pool.done - self._context(pool) @ weight)[:, self._gaussian]
        self._sigma = max(float(residual.std()), 1e-3)
        self._base = self.rates(pool)
        self._done = pool.done
        self.pool = self._tables(pool, self._base)
        self.talks, self.hosts, self.directions = pool.talks, pool.user_of_talk, pool.directions
        self._by_topic: dict[int, Ints] = {}
        self.prior, self.trust = self._spreads(pool.user_of_talk)
        self.lean = lru_cache(maxsize=256)(self._lean)

    @staticmethod
    def _context(rows: Rows) -> Array:
        """One-hot: topic, place, the partner's act, the previous intent; and a constant."""
        parts = [np.ones((len(rows.done), 1))]
        for column, size in (
            (rows.topic, rows.sizes[0]),
            (np.minimum(rows.place, _LATER), _LATER + 1),
            (rows.act, rows.sizes[1]),
            (rows.previous, rows.sizes[2]),
        ):
            parts.append((column[:, None] == np.arange(size)).astype(np.float64))
        return np.hstack(parts)

    def _regress(self, pool: Rows) -> Array:
        context = self._context(pool)
        known = ~np.isnan(pool.done)
        inner = context.T @ context + _RIDGE * np.diag(np.r_[1e-6, np.ones(context.shape[1] - 1)])
        weight = np.linalg.solve(inner, context.T @ np.where(known, pool.done, 0.0))
        for k in np.flatnonzero(~known.all(axis=0)):
            weight[:, k] = 0.0  # a deed that most turns do not come to has one rate for all
            weight[0, k] = pool.done[known[:, k], k].mean() if known[:, k].any() else 0.5
        return np.asarray(weight)

    def rates(self, rows: Rows) -> Array:
        """(n, K) how often the deeds of these turns are to be expected in their places."""
        rates = self._context(rows) @ self._weight
        return np.asarray(np.where(self._gaussian, rates, np.clip(rates, _LEAST, _MOST)))

    def _gains(self, done: Array, base: Array, k: int, values: Array) -> Array:
        """(n, G) log likelihood at `values` of slot k, less that at 0; 0 where the deed could not be done."""
        with np.errstate(invalid="ignore"):
            if self._gaussian[k]:
                z = (done[:, k] - base[:, k]) / self._sigma
                gain = np.outer(z, values) - values**2 / 2
            else:
                odds = np.log1p(np.outer(base[:, k], np.expm1(values)))
                gain = np.outer(done[:, k], values) - odds
        return np.asarray(np.where(np.isnan(done[:, k])[:, None], 0.0, gain))

    def _tables(self, rows: Rows, base: Array) -> Sessions:
        starts = rows.starts
        fit = np.empty((len(starts), len(self.names), len(GRID)), dtype=np.float32)
        loss = np.zeros(len(rows.done))
        for k in range(len(self.names)):
            gain = self._gains(rows.done, base, k, GRID)
            fit[:, k] = np.add.reduceat(gain, starts, axis=0) if len(starts) else 0.0
            x, m = rows.done[:, k], base[:, k]
            if self._gaussian[k]:
                own = ((x - m) / self._sigma) ** 2 / 2 + np.log(self._sigma) + 0.5 * np.log(2 * np.pi)
            else:
                own = -(x * np.log(m) + (1 - x) * np.log1p(-m))
            loss += np.where(np.isnan(x), 0.0, own)
        turns = np.diff(np.r_[starts, len(rows.done)]).astype(np.int64)
        by_session = np.add.reduceat(loss, starts) if len(starts) else np.zeros(0)
        return Sessions(fit, turns, rows.topic[starts], by_session)

    def read(self, rows: Rows) -> Sessions:
        """Sessions of a log, read by the population's rates."""
        return self._tables(rows, self.rates(rows))

    def _spreads(self, user_of_talk: Ints) -> tuple[Array, Array]:
        """Prior spread and trust of each slot, by how well a user's earlier sessions tell the later ones.

        Slots of a kind share theirs: chosen one by one, they would fit what these users did by chance. A kind from
        which the later sessions gain no more than chance would give is switched off.
        """
        _, user = np.unique(user_of_talk, return_inverse=True)
        slots = len(self.names)
        if np.bincount(user).max(initial=0) < 2:
            return np.full(slots, USUAL_PRIOR), np.full(slots, USUAL_TRUST)
        tried = [(prior, trust) for prior in PRIORS for trust in TRUSTS]
        kinds, kind = np.unique([_kind(name) for name in self.names], return_inverse=True)
        total = np.zeros((len(tried), int(user.max()) + 1, len(kinds)))
        ks = np.arange(slots)
        recent, whole = np.zeros((slots, len(GRID))), np.zeros((slots, len(GRID)))
        last = -1
        for row in np.argsort(user, kind="stable").tolist():
            now = self.pool.fit[row]
            if user[row] != last:
                recent[:], whole[:], last = 0.0, 0.0, int(user[row])
            else:
                seen = recent + REPLAY * whole
                for n, (prior, trust) in enumerate(tried):
                    value = (trust * seen - GRID**2 / (2 * prior**2)).argmax(axis=1)
                    total[n, last] += np.bincount(kind, now[ks, value], minlength=len(kinds))
            recent = (recent + now) * 0.5 ** (1 / HALF_LIFE)
            whole = whole + now
        best = total.sum(axis=1).argmax(axis=0)
        each = total[best, :, np.arange(len(kinds))]
        sure = each.sum(axis=1) > SURE * np.sqrt((each**2).sum(axis=1))
        grid = np.array(tried)[best]
        return np.where(sure, grid[:, 0], 0.0)[kind], np.asarray(grid[:, 1])[kind]

    @cached_property
    def _cost(self) -> Array:
        """(K, G) what a value costs before anything is seen; infinite off 0 for a slot that is switched off."""
        with np.errstate(divide="ignore", invalid="ignore"):
            cost = GRID[None, :] ** 2 / (2 * self.prior[:, None] ** 2)
        return np.where(np.isnan(cost), 0.0, cost)

    def best(self, seen: Array | Tables, current: Ints | None = None) -> Ints:
        """The best value of each slot, as grid indices (..., K), for weighted sums of `fit` (..., K, G): within
        `FURTHEST` steps of `current`."""
        score = self.trust[:, None] * seen - self._cost
        if current is not None:
            score = np.where(np.abs(np.arange(len(GRID)) - current[:, None]) <= FURTHEST, score, -np.inf)
        return np.asarray(score.argmax(axis=-1))

    def values_of(self, slots: Mapping[str, float]) -> Ints:
        """Named slots as grid indices; names that this population has not are left out."""
        index = np.full(len(self.names), ZERO, dtype=np.int64)
        for k, name in enumerate(self.names):
            if name in slots:
                index[k] = int(np.clip(round(slots[name] / STEP) + ZERO, 0, len(GRID) - 1))
        return index

    def named(self, index: Ints) -> dict[str, float]:
        """Grid indices as the slots that are not 0."""
        return {n: float(GRID[g]) for n, g in zip(self.names, index.tolist(), strict=True) if g != ZERO}

    def gain(self, sessions: Sessions, index: Ints) -> Array:
        """(S,) by how much each session is likelier under a persona than under nobody's."""
        return np.asarray(sessions.fit[:, np.arange(len(index)), index].sum(axis=1), dtype=np.float64)

    def _lean(self, slots: tuple[tuple[str, float], ...]) -> Array:
        """(n,) by how much likelier each of the engine's turns is said by a persona with these slots."""
        index = self.values_of(dict(slots))
        total = np.zeros(len(self._done))
        for k in np.flatnonzero(index != ZERO):
            if self.names[k] != LEAVES:
                total += self._gains(self._done, self._base, int(k), GRID[index[k : k + 1]])[:, 0]
        return total

    def alike(self, index: Ints, topic: int, *, least: float, extra: Array | None = None) -> tuple[Ints, Array]:
        """Sessions of the population of that topic, and the chance of each to stand for a persona's session.

        Chances go with the likelihood under the persona (and `extra`), tempered until `least` sessions' worth of them
        remain: too sharp a choice would make all sessions of a user one.
        """
        rows = self._by_topic.get(topic)
        if rows is None:
            rows = np.flatnonzero(self.pool.topic == topic)
            rows = rows if len(rows) >= 2 else np.arange(len(self.pool.turns))
            self._by_topic[topic] = rows
        score = self.gain(self.pool.take(rows), index)
        if extra is not None:
            score = score + extra[rows]
        return rows, tempered(score, least)


def _kind(name: str) -> str:
    """What a slot speaks of: the form of turns, reactions, leaving, intents, or items."""
    if name in (LENGTH, *MARKS):
        return "form"
    return name.partition(":")[0] if ":" in name or name == LEAVES else "reaction"


def tempered(score: Array, least: float) -> Array:
    """Chances that go with `exp(t * score)`, t the largest up to 1 at which they are worth `least` equal ones.

    >>> tempered(np.array([0.0, 0.0, 100.0, 0.0]), 2.0).round(2).tolist()
    [0.11, 0.11, 0.68, 0.11]
    """
    score = score - score.max()
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2 if high < 1.0 or low > 0.0 else 1.0
        p = np.exp(middle * score)
        p /= p.sum()
        if 1.0 / (p * p).sum() >= min(least, len(score)) - 1e-9:
            if middle == 1.0:
                return np.asarray(p)
            low = middle
        else:
            high = middle if middle < 1.0 else 1.0 - 1e-9
    p = np.exp(low * score)
    return np.asarray(p / p.sum())
