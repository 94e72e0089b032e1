"""`understudy rank`: do simulated users put systems in the order that real users put them in?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from understudy.cli import options
from understudy.cli.corpora import amount
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output
from understudy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from understudy.measures.measurement import Measurement
    from understudy.transfer.score_reading import Columns
    from understudy.transfer.scores import Scores

MOST_FLIPS = 5

Simulated = Annotated[
    list[str], typer.Argument(metavar="SIM...", help="Simulated scores; further files are other simulators.")
]
Real = Annotated[str, typer.Option("--real", metavar="REAL", help="Real scores of the same systems.")]
System = Annotated[str | None, typer.Option("--system", metavar="COLUMN", help="Column that names the system.")]
Score = Annotated[
    str | None, typer.Option("--score", metavar="COLUMN", help="Column of the score; lists are averaged.")
]
RealScore = Annotated[
    str | None, typer.Option("--real-score", metavar="COLUMN", help="The same on the real side, where it is another.")
]
User = Annotated[str | None, typer.Option("--user", metavar="COLUMN", help="Column that names the user.")]
Item = Annotated[
    str | None, typer.Option("--item", metavar="COLUMN", help="Column of the scenario that pairs real and simulated.")
]
Difficulty = Annotated[str | None, typer.Option("--difficulty", metavar="COLUMN", help="Column of the difficulty.")]
Slices = Annotated[
    list[str] | None, typer.Option("--slice", metavar="COLUMN", help="Column of a population slice; repeatable.")
]
Fault = Annotated[
    str | None, typer.Option("--fault", metavar="COLUMN", help="Column that marks episodes the simulator spoiled.")
]
Values = Annotated[
    list[str] | None,
    typer.Option("--value", metavar="WORD=N", help="The number of a rating in words, e.g. satisfied=1; repeatable."),
]
Precision = Annotated[
    float | None,
    typer.Option("--precision", metavar="H", help="Wanted half-width of each score's interval: what to buy for it."),
]
Budget = Annotated[
    int | None, typer.Option("--budget", metavar="N", help="How to spread N more real episodes over systems.")
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write report.json and report.html here.")
]


def rank(
    simulated: Simulated,
    real: Real,
    system: System = None,
    score: Score = None,
    real_score: RealScore = None,
    user: User = None,
    item: Item = None,
    difficulty: Difficulty = None,
    slices: Slices = None,
    fault: Fault = None,
    value: Values = None,
    precision: Precision = None,
    budget: Budget = None,
    out: Out = None,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Compare the order of systems under simulated and real users.

    Files are tables of scores, a row an episode (.csv, .jsonl, .parquet with columns system, score and user), or
    conversations whose meta carries them; a path with dots reaches into nested data. The order stands beside the
    human ceiling: how far other people would agree. Where items pair the two sides, prediction-powered scores say
    what the simulator is worth in real episodes.

    \b
    understudy rank sim.csv --real real.csv --out report/
    understudy rank sim.jsonl --real logs.jsonl --system meta.system --score meta.ratings.usefulness
    """
    from understudy.reports.report import make_report, save_report
    from understudy.transfer.ranking import rank as run
    from understudy.transfer.score_reading import Columns

    output = Output(json=json, quiet=quiet)
    _check(precision, budget)
    columns = Columns(
        system=system, score=score, user=user, item=item, difficulty=difficulty, fault=fault,
        slices=tuple(slices or ()), values=_words(value or []),
    )  # fmt: skip
    people, simulators = _load(real, simulated, columns, real_score, user_role, output)
    folder = folder_for(out) if out else None
    with output.progress() as on_progress:
        found = run(people, simulators, seed=seed, precision=precision, budget=budget, on_progress=on_progress)
    provenance = {
        "verb": "rank",
        "seed": seed,
        "corpora": {
            "real": {"source": real, "users_known": people.has_users},
            "synthetic": {"source": simulated[0], "users_known": next(iter(simulators.values())).has_users},
        },
        "simulators": dict(zip(simulators, simulated, strict=True)),
        "columns": msgspec.to_builtins(columns),
    }
    report = make_report(found, provenance=provenance)
    if folder:
        save_report(report, folder)

    def show(o: Output) -> None:
        o.line(report.verdicts["rank"].sentence, "bold")
        for m in found:
            _show(m, o)
        if folder:
            o.line(f"report: {folder / 'report.html'}", "bold")

    output.result(msgspec.to_builtins(report), show)


