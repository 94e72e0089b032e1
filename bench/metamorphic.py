"""Figure: spoiled sets. Each known way to spoil real users scores worse on the measure meant to see it."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.corpora import halves, load, markdown
from understudy.measures.comparison import Build, closer
from understudy.measures.realism import conditional, diversity, messiness
from understudy.measures.realism.discriminator import sample_units
from understudy.seeds import stream
from understudy.testing import degrade

SEEDS = 100
MOST = 800
CORPORA = ("redial_real", "multiwoz_real")


class Case(NamedTuple):
    """A way to spoil a corpus, and the statistic that is meant to see it."""

    degrade: str
    measure: str
    build: Build
    column: int = 0


CASES = (
    Case("shuffled_turns", "realism.conditional", conditional.prepare),
    Case("other_users_replies", "realism.conditional.uptake", partial(conditional.prepare, part="uptake")),
    Case("truncated", "realism.conditional.leaving", partial(conditional.prepare, part="leaving")),
    Case("over_clean", "realism.messiness", messiness.prepare),
    Case("parrot", "realism.conditional.echo", partial(conditional.prepare, part="echo")),
    Case("single_template", "realism.diversity", diversity.prepare, 6),
    Case("assistant_voice", "realism.messiness", messiness.prepare),
)


def one_seed(task: tuple[Path, str, int]) -> list[dict[str, Any]]:
    """Halve the people; spoil one half in every way; compare each spoiled set with the half as it was."""
    data, name, seed = task
    rng = stream(seed, "metamorphic", name)
    real, untouched = halves(sample_units(load(data, name), MOST, rng), rng)
    rows = []
    for case in CASES:
        spoiled = getattr(degrade, case.degrade)(untouched, rng=stream(seed, case.degrade))
        rng = stream(seed, case.degrade, "closer")
        result = closer(real, untouched, spoiled, build=case.build, rng=rng, column=case.column)
        rows.append({"corpus": name, "seed": seed, "case": case.degrade, **_plain(result)})
    return rows


def _plain(result: Any) -> dict[str, Any]:
    return {"first": result.first, "second": result.second, "value": result.value, "low": result.interval[0]}


def run(data: Path, out: Path, workers: int = 2) -> str:
    """Share of seeds on which the spoiled set is further, with the interval of the difference above 0."""
    tasks = [(data, name, seed) for seed in range(SEEDS) for name in CORPORA]
    with ProcessPoolExecutor(workers) as pool:
        rows = [row for part in pool.map(one_seed, tasks) for row in part]
    (out / "metamorphic.json").write_text(json.dumps(rows))
    body: list[list[object]] = []
    for name in CORPORA:
        for case in CASES:
            own = [r for r in rows if r["corpus"] == name and r["case"] == case.degrade]
            seen = np.mean([r["low"] > 0 for r in own])
            distances = [f"{np.median([abs(r[k]) for r in own]):.3f}" for k in ("first", "second")]
            body.append([name, case.degrade.replace("_", " "), case.measure, *distances, f"{100 * seen:.0f} %"])
    return markdown(
        ["corpus", "spoiled by", "measure", "held-out people", "spoiled", f"worse, interval above 0 ({SEEDS} seeds)"],
        body,
    )
