"""`understudy fit`: simulated users from real conversations."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from understudy.cli import options
from understudy.cli.corpora import describe, load_corpus
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output


class CopyGuard(StrEnum):
    """How much of what real users said may be said again."""

    free = "free"
    guarded = "guarded"


Real = Annotated[
    str,
    typer.Argument(metavar="REAL", help="Real conversations."),
]
Out = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the users go.")]
Guard = Annotated[
    CopyGuard,
    typer.Option(
        "--copy-guard", help="guarded: long spans no more often than real users share; free: turns verbatim."
    ),
]


def fit(
    real: Real,
    out: Out,
    copy_guard: Guard = CopyGuard.guarded,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Learn simulated users from real conversations.

    REAL is a file or folder: .jsonl, .json, .csv, .tsv (also .gz, .zst), .parquet, or hf:NAME. Formats, told by
    content: messages, turns, ShareGPT, ConvoKit, ConvLab, agent trajectories, a row a turn.

    \b
    understudy fit real.jsonl --out users/
    """
    from understudy.users.population import fit_population

    output = Output(json=json, quiet=quiet)
    corpus = load_corpus(real, user_role=user_role, origin="real", output=output)
    folder = folder_for(out)
    start = time.perf_counter()
    with output.progress() as on_progress:
        on_progress("fitting", 0, 0)
        population = fit_population(corpus, copy_guard=copy_guard.value, seed=seed)
    population.save(folder)
    seconds = time.perf_counter() - start
    payload = {
        "users": str(folder),
        "identity": population.identity,
        "copy_guard": copy_guard.value,
        "conversations": len(corpus),
        "seconds": round(seconds, 3),
    }

    def show(o: Output) -> None:
        o.line(f"fitted in {seconds:.1f} s to {describe(corpus)} -> {folder}")
        o.note(f"next: understudy simulate {folder} --partner fitted:{folder} -n 500 --out syn.jsonl", "dim")

    output.result(payload, show)
