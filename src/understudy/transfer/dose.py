"""The dose of persona: what each further attribute of a persona adds to what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from understudy.conversations import Corpus
from understudy.errors import UsageError
from understudy.measures.measurement import Measurement, MeasureSpec, counts
from understudy.seeds import derive_seed, stream
from understudy.transfer.arms import ArmScores, OnProgress, run_arms
from understudy.transfer.contrasts import ALPHA, FEWEST_SEEDS, Effect, as_columns, contrasts
from understudy.transfer.task import Task

DOSES = (0, 1, 2, 4, 8, 16)


class GenerateDose(Protocol):
    """Conversations whose personas have `attributes` attributes of their own, the rest being everybody's."""

    def __call__(self, attributes: int, *, n: int, seed: int) -> Corpus: ...


def dose_curve(
    task: Task,
    real_train: Corpus,
    real_test: Corpus,
    generate: GenerateDose,
    *,
    n: int,
    seed: int,
    doses: Sequence[int] = DOSES,
    seeds: int = FEWEST_SEEDS,
    redraws: int = 5,
    size: int | None = None,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """Does a persona of more attributes teach more?

    `n` conversations at each of `doses`, by the same `seeds` seeds, are training sets of one size for `task`. The
    value of `transfer.ablation.<task>.dose` is the slope of the gap closed on log2(1 + attributes): what each
    doubling adds. Its evidence holds the gap closed at each dose. Intervals as in `ablate`. Unscored where there is
    no gap to close. Raises `UsageError` for fewer than three different doses or three seeds.
    """
    steps = sorted(set(doses))
    if len(steps) < 3 or steps[0] < 0 or seeds < FEWEST_SEEDS:
        raise UsageError(
            f"doses {list(doses)} with {seeds} seeds",
            why="a curve needs three numbers of attributes, and the noise of generation three seeds",
            fix=f"give, for example, {DOSES}, and seeds={FEWEST_SEEDS} or more",
        )
    made = {f"{d}@{s}": generate(d, n=n, seed=derive_seed(seed, "dose", s)) for s in range(seeds) for d in steps}
    scores = run_arms(task, real_train, real_test, made, seed=seed, redraws=redraws, size=size, on_progress=on_progress)
    found = analyse_dose(scores, doses=steps, seeds=seeds, rng=stream(seed, "dose curve"))
    spec = MeasureSpec(
        name=f"transfer.ablation.{task.name}.dose",
        question="train",
        asks="Does a persona of more attributes teach more?",
        unit="gap closed, for each doubling of the attributes",
        range=(None, None),
        better="higher",
        source="transfer at graded numbers of persona attributes",
    )
    about = counts(real_test, made[f"{steps[-1]}@0"])
    if isinstance(found, str):
        return Measurement(name=spec.name, value=None, status="unscored", reason=found, n=about, spec=spec)
    slope, curve = found
    return Measurement(
        name=spec.name,
        value=slope.value,
        interval=(slope.low, slope.high),
        p_value=slope.p_value,
        status="scored",
        n=about,
        spec=spec,
        evidence={**as_columns("attributes", curve), "resolved": slope.p_value <= ALPHA, "conversations_a_dose": n},
    )


def analyse_dose(
    scores: ArmScores, *, doses: Sequence[int], seeds: int, rng: np.random.Generator
) -> tuple[Effect, tuple[Effect, ...]] | str:
    """The slope and the gap closed at each dose, of scores whose arms are `<dose>@<seed>`; or why there are none."""
    found = contrasts(scores, [str(d) for d in doses], seeds=seeds, rng=rng)
    if isinstance(found, str):
        return found
    effect, _ = found
    x = np.log2(1 + np.array(doses, dtype=float))
    x = x - x.mean()
    curve = tuple(effect(str(d), np.eye(len(doses))[k]) for k, d in enumerate(doses))
    return effect("slope", x / np.square(x).sum()), curve
