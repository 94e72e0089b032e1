"""`understudy audit`: do synthetic users hold up beside the real ones?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from understudy.cli import options
from understudy.cli.corpora import describe, load_pair, refuse_same, refuse_swapped
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output
from understudy.cli.summary import show_report
from understudy.errors import GateError, MeasureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from understudy.cli.gates import GateResult
    from understudy.conversations import Corpus
    from understudy.measures.consistency.line_judge import LineJudge
    from understudy.measures.raters.records import PanelRecord
    from understudy.reports.report import Report


class Besides(StrEnum):
    """Families of measures that an audit leaves out unless asked."""

    consistency = "consistency"
    relational = "relational"
    separability = "separability"


# Holm over the nine headline tests: 9 / (P + 1) <= .05.
FEWEST_PERMUTATIONS = 179

Synthetic = Annotated[str, typer.Argument(metavar="SYN", help="Synthetic conversations.")]
Real = Annotated[str, typer.Option("--real", metavar="REAL", help="Real conversations to measure against.")]
OtherReal = Annotated[
    str | None,
    typer.Option(
        "--other-real", metavar="FILE", help="Another real corpus of the domain: the ceiling of every distance."
    ),
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write report.json and report.html here.")
]
GateTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--gate", metavar="GATE", help="End with 4 unless it holds, e.g. 'discriminator.words<=0.65'; repeatable."
    ),
]
Permutations = Annotated[
    int,
    typer.Option(
        "--permutations",
        metavar="N",
        help=f"Label permutations behind each p-value; at least {FEWEST_PERMUTATIONS}, 259 with --also relational.",
    ),
]
MatchTopic = Annotated[
    bool, typer.Option("--match-topic", help="Compare on a common mix of topics, dropping what is left over.")
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        metavar="TASK",
        help="Also ask whether a model trained on SYN for TASK works on people: a built-in task or module:object;"
        " repeatable.",
    ),
]
ScoreTable = Annotated[
    str | None,
    typer.Option(
        "--scores",
        metavar="FILE",
        help="Also ask whether systems rank alike: scores by system, with a column side (real, or the simulator).",
    ),
]
Also = Annotated[
    list[Besides] | None,
    typer.Option("--also", help="Measures to add, corrected among themselves; repeatable. --judge adds consistency."),
]
LinesJudge = Annotated[
    str | None,
    typer.Option(
        "--judge", metavar="JUDGE", help="Who judges consistency: a folder by `fit-judge`, or a MODEL as in `generate`."
    ),
]
Panel = Annotated[
    str | None,
    typer.Option(
        "--panel", metavar="FILE", help="What human raters answered: the export of `understudy panel` (.json or .csv)."
    ),
]
RealUserRole = Annotated[
    str | None,
    typer.Option(
        "--real-user-role", metavar="NAME", help="The same for the real ones  [default: --user-role, if it occurs]"
    ),
]


def audit(
    synthetic: Synthetic,
    real: Real,
    other_real: OtherReal = None,
    out: Out = None,
    gate: GateTexts = None,
    permutations: Permutations = 999,
    match_topic: MatchTopic = False,
    task: Tasks = None,
    scores: ScoreTable = None,
    also: Also = None,
    judge: LinesJudge = None,
    panel: Panel = None,
    user_role: options.UserRole = None,
    real_user_role: RealUserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure synthetic users against real ones.

    Every number comes with its interval and its floor: what the same measure says of real against real. REAL must
    be people whom the users were not fitted to: `understudy split` divides a corpus so. Both are files or folders:
    .jsonl, .json, .csv, .tsv (also .gz, .zst), .parquet, or hf:NAME. Formats, told by content: messages, turns,
    ShareGPT, ConvoKit, ConvLab, agent trajectories, a row a turn.

    With --task, REAL is divided by user: half trains a model beside the one trained on SYN, half tests both;
    learning curves and false progress as SYN grows are measured too. `understudy transfer` can leave those out.

    \b
    understudy audit syn.jsonl --real real.jsonl --out report/
    understudy audit syn.jsonl --real real.jsonl --judge judge/words --also relational
    understudy audit syn.jsonl --real real.jsonl --gate 'discriminator.words<=0.65'
    understudy audit syn.jsonl --real real.jsonl --task topic --gate 'gap_closed.topic>=0.75'
    """
    from understudy.cli.gates import asked_names, check_names, parse_gate
    from understudy.cli.gates import judge as judged
    from understudy.cli.system_scores import load_scores
    from understudy.reports.audit import audit as run
    from understudy.reports.report import save_report
    from understudy.transfer.task import open_task

    besides = list(dict.fromkeys([*(one.value for one in also or []), *(["consistency"] if judge else [])]))
    _check_permutations(permutations, besides)
    output = Output(json=json, quiet=quiet)
    gates = [parse_gate(text) for text in gate or []]
    of_lines = open_line_judge(judge, seed=seed) if judge else None
    tasks = [open_task(name) for name in dict.fromkeys(task or [])]
    check_names(
        gates, asked_names([t.name for t in tasks], ranked=scores is not None, besides=besides, panel=bool(panel))
    )
    systems = load_scores(scores) if scores is not None else None
    people, simulated, other = _load(real, synthetic, other_real, user_role, real_user_role, output)
    raters = _raters(panel, people, simulated, output) if panel else None
    folder = folder_for(out) if out else None
    start = time.perf_counter()
    with output.progress() as on_progress:
        report = run(
            people, simulated, other_real=other, seed=seed, permutations=permutations, match_topic=match_topic,
            tasks=tasks, scores=systems, besides=besides, judge=of_lines, panel=raters, on_progress=on_progress,
        )  # fmt: skip
    if folder:
        save_report(report, folder)
    results = [judged(one, report.measurements) for one in gates]
    payload = {**msgspec.to_builtins(report), **({"gates": [r._asdict() for r in results]} if gates else {})}

    def show(o: Output) -> None:
        show_report(report, o)
        if folder:
            o.line(f"report: {folder / 'report.html'}", "bold")
        show_gates(results, o)
        o.note(f"{time.perf_counter() - start:.1f} s", "dim")

    output.result(payload, show)
    _conclude(report, results)


