"""ROUGE-L: how much of a reference text another text holds, in order."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.conversations.text import tokens


def rouge_l(text: str, references: Sequence[str]) -> float:
    """The best F1, over the references, of the longest common subsequence of words. In [0, 1], higher is better.

    With L its length, m the words of the reference and n those of the text: P = L/n, R = L/m, F1 = 2PR/(P + R).

    Source: Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries", ACL workshop W04-1013. Differences:
    1. F1 in place of the paper's recall-weighted F; 2. words are those of `conversations.text`, without stemming.

    >>> round(rouge_l("the cat sat", ["the cat sat down", "a dog"]), 3)
    0.857
    >>> rouge_l("", ["a dog"]), rouge_l("", [])
    (0.0, 0.0)
    """
    said = tokens(text)
    return max((_f1(said, tokens(reference)) for reference in references), default=0.0)


def _f1(said: list[str], wanted: list[str]) -> float:
    common = _longest_common(said, wanted)
    return 2.0 * common / (len(said) + len(wanted)) if common else 0.0


def _longest_common(first: list[str], second: list[str]) -> int:
    """The length of the longest common subsequence."""
    line = [0] * (len(second) + 1)
    for word in first:
        corner = 0
        for column, other in enumerate(second, start=1):
            above = line[column]
            line[column] = corner + 1 if word == other else max(above, line[column - 1])
            corner = above
    return line[-1]
