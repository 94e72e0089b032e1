"""Figure: relations. Replies exchanged step by step on real corpora; marks with and without a state behind them; and
real against real."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.corpora import halves, load, markdown
from bench.relational_null import null_rows
from bench.relational_null import table as null_table
from understudy.conversations import Corpus
from understudy.measures.classifier import Singles, auc_columns, cross_validate, unit_folds
from understudy.measures.measurement import Measure
from understudy.measures.relational.act_contingency import act_contingency
from understudy.measures.relational.alignment import alignment
from understudy.measures.relational.contingency import contingency
from understudy.measures.relational.coordination import coordination
from understudy.measures.relational.eventfulness import MARKS, Ledger, eventfulness, ledger
from understudy.measures.relational.expected_context import expected_context
from understudy.measures.relational.gaps import named_gap
from understudy.measures.relational.marks import marked_turns
from understudy.measures.relational.next_utterance import next_utterance
from understudy.measures.relational.redirection import redirection
from understudy.measures.relational.uptake import uptake
from understudy.rollouts.influence import counterfactual_influence
from understudy.seeds import stream
from understudy.testing.partners import Rolling, asking
from understudy.testing.relations import events, exchanged_within_lengths, mixture, shuffled_acts, stuffed

CORPORA = ("redial_real", "multiwoz_real", "topicalchat_real", "persuasionforgood_real", "woz2_real")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST = 250
PERMUTATIONS = 39
SEEDS = 6
WORKERS = 2
NOISE = 3.0  # standard errors
RESIDUE = 0.1  # of the level of people, within which q = 1 counts as at the null


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
    Line(expected_context, "", 0.0),
    Line(expected_context, "backward", 0.0),
    Line(expected_context, "partner", 0.0),
    Line(eventfulness, "", 0.0),
    Line(eventfulness, "partner_update", 0.0),
)


def sets(untouched: Corpus, seed: int) -> dict[str, Corpus]:
    """The held-out half mixed in steps, stuffed, with its act labels exchanged, its replies exchanged in lengths."""
    found = {f"{q:g}": mixture(untouched, q, rng=stream(seed, "mixture")) if q else untouched for q in SHARES}
    found["any length"] = mixture(untouched, 1.0, rng=stream(seed, "any length"), like_length=False)
    found["stuffed"] = stuffed(untouched, rng=stream(seed, "stuffed"))
    found["torn, stuffed"] = stuffed(found["1"], rng=stream(seed, "stuffed"))
    found["acts"] = shuffled_acts(untouched, rng=stream(seed, "acts"))
    found["lengths"] = exchanged_within_lengths(untouched, rng=stream(seed, "lengths"))
    return found


def levels(task: tuple[Path, str, int]) -> dict[str, dict[str, float]]:
    """The level of every line on every set."""
    data, name, seed = task
    real, untouched = halves(load(data, name), stream(seed, "relational", name), MOST)
    found: dict[str, dict[str, float]] = {line.name: {} for line in LINES}
    for label, corpus in sets(untouched, seed).items():
        # Side by side a fresh pair, so that what is kept for the last synthetic set is dropped with it.
        for measure in dict.fromkeys(line.measure for line in LINES):
            m = measure(real, corpus, rng=np.random.default_rng(seed), permutations=PERMUTATIONS)
            for line in LINES:
                if line.measure is measure and (part := named_gap(m, line.part)).value is not None:
                    found[line.name][label] = part.evidence["synthetic"]
    return found


class Course(NamedTuple):
    """A line on one corpus over the steps of the mixture, by seed `(seeds, sets)`, chance taken off."""

    corpus: str
    line: Line
    by_seed: Any
    others: dict[str, Any]

    @property
    def mean(self) -> Any:
        return self.by_seed.mean(axis=0)

    def error(self, values: Any) -> Any:
        """Standard error over seeds."""
        return values.std(axis=0, ddof=1) / np.sqrt(len(values))

    @property
    def shown(self) -> bool:
        """Whether people show it here at all."""
        return bool(self.mean[0] > NOISE * self.error(self.by_seed)[0] and self.mean[0] > 0)

    @property
    def falls(self) -> bool:
        """No step up beyond noise, and the whole way down."""
        steps = np.diff(self.by_seed, axis=1)
        rises = steps.mean(axis=0) > np.maximum(NOISE * self.error(steps), 0.02 * self.mean[0])
        return bool(not rises.any() and self.mean[-1] < self.mean[0])

    @property
    def strictly(self) -> bool:
        return bool((np.diff(self.mean) < 0).all())

    @property
    def arrives(self) -> bool:
        """At q = 1 within noise of the null, or within a tenth of the way from it."""
        room = max(NOISE * float(self.error(self.by_seed)[-1]), RESIDUE * float(self.mean[0]))
        return bool(abs(self.mean[-1]) <= room)


def courses(results: dict[str, list[dict[str, dict[str, float]]]]) -> list[Course]:
    """Every line of every corpus in which all sets could be scored."""
    found = []
    for name, runs in results.items():
        for line in LINES:
            rows = [run[line.name] for run in runs if len(run[line.name]) == len(runs[0][LINES[0].name])]
            if len(rows) < 2:
                continue
            steps = np.array([[row[f"{q:g}"] for q in SHARES] for row in rows]) - line.chance
            others = {k: np.array([row[k] for row in rows]) - line.chance for k in rows[0] if k[0] not in "01"}
            found.append(Course(name, line, steps, others))
    return found


def mixture_table(found: list[Course]) -> str:
    """Mean level over seeds at every step of the mixture, chance taken off."""
    rows: list[list[object]] = []
    for c in found:
        cells = [f"{x:.3f}" for x in c.mean]
        fit = "strictly" if c.strictly else "within noise" if c.falls else "no"
        verdict = ("ok" if c.falls and c.arrives else "missed") if c.shown else "not shown by people here"
        if c.line.part == "unstratified":
            verdict = "a contrast: lengths stay as they were, and it is made to see them"
        end = f"{c.mean[-1]:+.3f} ± {c.error(c.by_seed)[-1]:.3f}"
        rows.append([c.corpus, c.line.name, *cells, end, f"{c.others['any length'].mean():+.3f}", fit, verdict])
    header = ["corpus", "level beyond chance", *[f"q = {q:g}" for q in SHARES], "at q = 1",
              "q = 1, lengths exchanged too", "falls", "verdict"]  # fmt: skip
    return markdown(header, rows)


def verdicts(found: list[Course]) -> list[str]:
    """Target and reached, a line a demand."""
    shown = [c for c in found if c.shown and c.line.part != "unstratified"]
    falls, null = sum(c.falls for c in shown), sum(c.arrives for c in shown)
    strict, n = sum(c.strictly for c in shown), len(shown)
    fallen = f"falls at every step: target {n} of {n} levels that people show; reached {falls} within noise"
    arrived = f"at its null at q = 1 (within {NOISE:g} SE or a tenth of people's level): target {n}; reached {null}"
    says = [_said(f"{fallen} ({strict} strictly)", falls == n), _said(arrived, null == n)]
    by = {(c.corpus, c.line.name): c for c in found}
    for name in CORPORA:
        if not {(name, "alignment"), (name, "next_utterance.hard")} <= set(by):
            says.append(_said(f"{name}: too few replies to judge the adversaries", False))
            continue
        for adversary, base in (("stuffed", 0), ("torn, stuffed", -1)):
            aligned, hard = by[name, "alignment"], by[name, "next_utterance.hard"]
            up, raised = (c.others[adversary] - c.by_seed[:, base] for c in (aligned, hard))
            good = up.mean() > NOISE * aligned.error(up) and raised.mean() <= max(NOISE * hard.error(raised), 0.02)
            what = f"{name}, {adversary}: alignment {up.mean():+.3f} (target above 0)"
            told = f"AUC against hard histories {raised.mean():+.3f} (target at most 0, noise and .02 aside)"
            says.append(_said(f"{what}, {told}", bool(good)))
    return says + _acts_exchanged(found) + _coordinated(found)


def _acts_exchanged(found: list[Course]) -> list[str]:
    """Where a corpus has labels of its own: exchanging them must take act contingency away and nothing else."""
    says = []
    for c in found:
        moved = {o.line.name: o.others["acts"] - o.by_seed[:, 0] for o in found if o.corpus == c.corpus}
        if c.line.name != "act_contingency" or not c.shown or abs(moved[c.line.name]).max() < 1e-9:
            continue
        rest = max(float(abs(by).max()) for name, by in moved.items() if not name.startswith(c.line.name))
        left = c.others["acts"]
        good = left.mean() <= max(NOISE * c.error(left), RESIDUE * c.mean[0]) and rest < 1e-9
        what = f"{c.corpus}, act labels exchanged: act contingency {c.mean[0]:.3f} -> {left.mean():.3f} (target 0)"
        says.append(_said(f"{what}, largest change of any other level {rest:.3f} (target 0)", bool(good)))
    return says


def _coordinated(found: list[Course]) -> list[str]:
    """Replies exchanged within strata of both lengths: what is left of coordination must be the lengths' alone."""
    says = []
    for c in found:
        if c.line.name != "coordination":
            continue
        plain = next(o for o in found if o.corpus == c.corpus and o.line.name == "coordination.unstratified")
        left, whole = c.others["lengths"], plain.others["lengths"]
        good = abs(left.mean()) <= max(NOISE * c.error(left), RESIDUE * c.mean[0])
        what = f"{c.corpus}, replies exchanged within lengths: coordination {c.mean[0]:.3f} -> {left.mean():+.3f}"
        aside = f"without strata {plain.mean[0]:.3f} -> {whole.mean():.3f}, which is length"
        says.append(_said(f"{what} ± {c.error(left):.3f} (target 0); {aside}", bool(good)))
    return says


