"""Which users a folder holds, where users of another kind were written to it before."""

from __future__ import annotations

from pathlib import Path

# What `opening.open_users` looks for, in its order: the first that is there decides.
HEADERS = ("adapted.json", "neural.json", "personas.json", "population.json")


def now_holds(folder: Path, header: str) -> None:
    """Take away the headers that would be found before `header`: the users written last are those that are opened."""
    for name in HEADERS[: HEADERS.index(header)]:
        (folder / name).unlink(missing_ok=True)
