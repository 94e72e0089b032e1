"""What the measures of training and ranking write, by hand, with numbers that a reader believes."""

from __future__ import annotations

import math
from typing import Any

from tests.reports.constructed import PROVENANCE, all_measurements, examples, missing, scored, spec
from understudy.measures.measurement import Counts, Estimate, Measurement
from understudy.reports.report import Report, make_report

N = {"real": Counts(104, 306, 2194), "synthetic": Counts(150, 600, 4527)}
SIZES = [50, 100, 200, 400, 800]


def _curve(start: float, end: float, width: float) -> tuple[list[float], list[float], list[float]]:
    y = [round(start + (end - start) * math.sqrt(i / 4), 4) for i in range(5)]
    reach = [width / (1 + i / 3) for i in range(5)]
    return y, [a - r for a, r in zip(y, reach, strict=True)], [a + r for a, r in zip(y, reach, strict=True)]


def gap(
    task: str,
    metric: str,
    base: float,
    own: float,
    real: float,
    reach: float,
    *,
    flags: tuple[str, ...] = (),
    interval: tuple[float, float] | None = None,
    structured: float | None = None,
) -> Measurement:
    """Gap closed on one task, with its arms and learning curve."""
    value = (own - base) / (real - base)
    s = spec(
        f"transfer.gap_closed.{task}",
        "Does a model trained on these synthetic conversations work on real ones?",
        "share of the gap between no training and real conversations",
        None,
        None,
        question="train",
        better="higher",
        headline=True,
        source="arXiv:2409.19020",
    )
    curve: dict[str, Any] = {"size": SIZES, "baseline": base}
    for key, end in (("synthetic", own), ("real", real), ("mixed", real + 0.02)):
        first = base + (end - base) * (0.7 if key == "mixed" else 0.25)
        curve[key], curve[f"{key}_low"], curve[f"{key}_high"] = _curve(first, end, 0.05)
    arms = {
        "arm": ["baseline", "in_domain", "synthetic"],
        "score": [base, real, own],
        "low": [base - 0.01, real - 0.03, own - 0.03],
        "high": [base + 0.01, real + 0.03, own + 0.03],
    }
    if structured is not None:
        arms = {key: [*values, new] for (key, values), new in zip(
            arms.items(), ("structured", structured, structured - 0.02, structured + 0.02), strict=True)}  # fmt: skip
    evidence = {
        "metric": metric,
        "arms": arms,
        "b_over_i": base / real,
        "s_over_i": own / real,
        "flags": list(flags),
        "matching": {"notes": ["612 examples a training set in every arm", "9 labels, in the same proportions"]},
        "learning_curve": curve,
    }
    bounds = interval or (value - reach, value + reach)
    return scored(s, value, reach, None, n=N, interval=bounds, evidence=evidence)


def gaps() -> list[Measurement]:
    """A good task, a middling one, one without use, one flagged, one unscored, one with an endless interval."""
    unscored = spec("transfer.gap_closed.satisfaction", "?", "share", None, None, question="train")
    return [
        gap("genre", "mean average precision", 0.27, 0.395, 0.41, 0.16, structured=0.29),
        gap("acts", "accuracy", 0.41, 0.58, 0.71, 0.08),
        gap("next_response", "1 of 10, hard negatives", 0.22, 0.225, 0.34, 0.12),
        gap("topic", "accuracy", 0.31, 0.52, 0.62, 0.9, interval=(-0.4, 3.2)),
        gap(
            "intent",
            "accuracy",
            0.86,
            0.972,
            0.991,
            0.1,
            flags=("saturated: in-domain training is at 0.991 of 1; the task leaves no room to differ",),
        ),
        missing(unscored, "inverted: in-domain training (0.480) does not beat the baseline (0.490)"),
    ]


