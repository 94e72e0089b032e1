"""Figure: relations. Replies exchanged step by step on real corpora; marks with and without a state behind them."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.corpora import halves, load, markdown
from understudy.conversations import Corpus
from understudy.measures.classifier import Singles, auc_columns, cross_validate, unit_folds
from understudy.measures.measurement import Measure
from understudy.measures.relational.act_contingency import act_contingency
from understudy.measures.relational.alignment import alignment
from understudy.measures.relational.contingency import contingency
from understudy.measures.relational.coordination import coordination
from understudy.measures.relational.eventfulness import MARKS, Ledger, eventfulness, ledger
from understudy.measures.relational.gaps import named_gap
from understudy.measures.relational.marks import marked_turns
from understudy.measures.relational.next_utterance import next_utterance
from understudy.measures.relational.redirection import redirection
from understudy.measures.relational.uptake import uptake
from understudy.seeds import stream
from understudy.testing.relations import events, mixture, shuffled_acts, stuffed

CORPORA = ("redial_real", "multiwoz_real", "topicalchat_real", "persuasionforgood_real", "dialogsum_real", "woz2_real")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST = 250
PERMUTATIONS = 49
SEEDS = 1


class Line(NamedTuple):
    """A level: its measure, the part, and what unrelated turns give."""

    measure: Measure
    part: str
    chance: float

    @property
    def name(self) -> str:
        name = self.measure.spec.name.removeprefix("relational.")
        return f"{name}.{self.part}" if self.part else name


LINES = (
    Line(contingency, "", 0.0),
    Line(contingency, "partner", 0.0),
    Line(contingency, "within", 0.0),
    Line(next_utterance, "", 0.5),
    Line(next_utterance, "hard", 0.5),
    Line(uptake, "overlap_gain", 0.0),
    Line(uptake, "partner_overlap_gain", 0.0),
    Line(redirection, "", 0.0),
    Line(alignment, "", 0.0),
    Line(alignment, "partner", 0.0),
    Line(coordination, "", 0.0),
    Line(coordination, "partner", 0.0),
    Line(coordination, "unstratified", 0.0),
    Line(act_contingency, "", 0.0),
    Line(act_contingency, "partner", 0.0),
    Line(eventfulness, "", 0.0),
    Line(eventfulness, "partner_update", 0.0),
)


def sets(untouched: Corpus, seed: int) -> dict[str, Corpus]:
    """The held-out half mixed in steps, stuffed, and with its act labels exchanged."""
    mixed = {f"{q:g}": mixture(untouched, q, rng=stream(seed, "mixture")) if q else untouched for q in SHARES}
    adversaries = {
        "stuffed": stuffed(untouched, rng=stream(seed, "stuffed")),
        "acts": shuffled_acts(untouched, rng=stream(seed, "acts")),
    }
    return {**mixed, **adversaries}


def levels(data: Path, name: str, seed: int) -> dict[str, dict[str, Any]]:
    """Level and p-value of every line on every set, by line."""
    real, untouched = halves(load(data, name), stream(seed, "relational", name), MOST)
    found: dict[str, dict[str, Any]] = {line.name: {} for line in LINES}
    for label, corpus in sets(untouched, seed).items():
        # Side by side a fresh pair, so that what is kept for the last synthetic set is dropped with it.
        for measure in dict.fromkeys(line.measure for line in LINES):
            m = measure(real, corpus, rng=np.random.default_rng(seed), permutations=PERMUTATIONS)
            for line in LINES:
                if line.measure is measure and (part := named_gap(m, line.part)).value is not None:
                    found[line.name][label] = {"level": part.evidence["synthetic"], "p": part.p_value}
                    found[line.name]["people"] = {"level": part.evidence["real"]}
    return found


def mixture_table(results: dict[str, list[dict[str, dict[str, Any]]]]) -> str:
    """Mean level over seeds at every step of the mixture."""
    rows: list[list[object]] = []
    for name, runs in results.items():
        for line in LINES:
            steps = [[run[line.name][f"{q:g}"]["level"] for run in runs if f"{q:g}" in run[line.name]] for q in SHARES]
            if not all(steps):
                continue
            means = [float(np.mean(step)) for step in steps]
            spread = float(np.std(steps[-1], ddof=1) / np.sqrt(len(steps[-1]))) if len(steps[-1]) > 1 else 0.0
            falls = all(a > b for a, b in itertools.pairwise(means))
            extra = [_mean([run[line.name].get(k) for run in runs]) for k in ("stuffed", "acts")]
            told = float(np.mean([run[line.name]["1"]["p"] <= 0.05 for run in runs]))
            cells = [f"{x:.3f}" for x in means]
            null = f"{line.chance:g} ({means[-1] - line.chance:+.3f} ± {spread:.3f})"
            rows.append([name, line.name, *cells, null, "yes" if falls else "no", f"{told:.0%}", *extra])
    header = ["corpus", "level", *[f"q = {q:g}" for q in SHARES], "null (distance at q = 1)", "falls at every step",
              "q = 1 told from people", "stuffed", "act labels exchanged"]  # fmt: skip
    return markdown(header, rows)


def _mean(found: list[dict[str, Any] | None]) -> str:
    """Mean level over the seeds that could be scored."""
    known = [each["level"] for each in found if each is not None]
    return f"{np.mean(known):.3f}" if known else "–"


def _auc(value: np.ndarray[Any, Any], synthetic: np.ndarray[Any, Any]) -> float:
    known = ~np.isnan(value)
    sign = np.where(synthetic[known], -1, 1).astype(np.int8)[:, None]
    return float(auc_columns(value[known].astype(np.float32)[:, None], sign)[0])


def _classified(features: Singles, synthetic: np.ndarray[Any, Any], seed: int) -> float:
    """Cross-validated AUC of a linear classifier."""
    spread = features.std(axis=0)
    scaled = ((features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)
    units = np.arange(len(features))
    fold = unit_folds(units, synthetic, np.random.default_rng(seed))
    sign = np.where(synthetic, -1, 1).astype(np.int8)[:, None]
    return float(cross_validate(scaled, sign, fold).auc[0])


def _rates(book: Ledger) -> dict[str, np.ndarray[Any, Any]]:
    """Eventfulness of each conversation."""
    found = {}
    for label, field, of in (
        ("state update (user's words)", "taken", "new"),
        ("commitments honoured (partner)", "honoured", "commitments"),
        ("marks with an effect (partner)", "meant", "answering_marks"),
    ):
        top, size = book.beyond(field, of, 0 if field == "taken" else 1)
        found[label] = np.divide(top, size, out=np.full(len(top), np.nan), where=size > 0)
    return found


def _counted(talks: list[Counter[Any]]) -> Singles:
    names = sorted({name for talk in talks for name in talk})
    return np.array([[talk[name] for name in names] for talk in talks], dtype=np.float32)


def events_table(seed: int = 0, n: int = 400) -> str:
    """AUC, a conversation at a time, of shared state against the same marks without it."""
    shared, marks_only = events(n, seed=seed, episodes=10), events(n, seed=seed + 1, shared=False, episodes=10)
    synthetic = np.arange(2 * n) >= n
    rates = _rates(ledger(shared, marks_only))
    rows: list[list[object]] = []
    for label, value in rates.items():
        seen = int((~np.isnan(value)).sum())
        rows.append(["effects", label, f"{_auc(value, synthetic):.3f}", f"{seen} of {2 * n}"])
    together = np.nanmean(np.stack(list(rates.values())), axis=0)
    rows.append(["effects", "mean of the three", f"{_auc(together, synthetic):.3f}", f"{2 * n} of {2 * n}"])
    frame = marked_turns(shared, marks_only)
    assert not isinstance(frame, str)
    flags = frame.select("conversation", *MARKS, "commitment", "withdrawal", "challenge", "self_repair", "asks")
    marks = flags.group_by("conversation").sum().sort("conversation").drop("conversation").to_numpy().astype(np.float32)
    acts = [[a for t in c.turns for a in t.acts] for c in (*shared, *marks_only)]
    bigrams = [Counter(itertools.pairwise(a)) for a in acts]
    rows.append(
        ["surface", "frequencies of marks", f"{_classified(marks, synthetic, seed):.3f}", f"{2 * n} of {2 * n}"]
    )
    rows.append(
        ["surface", "act bigrams", f"{_classified(_counted(bigrams), synthetic, seed):.3f}", f"{2 * n} of {2 * n}"]
    )
    return markdown(["kind", "seen by", "AUC", "conversations that show it"], rows)


def run(data: Path, out: Path) -> str:
    """Both tables."""
    results = {name: [levels(data, name, seed) for seed in range(SEEDS)] for name in CORPORA}
    (out / "relational.json").write_text(json.dumps(results))
    return f"{mixture_table(results)}\n\n{events_table()}"
