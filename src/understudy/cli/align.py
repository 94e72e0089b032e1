"""`understudy align`: personas for the users of a log, as far as held-out sessions bear them out."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import options
from understudy.cli.corpora import amount, load_corpus
from understudy.cli.destinations import folder_for
from understudy.cli.models import Limits, MaxCalls, MaxTokens, Models
from understudy.cli.output import Output
from understudy.errors import UsageError

if TYPE_CHECKING:
    from understudy.models.model import LanguageModel
    from understudy.users.aligned import AlignedPopulation
    from understudy.users.alignment import Alignment
    from understudy.users.population import FittedPopulation

Users = Annotated[str, typer.Argument(metavar="USERS", help="A folder made by fit, or by align.")]
Log = Annotated[str, typer.Option("--log", metavar="REAL", help="Real conversations that name their users.")]
Out = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the aligned users go.")]
Latest = Annotated[
    int, typer.Option("--latest", min=1, metavar="N", help="Sessions of each user to be told from the ones before.")
]
Level = Annotated[
    float,
    typer.Option("--level", metavar="P", help="Chance to change a user about whom there is nothing to learn."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="URI", help="A model to say how personas should change; else a search does."),
]


def align(
    users: Users,
    log: Log,
    out: Out,
    latest: Latest = 12,
    level: Level = 0.05,
    model: Model = None,
    max_tokens: MaxTokens = None,
    max_calls: MaxCalls = None,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Give each user of a log a persona of its own.

    A change is kept only if sessions that it was not made from are told better by it, beyond what other people's
    sessions would give by chance; else it is rolled back. Nothing said in the log is kept.

    \b
    understudy align users/ --log real.jsonl --out users2/
    """
    from understudy.users.alignment import REFERENCES, Settings
    from understudy.users.alignment import align as align_users

    if not 1 / (REFERENCES + 1) <= level < 1:
        raise UsageError(
            f"--level {level:g}",
            why=f"it is the chance to change a user for nothing, between {1 / (REFERENCES + 1):g} and 1",
            fix="for example --level 0.05",
        )
    output = Output(json=json, quiet=quiet)
    base = _population(users)
    corpus = load_corpus(log, user_role=user_role, origin="real", output=output)
    folder = folder_for(out)
    asked: LanguageModel | None = None
    if model is not None:
        limits = Limits(tokens=max_tokens, calls=max_calls)
        asked = Models(concurrency=1, seed=seed, limits=limits)(model)
    start = time.perf_counter()
    with output.progress() as on_progress:
        found = align_users(
            base, corpus, settings=Settings(latest=latest, level=level), model=asked, seed=seed, on_progress=on_progress
        )
    found.population.save(folder)
    _told(found, output, str(folder), time.perf_counter() - start)


def _population(users: str) -> FittedPopulation | AlignedPopulation:
    """The users of a folder; others have no engine whose turns a persona could weigh."""
    from understudy.users.aligned import AlignedPopulation
    from understudy.users.opening import open_users
    from understudy.users.population import FittedPopulation

    opened = None if users.startswith("prompted:") else open_users(users)
    if isinstance(opened, FittedPopulation | AlignedPopulation):
        return opened
    raise UsageError(
        f"{users}: these users cannot be aligned",
        why="a persona weighs the turns of users that were fitted to real conversations",
        fix="understudy fit REAL --out users/, then align users/",
    )


def _told(found: Alignment, output: Output, folder: str, seconds: float) -> None:
    counts, held_out = found.counts, found.held_out
    payload: dict[str, Any] = {
        "users": folder,
        "identity": found.population.identity,
        "counts": counts,
        "held_out": None if held_out is None else held_out._asdict(),
        "personas": {name: _plain(version) for name, version in sorted(found.versions.items())},
        "seconds": round(seconds, 3),
    }

    def show(o: Output) -> None:
        total = sum(counts.values())
        parts = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
        o.line(f"{amount(total, 'user')} in {seconds:.1f} s: {parts} -> {folder}")
        if untouched := Counter(v.reason for v in found.versions.values() if v.outcome == "untouched"):
            o.line(f"untouched: {'; '.join(f'{reason} ({count:,})' for reason, count in untouched.most_common())}")
        if held_out is None:
            o.line("a change was tested on fewer than two users: no held-out loss")
        else:
            low, high = held_out.change
            o.line(
                f"later sessions, decided by earlier ones: loss {held_out.before:.3f} -> {held_out.after:.3f} nats"
                f" a turn over {amount(held_out.users, 'user')}; change {low:+.3f} to {high:+.3f} (95 %)"
            )
        o.note(f"next: understudy simulate {folder} --partner fitted:{folder} -n 500 --out syn.jsonl", "dim")

    output.result(payload, show)


def _plain(version: object) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(version)
    return found