def _check(precision: float | None, budget: int | None) -> None:
    if precision is not None and not (precision > 0 and math.isfinite(precision)):
        raise UsageError(
            f"--precision {precision:g}",
            why="no number of conversations makes an interval of no width",
            fix="give the half-width that is wanted, in units of the score, e.g. --precision 0.05",
        )
    if budget is not None and budget < 1:
        raise UsageError(f"--budget {budget}", why="nothing can be bought", fix="give at least one conversation")


def _words(given: list[str]) -> dict[str, float | None]:
    """`WORD=N` as a mapping; `WORD=` says that the word is a missing score.

    >>> _words(["good=1", "n/a="])
    {'good': 1.0, 'n/a': None}
    """
    words: dict[str, float | None] = {}
    for text in given:
        word, sign, number = text.rpartition("=")
        try:
            words[word.strip()] = float(number) if number.strip() else None
        except ValueError:
            sign = ""
        if not sign or not word.strip():
            raise UsageError(
                f"--value {text!r} is not WORD=N", why="a rating in words needs a number", fix="e.g. --value good=1"
            )
    return words


def _load(
    real: str, simulated: list[str], columns: Columns, real_score: str | None, role: str | None, output: Output
) -> tuple[Scores, dict[str, Scores]]:
    """Both sides; the simulators by the names of their files."""
    from understudy.transfer.score_reading import read_scores

    for path in simulated:
        if Path(path).exists() and Path(real).exists() and Path(path).samefile(real):
            raise UsageError(
                f"{path} is given on both sides",
                why="a file always agrees with itself",
                fix="give the simulated scores first and the real ones with --real",
            )
    theirs = columns if real_score is None else msgspec.structs.replace(columns, score=real_score)
    # A fault column marks what a simulator did; real logs need none.
    people = read_scores(real, msgspec.structs.replace(theirs, fault=None), user_role=role)
    simulators: dict[str, Scores] = {}
    for path in simulated:
        name = Path(path).name.split(".")[0] or path
        while name in simulators:
            name += "'"
        simulators[name] = msgspec.structs.replace(read_scores(path, columns, user_role=role), source=name)
    for label, side in (("real", people), *simulators.items()):
        who = amount(side.counts.users, "user") if side.has_users else "users not named"
        missing = len(side) - len(side.scored)
        output.note(
            f"{label}: {amount(len(side), 'episode')}, {who}" + (f", {missing:,} without a score" if missing else ""),
            "dim",
        )
    return people, simulators


def _show(m: Measurement, output: Output) -> None:
    from understudy.reports.ranking_findings import choices_and_pairs

    shown = {
        "ranking.tau": _show_order,
        "ranking.calibration": _show_calibration,
        "ranking.prediction_powered": _show_worth,
        "ranking.stability": _show_stability,
    }
    if m.value is None:
        output.line(f"{m.name}: unscored: {m.reason}")
    elif m.name == "ranking.prediction_powered":
        output.line(f"{m.name}: beside the simulator, one real episode counts as {m.value:.2f}", "bold")
    else:
        ceiling = f", human ceiling {m.ceiling.value:.2f} {_range(m.ceiling.interval)}" if m.ceiling else ""
        floor = f", noise alone {m.floor.value:.3f}" if m.floor else ""
        output.line(f"{m.name}: {m.value:.2f} {_range(m.interval)}{ceiling}{floor}", "bold")
    for flag in m.evidence.get("flags", []):
        output.line(f"  {flag}")
    if m.name in shown:
        for part in m.parts if m.name == "ranking.calibration" and m.value is not None else (m,):
            shown[m.name](part.evidence, output)
    if m.name == "ranking.tau":
        for sentence in choices_and_pairs(m):
            output.line(sentence)


