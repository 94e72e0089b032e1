"""Figure: raters of a known d' go through the site over HTTP; what the audit reads back, and how often it covers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from bench.corpora import load, markdown
from tests.web.panel.client import HttpRater, whole_session
from understudy.measures.raters.discrimination import detected, discrimination
from understudy.measures.raters.records import Judgement, PanelRecord
from understudy.measures.raters.tables import read_panel
from understudy.seeds import stream
from understudy.testing.raters import simulated_panel
from understudy.web.panel.app import build_panel
from understudy.web.panel.export import record_of, write_record
from understudy.web.panel.sessions import Design
from understudy.web.panel.storage import PanelStore
from understudy.web.panel.tasks import Wanted, make_stimuli
from understudy.web.running import in_background

TRUTHS = (0.0, 0.5, 1.0, 2.0)
PANELS, RATERS = 4, 12
WANTED = Wanted(pairs=12, catches=3, ratings=0, pool=60)
REPLICATES = 600
# Raters, then what differs among them: name, options of `simulated_panel`.
WORLDS: tuple[tuple[str, dict[str, float]], ...] = (
    ("all alike, 10 raters", {"raters": 10}),
    ("all alike, 20 raters", {"raters": 20}),
    ("each prefers a side (sd 0.3)", {"raters": 20, "bias_sd": 0.3}),
    ("d' differs by rater and by pair (sd 0.5 each)", {"raters": 20, "rater_sd": 0.5, "pair_sd": 0.5}),
    ("the same, 24 pairs in all", {"raters": 20, "rater_sd": 0.5, "pair_sd": 0.5, "pool": 24}),
    ("three in ten guess throughout", {"raters": 20, "careless": 0.3}),
)


def run(data: Path, out: Path) -> str:
    """End to end on two corpora of the data folder; then coverage on records drawn by the same model."""
    real, synthetic = load(data, "recllmsim_human_real"), load(data, "recllmsim_llm")
    rows: list[list[object]] = []
    for truth in TRUTHS:
        found = [_through_the_site(real, synthetic, truth, seed, out / "panel") for seed in range(PANELS)]
        values = [m.value for m in found]
        covered = sum(m.interval[0] <= truth <= m.interval[1] for m in found)
        share = np.mean([m.parts[0].value for m in found])
        rows.append([f"{truth:g}", f"{np.mean(values):.2f}", f"{np.std(values, ddof=1):.2f}", f"{share:.1%}",
                     f"{covered} of {len(found)}", f"{_expected(truth):.1%}"])  # fmt: skip
    head = [
        "true d'",
        "mean of d' read back",
        "sd over panels",
        "pairs right",
        "intervals that cover",
        "expected right",
    ]
    return "\n\n".join(
        [
            f"**Through the site.** {PANELS} panels a row, each of {RATERS} simulated raters who agree, read 15 pairs "
            "and answer over HTTP; SQLite, export and `audit --panel`'s reading between them and the number.",
            markdown(head, rows),
            f"**Coverage** of the 95 % interval and rejection of d' = 0 at 5 %, {REPLICATES} panels a cell "
            "(12 pairs and 3 catch trials a rater, 60 pairs in all). Where raters differ, the truth is what 2,000 "
            "of them give.",
            markdown(
                ["raters", "true d'", "mean", "covers", "rejects d' = 0"],
                [_cell(name, dict(options), truth) for name, options in WORLDS for truth in (0.0, 1.0)],
            ),
        ]
    )


def _expected(d_prime: float) -> float:
    from scipy import stats

    return float(stats.norm.cdf(d_prime / np.sqrt(2)))


def _through_the_site(real, synthetic, d_prime: float, seed: int, folder: Path):
    """One panel: every rater answers on the pages, and the export is read back."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    design = Design(seed, WANTED, make_stimuli(real, synthetic, WANTED, seed=seed), False, {})
    origin = {tuple(text for _, text in e.turns): name.partition(":")[0] for name, e in design.stimuli.excerpts.items()}
    with PanelStore.create(folder / "panel.db", design) as store:
        with in_background(build_panel(store, None)) as url:
            for number in range(RATERS):
                rng = stream(seed, "rater", d_prime, number)

                def judge(talks: list[list[str]], rng: np.random.Generator = rng) -> int:
                    sides = [origin[tuple(talk)] for talk in talks]
                    if "scrambled" in sides:
                        return sides.index("real")
                    evidence = [rng.normal(d_prime if side == "real" else 0.0) for side in sides]
                    return int(np.argmax(evidence))

                whole_session(HttpRater(url), judge)
        write_record(record_of(store), folder / "answers.csv")
    return discrimination(read_panel(folder / "answers.csv"))


def _trials(panel: PanelRecord) -> list[tuple[str, Judgement]]:
    return [(r.id, j) for r in panel.raters if r.attentive for j in r.judgements if not j.catch]


def _cell(name: str, options: dict[str, float], truth: float) -> list[object]:
    raters = int(options.pop("raters"))
    differs = {k: v for k, v in options.items() if k in ("rater_sd", "pair_sd")}
    target = truth
    if differs:
        bare = {"pool": 4800, "rated": 0, "questionnaires": False, **differs}
        large = [detected(_trials(simulated_panel(400, seed=10**6 + s, d_prime=truth, **bare))) for s in range(5)]
        target = float(np.mean([f.d_prime for f in large]))
    panels = (
        simulated_panel(raters, seed=s, d_prime=truth, rated=0, questionnaires=False, **options)
        for s in range(REPLICATES)
    )
    found = [f for p in panels if (f := detected(_trials(p))) is not None]
    covers = np.mean([f.d_interval[0] <= target <= f.d_interval[1] for f in found])
    rejects = np.mean([f.p_value <= 0.05 for f in found])
    told = f"{truth:g}" if target == truth else f"{truth:g} ({target:.2f})"
    return [name, told, f"{np.mean([f.d_prime for f in found]):.2f}", f"{covers:.1%}", f"{rejects:.1%}"]
