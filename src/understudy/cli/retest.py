"""`understudy retest`: run the ledger's studies again and write down what they found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from understudy.cli import options
from understudy.cli.corpora import describe, load_corpus, refuse_swapped
from understudy.cli.output import Output

if TYPE_CHECKING:
    from understudy.claims.evidence import Evidence
    from understudy.claims.ledger import Entry
    from understudy.claims.record import Claim
    from understudy.cli.corpora import Origin

COLOURS = {"held": "green", "weakened": "yellow", "refuted": "bold red"}

Names = Annotated[list[str] | None, typer.Argument(metavar="[CLAIM ...]", help="Claims by name; all for none.")]
Real = Annotated[
    list[str] | None,
    typer.Option(
        "--real",
        metavar="REAL[,SYN ...]",
        help="Real conversations, and after commas synthetic ones that some claims hold against them; again for more."
        " Without: the bundled sample.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="A folder of corpora: those named ..._real, _human, _people or _logs, each with the synthetic ones"
        " (..._llm, _sim, _syn, _generated) that carry its name. Beside --real, which goes first.",
    ),
]
Ledger = Annotated[str, typer.Option("--ledger", metavar="FILE", help="Where verdicts are added, one a line.")]
Page = Annotated[str | None, typer.Option("--page", metavar="FILE", help="Write the whole ledger as Markdown here.")]
Table = Annotated[bool, typer.Option("--table", help="Run nothing: print the last verdicts as a Markdown table.")]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Studies at once. Changes no verdict.")]
ListThem = Annotated[bool, typer.Option("--list", help="Only list the claims and their last verdicts.")]


def retest(
    names: Names = None,
    real: Real = None,
    data: Data = None,
    ledger: Ledger = "ledger.jsonl",
    page: Page = None,
    list_them: ListThem = False,
    table: Table = False,
    workers: Workers = 1,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Does what the field claims hold on these people?

    Each claim has a record (its scope, its sources, what would refute it) and most have a study. A study runs on
    REAL, or on the bundled sample, and its verdict goes to the end of the ledger: held, weakened, refuted,
    inconclusive or untested, with the numbers behind it. What is written there is never changed.

    \b
    understudy retest
    understudy retest entity-swap event-residue --real logs.jsonl,syn.jsonl --ledger ours.jsonl --page claims.md
    understudy retest --data corpora/ --workers 2
    """
    from understudy.claims.ledger import append, read_ledger
    from understudy.claims.record import choose
    from understudy.claims.study import run_studies
    from understudy.claims.tables import overview
    from understudy.claims.tables import page as written
    from understudy.cli.destinations import text_for

    output = Output(json=json, quiet=quiet)
    claims = choose(names or [])
    asked = [_paths(one) for one in real or ()]
    if data:
        asked += _in_folder(data, asked, output)
    corpora = [path for paths in asked for path in paths]
    file = text_for(ledger, "--ledger", inputs=corpora)
    target = text_for(page, "--page", inputs=(ledger, *corpora)) if page else None
    entries = read_ledger(file)
    run = not (list_them or table)
    if run:
        with output.progress() as on_progress:
            evidence = _evidence(asked, user_role, seed, output)._replace(on_progress=on_progress)
            for entry in run_studies(claims, evidence, workers=workers):
                append(file, entry)
                entries.append(entry)
    if target:
        target.write_text(written({claim.id: claim for claim in claims}, entries), "utf-8")
    last = {entry.claim: entry for entry in entries}

    def show(o: Output) -> None:
        if table:
            o.line(overview({claim.id: claim for claim in claims}, entries))
            return
        _show(claims, entries, o)
        if run:
            o.line(f"added to {ledger}: {len(claims)} verdict(s)" + (f"; page: {target}" if target else ""), "bold")

    output.result(
        {"ledger": ledger, "verdicts": [msgspec.to_builtins(last[c.id]) for c in claims if c.id in last]}, show
    )


def _paths(asked: str) -> list[str]:
    """The real file and its synthetic counterparts; a comma that is part of a file's name divides nothing."""
    return [asked] if Path(asked).exists() else [path for path in asked.split(",") if path]


def _in_folder(data: str, asked: list[list[str]], output: Output) -> list[list[str]]:
    """People and their synthetic counterparts in a folder, without people who were named before."""
    from understudy.claims.folder import files_of, paired
    from understudy.errors import UsageError

    files = files_of(Path(data)) if Path(data).is_dir() else None
    if files is None or not files.people:
        raise UsageError(
            f"--data {data}: " + ("no corpus of people in it" if files else "not a folder"),
            why="claims are held against people; which corpora are of people is told by their names",
            fix="name them ..._real, or give each with --real FILE",
        )
    known = {Path(path).resolve() for paths in asked for path in paths}
    for path in files.neither:
        output.note(f"{path}: left out, its name does not say whether people or a simulator spoke", "dim")
    return [
        [str(people), *(str(made) for made in synthetic if made.resolve() not in known)]
        for people, synthetic in paired(files)
        if people.resolve() not in known
    ]


def _evidence(asked: list[list[str]], user_role: str | None, seed: int, output: Output) -> Evidence:
    from understudy.claims.evidence import Evidence, Named
    from understudy.sample import sample_corpus

    def read(path: str, origin: Origin) -> Named:
        corpus = load_corpus(path, user_role=user_role, origin=origin, output=output)
        if origin == "real":
            refuse_swapped(corpus, path, "retest")
        output.note(f"{path}: {describe(corpus)}", "dim")
        return Named(Path(path).name.split(".")[0], corpus)

    people = []
    for real, *synthetic in asked:
        people.append(read(real, "real")._replace(synthetic=tuple(read(path, "synthetic") for path in synthetic)))
    if not people:
        output.note("no --real: on the bundled sample, which was written and not collected", "dim")
        people = [Named("sample", sample_corpus())]
    return Evidence(tuple(people), seed)


def _show(claims: list[Claim], entries: list[Entry], output: Output) -> None:
    """A line a claim, and under it what was found."""
    from understudy.claims.ledger import change

    for claim in claims:
        mine = [entry for entry in entries if entry.claim == claim.id]
        if not mine:
            output.line(f"{claim.id}: {claim.title}", "bold")
            output.line("  no verdict yet", "dim")
            continue
        now = mine[-1]
        output.line(f"{claim.id}: {claim.title}", "bold")
        output.line(f"  {now.outcome} ({change(mine)})", COLOURS.get(now.outcome, "dim"))
        for row in now.rows:
            output.line(f"    {row.corpus}: {row.outcome}, {row.why}" + (f"; floor: {row.floor}" if row.floor else ""))
        if not now.rows:
            output.line(f"    {now.why}")
