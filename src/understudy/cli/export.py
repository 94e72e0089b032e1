"""`understudy export`: conversations in the formats of other tools."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from understudy.cli import options
from understudy.cli.corpora import amount, load_corpus
from understudy.cli.destinations import file_for, folder_for
from understudy.cli.output import Output
from understudy.errors import UsageError

Source = Annotated[str, typer.Argument(metavar="SYN", help="Conversations in any format that is read.")]
Format = Annotated[
    Literal["convokit", "hf", "sharegpt"],
    typer.Option("--to", help="convokit and hf write a folder, sharegpt a .json or .jsonl file."),
]
Out = Annotated[str, typer.Option("--out", "-o", metavar="PATH", help="The folder or file to write.")]


def export(
    source: Source,
    to: Format,
    out: Out,
    user_role: options.UserRole = None,
    seed: options.Seed = 0,  # nothing is drawn; every verb takes one
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write conversations for ConvoKit, Hugging Face datasets or ShareGPT.

    What the format has no place for goes beside it, and every verb reads the result back: topic, user, planned
    intents, labels, profile, ending, provenance. A hf folder has a card that says who made the conversations.

    \b
    understudy export syn.jsonl --to hf --out data/
    understudy export syn.jsonl --to sharegpt --out syn.sharegpt.json
    """
    from understudy.integrations.convokit import write_convokit
    from understudy.integrations.huggingface import write_dataset
    from understudy.integrations.sharegpt import write_sharegpt

    output = Output(json=json, quiet=quiet)
    path = file_for(out, inputs=[source]) if to == "sharegpt" else folder_for(out)
    if to == "sharegpt" and not {".json", ".jsonl", ".ndjson"} & set(path.suffixes):
        raise UsageError(
            f"--out {out} is no JSON file",
            why="a row of ShareGPT holds a list of turns",
            fix=f"give --out {path.with_suffix('.json')}, or .jsonl",
        )
    corpus = load_corpus(source, user_role=user_role, origin="synthetic", output=output)
    write = {"convokit": write_convokit, "hf": write_dataset, "sharegpt": write_sharegpt}[to]
    written = write(path, corpus)
    left_out = len(corpus) - written

    def show(o: Output) -> None:
        o.line(f"{path}: {amount(written, 'conversation')}")
        if left_out:
            left = f"{amount(left_out, 'conversation')} without a turn left out"
            o.line(f"! {left}: ConvoKit has no place for that", "yellow")

    output.result({"out": str(path), "format": to, "written": written, "left_out": left_out}, show)