def _said(what: str, good: bool) -> str:
    return f"- {'ok' if good else '**missed**'}: {what}"


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


def events_table(seed: int = 0, n: int = 400) -> tuple[str, str]:
    """A verdict, and the AUC, a conversation at a time, of shared state against the same marks without it."""
    shared, marks_only = events(n, seed=seed, episodes=10), events(n, seed=seed + 1, shared=False, episodes=10)
    synthetic = np.arange(2 * n) >= n
    rates = _rates(ledger(shared, marks_only))
    together = np.nanmean(np.stack(list(rates.values())), axis=0)
    frame = marked_turns(shared, marks_only)
    assert not isinstance(frame, str)
    flags = frame.select("conversation", *MARKS, "commitment", "withdrawal", "challenge", "self_repair", "asks")
    marks = flags.group_by("conversation").sum().sort("conversation").drop("conversation").to_numpy().astype(np.float32)
    acts = [[a for t in c.turns for a in t.acts] for c in (*shared, *marks_only)]
    bigrams = _counted([Counter(itertools.pairwise(a)) for a in acts])
    effects = {label: _auc(value, synthetic) for label, value in (*rates.items(), ("mean of the three", together))}
    surface = {
        "frequencies of marks": _classified(marks, synthetic, seed),
        "act bigrams": _classified(bigrams, synthetic, seed),
    }
    effects["counterfactual influence (partner re-run)"] = _influenced(seed)
    rows: list[list[object]] = [["effects", k, f"{v:.3f}", ">= .95", _ok(v >= 0.95)] for k, v in effects.items()]
    rows += [["surface", k, f"{v:.3f}", "<= .6", _ok(v <= 0.6)] for k, v in surface.items()]
    good = effects["mean of the three"] >= 0.95 and max(surface.values()) <= 0.6
    what = (
        f"eventfulness separates shared state from marks alone: AUC {effects['mean of the three']:.3f} (target >= .95)"
    )
    says = _said(f"{what}, marks and act bigrams at most {max(surface.values()):.3f} (target <= .6)", good)
    return says, markdown(["kind", "seen by", "AUC", "target", "verdict"], rows)


