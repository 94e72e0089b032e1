"""Writes what the docs take from the code: the `--help` of every verb, in docs/cli.md, and the claims with their
last verdicts, in docs/claims.md.

python docs/generate.py            rewrite
python docs/generate.py --check    end with 1 where a page is out of date
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
CLAIMS = Path(__file__).with_name("claims.md")
LEDGER = Path(__file__).with_name("results") / "ledger.jsonl"
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


def claims() -> str:
    """The page of claims as records and ledger have it."""
    from understudy.claims.ledger import read_ledger
    from understudy.claims.record import read_claims
    from understudy.claims.tables import page

    return page(read_claims(), read_ledger(LEDGER))


def main() -> int:
    """Rewrite the pages, or check them."""
    new = {PAGE: generated(PAGE.read_text("utf-8")), CLAIMS: claims()}
    late = [page for page, text in new.items() if not page.exists() or page.read_text("utf-8") != text]
    if "--check" in sys.argv:
        print("\n".join(f"{page} is out of date: run `make docs`" for page in late) or "current")
        return int(bool(late))
    for page in late:
        page.write_text(new[page], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
