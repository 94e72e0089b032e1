"""Is the simulator off by the same everywhere? Simulated minus real score by difficulty and by population slice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.transfer.scores import Scores, Strings, tally

Floats = npt.NDArray[np.float64]
FEWEST_UNITS = 10
BINS = 5
DRAWS = 4000


class Bin(NamedTuple):
    """Simulated minus real score within one bin, with its interval; `weight` is the bin's share of real episodes."""

    name: str
    real: float
    simulated: float
    gap: float
    low: float
    high: float
    weight: float
    real_n: int
    simulated_n: int


class Calibration(NamedTuple):
    """Calibration along one thing (`by`).

    `error` is the weighted mean of |gap|, `noise` what it would be on average were there no gap, with its 95 %
    range; `p_value` the share of such draws as large. `corrected` is the root of the mean squared gap less its
    sampling noise, `shift` the gap common to all bins (harmless for an order), `uneven` the corrected gap that is
    left without it.
    """

    by: str
    bins: tuple[Bin, ...]
    error: float
    interval: tuple[float, float]
    noise: float
    noise_range: tuple[float, float]
    p_value: float
    corrected: float
    shift: float
    uneven: float
    left_out: tuple[str, ...]


def difficulty_bins(real: Scores, simulated: Scores) -> tuple[Strings, Strings] | None:
    """Bins of difficulty on both sides: its own levels where few, else fifths of the real episodes."""
    if real.difficulty is None or simulated.difficulty is None:
        return None
    known = real.difficulty[np.isfinite(real.difficulty)]
    levels = np.unique(known)
    if not len(levels):
        return None
    if len(levels) <= BINS + 1:
        return _named(real.difficulty), _named(simulated.difficulty)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1))[1:-1])
    between = [f"{a:.3g} to {b:.3g}" for a, b in pairwise(edges)]
    spans = [f"below {edges[0]:.3g}", *between, f"from {edges[-1]:.3g}"]
    names = np.array([f"{k}: {span}" for k, span in enumerate(spans, start=1)])
    sides = []
    for column in (real.difficulty, simulated.difficulty):
        placed = names[np.searchsorted(edges, np.nan_to_num(column), side="right")]
        sides.append(np.where(np.isfinite(column), placed, ""))
    return sides[0], sides[1]


def _named(levels: Floats) -> Strings:
    return np.array([f"{level:g}" if np.isfinite(level) else "" for level in levels], dtype=np.str_)


def calibration(
    by: str,
    real: Scores,
    simulated: Scores,
    bins: tuple[Strings, Strings],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Calibration | None:
    """Where does the simulator score too high, and where too low? Bins are labels of the rows on both sides.

    `gap = mean simulated - mean real` in each bin, Welch t interval with errors by user. Over bins, with weights w
    (shares of real episodes): `error = sum w |gap|`, which noise alone makes positive: `noise` is its mean with
    gaps drawn from the joint error of the bins. `corrected^2 = sum w (gap^2 - se^2)`, not below 0. Units of the
    score, 0 is best. Bins with fewer than ten users on a side are left out by name; None where none is left.

    >>> rng = np.random.default_rng(0)
    >>> users = np.array([f"u{k}" for k in range(200)])
    >>> hard = np.where(np.arange(200) % 2, "hard", "easy")
    >>> real = Scores(np.full(200, "a"), rng.normal(size=200), users)
    >>> simulated = Scores(np.full(200, "a"), rng.normal(size=200) + 2.0 * (hard == "hard"), users)
    >>> c = calibration("difficulty", real, simulated, (hard, hard), rng=rng)
    >>> [(b.name, round(b.gap)) for b in c.bins], round(c.shift), c.p_value < 0.01
    ([('easy', 0), ('hard', 2)], 1, True)
    """
    from scipy import stats

    names = [name for name in np.unique(bins[0]).tolist() if name]
    sides = [tally(_by_bin(side, labels), names) for side, labels in zip((real, simulated), bins, strict=True)]
    enough = (sides[0].units >= FEWEST_UNITS) & (sides[1].units >= FEWEST_UNITS)
    kept = [name for name, good in zip(names, enough, strict=True) if good]
    left_out = tuple(name for name, good in zip(names, enough, strict=True) if not good)
    if not kept:
        return None
    sides = [tally(_by_bin(side, labels), kept) for side, labels in zip((real, simulated), bins, strict=True)]
    gap = sides[1].means - sides[0].means
    parts = [side.covariance for side in sides]
    covariance = parts[0] + parts[1]
    variances = [np.diag(part) for part in parts]
    error = np.sqrt(np.diag(covariance))
    spread = variances[0] ** 2 / (sides[0].units - 1) + variances[1] ** 2 / (sides[1].units - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(error > 0, error**4 / spread, 1e6)
    reach = stats.t.ppf(0.5 + level / 2, freedom) * error
    amounts = [side.counts.sum(0) for side in sides]
    weight = amounts[0] / amounts[0].sum()
    columns = [sides[0].means, sides[1].means, gap, gap - reach, gap + reach, weight]
    numbers = np.stack(columns, axis=1).tolist()
    sizes = np.stack(amounts, axis=1).astype(int).tolist()
    table = tuple(Bin._make([name, *row, *size]) for name, row, size in zip(kept, numbers, sizes, strict=True))
    return _summed(by, table, gap, covariance, weight, left_out, rng=rng, level=level)


def _by_bin(side: Scores, labels: Strings) -> Scores:
    return Scores(system=labels, score=side.score, unit=side.unit)


def _summed(
    by: str,
    table: tuple[Bin, ...],
    gap: Floats,
    covariance: Floats,
    weight: Floats,
    left_out: Sequence[str],
    *,
    rng: np.random.Generator,
    level: float,
) -> Calibration:
    values, vectors = np.linalg.eigh(covariance)
    noise = rng.standard_normal((DRAWS, len(gap))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    tails = [0.5 - level / 2, 0.5 + level / 2]
    error = float(weight @ np.abs(gap))
    null = np.abs(noise) @ weight
    drawn = np.abs(gap + noise) @ weight
    low, high = np.quantile(drawn - drawn.mean(), tails)
    shift = float(weight @ gap)
    # The weighted mean removes part of the noise of each bin with it.
    centring = np.eye(len(gap)) - weight[None, :]
    rest = centring @ covariance @ centring.T
    return Calibration(
        by,
        table,
        error,
        (max(error - float(high), 0.0), error - float(low)),
        float(null.mean()),
        (float(np.quantile(null, tails[0])), float(np.quantile(null, tails[1]))),
        float((1 + (null >= error).sum()) / (1 + DRAWS)),
        float(np.sqrt(max(float(weight @ (gap**2 - np.diag(covariance))), 0.0))),
        shift,
        float(np.sqrt(max(float(weight @ ((gap - shift) ** 2 - np.diag(rest))), 0.0))),
        tuple(left_out),
    )
