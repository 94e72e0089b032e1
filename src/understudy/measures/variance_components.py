"""How much of a feature varies between users and how much within them, for thousands of resamples at once.

Everything is a function of sums a user (conversations, totals and squares a topic), so a resample is a column of
user weights. Topic means are taken out anew on each side of each resample: nothing is fitted on the labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.resampling import Floats, Ints, Pool

FEWEST_UNITS_A_TOPIC = 5
MOST_TOPICS = 50
_TINY = 1e-12


class UserSums(NamedTuple):
    """Sums over each user's conversations: `talks` (U, T) and `total` (F, U, T) a topic, `square` (F, U)."""

    talks: Floats
    total: Floats
    square: Floats

    @property
    def size(self) -> Floats:
        return np.asarray(self.talks.sum(axis=1))


class Anova(NamedTuple):
    """One feature of one side: `sums` (5, B) of users, n, n squared, between and within squares; df taken by
    topics (B,); and the between and within squares of each user (U, B)."""

    sums: Floats
    topics: Floats
    between: Floats
    within: Floats


# (5, B) sums and (B,) topics -> (B,)
Moment = Callable[[Floats, Floats], Floats]


def topic_numbers(real: Corpus, synthetic: Corpus, pooled: Pool) -> Ints:
    """A number for each conversation's topic; 0 for none and for topics of few units."""
    names = [*real.topics, *synthetic.topics]
    units: dict[str, set[int]] = {}
    for name, unit in zip(names, pooled.unit.tolist(), strict=True):
        if name is not None:
            units.setdefault(name, set()).add(unit)
    kept = sorted((n for n in units if len(units[n]) >= FEWEST_UNITS_A_TOPIC), key=lambda n: (-len(units[n]), n))
    number = {name: i + 1 for i, name in enumerate(kept[:MOST_TOPICS])}
    return np.array([0 if n is None else number.get(n, 0) for n in names], dtype=np.int64)


def user_sums(values: Floats, unit: Ints, topic: Ints, units: int) -> UserSums:
    """Sums of `values` (n, F) by unit and topic; features are put on the pooled z scale first."""
    spread = values.std(axis=0)
    z = (values - values.mean(axis=0)) / np.where(spread > _TINY, spread, 1.0)
    topics = int(topic.max()) + 1
    cell = unit * topics + topic
    shape = (units, topics)
    talks = np.bincount(cell, minlength=units * topics).reshape(shape)
    total = np.stack([np.bincount(cell, column, minlength=units * topics).reshape(shape) for column in z.T])
    square = np.stack([np.bincount(unit, column**2, minlength=units) for column in z.T])
    return UserSums(*(np.asarray(part, dtype=np.float64) for part in (talks, total, square)))


def anova(sums: UserSums, feature: int, weights: Floats) -> Anova:
    """One-way analysis of variance by user after topic means are taken out, for each weight column (U, B)."""
    talks, total = sums.talks, sums.total[feature]
    topic_size = talks.T @ weights
    mean = (total.T @ weights) / np.maximum(topic_size, 1.0)
    size = sums.size[:, None]
    centred = total.sum(axis=1)[:, None] - talks @ mean
    squares = sums.square[feature][:, None] - 2 * (total @ mean) + talks @ mean**2
    between = centred**2 / np.maximum(size, 1.0)
    within = np.maximum(squares - between, 0.0)
    summed = np.stack(
        [
            (size > 0).T.astype(np.float64)[0] @ weights,
            size[:, 0] @ weights,
            size[:, 0] ** 2 @ weights,
            np.einsum("ub,ub->b", weights, between),
            np.einsum("ub,ub->b", weights, within),
        ]
    )
    return Anova(summed, (topic_size > 0).sum(axis=0) - 1.0, between, within)


def mean_squares(sums: Floats, topics: Floats) -> tuple[Floats, Floats, Floats]:
    """Between and within mean squares and the effective number of conversations a user."""
    users, n, n_squared, between, within = sums
    df = np.maximum(users - 1.0, 1.0)
    effective = np.maximum((n - n_squared / np.maximum(n, 1.0)) / df, _TINY)
    return between / df, within / np.maximum(n - users - topics, 1.0), effective


def intraclass(sums: Floats, topics: Floats) -> Floats:
    """ICC(1) with unequal sizes, `(MSB - MSW) / (MSB + (n0 - 1) MSW)`; 0 where nothing varies.

    Shrout & Fleiss (1979), doi:10.1037/0033-2909.86.2.420; n0 as in Donner (1986), doi:10.2307/1403259.
    """
    between, within, effective = mean_squares(sums, topics)
    bottom = between + (effective - 1.0) * within
    share: Floats = np.where(bottom > 1e-9, (between - within) / np.maximum(bottom, _TINY), 0.0)
    return share


def user_variance(shared: Floats) -> Moment:
    """Variance of the mean over `shared` conversations of a user: comparable when sizes differ between sides."""

    def moment(sums: Floats, topics: Floats) -> Floats:
        between, within, effective = mean_squares(sums, topics)
        inflated: Floats = between / effective + within * (1.0 / shared - 1.0 / effective)
        return np.maximum(inflated, 0.0)

    return moment


def conversation_variance(sums: Floats, topics: Floats) -> Floats:
    """Variance between conversations within topics."""
    _, n, _, between, within = sums
    total: Floats = (between + within) / np.maximum(n - 1.0 - topics, 1.0)
    return total


def influence(moment: Moment, table: Anova, sums: UserSums) -> Floats:
    """What each user adds to `moment`, to first order (U, B): its gradient on the five sums, times the user's own.

    The squared sum over users estimates the sampling variance (infinitesimal jackknife).
    """
    size = sums.size[:, None]
    own = ((size > 0).astype(np.float64), size, size**2, table.between, table.within)
    result = np.zeros_like(table.between)
    for k, value in enumerate(own):
        step = 1e-4 * (table.sums[k] + _TINY)
        up, down = table.sums.copy(), table.sums.copy()
        up[k] += step
        down[k] -= step
        result += (moment(up, table.topics) - moment(down, table.topics)) / (2 * step) * value
    return result


def sampling_variance(effect: Floats, weights: Floats) -> Floats:
    """Variance of a statistic from the users' influences on it, a column each."""
    users = weights.sum(axis=0)
    variance: Floats = np.einsum("ub,ub->b", weights, effect**2) * users / np.maximum(users - 1.0, 1.0)
    return variance
