"""Corpora by name from the data folder, and the real-vs-real splits that the figures need."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.reading import read_corpus


@lru_cache(maxsize=8)
def load(data: Path, name: str, user_role: str | None = None) -> Corpus:
    """The corpus `name.jsonl.zst` of the data folder."""
    return read_corpus(data / f"{name}.jsonl.zst", user_role=user_role).corpus


def halves(corpus: Corpus, rng: np.random.Generator, most: int | None = None) -> tuple[Corpus, Corpus]:
    """Two halves by unit (user, else conversation), each of at most `most` conversations."""
    names = np.unique(corpus.unit_ids)
    chosen = np.isin(corpus.unit_ids, rng.permutation(names)[: len(names) // 2])
    sides = [np.flatnonzero(chosen), np.flatnonzero(~chosen)]
    return corpus.subset(sides[0][:most]), corpus.subset(sides[1][:most])


def markdown(header: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *[[str(cell) for cell in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
