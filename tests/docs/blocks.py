"""Code blocks of the docs, as a reader would run them.

In ```python blocks everything runs, in order, in one namespace a page. In ```console blocks every line that starts
with `$ understudy` runs; `# exits with 4` behind it states another code than 0; other lines are shown output.
A page starts in a folder with `real.jsonl` and `held-out.jsonl`, two halves of the bundled sample. An HTML comment
`<!-- not run: why -->` on the line before a block leaves it out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"(?P<before>[^\n]*)\n```(?P<kind>python|console)\n(?P<body>.*?)\n```", re.S)
_EXIT = re.compile(r"#\s*exits with (\d+)\s*$")
NOT_RUN = re.compile(r"<!-- not run: .+ -->")


class Block(NamedTuple):
    """One fenced block: its page, the line where its text starts, its kind and text."""

    page: Path
    line: int
    kind: str
    text: str


class Command(NamedTuple):
    """The arguments behind `understudy`, and the exit code that the page promises."""

    arguments: list[str]
    code: int


def pages() -> list[Path]:
    """Every page for readers."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if page.exists()]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that run."""
    text = "\n" + page.read_text("utf-8")
    for match in _FENCE.finditer(text):
        if not NOT_RUN.fullmatch(match["before"].strip()):
            yield Block(page, text[: match.start("body")].count("\n"), match["kind"], match["body"])


def commands(text: str) -> Iterator[Command]:
    """The `understudy` lines of a console block; a backslash at the end joins lines."""
    for line in re.sub(r"\\\n\s*>?\s*", " ", text).splitlines():
        if not line.startswith("$ understudy"):
            continue
        promised = _EXIT.search(line)
        words = shlex.split(line[2:], comments=True)
        yield Command(words[1:], int(promised[1]) if promised else 0)
