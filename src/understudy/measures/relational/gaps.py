"""Signed gaps, synthetic minus real, of levels that are functions of sums over conversations: one engine for all
relational measures, with unit-level permutation, jackknife intervals and real-vs-real floors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.measures.distributions import Block, Labels, Table, ratio_gap, ratio_level
from understudy.measures.measurement import Measurement, MeasureSpec, counts, floor_of, unscored
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.resampling import (
    FEWEST_CLUSTERS,
    Floats,
    Pool,
    jackknife_interval,
    jackknife_weights,
    observed_weights,
    permutation_p,
    pool,
    two_sample,
)

Level = Callable[[Floats], Floats]  # a side's sums (B, width) -> its level (B,)


class Quantity(NamedTuple):
    """One thing compared. `level` None: the ratio of two sums; else a function of a block of label counts.

    `chance` is the level of unrelated turns, where it is known: the evidence then has the human ratio.
    """

    name: str
    says: str
    unit: str
    bounds: tuple[float | None, float | None]
    block: Block
    level: Level | None
    chance: float | None
    evidence: Mapping[str, Any]


class Sheet:
    """Quantities of two corpora in one table. The first one added is the measure itself, the others its parts."""

    def __init__(self, spec: MeasureSpec, real: Corpus, synthetic: Corpus) -> None:
        self.spec, self.real, self.synthetic = spec, real, synthetic
        self.pooled: Pool = pool(real, synthetic)
        self._table = Table(self.pooled.n)
        self._quantities: list[Quantity] = []
        self._missing: list[tuple[str, str, str]] = []

    def lacks(self, name: str, says: str, reason: str) -> None:
        """A part that cannot be scored, with its reason."""
        self._missing.append((name, says, reason))

    def _supported(self, name: str, says: str, conversation: Labels) -> bool:
        units = np.unique(self.pooled.unit[conversation])
        synthetic = int(self.pooled.unit_is_synthetic[units].sum())
        if min(len(units) - synthetic, synthetic) >= FEWEST_CLUSTERS:
            return True
        found = f"{len(units) - synthetic} real and {synthetic} synthetic unit(s) show it"
        self.lacks(name, says, f"{found}; at least {FEWEST_CLUSTERS} a side are needed")
        return False

    def ratio(
        self,
        name: str,
        says: str,
        conversation: Labels,
        top: Floats,
        bottom: Floats | None = None,
        *,
        unit: str,
        bounds: tuple[float | None, float | None] = (None, None),
        chance: float | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Compare `sum top / sum bottom` (bottom 1: the mean of `top`); nan entries are left out."""
        bottom = np.ones_like(top) if bottom is None else bottom
        known = ~(np.isnan(top) | np.isnan(bottom)) & (bottom > 0)
        if self._supported(name, says, conversation[known]):
            block = self._table.add_ratio(conversation[known], top[known], bottom[known], self.pooled.unit)
            self._quantities.append(Quantity(name, says, unit, bounds, block, None, chance, evidence or {}))

    def counted(
        self,
        name: str,
        says: str,
        conversation: Labels,
        label: Labels,
        labels: int,
        level: Level,
        *,
        unit: str,
        bounds: tuple[float | None, float | None] = (None, None),
        chance: float | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Compare `level` of the counts of `label` (0 .. labels-1; negative: nothing)."""
        if self._supported(name, says, conversation[label >= 0]):
            block = self._table.add_labels(conversation, label, labels)
            self._quantities.append(Quantity(name, says, unit, bounds, block, level, chance, evidence or {}))

    def measured(self, rng: np.random.Generator, permutations: int, evidence: Mapping[str, Any]) -> Measurement:
        """The measurement: gap of the first quantity, the others as parts with adjusted p-values."""
        missing = tuple(
            msgspec.structs.replace(
                unscored(self.spec, self.real, self.synthetic, reason, name), spec=self._part_spec(name, says)
            )
            for name, says, reason in self._missing
            if name
        )
        why = next((reason for name, _, reason in self._missing if not name), None)
        if why is not None or not self._quantities or self._quantities[0].name:
            whole = unscored(self.spec, self.real, self.synthetic, why or "nothing could be read on both sides")
            whole = msgspec.structs.replace(whole, evidence=evidence)
            return msgspec.structs.replace(whole, parts=(*self._scored(rng, permutations), *missing))
        scored = self._scored(rng, permutations)
        head = msgspec.structs.replace(
            scored[0], evidence={**scored[0].evidence, **evidence, "permutations": permutations}, adjusted_p=None
        )
        return msgspec.structs.replace(head, parts=(*scored[1:], *missing))

    def _scored(self, rng: np.random.Generator, permutations: int) -> list[Measurement]:
        if not self._quantities:
            return []
        sums, each = self._table.summed(), self._quantities

        def statistic(real: Floats, synthetic: Floats) -> Floats:
            r, s = sums(real, synthetic)
            gaps, scores = [], []
            for q in each:
                if q.level is None:
                    gap, score = ratio_gap(q.block.of(r), q.block.of(s))
                else:
                    gap = q.level(q.block.of(s)) - q.level(q.block.of(r))
                    score = gap
                gaps.append(gap)
                scores.append(score)
            return np.stack([*gaps, *scores], axis=1)

        run = two_sample(statistic, self.pooled, rng=rng, permutations=permutations)
        k = len(each)
        p_values = permutation_p(run.value[k:], run.null[:, k:], two_sided=True)
        sides = sums(*observed_weights(self.pooled))
        jack = sums(*jackknife_weights(self.pooled, rng, self._groups()))
        adjusted = dict(zip(range(1, k), benjamini_hochberg(p_values[1:].tolist()), strict=True))
        n = counts(self.real, self.synthetic)
        found = []
        for i, q in enumerate(each):
            interval = None if run.interval is None else (float(run.interval[i, 0]), float(run.interval[i, 1]))
            found.append(
                Measurement(
                    name=f"{self.spec.name}.{q.name}" if q.name else self.spec.name,
                    value=float(run.value[i]),
                    status="scored",
                    n=n,
                    spec=self._part_spec(q.name, q.says, q.unit, q.bounds) if q.name else self.spec,
                    interval=interval,
                    p_value=float(p_values[i]),
                    adjusted_p=adjusted.get(i),
                    floor=floor_of(run.floor[:, i]),
                    evidence={**_levels(q, sides, jack), **q.evidence},
                )
            )
        return found

    def _groups(self) -> int:
        synthetic = int(self.pooled.unit_is_synthetic.sum())
        return max(2, min(40, synthetic, len(self.pooled.unit_is_synthetic) - synthetic))

    def _part_spec(
        self, name: str, says: str, unit: str = "", bounds: tuple[float | None, float | None] | None = None
    ) -> MeasureSpec:
        return msgspec.structs.replace(
            self.spec,
            name=f"{self.spec.name}.{name}",
            asks=f"Synthetic minus real: {says}",
            unit=unit or self.spec.unit,
            range=bounds or (None, None),
        )


def _levels(q: Quantity, sides: tuple[Floats, Floats], jack: tuple[Floats, Floats]) -> dict[str, Any]:
    """Each side's level and, where chance is known, the human ratio `(synthetic - chance) / (real - chance)`."""

    def level(block: Floats) -> Floats:
        return ratio_level(block)[0] if q.level is None else q.level(block)

    real, synthetic = (float(level(q.block.of(side))[0]) for side in sides)
    shown: dict[str, Any] = {"says": q.says, "real": real, "synthetic": synthetic}
    if q.chance is None:
        return shown
    shown["chance"] = q.chance
    r, s = (level(q.block.of(side)) - q.chance for side in jack)
    # Where people themselves are near chance a ratio to them says nothing.
    if real - q.chance > 2 * float(np.sqrt(((r - r.mean()) ** 2).sum())) and bool(np.all(r > 0)):
        value = (synthetic - q.chance) / (real - q.chance)
        low, high = jackknife_interval(np.array([value]), (s / r)[:, None])[0]
        shown["human_ratio"] = {"value": value, "interval": [float(low), float(high)]}
    return shown


def named_gap(measurement: Measurement, name: str) -> Measurement:
    """The part called `name`; the measurement itself for the empty name."""
    if not name:
        return measurement
    return next(part for part in measurement.parts if part.name == f"{measurement.name}.{name}")
