"""A folder of corpora: which are of people, which are synthetic, and who is held against whom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz", ".jsonl.zst")
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


def related(people: str, synthetic: str) -> bool:
    """Whether two names say that one corpus belongs to the other: the shorter name, less its ending, is in the longer.

    >>> related("shop_real", "gpt_shop_llm"), related("shop_real", "bank_sim")
    (True, False)
    """
    first, second = (re.sub(r"[_-]", "", re.sub(r"[_-][^_-]*$", "", name.lower())) for name in (people, synthetic))
    return min(len(first), len(second)) >= 4 and (first in second or second in first)


def paired(files: Files) -> list[tuple[Path, list[Path]]]:
    """Each corpus of people with the synthetic ones that carry its name; those of the longest name, of several."""
    found: dict[Path, list[Path]] = {path: [] for path in files.people}
    for made in files.synthetic:
        named = [path for path in files.people if related(stem(path), stem(made))]
        if named:
            found[max(named, key=lambda path: len(stem(path)))].append(made)
    return list(found.items())
