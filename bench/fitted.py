"""Figure: fitted users, fitted on train users, judged on held-out people, at both settings of the copy guard."""

from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench.corpora import load, markdown
from understudy.conversations import Corpus
from understudy.conversations.splitting import split_corpus
from understudy.measures.measurement import flatten
from understudy.reports.audit import run_measures
from understudy.rollouts.simulate import simulate
from understudy.users.copy_guard import verbatim_rate
from understudy.users.population import fit_population
from understudy.users.structured import StructuredPopulation

CORPORA = {
    "redial_real": "crsarena_humanbot_real",
    "star_real": None,
    "multiwoz_real": "woz2_real",
    "persuasionforgood_real": None,
}
MEASURES = ("realism.discriminator", "separability.icc", "realism.messiness", "realism.coverage")
MOST_HELD_OUT = 1700


def one_corpus(task: tuple[Path, str, str | None]) -> list[dict[str, Any]]:
    """Split by user, fit on one half, simulate as many conversations as the other half has, judge on that half."""
    data, name, ceiling = task
    train, held_out = split_corpus(load(data, name), (0.5, 0.5), seed=0)
    rows = []
    arms: dict[str, Corpus] = {}
    speed = {}
    for guard in ("free", "guarded"):
        population = fit_population(train, copy_guard=guard, seed=0)
        started = time.perf_counter()
        talks = simulate(population, population.partner(), n=len(held_out), seed=0).conversations
        speed[guard] = len(talks) / (time.perf_counter() - started)
        arms[guard] = Corpus(talks)
    structured = StructuredPopulation.from_corpus(train)
    talks = simulate(structured, population.partner(), n=len(held_out), seed=0).conversations
    arms["structured"] = Corpus(talks)
    if ceiling:
        arms["ceiling"] = load(data, ceiling)
    for arm, synthetic in arms.items():
        results, _ = run_measures(held_out, synthetic, seed=0, measures=MEASURES, permutations=199)
        by_name = {m.name: m for m in flatten(results)}
        icc = [
            (m.evidence["real"], m.evidence["synthetic"])
            for n, m in by_name.items()
            if n.startswith("separability.icc.") and m.value is not None
        ]
        rows.append(
            {
                "corpus": name,
                "arm": arm,
                "conversations": len(synthetic),
                "auc": {p: by_name[f"realism.discriminator.{p}"].value for p in ("words", "all")},
                "interval": {p: by_name[f"realism.discriminator.{p}"].interval for p in ("words", "all")},
                "floor": {p: by_name[f"realism.discriminator.{p}"].floor.value for p in ("words", "all")},
                "icc_kept": sum(s >= r / 2 for r, s in icc) if icc else None,
                "messiness": by_name["realism.messiness"].value,
                "coverage": by_name["realism.coverage"].value,
                "verbatim": verbatim_rate(synthetic, train),
                "verbatim_real": verbatim_rate(held_out, train),
                "speed": speed.get(arm),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """One row a corpus and arm."""
    body = []
    for r in rows:
        auc = [f"{r['auc'][p]:.2f} [{r['interval'][p][0]:.2f}, {r['interval'][p][1]:.2f}]" for p in ("words", "all")]
        body.append(
            [
                r["corpus"],
                r["arm"],
                *auc,
                " / ".join(f"{r['floor'][p]:.2f}" for p in ("words", "all")),
                "–" if r["icc_kept"] is None else f"{r['icc_kept']} of 7",
                _percent(r["verbatim"]),
                _percent(r["verbatim_real"]),
                f"{r['messiness']:.3f}",
                f"{r['coverage']:.2f}",
            ]
        )
    return markdown(
        [
            "held-out users of",
            "users",
            "AUC words",
            "AUC all",
            "floor words / all",
            "ICC at least half the human",
            "turns of 8+ words with a verbatim 8-word span",
            "the same, held-out people",
            "messiness distance",
            "coverage",
        ],
        body,
    )


def _percent(share: float | None) -> str:
    return "no such turn" if share is None else f"{100 * share:.1f} %"


def run(data: Path, out: Path, workers: int = 2) -> str:
    with ProcessPoolExecutor(workers) as pool:
        rows = [row for part in pool.map(one_corpus, [(data, n, c) for n, c in CORPORA.items()]) for row in part]
    (out / "fitted.json").write_text(json.dumps(rows, default=float))
    return table(rows)
