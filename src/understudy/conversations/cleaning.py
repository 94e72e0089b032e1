"""Surface form made comparable, on request: sources differ in case and in spaces before punctuation."""

from __future__ import annotations

import re

import msgspec

from understudy.conversations.corpus import Corpus
from understudy.conversations.records import Turn

_BEFORE = re.compile(r"\s+([.,!?;:%)\]}…]+)(?=\s|$)")
_AFTER = re.compile(r"([(\[{])\s+")
_CLITIC = re.compile(r"(?<=\w)\s+(n['’]t|['’](?:s|m|re|ve|ll|d))\b", re.IGNORECASE)
_SPLIT_CLITIC = re.compile(r"(?<=\w)\s+(['’])\s+(s|t|m|re|ve|ll|d)\b", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def normalise_surface(text: str) -> str:
    """`text` in lower case, with single spaces, and without those that a tokeniser put before punctuation.

    Use it on both sides of a comparison when one of them was tokenised or lower-cased, and say that you did: it
    removes real differences of case and spacing too.

    >>> normalise_surface("That does n't matter , I 'd like  4 stars .")
    "that doesn't matter, i'd like 4 stars."
    """
    text = _SPLIT_CLITIC.sub(r"\1\2", text.lower())
    text = _CLITIC.sub(r"\1", text)
    text = _AFTER.sub(r"\1", _BEFORE.sub(r"\1", text))
    return _SPACES.sub(" ", text).strip()


def normalised(corpus: Corpus) -> Corpus:
    """The corpus with `normalise_surface` applied to every text; ids, labels and meta stay."""

    def clean(turn: Turn) -> Turn:
        return msgspec.structs.replace(turn, text=normalise_surface(turn.text))

    return Corpus([msgspec.structs.replace(talk, turns=tuple(map(clean, talk.turns))) for talk in corpus], corpus.card)
