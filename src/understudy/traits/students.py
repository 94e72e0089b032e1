"""What a student is to the audit, and opening one by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.errors import UsageError
from understudy.traits.battery import Battery

Floats = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]


class Read(NamedTuple):
    """What a battery reads off students: `base` [probes] before training, `arms` [pairs, probes] by name after it."""

    base: Floats
    arms: dict[str, Floats]


class Student(Protocol):
    """A base that is trained anew, from the same beginning, for every arm and pair.

    `sees` and `blind` say through which channels a trait can reach it, and through which not. A score is the mean,
    over the items of a probe, of how much likelier the reply with the trait is than the one without, in nats.
    """

    identity: str
    sees: str
    blind: str

    def read(
        self, arms: Mapping[str, Sequence[Corpus]], battery: Battery, *, seed: int, on_progress: Progress | None = None
    ) -> Read:
        """Train one copy of the base on each corpus of each arm, twins in the same order, and read the battery off."""


def open_student(uri: str, pooled: Corpus, *, seed: int = 0) -> Student:
    """The student that `uri` names.

    - `embedded:` a linear scorer of replies, on a CPU in seconds, without torch;
    - `decoder:` a small decoder from scratch, its base pretrained on `pooled` (both sides, so neither is favoured);
    - `decoder:CORPUS` the same, pretrained on a corpus of its own; `decoder:FOLDER` one that `save` wrote;
    - `rewards:` a linear assistant trained on rewards (`meta["reward"]`) instead of words: the reward loop;
    - `hf:NAME_OR_PATH` local weights, trained on with low-rank adapters.
    """
    scheme, colon, rest = uri.partition(":")
    if colon and scheme == "embedded" and not rest:
        from understudy.traits.linear_student import LinearStudent

        return LinearStudent()
    if colon and scheme == "rewards" and not rest:
        from understudy.traits.preference_student import PreferenceStudent

        return PreferenceStudent()
    if colon and scheme == "decoder":
        from understudy.traits.decoder_student import DecoderStudent

        if rest and (Path(rest) / "decoder.json").is_file():
            return DecoderStudent.load(rest)
        corpus = _read(rest) if rest else pooled
        return DecoderStudent.pretrained(corpus, seed=seed)
    if colon and scheme == "hf" and rest:
        from understudy.traits.hf_student import HfStudent

        return HfStudent(rest)
    raise UsageError(
        f"{uri[:80]!r} names no student",
        why="traits are read off a model that is trained on both corpora",
        fix="give --base embedded: (linear), rewards:, decoder: or decoder:CORPUS (from scratch), or hf:NAME_OR_PATH",
    )


def _read(path: str) -> Corpus:
    from understudy.conversations.reading import read_corpus

    return read_corpus(path).corpus


def mean_by_probe(scores: npt.ArrayLike, battery: Battery) -> Floats:
    """Scores of items [..., items], in the order of the battery, as means of probes [..., probes]."""
    found = np.asarray(scores, dtype=np.float64)
    ends = np.cumsum([len(probe.items()) for probe in battery.probes])[:-1]
    return np.stack([part.mean(-1) for part in np.split(found, ends, axis=-1)], axis=-1)


def items_of(battery: Battery) -> list[Any]:
    """All items, probe after probe, each with the role that replies."""
    return [(probe.role, *item) for probe in battery.probes for item in probe.items()]
