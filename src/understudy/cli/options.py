"""The options of the verbs: those that every verb takes, and those that several share."""

from __future__ import annotations

from typing import Annotated

import typer

Seed = Annotated[
    int,
    typer.Option("--seed", min=0, metavar="N", help="Seed of every random draw; the same seed, the same result."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes and no progress on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", hidden=True, help="Show the traceback of an error.")]
UserRole = Annotated[
    str | None,
    typer.Option("--user-role", metavar="NAME", help="The role name that marks the user, where it is another."),
]
