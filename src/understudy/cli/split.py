"""`understudy split`: real conversations in two files, one to fit to and one to be judged against."""

from __future__ import annotations

from typing import Annotated

import typer

from understudy.cli import options
from understudy.cli.corpora import amount, describe, load_corpus
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output
from understudy.errors import UsageError

FEWEST_UNITS = 10

Real = Annotated[str, typer.Argument(metavar="REAL", help="Real conversations.")]
Out = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="Where train.jsonl and held-out.jsonl go.")]
Share = Annotated[float, typer.Option("--share", metavar="S", help="Share of the conversations that go to train.")]


def split(
    real: Real,
    out: Out,
    share: Share = 0.5,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Divide real conversations: one part to fit to, one to judge by.

    All conversations of a user go to one side; where users are not named, each conversation goes by itself.
    Near-duplicates stay together. Topics are spread over both sides.

    \b
    understudy split real.jsonl --out parts/
    understudy fit parts/train.jsonl --out users/
    """
    from understudy.conversations.splitting import split_corpus
    from understudy.conversations.writing import write_corpus

    if not 0 < share < 1:
        raise UsageError(
            f"--share {share:g} leaves one side without a conversation",
            why="it is the share of the conversations that go to train.jsonl, above 0 and below 1",
            fix="give for example --share 0.5",
        )
    output = Output(json=json, quiet=quiet)
    corpus = load_corpus(real, user_role=user_role, origin="real", output=output)
    folder = folder_for(out)
    parts = dict(zip(("train", "held-out"), split_corpus(corpus, (share, 1 - share), seed=seed), strict=True))
    sides = {}
    for name, part in parts.items():
        write_corpus(folder / f"{name}.jsonl", part)
        named = {talk.user_id for talk in part} - {None}
        units = part.n_units
        sides[name] = {
            "file": str(folder / f"{name}.jsonl"),
            "conversations": len(part),
            "users": len(named) or None,
            "units": units,
        }
        if units < FEWEST_UNITS:
            unit = "user" if corpus.has_users else "conversation"
            output.warn(
                f"{name}: {amount(units, unit)} only; with fewer than {FEWEST_UNITS} a side nothing is measured"
            )

    def show(o: Output) -> None:
        for name, part in parts.items():
            o.line(f"{folder / f'{name}.jsonl'}: {describe(part)}")
        named = any(talk.user_id is not None for talk in corpus)
        kept = "no user is on both sides" if named else "users are not named: divided by conversation"
        o.line(f"{kept}; near-duplicate conversations stay together")
        o.note(f"next: understudy fit {folder / 'train.jsonl'} --out users/", "dim")

    output.result({"seed": seed, "share": share, **sides}, show)
