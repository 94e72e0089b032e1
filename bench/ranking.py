"""Figure: ranking on worlds of known truth, and the human ceiling of two logs with several systems."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bench.corpora import markdown
from tests.transfer.ranking_worlds import (
    Law,
    as_tally,
    means,
    outcomes,
    paired_study,
    panels,
    people,
    simulators,
    true_scores,
)
from understudy.transfer.prediction_powered import prediction_powered
from understudy.transfer.rank_agreement import rank_agreement
from understudy.transfer.rank_correlation import kendall_tau, spearman_rho
from understudy.transfer.score_reading import Columns, read_scores
from understudy.transfer.scores import Tally, tally
from understudy.transfer.split_half import human_ceiling, split_half_curve

USERS = 40
REPLICATIONS = 300
TRUTH = 4000
KINDS = {"kendall": kendall_tau, "spearman": spearman_rho}
RATINGS = {
    "usefulness": ("Availability", {"不可用": 0.0, "有一定参考": 1.0, "很有用": 2.0}),
    "detail": ("Detail", {"简略": 0.0, "一般": 1.0, "详细": 2.0}),
    "memory": ("Memorization", {"否": 0.0, "是": 1.0}),
}

# Usefulness in the whole log (115 users, of whom the data folder has 60): means and 95 % half-widths by user.
WHOLE_LOG = ((1.50, 0.055), (1.60, 0.060), (1.66, 0.065), (1.67, 0.055))
WHOLE_USERS = 115


def _study(law: Law, users: int, rng: np.random.Generator, visits: bool) -> Tally:
    return as_tally(outcomes(law, rng.standard_normal((users, len(law.quality))), rng, visits=visits), visits=visits)


def agreement(systems: int, replications: int) -> list[dict[str, Any]]:
    """Coverage of the interval of tau and rho: the truth is the mean over many pairs of studies."""
    real = people(systems)
    rows = []
    for name, law in simulators(real).items():
        rng = np.random.default_rng([systems, len(name)])
        a, b = means(real, USERS, TRUTH, rng), means(law, 2 * USERS, TRUTH, rng)
        for kind, correlation in KINDS.items():
            truth = float(np.nanmean(correlation(a, b)))
            found = []
            for _ in range(replications):
                one, other = _study(real, USERS, rng, True), _study(law, 2 * USERS, rng, True)
                found.append(rank_agreement(one, other, correlation, rng=rng, draws=300))
            bounds = np.array([f.interval for f in found])
            rows.append(
                {
                    "simulator": name,
                    "systems": systems,
                    "kind": kind,
                    "truth": truth,
                    "estimate": float(np.mean([f.value for f in found])),
                    "coverage": float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean()),
                    "width": float((bounds[:, 1] - bounds[:, 0]).mean()),
                }
            )
    return rows


def ceilings(replications: int) -> list[dict[str, Any]]:
    """The ceiling against brute force: tau between independent studies of people, of the sizes it is carried to."""
    rows = []
    for systems, users, other, visits in (
        (12, 40, 1.0, True),
        (12, 40, 4.0, True),
        (12, 40, 1.0, False),
        (4, 40, 1.0, True),
    ):
        real = people(systems)
        rng = np.random.default_rng([systems, users, int(other), visits])
        n = users if visits else users // 2
        one = means(real, n, TRUTH, rng, visits=visits)
        two = means(real, round(n * other), TRUTH, rng, visits=visits)
        truth = float(np.nanmean(kendall_tau(one, two)))
        sides = [means(real, n // 2, TRUTH, rng, visits=visits) for _ in range(2)]
        half = float(np.nanmean(kendall_tau(*sides)))
        found = [
            human_ceiling(_study(real, n, rng, visits), "kendall", rng=rng, other=other, splits=200)
            for _ in range(replications)
        ]
        rows.append(
            {
                "systems": systems, "users": n if visits else n * systems, "visits": visits, "other": other,
                "half_truth": half, "half": float(np.mean([c.half for c in found])),
                "truth": truth, "estimate": float(np.mean([c.value for c in found])),
                "coverage": float(np.mean([c.interval[0] <= truth <= c.interval[1] for c in found])),
            }
        )  # fmt: skip
    return rows


def fresh_ceilings(replications: int) -> list[dict[str, Any]]:
    """The same on worlds of other shapes."""
    rows = []
    for name, panel in panels().items():
        rng = np.random.default_rng([len(name), panel.users])
        sides = [panel.means(TRUTH, rng, size) for size in (1.0, panel.other, 0.5, 0.5)]
        truth, half = (max(0.0, float(np.nanmean(kendall_tau(*two)))) for two in (sides[:2], sides[2:]))
        found = [
            human_ceiling(panel.study(rng), "kendall", rng=rng, other=panel.other, splits=200)
            for _ in range(replications)
        ]
        users = panel.users * (len(panel.quality) if panel.met == 1 else 1)
        rows.append(
            {
                "name": name, "systems": len(panel.quality), "users": users, "other": panel.other,
                "half_truth": half, "half": float(np.mean([c.half for c in found])),
                "truth": truth, "estimate": float(np.mean([c.value for c in found])),
                "coverage": float(np.mean([c.interval[0] <= truth <= c.interval[1] for c in found])),
            }
        )  # fmt: skip
    return rows


def powered(replications: int) -> list[dict[str, Any]]:
    """Prediction-powered scores: coverage of the true score, and width against people alone."""
    rows = []
    real = people(1, 0.0)._replace(quality=np.array([0.5]))
    truth = float(true_scores(real)[0])
    for users, per_user in ((40, 1), (40, 3)):
        for name, law in simulators(real).items():
            # With one system the misleading simulator reverses items, the uninformative one ignores them.
            rng = np.random.default_rng([users, per_user, len(name)])
            found = [
                prediction_powered(*paired_study(real, law, users, 1000, rng, per_user=per_user), "a")
                for _ in range(replications)
            ]
            human, own = (np.array([getattr(p, f) for p in found]) for f in ("human_interval", "interval"))
            ratio = (own[:, 1] - own[:, 0]) / (human[:, 1] - human[:, 0])
            rows.append(
                {
                    "simulator": name, "users": users, "episodes": users * per_user,
                    "human": float(((human[:, 0] <= truth) & (truth <= human[:, 1])).mean()),
                    "coverage": float(((own[:, 0] <= truth) & (truth <= own[:, 1])).mean()),
                    "ratio": float(ratio.mean()), "widest": float(ratio.max()),
                    "effective": float(np.mean([p.effective / p.n for p in found])),
                }
            )  # fmt: skip
    return rows


def logs(data: Path) -> list[dict[str, Any]]:
    """The human ceiling of real logs with several systems."""
    rows = []
    sources = [
        ("recllmsim_human_real", f"meta.ratings.{column}", words, label) for label, (column, words) in RATINGS.items()
    ] + [("crsarena_humanbot_real", "meta.user_sentiment", {"satisfied": 1.0, "frustrated": 0.0}, "satisfied")]
    for name, column, words, label in sources:
        scores = read_scores(data / f"{name}.jsonl.zst", Columns(score=column, values=words))
        systems = sorted(set(scores.system.tolist()))
        side = tally(scores, systems)
        ceiling = human_ceiling(side, "kendall", rng=np.random.default_rng(0), splits=4000)
        curve = split_half_curve(side, "kendall", rng=np.random.default_rng(0), splits=4000)
        rows.append(
            {
                "corpus": name, "score": label, "systems": len(systems), "users": len(side.counts),
                "curve": [(p.users, p.value) for p in curve],
                "null": None if ceiling is None else null(side, ceiling.half),
                "half": None if ceiling is None else (ceiling.half, ceiling.half_interval),
                "whole": None if ceiling is None else (ceiling.value, ceiling.interval),
            }
        )  # fmt: skip
    return rows


AGREEMENT = ["simulator", "systems", "correlation", "true expectation", "mean estimate", "interval covers", "its width"]
CEILING = [
    "people",
    "users",
    "systems",
    "other side",
    "halves: truth",
    "halves: estimate",
    "study: truth",
    "study: estimate",
    "interval covers",
]
POWERED = [
    "simulator",
    "users",
    "episodes",
    "people alone: covers",
    "prediction-powered: covers",
    "width against people alone",
    "widest of all",
    "one real episode counts as",
]
LOGS = [
    "log",
    "score",
    "systems",
    "users",
    "tau between groups of n users",
    "halves [95 %]",
    "whole study [95 %]",
    "people as simulator: covers",
]


def null(side: Tally, half: float, splits: int = 200) -> float:
    """Half of the people in the simulator's place: how often the interval of tau holds what halves agree at."""
    rng = np.random.default_rng(5)
    hits = []
    while len(hits) < splits:
        order = rng.permutation(len(side.counts))
        one, two = (Tally(side.sums[rows], side.counts[rows]) for rows in np.array_split(order, 2))
        if min(one.units.min(), two.units.min()) < 2:
            continue
        found = rank_agreement(one, two, kendall_tau, rng=rng, draws=300).interval
        hits.append(found is not None and found[0] <= half <= found[1])
    return float(np.mean(hits))


