"""Writes what the docs take from the code: the `--help` of every verb, in docs/cli.md.

python docs/generate.py            rewrite
python docs/generate.py --check    end with 1 where a page is out of date
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
COLUMNS = 100
_BLOCK = re.compile(r"(<!-- help: (?P<verb>[\w -]+) -->\n)```text\n(?:(?!```).*\n)*```\n")
_MADE_WITH = re.compile(r"<!-- made with typer \S+ -->")


def help_of(verb: str) -> str:
    """What `understudy VERB --help` prints, at a fixed width."""
    import contextlib
    import io

    from understudy.cli.app import main

    words = verb.split()[1:]
    before = {name: os.environ.get(name) for name in ("COLUMNS", "TERMINAL_WIDTH", "NO_COLOR")}
    os.environ.update(COLUMNS=str(COLUMNS), TERMINAL_WIDTH=str(COLUMNS), NO_COLOR="1")
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            main([*words, "--help"])
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


def generated(text: str) -> str:
    """The page with every help block as the code has it now."""
    import typer

    text = _MADE_WITH.sub(f"<!-- made with typer {typer.__version__} -->", text)
    return _BLOCK.sub(lambda m: f"{m[1]}```text\n{help_of(m['verb'])}\n```\n", text)


def main() -> int:
    """Rewrite the page, or check it."""
    old = PAGE.read_text("utf-8")
    new = generated(old)
    if "--check" in sys.argv:
        print("current" if new == old else f"{PAGE} is out of date: run `make docs`")
        return int(new != old)
    PAGE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
