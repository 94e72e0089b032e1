"""Which of two synthetic sets is closer to the same real users, and is the difference more than chance?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.errors import MeasureError
from understudy.measures.resampling import (
    FEWEST_CLUSTERS,
    JACKKNIFE_GROUPS,
    Floats,
    Ints,
    Pool,
    Statistic,
    evaluate,
    jackknife_interval,
    observed_weights,
    pool,
)

# Prepares a statistic for two corpora and its pool (`resampling.pool`, or one row a unit); anything it draws comes
# from the generator alone, and it uses every conversation, so that both calls leave out the same ones.
Build = Callable[[Corpus, Corpus, np.random.Generator], tuple[Statistic, Pool]]


class Comparison(msgspec.Struct, frozen=True):
    """`value` is the distance of the second set minus that of the first: above 0, the first is closer."""

    value: float
    interval: tuple[float, float]
    first: float
    second: float
    groups: int
    shared_units: int


def unit_groups(
    real: Corpus, first: Corpus, second: Corpus, groups: int, rng: np.random.Generator, *more: Corpus
) -> tuple[dict[str, int], dict[str, int]]:
    """A group for each real unit, and for each synthetic unit by name: a unit of several sets has one group."""
    tables = []
    synthetic = {unit for corpus in (first, second, *more) for unit in corpus.unit_ids.tolist()}
    for names in (set(real.unit_ids.tolist()), synthetic):
        ordered = sorted(names)
        number = np.arange(len(ordered)) % groups
        tables.append(dict(zip(ordered, rng.permutation(number).tolist(), strict=True)))
    return tables[0], tables[1]


def _row_groups(real: Corpus, synthetic: Corpus, pooled: Pool, tables: tuple[dict[str, int], dict[str, int]]) -> Ints:
    """The group of each row of `pooled`, whose rows are conversations or, where fewer, units in `pool`'s order."""
    by_talk = [tables[0][u] for u in real.unit_ids.tolist()] + [tables[1][u] for u in synthetic.unit_ids.tolist()]
    groups = np.array(by_talk, dtype=np.int64)
    talks = pool(real, synthetic)
    if pooled.n == talks.n:
        return groups
    first = np.unique(talks.unit, return_index=True)[1]
    if pooled.n != len(first):
        raise MeasureError(
            f"a statistic over {pooled.n} rows for {talks.n} conversations of {len(first)} units",
            why="rows cannot be paired between the two sets when some were left out",
            fix="sample the corpora before comparing them",
        )
    return groups[first]


def _distances(
    build: Build,
    real: Corpus,
    synthetic: Corpus,
    tables: tuple[dict[str, int], dict[str, int]],
    groups: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """The statistic on everything (K,), and with each group left out (groups, K)."""
    statistic, pooled = build(real, synthetic, rng)
    kept = (_row_groups(real, synthetic, pooled, tables)[:, None] != np.arange(groups)).astype(np.float64)
    whole = observed_weights(pooled)
    value = evaluate(statistic, whole)[0]
    return value, evaluate(statistic, (whole[0] * kept, whole[1] * kept))


def closer(
    real: Corpus,
    first: Corpus,
    second: Corpus,
    *,
    build: Build,
    rng: np.random.Generator,
    column: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Is `first` closer to the real users than `second`, on one statistic?

        value = |d(real, second)| - |d(real, first)|

    with d column `column` of the statistic that `build` prepares: a distance, or a signed gap of which the size
    counts. Above 0: the first is closer. The interval is a delete-a-group jackknife in which a group takes the
    same real units out of both distances and a synthetic unit out of both sets at once, by its name; what the sets
    share therefore cancels. Units found in one set only are grouped too, so sets need not be the same size.

    Raises MeasureError below ten units on a side.

    >>> from understudy.conversations import Conversation, Turn
    >>> from understudy.measures.style import style_matrix
    >>> def gap(real, synthetic, rng):
    ...     x = np.concatenate([style_matrix(real), style_matrix(synthetic)])[:, 0]
    ...     return lambda r, s: ((s.T @ x) / s.sum(0) - (r.T @ x) / r.sum(0))[:, None], pool(real, synthetic)
    >>> def side(low, seed):
    ...     words = np.random.default_rng(seed).integers(low, low + 9, 80)
    ...     return Corpus([Conversation(str(i), (Turn("user", "so " * w),)) for i, w in enumerate(words)])
    >>> c = closer(side(5, 0), side(5, 1), side(9, 1), build=gap, rng=np.random.default_rng(0))
    >>> bool(c.value > 0.2), bool(c.interval[0] > 0), c.shared_units
    (True, True, 80)

    Source: delete-a-group jackknife, Shao & Wu (1989), doi:10.1214/aos/1176347263.
    """
    found = distances(real, (first, second), build=build, rng=rng, column=column)
    (near, far), (near_out, far_out) = found.value, found.left_out
    value, (low, high) = difference(far, near, far_out, near_out, level=level)
    shared = set(first.unit_ids.tolist()) & set(second.unit_ids.tolist())
    return Comparison(value, (low, high), float(near), float(far), found.left_out.shape[1], len(shared))


class Distances(NamedTuple):
    """One statistic of several sets against the same real users: `value` (sets,), `left_out` (sets, groups)."""

    value: Floats
    left_out: Floats


def distances(
    real: Corpus, sets: Sequence[Corpus], *, build: Build, rng: np.random.Generator, column: int = 0
) -> Distances:
    """The distance of each of two or more sets to the real users, whole and with each group of units left out.

    What `closer` compares two by two, for any number of sets at the price of one statistic a set: groups are those
    of `unit_groups`, over the real units and over all synthetic ones by name. Raises MeasureError below ten units.
    """
    sizes = [corpus.n_units for corpus in (real, *sets)]
    if min(sizes) < FEWEST_CLUSTERS:
        raise MeasureError(
            f"{min(sizes)} units on the smallest side",
            why="an interval from so few users would not cover",
            fix=f"compare sets of at least {FEWEST_CLUSTERS} users (or conversations)",
        )
    groups = min(JACKKNIFE_GROUPS, *sizes)
    tables = unit_groups(real, sets[0], sets[1], groups, rng, *sets[2:])
    # The same draws for all sets, so that chance inside the statistic pairs as well.
    seed = int(rng.integers(2**63))
    found = [_distances(build, real, side, tables, groups, np.random.default_rng(seed)) for side in sets]
    return Distances(np.array([v[column] for v, _ in found]), np.stack([out[:, column] for _, out in found]))


def difference(
    far: float, near: float, far_out: Floats, near_out: Floats, *, level: float = 0.95
) -> tuple[float, tuple[float, float]]:
    """`|far| - |near|` and its delete-a-group jackknife interval, from two rows of `distances`."""
    value = abs(far) - abs(near)
    replicates = np.abs(far_out) - np.abs(near_out)
    low, high = jackknife_interval(np.array([value]), replicates[:, None], level=level)[0]
    return float(value), (float(low), float(high))
