"""Real against real, for every relational measure: how often does a test at 5 % claim what is not there?"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bench.corpora import halves, load, markdown
from understudy.measures.measurement import Measure, flatten
from understudy.measures.realism.discriminator import sample_units
from understudy.measures.relational.act_contingency import act_contingency
from understudy.measures.relational.alignment import alignment
from understudy.measures.relational.contingency import contingency
from understudy.measures.relational.coordination import coordination
from understudy.measures.relational.eventfulness import eventfulness
from understudy.measures.relational.expected_context import expected_context
from understudy.measures.relational.format import format_gap
from understudy.measures.relational.grounding import grounding
from understudy.measures.relational.next_utterance import next_utterance
from understudy.measures.relational.redirection import redirection
from understudy.measures.relational.repair import repair
from understudy.measures.relational.uptake import uptake
from understudy.seeds import stream

MEASURES: tuple[Measure, ...] = (
    contingency, next_utterance, uptake, redirection, coordination, alignment, act_contingency, grounding, repair,
    eventfulness, format_gap, expected_context,
)  # fmt: skip
# The corpora, and how many of their conversations each pair takes (whole users, drawn anew for each pair).
CORPORA = {
    "redial_real": 200,
    "multiwoz_real": 200,
    "persuasionforgood_real": 200,
    "topicalchat_real": 200,
    "recllmsim_human_real": 640,
}
PAIRS = 40
PERMUTATIONS = 99
ALPHA = 0.05


def one_pair(task: tuple[Path, str, int]) -> dict[str, Any]:
    """All p-values on one random halving of one corpus by unit."""
    data, name, split = task
    rng = stream(split, "relational null", name)
    first, second = halves(sample_units(load(data, name), CORPORA[name], rng), rng)
    found = [m(first, second, rng=np.random.default_rng(split), permutations=PERMUTATIONS) for m in MEASURES]
    return {"corpus": name, "p": {m.name: m.p_value for m in flatten(found) if m.p_value is not None}}


def band(n: int, tests: int) -> tuple[int, int]:
    """Rejections that `n` calibrated tests show, for all of `tests` rows together with probability .95.

    >>> band(200, 1), band(200, 60)
    ((4, 17), (1, 22))
    """
    level = ALPHA / tests
    low, high = stats.binom.ppf([level / 2, 1 - level / 2], n, ALPHA)
    return int(low), int(high)


def table(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """A verdict, and false alarms of every measure and part beside what 5 % gives."""
    names = sorted({name for row in rows for name in row["p"]})
    body: list[list[object]] = []
    outside = []
    for name in names:
        p = np.array([row["p"][name] for row in rows if name in row["p"]])
        low, high = band(len(p), len(names))
        seen = int((p <= ALPHA).sum())
        if seen > high:
            outside.append(name)
        verdict = "ok" if seen <= high else "missed"
        if seen < low:
            verdict = "ok (conservative)"
        body.append([name.removeprefix("relational."), len(p), seen, f"{seen / len(p):.3f}", f"{low}-{high}", verdict])
    mean = float(np.mean([p <= ALPHA for row in rows for p in row["p"].values()]))
    says = (
        f"False alarms at 5 %, real against real ({len(rows)} pairs): {len(names) - len(outside)} of {len(names)} "
        f"tests within the binomial band (simultaneous, 95 %); {mean:.3f} over all. Target: all within. "
        f"{'ok' if not outside else 'missed: ' + ', '.join(outside)}"
    )
    return says, markdown(["test", "pairs", "p <= .05", "share", "band", "verdict"], body)


def null_rows(data: Path, workers: int) -> list[dict[str, Any]]:
    """Every pair of every corpus."""
    tasks = [(data, name, split) for split in range(PAIRS) for name in CORPORA]
    with ProcessPoolExecutor(workers) as executor:
        return list(executor.map(one_pair, tasks, chunksize=5))