def _raters(path: str, real: Corpus, synthetic: Corpus, output: Output) -> PanelRecord:
    """The raters' answers; refused where they are about other synthetic users, with a word where real ones differ."""
    from understudy.measures.raters.tables import read_panel

    panel = read_panel(path)
    for side, corpus in (("synthetic", synthetic), ("real", real)):
        shown = panel.settings.get(side)
        digest = shown.get("digest") if isinstance(shown, Mapping) else None
        if digest is None or digest == corpus.digest:
            continue
        if side == "synthetic":
            raise UsageError(
                f"--panel {path}: its raters were shown other synthetic conversations",
                why="what people said of one set of users says nothing about another",
                fix="give the SYN that the panel was started with, or leave --panel out",
            )
        output.warn(f"--panel {path}: its raters were shown other real conversations than REAL")
    return panel


def open_line_judge(name: str, *, seed: int) -> LineJudge:
    """A folder that `fit-judge` wrote, or a language model."""
    from understudy.measures.consistency.judge_storage import HEADER, load_judge

    if Path(name).is_dir():
        if not (Path(name) / HEADER).exists() and (Path(name) / "words" / HEADER).exists():
            name = str(Path(name) / "words")
        return load_judge(name)
    from understudy.cli.models import Models
    from understudy.measures.consistency.line_judge import ModelLineJudge
    from understudy.models.judge import ModelJudge

    model = Models(concurrency=16, seed=seed)(name)
    return ModelLineJudge(ModelJudge(model, seed=seed, structured=model.structured), close=model.aclose)


def _check_permutations(permutations: int, besides: Sequence[str]) -> None:
    """Refuse, before anything is read, what could not reject however far apart the two sides are."""
    from understudy.reports.sections import BESIDES

    families = {"headline": (FEWEST_PERMUTATIONS + 1) // 20, **{family: len(BESIDES[family]) for family in besides}}
    family, tests = max(families.items(), key=lambda item: item[1])
    if permutations < 20 * tests - 1:
        raise UsageError(
            f"--permutations {permutations} are too few",
            why=f"corrected for {tests} {family} tests, the smallest p-value would be"
            f" {min(1.0, tests / (max(permutations, 0) + 1)):.2f}: nothing could be told apart",
            fix=f"use at least --permutations {20 * tests - 1}, better 999 as by default",
        )


def _conclude(report: Report, results: list[GateResult]) -> None:
    """What makes the run fail, after its results were shown."""
    if not any(m.value is not None for m in report.measurements):
        raise MeasureError(
            f"nothing could be measured: {report.measurements[0].reason}",
            why="a difference between so few cannot be told from chance",
            fix="give more conversations; `understudy plan` says how many an effect needs",
        )
    failed = [f"{result.gate} ({result.reason})" for result in results if not result.met]
    if failed:
        raise GateError(
            f"{len(failed)} of {len(results)} gates not met: {'; '.join(failed)}",
            why="a gate holds when the data show it: it is judged on the unfavourable end of the 95 % interval",
            fix="the report says what gives the users away; more conversations narrow the interval",
        )


def show_gates(results: list[GateResult], output: Output) -> None:
    """One line a gate."""
    for result in results:
        word, style = ("met", "green") if result.met else ("NOT MET", "bold red")
        output.line(f"gate {result.gate}: {word} ({result.reason})", style)


def _load(
    real: str, synthetic: str, other_real: str | None, role: str | None, real_role: str | None, output: Output
) -> tuple[Corpus, Corpus, Corpus | None]:
    """The corpora, after refusing what would make an audit meaningless."""
    refuse_same(real, synthetic)
    sides: list[tuple[str, Literal["real", "synthetic"]]] = [(real, "real"), (synthetic, "synthetic")]
    sides += [(other_real, "real")] if other_real else []
    people, simulated, *others = load_pair(sides, user_role=role, real_role=real_role, output=output)
    refuse_swapped(people, real)
    if people.digest == simulated.digest:
        raise UsageError(
            "the real and the synthetic corpus hold the same conversations",
            why="nothing can differ between a set and itself",
            fix="check the two paths; real against real is in every report as the floor",
        )
    output.note(f"real: {describe(people)}\nsynthetic: {describe(simulated)}", "dim")
    return people, simulated, others[0] if others else None
