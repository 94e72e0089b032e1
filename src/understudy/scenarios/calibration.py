"""Rates of the finished set held to those of real users: by choice among candidates, not by asking louder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.scenarios.readings import RATES, Readings
from understudy.seeds import stream

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_SWEEPS = 12
_WITHIN = 2.0  # standard errors of the reference's rate


class Rate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rate: what it shall be, what the first candidates had, and what the chosen ones have.

    `error` is the standard error of the reference's rate, by conversation; a given target has a tenth of itself.
    """

    name: str
    target: float
    error: float
    before: float
    after: float
    source: str

    @property
    def met(self) -> bool:
        """Whether the chosen set lies within two standard errors."""
        return abs(self.after - self.target) <= _WITHIN * self.error + 1e-12


class Choice(msgspec.Struct, frozen=True):
    """Which candidate each scenario takes (None: left out), and the rates that this gives."""

    chosen: tuple[int | None, ...]
    rates: tuple[Rate, ...]


class Target(msgspec.Struct, frozen=True):
    """A rate to be met."""

    name: str
    value: float
    error: float
    source: str


def targets(reference: Readings | None, given: Mapping[str, float]) -> tuple[Target, ...]:
    """The rates to be met: a plan's own, else those of the reference; none for what neither has.

    Rates are ratios of sums: fillers and hedges a word, short turns, typos and questions a user turn, words a user
    turn. The error is the linearised standard error of the ratio over conversations.
    """
    found = []
    for name, (top, bottom) in RATES.items():
        if name in given:
            found.append(Target(name, given[name], max(abs(given[name]) * 0.1, 1e-4), "the plan"))
            continue
        if reference is None:
            continue
        a, b = reference.sums[top], reference.sums[bottom]
        known = ~(np.isnan(a) | np.isnan(b))
        if known.sum() < 2 or b[known].sum() <= 0:
            continue
        rate = float(a[known].sum() / b[known].sum())
        residual = a[known] - rate * b[known]
        error = float(np.sqrt(np.square(residual).sum()) / b[known].sum())
        found.append(Target(name, rate, max(error, 0.02 * abs(rate), 1e-4), "the reference"))
    return tuple(found)


def choose(
    readings: Readings,
    candidates: Sequence[Sequence[int]],
    wanted: Sequence[Target],
    *,
    most_dropped: float,
    seed: int,
) -> Choice:
    """Which candidate of each scenario to keep so that the set's rates come nearest to the targets.

    `candidates` lists rows of `readings` for each scenario, the preferred one first. Minimises the sum over rates
    of ((rate - target) / error)^2 by coordinate descent: each scenario in turn takes the candidate that lowers it
    most. Where a rate is then still more than two errors too high, scenarios are left out, the one that helps most
    first, up to the share `most_dropped`; what is too rare cannot be mended so, and is told. Telling a model to use
    fillers overshoots (DiaSynth's released sets have them in 50 % of the dialogues, the real ones in 4 to 6 %); a
    choice can only take what was said.

    >>> sums = {"fillers": np.array([5.0, 0.0, 5.0, 0.0]), "n_words": np.full(4, 100.0)}
    >>> choice = choose(Readings({}, sums), [[0, 1], [2, 3]], [Target("fillers", 0.025, 0.001, "test")],
    ...                 most_dropped=0.0, seed=0)
    >>> choice.rates[0].before, choice.rates[0].after
    (0.05, 0.025)
    """
    usable = [t for t in wanted if RATES[t.name][0] in readings.sums]
    top = np.column_stack([np.nan_to_num(readings.sums[RATES[t.name][0]]) for t in usable] or [np.zeros((0, 1))])
    bottom = np.column_stack([np.nan_to_num(readings.sums[RATES[t.name][1]]) for t in usable] or [np.zeros((0, 1))])
    picked: list[int | None] = [0 if rows else None for rows in candidates]
    if not usable:
        return Choice(tuple(picked), ())
    value = np.array([t.value for t in usable])
    error = np.array([t.error for t in usable])

    def loss(tops: Floats, bottoms: Floats) -> Floats:
        rate = tops / np.maximum(bottoms, 1e-9)
        return np.asarray(np.square((rate - value) / error).sum(axis=-1))

    def sums(numbers: Sequence[int | None]) -> tuple[Floats, Floats]:
        rows = [candidates[k][c] for k, c in enumerate(numbers) if c is not None]
        return top[rows].sum(axis=0), bottom[rows].sum(axis=0)

    before_top, before_bottom = sums(picked)
    total_top, total_bottom = before_top.copy(), before_bottom.copy()
    order = stream(seed, "calibration").permutation([k for k, rows in enumerate(candidates) if len(rows) > 1])
    for _ in range(_SWEEPS):
        moved = False
        for k in order.tolist():
            rows = list(candidates[k])
            now = rows[picked[k] or 0]
            rest_top, rest_bottom = total_top - top[now], total_bottom - bottom[now]
            scores = loss(rest_top + top[rows], rest_bottom + bottom[rows])
            best = int(scores.argmin())
            if scores[best] < scores[picked[k] or 0] - 1e-9:
                picked[k] = best
                total_top, total_bottom = rest_top + top[rows[best]], rest_bottom + bottom[rows[best]]
                moved = True
        if not moved:
            break
    left = int(most_dropped * sum(1 for c in picked if c is not None))
    while left > 0 and (total_top / np.maximum(total_bottom, 1e-9) - value > _WITHIN * error).any():
        kept = [k for k, c in enumerate(picked) if c is not None]
        rows = [candidates[k][picked[k] or 0] for k in kept]
        scores = loss(total_top - top[rows], total_bottom - bottom[rows])
        best = int(scores.argmin())
        if len(kept) < 2 or scores[best] >= loss(total_top, total_bottom) - 1e-9:
            break
        picked[kept[best]] = None
        total_top, total_bottom = total_top - top[rows[best]], total_bottom - bottom[rows[best]]
        left -= 1
    before, after = before_top / np.maximum(before_bottom, 1e-9), total_top / np.maximum(total_bottom, 1e-9)
    rates = tuple(
        Rate(t.name, _round(t.value), _round(t.error), _round(before[j]), _round(after[j]), t.source)
        for j, t in enumerate(usable)
    )
    return Choice(tuple(picked), rates)


def _round(value: float) -> float:
    return round(float(value), 5)


def rate_of(readings: Readings, rows: Sequence[int], name: str) -> float:
    """One rate of the conversations `rows`."""
    top, bottom = RATES[name]
    return float(
        np.nan_to_num(readings.sums[top][list(rows)]).sum()
        / max(np.nan_to_num(readings.sums[bottom][list(rows)]).sum(), 1e-9)
    )