def whole_log() -> list[tuple[int, float]]:
    """Tau to be expected between groups of the whole log's users, from its means and intervals alone.

    `mean over pairs of (2 Phi(d / s_n) - 1)^2`, errors of the systems taken as independent.
    """
    mean, half_width = (np.array(column) for column in zip(*WHOLE_LOG, strict=True))
    first, second = np.triu_indices(len(mean), 1)
    error = np.hypot(half_width[first], half_width[second]) / 1.96
    gap = mean[first] - mean[second]
    return [
        (n, float(((2 * stats.norm.cdf(gap / (error * np.sqrt(WHOLE_USERS / n))) - 1) ** 2).mean()))
        for n in (5, 10, 20, 40, 57)
    ]


def _tables(result: dict[str, list[dict[str, Any]]]) -> str:
    order = [
        [
            r["simulator"],
            r["systems"],
            r["kind"],
            *_two(r, "truth", "estimate"),
            _percent(r["coverage"]),
            *_two(r, "width"),
        ]
        for r in result["agreement"]
    ]
    ceiling = [
        [
            r["name"] if "name" in r else f"{'all meet all' if r['visits'] else 'all meet one'}",
            r["users"],
            r["systems"],
            f"× {r['other']:g}",
            *_two(r, "half_truth", "half", "truth", "estimate"),
            _percent(r["coverage"]),
        ]
        for r in [*result["ceilings"], *result["fresh"]]
    ]
    score = [
        [
            *(r[k] for k in ("simulator", "users", "episodes")),
            *(_percent(r[k]) for k in ("human", "coverage")),
            *_two(r, "ratio", "widest", "effective"),
        ]
        for r in result["powered"]
    ]
    real = [
        [
            *(r[k] for k in ("corpus", "score", "systems", "users")),
            ", ".join(f"{n}: {value:.2f}" for n, value in r["curve"]),
            _interval(r["half"]),
            _interval(r["whole"]),
            "–" if r["null"] is None else _percent(r["null"]),
        ]
        for r in result["logs"]
    ]
    blocks = [
        f"Agreement of orders: {USERS} real and {2 * USERS} simulated users, who meet every system.",
        markdown(AGREEMENT, order),
        "The human ceiling (Kendall's tau): truth by brute force, and what is estimated from one study. "
        "The worlds from `stars` downwards are of other shapes; the method was chosen with all in sight.",
        markdown(CEILING, ceiling),
        "Prediction-powered scores: 1,000 simulated items, some of which people met too.",
        markdown(POWERED, score),
        "Real logs. In the last, users are not named: each conversation is its own.",
        markdown(LOGS, real),
        "The whole log of recllmsim_human_real has 115 users, of whom 60 are here; from its means and intervals, "
        "tau for usefulness between groups of n users: " + ", ".join(f"{n}: {tau:.2f}" for n, tau in whole_log()) + ".",
    ]
    return "\n\n".join(blocks)


def _two(row: dict[str, Any], *names: str) -> list[str]:
    return [f"{row[name]:.2f}" for name in names]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _interval(found: tuple[float, tuple[float, float]] | None) -> str:
    return "–" if found is None else f"{found[0]:.2f} [{found[1][0]:.2f}, {found[1][1]:.2f}]"


def run(data: Path, out: Path, replications: int = REPLICATIONS) -> str:
    result: dict[str, Any] = {}
    steps = {
        "logs": lambda: logs(data),
        "powered": lambda: powered(2 * replications),
        "agreement": lambda: agreement(12, replications) + agreement(4, replications // 2),
        "ceilings": lambda: ceilings(replications),
        "fresh": lambda: fresh_ceilings(replications),
    }
    for name, step in steps.items():
        started = time.perf_counter()
        result[name] = step()
        print(f"ranking.{name}: {time.perf_counter() - started:.0f} s", flush=True)
    (out / "ranking.json").write_text(json.dumps(result, default=float))
    return _tables(result)
