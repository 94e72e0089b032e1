"""A model's reasoning is kept apart from what is said: never in a turn, never shown to the other side."""

from __future__ import annotations

import re
from typing import NamedTuple

_TAG = r"(?:think|thinking|thought|thoughts|reasoning|cot|scratchpad|analysis)"
_BLOCK = re.compile(rf"<(?P<tag>{_TAG})>(?P<body>.*?)</(?P=tag)>", re.DOTALL | re.IGNORECASE)
_LEFT = re.compile(rf"</?{_TAG}>", re.IGNORECASE)


class Apart(NamedTuple):
    """What is to be said, and the reasoning that stood around it."""

    text: str
    reasoning: str


class ReasoningError(ValueError):
    """Reasoning that is not closed off: where it ends, and the speech begins, nobody can tell."""


def split_reasoning(text: str) -> Apart:
    """Take marked reasoning out of an answer.

    Raises `ReasoningError` for a tag without its partner: the rest would be reasoning in a dialogue, or a dialogue
    lost. (DiaSynth, arXiv:2409.19020, stores the whole raw answer as the dialogue where a tag is missing.)

    >>> split_reasoning("<think>She is in a hurry.</think>ok thx")
    Apart(text='ok thx', reasoning='She is in a hurry.')
    >>> split_reasoning("<think>She is in a hurry. ok thx")
    Traceback (most recent call last):
    understudy.scenarios.reasoning.ReasoningError: '<think>' has no partner
    """
    if "<" not in text:
        return Apart(text, "")
    parts = [match["body"].strip() for match in _BLOCK.finditer(text)]
    rest = _BLOCK.sub("", text)
    left = _LEFT.search(rest)
    if left is not None:
        raise ReasoningError(f"{left[0]!r} has no partner")
    return Apart(rest.strip() if parts else text, "\n".join(part for part in parts if part))
