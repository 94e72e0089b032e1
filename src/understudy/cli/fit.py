"""`understudy fit`: simulated users from real conversations."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from understudy.cli import options
from understudy.cli.corpora import amount, describe, load_corpus
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output
from understudy.errors import CorpusError

if TYPE_CHECKING:
    from understudy.conversations import Corpus

FEWEST_CONVERSATIONS = 30
FEWEST_USERS = 10


class CopyGuard(StrEnum):
    """How much of what real users said may be said again."""

    free = "free"
    guarded = "guarded"
    strict = "strict"


Real = Annotated[
    str,
    typer.Argument(metavar="REAL", help="Real conversations."),
]
Out = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the users go.")]
Guard = Annotated[
    CopyGuard,
    typer.Option(
        "--copy-guard",
        help="guarded: spans of eight words no more often than real users share them, no two rare words in a row that"
        " only one put together; strict: spans of five too, easier to tell from people; free: turns verbatim.",
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
    _check_size(corpus, real, output)
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


def _check_size(corpus: Corpus, path: str, output: Output) -> None:
    """Refuse what is no population at all, and say where one can hardly be seen."""
    if len(corpus) < 2:
        raise CorpusError(
            f"{path}: one conversation is not a population",
            why="users are fitted to how people differ, and nobody differs from himself",
            fix=f"give at least {FEWEST_CONVERSATIONS} conversations by {FEWEST_USERS} people",
        )
    users = corpus.n_units if corpus.has_users else None
    if len(corpus) < FEWEST_CONVERSATIONS or (users is not None and users < FEWEST_USERS):
        by = "" if users is None else f" by {amount(users, 'user')}"
        output.warn(
            f"{path}: {amount(len(corpus), 'conversation')}{by}: so few cannot show a population. The fitted users"
            " will repeat these few; give"
            f" at least {FEWEST_CONVERSATIONS} conversations by {FEWEST_USERS} people."
        )