def false_progress(*, alarm: bool = True) -> Measurement:
    """Simulated scores that rise while real ones do not, or both rising."""
    s = spec(
        "transfer.false_progress.genre",
        "As training data grow, do simulated scores part from real ones?",
        "slope on simulated minus slope on real hold-out, per doubling",
        None,
        None,
        question="train",
        better="lower",
    )
    simulated = [0.74, 0.79, 0.83, 0.86, 0.88]
    held_out = [0.27, 0.272, 0.268, 0.265, 0.26] if alarm else [0.27, 0.30, 0.34, 0.37, 0.39]
    value = 0.0375 if alarm else 0.004
    evidence = {
        "step": [330, 660, 1320, 2640, 3300],
        "simulated": simulated,
        "simulated_low": [v - 0.02 for v in simulated],
        "simulated_high": [v + 0.02 for v in simulated],
        "held_out": held_out,
        "held_out_low": [v - 0.03 for v in held_out],
        "held_out_high": [v + 0.03 for v in held_out],
        "slopes": {
            "simulated": {"value": 0.035, "low": 0.03, "high": 0.04},
            "held_out": {"value": 0.035 - value, "low": 0.03 - value, "high": 0.04 - value},
        },
        "per": "doubling",
        "rule": "alarm where the simulated score rises and the real slope is below 0.5 of it",
        "alarm": alarm,
        "alarm_at": 1320 if alarm else None,
    }
    return scored(s, value, 0.012, 0.001 if alarm else 0.4, n=N, evidence=evidence)


def ablation() -> Measurement:
    """A full factorial of three layers."""
    name = "transfer.ablation.genre"
    s = spec(name, "Are the layers multiplicative?", "gap closed", None, None, question="train", better="higher")
    names = ["none", "subtopic", "persona", "context", "subtopic+persona", "subtopic+context", "persona+context",
             "subtopic+persona+context"]  # fmt: skip
    values = [0.12, 0.31, 0.2, 0.14, 0.44, 0.33, 0.21, 0.45]
    cells = {"cell": names, "value": values, "low": [v - 0.1 for v in values], "high": [v + 0.1 for v in values]}
    effects = [("subtopic", 0.22, 0.06, 0.001), ("persona", 0.1, 0.06, 0.004), ("context", 0.02, 0.05, 0.5),
               ("subtopic_x_persona", 0.03, 0.07, 0.4)]  # fmt: skip
    parts = tuple(scored(s, v, r, p, name=f"{name}.{label}", n=N) for label, v, r, p in effects)
    dose = {
        "attributes": ["0", "1", "2", "4", "8"],
        "value": [0.31, 0.38, 0.42, 0.45, 0.44],
        "low": [0.2, 0.27, 0.31, 0.34, 0.33],
        "high": [0.42, 0.49, 0.53, 0.57, 0.55],
    }
    evidence = {"cells": cells, "verdict": "additive", "rule": "by Holm over the two", "dose": dose}
    return scored(s, 0.45, 0.115, None, n=N, parts=parts, evidence=evidence)


def reactions() -> list[Measurement]:
    """Two behaviours in two units, one with a human slope."""
    found = []
    for behaviour, unit, values, human in (
        ("leaving", "departures a user turn, for the whole arm", (0.03, 0.01), Estimate(0.09, (0.06, 0.12))),
        ("length", "words a user turn, for the whole arm", (-0.8, 0.2), None),
        ("complaints", "departures a user turn, for the whole arm", (0.08, 0.02), Estimate(0.09, (0.05, 0.13))),
    ):
        s = spec(f"transfer.reaction.{behaviour}", "Do users notice?", unit, None, None, question="rank")
        scale = abs(values[0])
        parts = tuple(
            scored(s, v, 0.4 * scale, 0.001 if abs(v) > 0.6 * scale else 0.4, name=f"{s.name}.{arm}", n=N)
            for arm, v in zip(("bad", "slow"), values, strict=True)
        )
        found.append(scored(s, values[0], 0.4 * scale, 0.001, n=N, floor=human, parts=parts))
    return found


def mixture() -> Measurement:
    """A mixture that helps on what it was not fitted on."""
    s = spec("transfer.mixture", "Is the mixture nearer to people than its best member?", "difference of distances",
             None, None, question="train", better="lower")  # fmt: skip
    evidence = {
        "weights": {"prompted.jsonl": 0.55, "fitted.jsonl": 0.4, "structured.jsonl": 0.05},
        "families_used": ["length", "punctuation"],
        "families_held_out": ["words", "acts"],
        "judge": "words",
        "better": True,
    }
    parts = tuple(scored(s, v, 0.01, 0.01, name=f"{s.name}.{n}", n=N) for n, v in (("words", -0.03), ("acts", 0.02)))
    return scored(s, -0.03, 0.012, 0.01, n=N, evidence=evidence, parts=parts)


NAMES = ("retrieval-2", "gpt-large", "rule-based", "gpt-small", "hybrid-a", "hybrid-b", "popular", "random",
         "a system with a very long name indeed")  # fmt: skip


