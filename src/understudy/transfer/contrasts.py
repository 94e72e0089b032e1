"""Contrasts between training arms that were generated several times: value, interval and what it would vary by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from understudy.transfer.arms import BASELINE, IN_DOMAIN, ArmScores, Estimated, Means, estimate
from understudy.transfer.task import Floats

FEWEST_SEEDS = 3
ALPHA = 0.05
RESAMPLES = 1999


class Effect(NamedTuple):
    """A contrast of cells with its interval, in gap closed."""

    name: str
    value: float
    low: float
    high: float
    p_value: float


def contrasts(
    scores: ArmScores, cells: Sequence[str], *, seeds: int, rng: np.random.Generator
) -> tuple[Callable[[str, Floats], Effect], Estimated] | str:
    """A function from a name and weights on `cells` to an effect in gap closed, and the gap itself in the metric.

    The arms are `<cell>@<seed>`. Weights that add up to 0 compare cells; others are measured from the baseline. Why
    there is no effect, in words, where the in-domain arm does not beat the baseline beyond its interval.

    Test units and the real training sets are resampled for all cells together (`arms.estimate`). What another
    generation would change comes from the seeds: the same seeds run through all cells, so that the residual of cell
    by seed, pooled over cells, with (cells - 1)(seeds - 1) degrees of freedom, is the error of every contrast; it
    holds the noise of training sets too. The variances add; degrees of freedom by Satterthwaite (1946),
    doi:10.2307/3002019.
    """
    table = np.array([[scores.scores[f"{cell}@{s}"].mean() for s in range(seeds)] for cell in cells])
    by_cell = [np.mean([scores.scores[f"{cell}@{s}"].mean(axis=0) for s in range(seeds)], axis=0) for cell in cells]
    # One row an arm: what training sets and generations change is taken from `table`, once.
    arms = {BASELINE: scores.scores[BASELINE], IN_DOMAIN: scores.scores[IN_DOMAIN]}
    tested = scores._replace(scores=arms | {str(k): row[None, :] for k, row in enumerate(by_cell)})
    gap = estimate(tested, lambda means: means[IN_DOMAIN] - means[BASELINE], rng=rng)
    if gap.low <= 0:
        return (
            f"the in-domain arm beats the baseline by {gap.value:.3f} [{gap.low:.3f}, {gap.high:.3f}] in "
            f"{scores.metric}: there is no gap to close that could be told from none"
        )
    noise = _Noise(table, gap.value, groups=int(scores.units.max()) + 1)

    def effect(name: str, weights: Floats) -> Effect:
        def statistic(means: Means) -> Floats:
            top = -weights.sum() * means[BASELINE]
            for k in np.flatnonzero(weights).tolist():
                top = top + weights[k] * means[str(k)]
            return np.asarray(top / (means[IN_DOMAIN] - means[BASELINE]))

        return noise.interval(name, estimate(tested, statistic, rng=rng, resamples=RESAMPLES), weights)

    return effect, gap


class _Noise:
    """The two sources of error of a contrast."""

    def __init__(self, table: Floats, width: float, groups: int) -> None:
        self._cells, self._seeds = table.shape
        self._width, self._groups = width, groups
        centred = table - table.mean(axis=1, keepdims=True)
        residual = centred - centred.mean(axis=0)
        self._df = (self._cells - 1) * (self._seeds - 1)
        self._paired = float(np.square(residual).sum() / self._df)
        # What is no contrast is not paired: the seeds themselves differ too.
        self._whole = float(np.square(centred).sum() / (self._cells * (self._seeds - 1)))

    def interval(self, name: str, found: Estimated, weights: Floats) -> Effect:
        """`value ± t(df) sqrt(test variance + generation variance)`."""
        from scipy import stats

        contrast = abs(weights.sum()) < 1e-9
        value = found.value
        tested = ((found.high - found.low) / 2 / stats.t.ppf(1 - ALPHA / 2, self._groups - 1)) ** 2
        variance = self._paired if contrast else self._whole
        generated = variance * float(np.square(weights).sum()) / self._seeds / self._width**2
        df_generated = self._df if contrast else self._seeds - 1
        total = tested + generated
        if total <= 0:
            return Effect(name, value, value, value, 1.0 if value == 0 else 0.0)
        df = total**2 / (tested**2 / max(self._groups - 1, 1) + generated**2 / df_generated)
        reach = float(stats.t.ppf(1 - ALPHA / 2, df) * np.sqrt(total))
        p = float(2 * stats.t.sf(abs(value) / np.sqrt(total), df))
        return Effect(name, float(value), float(value - reach), float(value + reach), p)


def as_columns(title: str, effects: Sequence[Effect]) -> dict[str, list[Any]]:
    """Names, values and intervals as columns."""
    return {
        title: [e.name for e in effects],
        "value": [e.value for e in effects],
        "low": [e.low for e in effects],
        "high": [e.high for e in effects],
    }
