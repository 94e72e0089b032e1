"""Layer ablation on transfer: what each layer of a plan adds to what is learned, alone and together with others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple, Protocol

import numpy as np

from understudy.conversations import Corpus
from understudy.errors import UsageError
from understudy.measures.measurement import Measurement, MeasureSpec, counts
from understudy.measures.multiplicity import holm
from understudy.seeds import derive_seed, stream
from understudy.transfer.arms import ArmScores, OnProgress, run_arms
from understudy.transfer.contrasts import ALPHA, FEWEST_SEEDS, Effect, as_columns, contrasts
from understudy.transfer.layers import LAYERS
from understudy.transfer.task import Floats, Task

RULE = (
    "on the scale of the gap closed, averaged over the other layers; joint: the layers of the verdict all on minus all "
    "off; synergy: the sum of their two-way interactions. By Holm at 5 % over the two: negative if joint < 0, or "
    "synergy < 0 (each layer brings less beside the others); multiplicative if synergy > 0 (more than the sum); "
    "additive if joint > 0 and the interval of synergy lies within half of joint; else not resolved"
)


class Generate(Protocol):
    """Conversations of a plan with the layers `on` and the others off: `LayeredUsers`, or your own."""

    def __call__(self, on: Collection[str], *, n: int, seed: int) -> Corpus: ...


class Effects(NamedTuple):
    """The analysis of a factorial: gap closed by cell, effects, and what they amount to."""

    full: Effect
    cells: tuple[Effect, ...]
    effects: tuple[Effect, ...]  # main effects, then interactions by order
    joint: Effect
    synergy: Effect
    verdict: str
    gap: tuple[float, float, float]  # in-domain minus baseline, in the metric


def cell_name(on: Collection[str], layers: Sequence[str] = LAYERS) -> str:
    """The name of a cell: its layers that are on.

    >>> cell_name({"context", "subtopic"}), cell_name(())
    ('subtopic+context', 'none')
    """
    return "+".join(layer for layer in layers if layer in on) or "none"


def cells_of(layers: Sequence[str]) -> list[frozenset[str]]:
    """Every combination of layers, none first.

    >>> [cell_name(cell) for cell in cells_of(("subtopic", "persona"))]
    ['none', 'subtopic', 'persona', 'subtopic+persona']
    """
    return [frozenset(some) for k in range(len(layers) + 1) for some in combinations(layers, k)]


def ablate(
    task: Task,
    real_train: Corpus,
    real_test: Corpus,
    generate: Generate,
    *,
    n: int,
    seed: int,
    layers: Sequence[str] = LAYERS,
    averaged: Collection[str] = ("profile",),
    seeds: int = FEWEST_SEEDS,
    redraws: int = 5,
    size: int | None = None,
    dose: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """What do the layers of a plan add to what is learned from its conversations, and do they add up?

    All combinations of `layers` on and off are generated, `n` conversations each, with the same `seeds` seeds, and
    used as training sets of one size for `task`, tested on `real_test`. The value of `transfer.ablation.<task>` is
    the gap closed with all layers on. Its parts: a main effect for each layer (mean with it on minus mean with it
    off) and an interaction for each set of layers (the difference that one makes to the effect of the others), in
    gap closed. The verdict follows `RULE`; the layers `averaged` take no part in it and are averaged over.

    Intervals hold two sources. Test units and the real training sets are resampled together for all cells
    (`arms.estimate`). What another generation would change comes from the seeds: the same seeds run through all
    cells, so that the residual of cell by seed, pooled over cells with (cells - 1)(seeds - 1) degrees of freedom,
    is the error of every contrast; it holds the noise of training sets as well. The two variances add, with the
    degrees of freedom of Satterthwaite (1946), doi:10.2307/3002019. Two-level factorials: Box, Hunter & Hunter
    (2005), ch. 5. `adjusted_p` is Holm's over all effects.

    Unscored where the in-domain arm does not beat the baseline beyond its interval: there is no gap to close.
    `dose` (see `dose_curve`) goes to the evidence. Raises `UsageError` for fewer than two layers or three seeds.
    """
    if len(set(layers)) < 2 or seeds < FEWEST_SEEDS:
        raise UsageError(
            f"layers {list(layers)} with {seeds} seeds",
            why="interactions need two layers, and the noise of generation at least three seeds",
            fix=f"give two layers or more, and seeds={FEWEST_SEEDS} or more",
        )
    cells = cells_of(layers)
    made: dict[str, Corpus] = {}
    for s in range(seeds):
        for cell in cells:
            # The seed is the cell's only through `on`: what is drawn is drawn alike in all cells.
            made[f"{cell_name(cell, layers)}@{s}"] = generate(cell, n=n, seed=derive_seed(seed, "layers", s))
            if on_progress is not None:
                on_progress("generating", len(made), seeds * len(cells))
    scores = run_arms(task, real_train, real_test, made, seed=seed, redraws=redraws, size=size, on_progress=on_progress)
    found = analyse(scores, layers=layers, averaged=averaged, seeds=seeds, rng=stream(seed, "ablation"))
    return as_measurement(found, scores, real_test, made[f"{cell_name(layers, layers)}@0"], n, seeds, dose)


def analyse(
    scores: ArmScores, *, layers: Sequence[str], averaged: Collection[str], seeds: int, rng: np.random.Generator
) -> Effects | str:
    """The effects in `scores`, of which the arms are `<cell>@<seed>`; or why there are none."""
    cells = cells_of(layers)
    found = contrasts(scores, [cell_name(cell, layers) for cell in cells], seeds=seeds, rng=rng)
    if isinstance(found, str):
        return found
    effect, gap = found
    sign = np.array([[1.0 if layer in cell else -1.0 for layer in layers] for cell in cells])
    some = [subset for k in range(1, len(layers) + 1) for subset in combinations(range(len(layers)), k)]
    effects = tuple(effect(" x ".join(layers[j] for j in subset), _contrast(sign, subset)) for subset in some)
    judged = [j for j, layer in enumerate(layers) if layer not in averaged]
    alike = np.all(sign[:, judged] == 1, axis=1) * 1.0 - np.all(sign[:, judged] == -1, axis=1)
    joint = effect("joint", alike / np.abs(alike).sum() * 2)
    pairs = [_contrast(sign, subset) for subset in combinations(judged, 2)]
    synergy = effect("synergy", np.sum(pairs, axis=0))
    each = tuple(effect(cell_name(cell, layers), np.eye(len(cells))[k]) for k, cell in enumerate(cells))
    return Effects(each[-1], each, effects, joint, synergy, verdict(joint, synergy), gap[:3])


def _contrast(sign: Floats, subset: Sequence[int]) -> Floats:
    """Weights on cells. A main effect: on minus off; an interaction: what one layer makes of the others' effect."""
    product = sign[:, list(subset)].prod(axis=1)
    return np.asarray(product * 2.0 ** len(subset) / len(sign))


