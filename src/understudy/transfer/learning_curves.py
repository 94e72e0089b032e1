"""Learning curves: what each doubling of real, synthetic or mixed training data brings on real conversations."""

from __future__ import annotations

from typing import Any

import numpy as np

from understudy.seeds import derive_seed
from understudy.transfer.arms import FEWEST_REDRAWS, ArmScores, OnProgress, arm_means
from understudy.transfer.scoring import BASELINE, IN_DOMAIN, Arms, Job, score_jobs
from understudy.transfer.task import Floats

STEPS = 4
SMALLEST = 20


def sizes_up_to(size: int, *, steps: int = STEPS) -> list[int]:
    """Sizes that double up to `size`.

    >>> sizes_up_to(800), sizes_up_to(50)
    ([100, 200, 400, 800], [25, 50])
    """
    return sorted({size // 2**k for k in range(steps) if size // 2**k >= SMALLEST} | {size})


def learning_curve(
    arms: Arms,
    scores: ArmScores,
    arm: str,
    *,
    rng: np.random.Generator,
    steps: int = STEPS,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """How does the score on real conversations grow with the training set?

    At sizes that double up to that of `scores`: trained on real (`real`), on synthetic (`synthetic`), and on as many
    real examples beside the whole synthetic training set (`mixed`): what synthetic data add to a small real sample.
    Each with its interval over test units and training sets. A smaller training set is part of the larger one of the
    same redraw; there are five. The last step of the first two is that of `scores`.
    """
    tell = on_progress or (lambda stage, done, total: None)
    sizes = sizes_up_to(scores.size, steps=steps)
    plan = []
    for redraw in range(FEWEST_REDRAWS):
        for n in sizes:
            plan.append(("mixed", n, Job(IN_DOMAIN, redraw, n, beside=arm)))
            if n < sizes[-1]:
                plan += [("real", n, Job(IN_DOMAIN, redraw, n)), ("synthetic", n, Job(arm, redraw, n))]
    curves: dict[str, dict[int, list[Floats]]] = {
        kind: {n: [] for n in sizes} for kind in ("real", "synthetic", "mixed")
    }
    trained = score_jobs(arms, [job for _, _, job in plan], workers=workers)
    for done, ((kind, n, _), got) in enumerate(zip(plan, trained, strict=True), 1):
        curves[kind][n].append(got)
        tell(f"{arms.task.name}: learning curve", done, len(plan))
    found: dict[str, Any] = {"size": sizes, "baseline": float(scores.scores[BASELINE].mean())}
    largest = scores.size
    for kind, by_size in curves.items():
        rows = {
            n: np.stack(got) if got else scores.scores[IN_DOMAIN if kind == "real" else arm]
            for n, got in by_size.items()
        }
        share = scores.share[IN_DOMAIN if kind != "synthetic" else arm]
        # A mixture takes its whole synthetic set at every size: its share of a pool is never below that of the arm.
        parts = {n: max(share * n / largest, scores.share[arm] if kind == "mixed" else 0.0) for n in sizes}
        one = scores._replace(
            scores={str(n): got for n, got in rows.items()}, share={str(n): part for n, part in parts.items()}
        )
        means = arm_means(one, rng=np.random.default_rng(derive_seed(int(rng.integers(2**31)), kind)))
        found[kind] = [means[str(n)].value for n in sizes]
        found[f"{kind}_low"] = [means[str(n)].low for n in sizes]
        found[f"{kind}_high"] = [means[str(n)].high for n in sizes]
    return found
