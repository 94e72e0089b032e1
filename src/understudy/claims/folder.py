"""A folder of corpora: which are of people, which are synthetic, and who is held against whom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz", ".jsonl.zst")
FEWEST = 4  # letters of a name by which corpora are paired
_PEOPLE = re.compile(r"(?:^|[_-])(?:real|human|people|logs)$", re.IGNORECASE)
_SYNTHETIC = re.compile(r"(?:^|[_-])(?:\w*sim|\w*llm|syn\w*|generated)$", re.IGNORECASE)


class Files(NamedTuple):
    """The corpora of a folder by what their names say of them."""

    people: tuple[Path, ...]
    synthetic: tuple[Path, ...]
    neither: tuple[Path, ...]


def stem(path: Path) -> str:
    """The name of a file without what says how it is written.

    >>> stem(Path("logs/shop_real.jsonl.zst"))
    'shop_real'
    """
    return path.name.split(".")[0]


def files_of(folder: Path) -> Files:
    """The corpora in `folder`. Those whose name ends in `real`, `human`, `people` or `logs` are of people; in `sim`,
    `llm`, `syn…` or `generated`, synthetic."""
    found = sorted(path for path in folder.iterdir() if path.is_file() and path.name.endswith(SUFFIXES))
    kinds: dict[str, list[Path]] = {"people": [], "synthetic": [], "neither": []}
    for path in found:
        name = stem(path)
        kind: Literal["people", "synthetic", "neither"] = "neither"
        if _PEOPLE.search(name):
            kind = "people"
        elif _SYNTHETIC.search(name):
            kind = "synthetic"
        kinds[kind].append(path)
    return Files(*(tuple(kinds[kind]) for kind in Files._fields))


def subject(name: str) -> str:
    """What a corpus is named for: its name without the ending that says who spoke.

    >>> subject("shop_uk_real"), subject("gpt_shop_llm")
    ('shopuk', 'gptshop')
    """
    return re.sub(r"[_-]", "", re.sub(r"[_-][^_-]*$", "", name.lower()))


def paired(files: Files) -> list[tuple[Path, list[Path]]]:
    """Each corpus of people with the synthetic ones whose name holds its own, or is held by it; of several the nearest
    in length."""
    found: dict[Path, list[Path]] = {path: [] for path in files.people}
    for made in files.synthetic:
        name = subject(stem(made))
        others = {path: subject(stem(path)) for path in files.people}
        named = [
            path for path, one in others.items() if min(len(one), len(name)) >= FEWEST and (one in name or name in one)
        ]
        if named:
            found[min(named, key=lambda path: abs(len(others[path]) - len(name)))].append(made)
    return list(found.items())
