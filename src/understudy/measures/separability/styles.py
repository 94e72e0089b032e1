"""Style sums a user of both sides, and what the measures of separability share: gaps, their errors, their records."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, floor_of
from understudy.measures.resampling import Floats, Ints, Pool, TwoSample, pool
from understudy.measures.sampling import unit_order
from understudy.measures.style import speaks, style_matrix
from understudy.measures.variance_components import (
    Anova,
    Moment,
    UserSums,
    influence,
    sampling_variance,
    topic_numbers,
    user_sums,
)

MOST_UNITS = 1000


class Styles(NamedTuple):
    """Style of the conversations in which a user speaks: both sides pooled, a row of `sums` a unit."""

    sums: UserSums
    units: Pool
    varies: npt.NDArray[np.bool_]
    repeats: tuple[bool, bool]


def fewer_units(corpus: Corpus, rng: np.random.Generator) -> Corpus:
    """At most `MOST_UNITS` units, at random, whole."""
    rows = unit_order(corpus, rng)
    ids = corpus.unit_ids[rows]
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    if len(starts) <= MOST_UNITS:
        return corpus
    return corpus.subset(np.sort(rows[: starts[MOST_UNITS]]))


def collect_styles(real: Corpus, synthetic: Corpus) -> Styles:
    """Sufficient sums of the seven style features a unit, and the pool whose rows are the units."""
    pooled = pool(real, synthetic)
    topic = topic_numbers(real, synthetic, pooled)
    values = np.concatenate([style_matrix(real), style_matrix(synthetic)])
    kept = np.concatenate([speaks(real), speaks(synthetic)])
    return styles_of(values[kept], pooled.unit[kept], topic[kept], pooled.unit_is_synthetic)


def styles_of(values: Floats, unit: Ints, topic: Ints, unit_is_synthetic: npt.NDArray[np.bool_]) -> Styles:
    """The same for any features `(n, F)`: units numbered from 0, the real ones first."""
    sums = user_sums(values, unit, topic, len(unit_is_synthetic))
    many = sums.size >= 2
    repeats = (bool(many[~unit_is_synthetic].any()), bool(many[unit_is_synthetic].any()))
    units = Pool(int((~unit_is_synthetic).sum()), np.arange(len(unit_is_synthetic)), unit_is_synthetic)
    return Styles(sums, units, values.std(axis=0) > 1e-12, repeats)


class Gap(NamedTuple):
    """Synthetic minus real of a moment, its sampling variance, and the users' influences on either side."""

    value: Floats
    variance: Floats
    effects: tuple[Floats, Floats]


def gap_of(sums: UserSums, moment: Moment, sides: tuple[Anova, Anova], weights: tuple[Floats, Floats]) -> Gap:
    """The gap in `moment` between two sides under their weights."""
    real, synthetic = (moment(side.sums, side.topics) for side in sides)
    first, second = (influence(moment, side, sums) for side in sides)
    variance = sampling_variance(first, weights[0]) + sampling_variance(second, weights[1])
    return Gap(synthetic - real, variance, (first, second))


def studentised(value: Floats, variance: Floats) -> Floats:
    """Gaps over their standard errors."""
    return np.asarray(value / np.sqrt(variance + 1e-12))


def bounds_of(result: TwoSample, column: int) -> tuple[float, float] | None:
    """The interval of one column, where there is one."""
    if result.interval is None:
        return None
    low, high = result.interval[column]
    return float(low), float(high)


def _part_spec(spec: MeasureSpec, part: str) -> MeasureSpec:
    """A part is a signed gap of its own: too little is as wrong as too much."""
    unit = spec.unit.removeprefix("mean absolute ")
    bounds = (None, None) if unit != spec.unit else (-1.0, 1.0)
    return msgspec.structs.replace(
        spec, name=f"{spec.name}.{part}", unit=unit, range=bounds, better="match", headline=False
    )


def measurement_of(
    spec: MeasureSpec,
    result: TwoSample,
    column: int,
    p_value: float,
    n: dict[str, Any],
    part: str = "",
    **rest: Any,
) -> Measurement:
    """One column as a measurement, or as a part of one."""
    return Measurement(
        name=f"{spec.name}.{part}" if part else spec.name,
        value=float(result.value[column]),
        status="scored",
        n=n,
        spec=_part_spec(spec, part) if part else spec,
        interval=bounds_of(result, column),
        p_value=p_value,
        floor=floor_of(result.floor[:, column]),
        **rest,
    )


def no_repeats(styles: Styles) -> str:
    """Which side has no user to be like himself."""
    sides = [side for side, many in zip(("real", "synthetic"), styles.repeats, strict=True) if not many]
    return f"no user with two or more conversations on the {' and the '.join(sides)} side"
