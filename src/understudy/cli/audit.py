"""`understudy audit`: do synthetic users hold up beside the real ones?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from understudy.cli import options
from understudy.cli.corpora import describe, load_corpus, refuse_same, refuse_swapped
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output
from understudy.cli.summary import show_report
from understudy.errors import GateError, MeasureError, UsageError

if TYPE_CHECKING:
    from understudy.cli.gates import GateResult
    from understudy.conversations import Corpus
    from understudy.reports.report import Report

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
    int, typer.Option("--permutations", min=19, metavar="N", help="Label permutations behind each p-value.")
]
MatchTopic = Annotated[
    bool, typer.Option("--match-topic", help="Compare on a common mix of topics, dropping what is left over.")
]
RealUserRole = Annotated[
    str | None,
    typer.Option(
        "--real-user-role", metavar="NAME", help="The same for the real corpora  [default: as --user-role]"
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
    user_role: options.UserRole = None,
    real_user_role: RealUserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure synthetic users against real ones.

    Every number comes with its interval and its floor: what the same measure says of real against real. SYN and
    REAL are files or folders: .jsonl, .json, .csv, .tsv (also .gz, .zst), .parquet, or hf:NAME. Formats, told by
    content: messages, turns, ShareGPT, ConvoKit, ConvLab, agent trajectories, a row a turn.

    \b
    understudy audit syn.jsonl --real real.jsonl --out report/
    understudy audit syn.jsonl --real real.jsonl --gate 'discriminator.words<=0.65'
    """
    from understudy.cli.gates import check_names, judge, parse_gate
    from understudy.reports.audit import DEFAULT_MEASURES
    from understudy.reports.audit import audit as run
    from understudy.reports.report import save_report

    output = Output(json=json, quiet=quiet)
    gates = [parse_gate(text) for text in gate or []]
    check_names(gates, DEFAULT_MEASURES)
    people, simulated, other = _load(real, synthetic, other_real, user_role, real_user_role or user_role, output)
    folder = folder_for(out) if out else None
    start = time.perf_counter()
    with output.progress() as on_progress:
        report = run(
            people,
            simulated,
            other_real=other,
            seed=seed,
            permutations=permutations,
            match_topic=match_topic,
            on_progress=on_progress,
        )
    if folder:
        save_report(report, folder)
    results = [judge(one, report.measurements) for one in gates]
    payload = {**msgspec.to_builtins(report), **({"gates": [r._asdict() for r in results]} if gates else {})}

    def show(o: Output) -> None:
        show_report(report, o)
        if folder:
            o.line(f"report: {folder / 'report.html'}", "bold")
        show_gates(results, o)
        o.note(f"{time.perf_counter() - start:.1f} s", "dim")

    output.result(payload, show)
    _conclude(report, results)


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
    people = load_corpus(real, user_role=real_role, origin="real", output=output)
    refuse_swapped(people, real)
    simulated = load_corpus(synthetic, user_role=role, origin="synthetic", output=output)
    if people.digest == simulated.digest:
        raise UsageError(
            "the real and the synthetic corpus hold the same conversations",
            why="nothing can differ between a set and itself",
            fix="check the two paths; real against real is in every report as the floor",
        )
    other = load_corpus(other_real, user_role=real_role, origin="real", output=output) if other_real else None
    output.note(f"real: {describe(people)}\nsynthetic: {describe(simulated)}", "dim")
    return people, simulated, other
