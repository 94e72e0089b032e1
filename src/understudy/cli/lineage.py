"""`understudy lineage`: who had a hand in a corpus, and is any of them of the student's family?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from understudy.cli import options
from understudy.cli.corpora import amount, describe, load_corpus
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from understudy.measures.measurement import Measurement

Conversations = Annotated[str, typer.Argument(metavar="CORPUS", help="Synthetic conversations.")]
Student = Annotated[
    str, typer.Option("--student", metavar="MODEL", help="The model that is to be trained on them, by name.")
]
Judge = Annotated[
    str, typer.Option("--judge", metavar="MODEL", help="The model that is to judge them, or what is trained on them.")
]
Generator = Annotated[
    str, typer.Option("--generator", metavar="MODEL", help="Who wrote the conversations that do not say.")
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write report.json and report.html here.")
]


def lineage(
    corpus: Conversations,
    student: Student = "",
    judge: Judge = "",
    generator: Generator = "",
    out: Out = None,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,  # nothing is drawn; every verb takes one
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Who generated, rewrote, filtered and judged these conversations?

    Read from their provenance, which `simulate`, `generate`, `mix` and `privacy --redact` write. With --student and
    --judge, edges between models of one family are flagged: there, traits can pass that no text shows. Whoever
    rewrites is a new teacher. Families are told by name, so a graph without a flag is no proof.

    \b
    understudy lineage syn.jsonl
    understudy lineage syn.jsonl --student hf:Qwen/Qwen2.5-0.5B --judge openai:gpt-4.1-mini
    """
    from understudy.reports.report import make_report, save_report
    from understudy.traits.lineage import lineage as measure

    output = Output(json=json, quiet=quiet)
    talks = load_corpus(corpus, user_role=user_role, origin="synthetic", output=output)
    output.note(f"{corpus}: {describe(talks)}", "dim")
    folder = folder_for(out) if out else None
    found = measure(talks, student=student, judge=judge, generator=generator)
    sides = {
        "real": {"noun": "Student", "source": student or "not named"},
        "synthetic": {"noun": "Conversations", "source": corpus},
    }
    report = make_report([found], provenance={"verb": "lineage", "corpora": sides})
    if folder:
        save_report(report, folder)

    def show(o: Output) -> None:
        show_lineage(found, o)
        if folder:
            o.line(f"report: {folder / 'report.html'}", "bold")

    output.result(msgspec.to_builtins(report), show)


def show_lineage(m: Measurement, o: Output) -> None:
    """The hands in a table, then the edges that are flagged."""
    total = m.n["synthetic"].conversations
    hands: list[Mapping[str, Any]] = m.evidence["hands"]
    if hands:
        o.table(
            ["hand", "by", "side", "family", "prompt", "sampler", "conversations"],
            [[h["action"], h["by"], h["side"], ", ".join(h["families"]), ", ".join(h["prompts"][:3]),
              "; ".join(h["samplers"][:2]), f"{h['conversations']:,}"] for h in hands],
            right=6,
        )  # fmt: skip
    flagged = [e for e in m.evidence["edges"] if e["flagged"]]
    for e in flagged:
        base = f" (both {', '.join(e['shared'])})" if e["shared"] else ""
        o.line(f"! {e['kind']}: {e['source']} -> {e['target']}{base}, {e['conversations']:,} of {total:,}", "yellow")
        o.line(f"  {e['why']}", "dim")
    untold = m.parts[0].value or 0.0
    if untold:
        o.line(f"{amount(round(untold * total), 'conversation')} do not say who generated them", "yellow")
    if not flagged:
        ends = [end for end, name in (("--student", m.evidence["student"]), ("--judge", m.evidence["judge"])) if name]
        asked = "" if ends else "; name who is to be trained or to judge with --student and --judge"
        o.line(f"no edge of one family by name{asked}. That is no proof that nothing passes: see `understudy traits`")