def _influenced(seed: int) -> float:
    """AUC, a conversation at a time, of a partner that listens against one that says the same lines as often."""
    listens, past = (
        counterfactual_influence(
            Rolling(listens=one), asking(100, seed=seed + k, turns=5), seed=seed, turns=5, rolls=10
        )
        for k, one in enumerate((True, False))
    )
    value = np.array([*listens.by_conversation, *past.by_conversation])
    return _auc(value, np.arange(len(value)) >= len(listens.by_conversation))


def _ok(good: bool) -> str:
    return "ok" if good else "missed"


def run(data: Path, out: Path) -> str:
    """Verdicts, then the tables, from one run."""
    tasks = [(data, name, seed) for name in CORPORA for seed in range(SEEDS)]
    with ProcessPoolExecutor(WORKERS) as executor:
        each = list(executor.map(levels, tasks))
    results = {name: each[i * SEEDS : (i + 1) * SEEDS] for i, name in enumerate(CORPORA)}
    null = null_rows(data, WORKERS)
    (out / "relational.json").write_text(json.dumps({"mixture": results, "null": null}))
    found = courses(results)
    calibrated, null_rates = null_table(null)
    good = "- " if calibrated.endswith("ok") else "- **missed** "
    effects, separated = events_table()
    return "\n\n".join(
        [
            "\n".join([*verdicts(found), effects, good + calibrated]),
            f"Mixture: halves of up to {MOST} conversations, {SEEDS} seeds.",
            mixture_table(found),
            "Shared state against the same marks without it.",
            separated,
            "Real against real.",
            null_rates,
        ]
    )