def _range(interval: tuple[float, float] | None) -> str:
    return f"[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "(no interval)"


def _show_order(evidence: Mapping[str, Any], output: Output) -> None:
    table = evidence.get("systems")
    if not table:
        return
    rows = []
    for k, name in enumerate(table["system"]):
        row = [name]
        for side in ("real", "simulated", "prediction_powered"):
            value, low, high = (table[f"{side}{end}"][k] for end in ("", "_low", "_high"))
            row += ["" if value is None else f"{value:.3f}", "" if value is None else f"[{low:.3f}, {high:.3f}]"]
        rows.append([*row[:3], f"{table['real_n'][k]:.0f}", *row[3:]])
    powered = any(value is not None for value in table["prediction_powered"])
    heads = ["system", "real", "95 %", "n", "simulated", "95 %", "prediction-powered", "95 %"]
    output.table(heads if powered else heads[:6], [row if powered else row[:6] for row in rows])
    spoiled = evidence.get("spoiled")
    if spoiled and spoiled.get("tau") is not None:
        output.line(
            f"without the {100 * spoiled['share']:.1f} % that the simulator spoiled: tau {spoiled['tau']:.2f}, "
            f"best {spoiled['best_without']} (with them {spoiled['best_with']})"
        )
    for reason in evidence["left_out"]:
        output.line(f"left out: {reason}")


def _show_calibration(evidence: Mapping[str, Any], output: Output) -> None:
    if not evidence:
        return
    bins = evidence[evidence["by"]]
    rows = [
        [name, f"{real:.3f}", f"{sim:.3f}", f"{gap:+.3f}", f"[{low:+.3f}, {high:+.3f}]"]
        for name, real, sim, gap, low, high in zip(
            *(bins[key] for key in ("name", "real", "simulated", "gap", "low", "high")), strict=True
        )
    ]
    output.table([evidence["by"], "real", "simulated", "difference", "95 %"], rows)
    output.line(f"common to all: {evidence['shift']:+.3f}; uneven beyond noise: {evidence['uneven']:.3f}")


def _show_worth(evidence: Mapping[str, Any], output: Output) -> None:
    if "buy" in evidence:
        buy, rows = evidence["buy"], evidence["buy"]["systems"]
        table = [
            [name, f"{held:,}", f"{more:,}", f"{without:,}"]
            for name, held, more, without in zip(
                *(rows[key] for key in ("system", "held", "buy", "buy_without")), strict=True
            )
        ]
        half = "" if buy["chosen"] else " (half of the median now; --precision sets it)"
        output.line(f"real episodes to buy for scores within ±{buy['half_width']:.3f}{half}:")
        output.table(["system", "held", "buy", "without the simulator"], table)
    if "spend" in evidence:
        rows = evidence["spend"]["systems"]
        spent = ", ".join(f"{name} {k:,}" for name, k in zip(rows["system"], rows["buy"], strict=True) if k)
        output.line(f"{evidence['spend']['budget']:,} more real episodes, best spent: {spent}")
    for reason in next((evidence[key]["left_out"] for key in ("buy", "spend") if key in evidence), ()):
        output.line(f"what to buy is not known of {reason}")


def _show_stability(evidence: Mapping[str, Any], output: Output) -> None:
    rows = [
        [
            d["simulator"],
            d["best"],
            "" if d["tau"] is None else f"{d['tau']:.2f}",
            f"{d['regret']:.3f} [{d['regret_interval'][0]:.3f}, {d['regret_interval'][1]:.3f}]",
        ]
        for d in _rows(evidence["decisions"])
    ]
    output.table(["simulator", "best system", "tau with real", "real score lost by that choice"], rows, right=2)
    flipped = evidence["flipped"]
    for a, b, better, worse in flipped[:MOST_FLIPS]:
        output.line(f"{a} puts {better} above {worse}; {b} the other way round")
    if len(flipped) > MOST_FLIPS:
        output.line(f"and {len(flipped) - MOST_FLIPS} more pairs")


def _rows(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
