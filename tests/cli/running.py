"""Run the command line in this process, and small corpora to run it on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from understudy.cli.app import main


class Ran(NamedTuple):
    """Exit code and what was said where."""

    code: int
    out: str
    err: str


def run(capsys, *arguments: str | Path) -> Ran:
    """Run a command line; nothing of earlier output is left in the answer."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return Ran(int(code), said.out, said.err)


TEXT = "i want a film about the sea please maybe something funny with dogs or an old one from france"
WORDS = TEXT.split()


def talk(number: int, *, users: int = 12, turns: int = 3, opener: str = "") -> dict:
    """A short written conversation; deterministic, a little different from the others."""
    messages = []
    for turn in range(turns):
        start = (number * 5 + turn * 3) % len(WORDS)
        said = " ".join((WORDS * 2)[start : start + 3 + (number + turn) % 6])
        messages.append({"role": "user", "content": f"{opener}{said}" + ("?" if number % 3 == 0 else "")})
        messages.append(
            {"role": "assistant", "content": f"what about number {(number * 7 + turn) % 23}, do you like it"}
        )
    return {"id": f"c{number}", "user_id": f"u{number % users}", "messages": messages}


def corpus_file(path: Path, count: int = 36, **options) -> Path:
    """A JSONL of `count` conversations."""
    lines = [json.dumps(talk(number, **options)) for number in range(count)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