def verdict(joint: Effect, synergy: Effect) -> str:
    """What the layers are to each other, by `RULE`.

    >>> clear, none = Effect("joint", 0.4, 0.3, 0.5, 1e-6), Effect("synergy", 0.0, -0.1, 0.1, 1.0)
    >>> verdict(clear, none), verdict(none, none)
    ('additive', 'not resolved')
    """
    p_joint, p_synergy = holm([joint.p_value, synergy.p_value])
    if p_joint <= ALPHA and joint.value < 0:
        return "negative"
    if p_synergy <= ALPHA:
        return "multiplicative" if synergy.value > 0 else "negative"
    within = max(abs(synergy.low), abs(synergy.high)) < joint.value / 2
    return "additive" if p_joint <= ALPHA and within else "not resolved"


def says(found: Effects) -> str:
    """A verdict in a sentence, with what may be behind it."""
    joint, synergy = found.joint, found.synergy
    together = f"all layers together change the gap closed by {joint.value:+.2f}"
    words = {
        "additive": f"{together}, and each brings the same beside the others",
        "multiplicative": f"{together}, more than the sum of what each brings alone ({synergy.value:+.2f})",
        "not resolved": "at this size the data do not say what the layers are to each other",
    }
    if found.verdict != "negative":
        return words[found.verdict]
    if joint.value < 0:
        return f"{together}: they do harm"
    ceiling = "; part of it may be the ceiling: all layers on reach what real conversations teach"
    return f"{together}, but they overlap: each brings less beside the others ({synergy.value:+.2f})" + (
        ceiling if found.full.high >= 1 else ""
    )


def as_measurement(
    found: Effects | str,
    scores: ArmScores,
    real_test: Corpus,
    synthetic: Corpus,
    n: int,
    seeds: int,
    dose: Mapping[str, Any] | None,
) -> Measurement:
    """The measurement `transfer.ablation.<task>` of an analysis."""
    spec = MeasureSpec(
        name=f"transfer.ablation.{scores.task}",
        question="train",
        asks="What do the layers of the plan add to what is learned, and do they add up?",
        unit="gap closed",
        range=(None, None),
        better="higher",
        source="two-level factorial on transfer; layers after arXiv:2409.19020",
    )
    size = counts(real_test, synthetic)
    if isinstance(found, str):
        return Measurement(name=spec.name, value=None, status="unscored", reason=found, n=size, spec=spec)
    adjusted = holm([e.p_value for e in found.effects])
    parts = tuple(
        Measurement(
            name=f"{spec.name}.{e.name.replace(' ', '_')}",
            value=e.value,
            interval=(e.low, e.high),
            p_value=e.p_value,
            adjusted_p=p,
            status="scored",
            n=size,
            spec=spec,
        )
        for e, p in zip(found.effects, adjusted, strict=True)
    )
    full = found.full
    return Measurement(
        name=spec.name,
        value=full.value,
        interval=(full.low, full.high),
        status="scored",
        n=size,
        spec=spec,
        evidence=_evidence(found, adjusted, scores, n, seeds, dose),
        parts=parts,
    )


def _evidence(
    found: Effects, adjusted: Sequence[float], scores: ArmScores, n: int, seeds: int, dose: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "cells": as_columns("cell", found.cells),
        "effects": {**as_columns("effect", found.effects), "adjusted_p": list(adjusted)},
        "joint": found.joint._asdict(),
        "synergy": found.synergy._asdict(),
        "verdict": found.verdict,
        "says": says(found),
        "rule": RULE,
        "metric": scores.metric,
        "in_domain_minus_baseline": list(found.gap),
        "conversations_a_cell": n,
        "generation_seeds": seeds,
        "examples_a_training_set": scores.size,
        "notes": list(getattr(scores.matching, "notes", ())),
        **({} if dose is None else {"dose": dict(dose)}),
    }