def ranking(count: int = 9) -> list[Measurement]:
    """Agreement of `count` systems, calibration, prediction-powered scores."""
    rest = {"question": "rank", "better": "higher", "source": "doi:10.1093/biomet/30.1-2.81"}
    real = [0.74, 0.71, 0.52, 0.66, 0.61, 0.58, 0.44, 0.21, 0.39][:count]
    simulated = [0.83, 0.86, 0.70, 0.79, 0.79, 0.73, 0.75, 0.49, 0.62][:count]
    systems = {
        "system": list(NAMES[:count]),
        "real": real,
        "real_low": [v - 0.06 for v in real],
        "real_high": [v + 0.06 for v in real],
        "simulated": simulated,
        "simulated_low": [v - 0.02 for v in simulated],
        "simulated_high": [v + 0.02 for v in simulated],
    }
    pairs: dict[str, list[Any]] = {"first": [], "second": [], "p_same": []}
    for i in range(count):
        for j in range(i + 1, count):
            apart = (real[i] - real[j]) * (simulated[i] - simulated[j])
            pairs["first"].append(NAMES[i])
            pairs["second"].append(NAMES[j])
            pairs["p_same"].append(round(1 / (1 + math.exp(-300 * apart)), 3))
    people = {"users": [5, 10, 20, 28], "value": [0.4, 0.55, 0.68, 0.74], "low": [-0.1, 0.2, 0.4, 0.5],
              "high": [0.8, 0.85, 0.9, 0.92]}  # fmt: skip
    evidence = {"systems": systems, "p_order": pairs, "descriptive": count < 8, "split_half": people, "flags": []}
    tau = spec("ranking.tau", "Do systems come in the same order as with people?", "Kendall's tau", -1.0, 1.0, **rest)
    rho = spec("ranking.spearman", "The same, by ranks", "Spearman's rho", -1.0, 1.0, **rest)
    calibration = spec("ranking.calibration", "Do scores mean the same?", "mean absolute difference", 0.0, 1.0,
                       question="rank", better="lower")  # fmt: skip
    bins = {
        "name": ["easy", "middling", "hard"],
        "real": [0.81, 0.6, 0.33],
        "simulated": [0.84, 0.74, 0.61],
        "gap": [0.03, 0.14, 0.28],
        "low": [-0.01, 0.09, 0.22],
        "high": [0.07, 0.19, 0.34],
    }
    how = {"by": "difficulty", "difficulty": bins, "shift": 0.15, "uneven": 0.1, "left_out": []}
    noise = Estimate(0.02, (0.01, 0.04), "sampling noise alone")
    by_difficulty = scored(calibration, 0.14, 0.02, 0.001, n=N, name="ranking.calibration.difficulty", evidence=how)
    name = "ranking.prediction_powered"
    one = spec(name, "What do real users score this system?", "units of the score", None, None, **rest)
    parts = []
    for i in range(count):
        own = {"human": real[i], "human_low": real[i] - 0.06, "human_high": real[i] + 0.06, "n": 57,
               "n_effective": 101.0, "buy": 120}  # fmt: skip
        parts.append(scored(one, real[i] + 0.01, 0.045, None, n=N, name=f"{name}.{NAMES[i]}", evidence=own))
    whole = spec(name, "What are simulated scores worth beside the real ones?", "real episodes", 1.0, None, **rest)
    buy = {"system": list(NAMES[:count]), "held": [57] * count, "buy": [120] * count, "buy_without": [213] * count}
    worth = {"n": 57 * count, "n_effective": 101 * count, "buy": {"half_width": 0.03, "systems": buy}, "flags": []}
    powered = scored(whole, 101 / 57, 0.1, None, n=N, interval=None, parts=tuple(parts), evidence=worth)
    return [
        scored(tau, 0.72, 0.2, None, n=N, ceiling=Estimate(0.83, (0.64, 0.93), "human split-half"), evidence=evidence),
        scored(rho, 0.85, 0.12, None, n=N, ceiling=Estimate(0.92, (0.8, 0.98), "human split-half")),
        scored(calibration, 0.14, 0.02, 0.001, n=N, floor=noise, evidence=how, parts=(by_difficulty,)),
        powered,
    ]


def train_measurements() -> list[Measurement]:
    """Everything about training."""
    return [*gaps(), false_progress(), ablation(), mixture()]


def report_of_three() -> Report:
    """A report on three questions, for screenshots."""
    return make_report(
        [*all_measurements(), *ranking(), *reactions(), *train_measurements()],
        examples=examples(),
        provenance=PROVENANCE,
    )
