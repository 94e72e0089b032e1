"""Contradictions made from what somebody said: what the classifier learns from, where nobody labelled any."""

from __future__ import annotations

import re

import numpy as np

from understudy.measures.consistency.statements import said

_DENIALS = (
    (r"\b(i|we)('m| am|'re| are) (?!not\b)", r"\1\2 not "),
    (r"\b(i|we) (have|own|live|work|play|eat|drink|want|need|know|go|get|watch|read|study|drive)\b", r"\1 do not \2"),
    (r"\b(i|we) (love|like|enjoy|adore|prefer)\b", r"\1 hate"),
    (r"\b(i|we) (hate|dislike)\b", r"\1 love"),
    (r"\b(i|we) (do|did|can|could|would|will) (?:not |n't )", r"\1 \2 "),
    (r"\b(i|we) (don't|dont|didn't|can't|won't) ", r"\1 always "),
    (r"\b(my [a-z]+(?: [a-z]+)?) (is|are|was|has) (?!not\b)", r"\1 \2 never "),
)
_COUNTS = (
    ("two", "seven"),
    ("three", "nine"),
    ("four", "one"),
    ("five", "two"),
    ("one", "six"),
    ("a couple", "a dozen"),
)
_SWAPS = (
    ("married", "single"), ("single", "married"), ("wife", "husband"), ("son", "daughter"), ("daughter", "son"),
    ("brother", "sister"), ("sister", "brother"), ("city", "country"), ("vegetarian", "meat eater"), ("young", "old"),
    ("always", "never"), ("never", "always"), ("morning", "night"), ("summer", "winter"), ("cat", "dog"),
    ("dog", "cat"),
)  # fmt: skip


def contradict(line: str, rng: np.random.Generator) -> str | None:
    """A line that takes back what `line` says of its speaker: denied, counted otherwise, or its opposite.

    None where `line` is a question, or says nothing about its speaker that could be taken back.

    >>> contradict("i have two dogs .", np.random.default_rng(0)) in ("i do not have two dogs .", "i have seven dogs .")
    True
    >>> contradict("how are you ?", np.random.default_rng(0)) is None
    True
    """
    told = said(line)
    if told.asks or not told.about_self or len(told.content) < 1:
        return None
    text = line.lower()
    made = [re.sub(pattern, new, text, count=1) for pattern, new in _DENIALS if re.search(pattern, text)]
    for old, new in (*_COUNTS, *_SWAPS):
        if re.search(rf"\b{old}\b", text):
            made.append(re.sub(rf"\b{old}\b", new, text, count=1))
    made = [other for other in dict.fromkeys(made) if other != text]
    return made[int(rng.integers(len(made)))] if made else None


def reassert(line: str, rng: np.random.Generator) -> str:
    """The same said again in other words around it: what looks like a contradiction in all but the sense.

    >>> reassert("i have two dogs .", np.random.default_rng(1)).endswith("have two dogs .")
    True
    """
    opening = ("yeah , ", "as i said , ", "really , ", "well , ", "you know , ", "")[int(rng.integers(6))]
    return opening + line.lower()
