"""Figure: real against real. Every headline test must reject 5 % of the time, and the null AUC be .50."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.corpora import halves, load, markdown
from understudy.measures.realism.discriminator import sample_units
from understudy.reports.audit import adjust, run_measures
from understudy.seeds import stream

# The corpora, and how many of their conversations each audit takes (whole users, drawn anew for each split).
CORPORA = {
    "redial_real": 1000,
    "star_real": 3400,
    "recllmsim_human_real": 1000,
    "multiwoz_real": 800,
    "persuasionforgood_real": 1100,
    "babi6_dstc2_real": 800,
}
SPLITS = 68
PERMUTATIONS = 199


def one_split(task: tuple[Path, str, int]) -> dict[str, Any]:
    """Audit one random halving of one corpus."""
    data, name, split = task
    rng = stream(split, "null", name)
    corpus = sample_units(load(data, name), CORPORA[name], rng)
    first, second = halves(corpus, rng)
    results, _ = run_measures(first, second, seed=split, permutations=PERMUTATIONS)
    adjusted = adjust(results)
    discriminator = results[0]
    return {
        "corpus": name,
        "split": split,
        "p": {m.name: m.p_value for m in results if m.p_value is not None},
        "auc": {p.name.rsplit(".", 1)[1]: p.value for p in discriminator.parts},
        "p_auc": {p.name.rsplit(".", 1)[1]: p.p_value for p in discriminator.parts},
        "headline_claims": sum((m.adjusted_p or 1.0) <= 0.05 for m in adjusted),
        "part_claims": sum((p.adjusted_p or 1.0) <= 0.05 for m in adjusted for p in m.parts if p.p_value is not None),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Rejection rates by corpus and test, with the null AUC and the report's family-wise error."""
    names = sorted({name for row in rows for name in row["p"]})
    groups = {**{c: [r for r in rows if r["corpus"] == c] for c in CORPORA}, "all": rows}
    body: list[list[object]] = []
    for name in names:
        cells: list[object] = [name]
        for group in groups.values():
            p = [r["p"][name] for r in group if name in r["p"]]
            cells.append(f"{100 * np.mean(np.array(p) <= 0.05):.1f} %" if p else "unscored")
        body.append(cells)
    for part in rows[0]["auc"]:
        means = [np.mean([r["auc"][part] for r in g if part in r["auc"]]) for g in groups.values() if g]
        body.append([f"mean null AUC, {part}", *[f"{m:.3f}" for m in means]])
    error = [np.mean([r["headline_claims"] + r["part_claims"] > 0 for r in g]) for g in groups.values() if g]
    body.append(["any claim in the full report", *[f"{100 * e:.1f} %" for e in error]])
    return markdown(["test", *[f"{name} ({len(g)})" for name, g in groups.items() if g]], body)


def run(data: Path, out: Path, splits: int = SPLITS, workers: int = 2) -> str:
    """All splits of all corpora; results so far are kept in `null.jsonl`, so that a broken run goes on."""
    store = out / "null.jsonl"
    done = [json.loads(line) for line in store.read_text().split("\n") if line] if store.exists() else []
    have = {(row["corpus"], row["split"]) for row in done}
    tasks = [(data, name, split) for split in range(splits) for name in CORPORA if (name, split) not in have]
    with store.open("a") as sink, ProcessPoolExecutor(workers) as pool:
        for row in pool.map(one_split, tasks):
            sink.write(json.dumps(row) + "\n")
            sink.flush()
            done.append(row)
    return table(done)
