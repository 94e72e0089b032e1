"""Does a user drift: from its facts, from its goal, from its way of writing, or towards the assistant?"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.measures.consistency.line_judge import Floats, LineJudge, calibration_note
from understudy.measures.consistency.lines import Lines, earned, lines_of
from understudy.measures.consistency.prompt_to_line import NO_JUDGE
from understudy.measures.consistency.word_ranker import content
from understudy.measures.measurement import Measurement, MeasureSpec, measure
from understudy.measures.relational.gaps import Sheet

BINS = 6
SPEC = MeasureSpec(
    name="consistency.drift",
    question="real",
    asks="Do users turn into assistants in the course of a conversation?",
    unit="change from first to last line of the share of assistant-like lines, synthetic minus real; 0 = as people",
    range=(None, None),
    better="match",
    source="drift towards the assistant, arXiv:2512.12775, arXiv:2601.10387",
)
_ASSISTANT = re.compile(
    r"\bhow (?:can|may) i (?:help|assist)|\b(?:feel free|don't hesitate) to\b|\blet me know if (?:you|there)|"
    r"\bis there anything else\b|\bi(?:'d| would) be happy to (?:help|assist)|\bhappy to (?:help|assist)\b|"
    r"\bi(?:'m| am) here to (?:help|assist|support)|\bgreat question\b|\bcertainly!|\bof course!|\babsolutely!|"
    r"\bas an ai\b|\bthank you for (?:sharing|reaching out)|\bi understand (?:your|how you)|\byour order\b|"
    r"\bhere (?:are|is) (?:some|a few|the)\b|\bi hope (?:this|that) helps\b|\bplease provide\b|\bin conclusion\b",
    re.IGNORECASE,
)


def assistant_like(line: str) -> bool:
    """Whether a line is one that assistants say: offers help, closes politely, lists, thanks for sharing.

    >>> assistant_like("How can I help you today?"), assistant_like("my dogs need a walk")
    (True, False)
    """
    return bool(_ASSISTANT.search(line))


def meters(lines: Lines, contrast: Floats) -> dict[str, Floats]:
    """One value a line and meter, nan where there is none.

    `fact`: what the line earns against other personas. `goal`: the share of its content words that the user's opening
    line, or the persona, had. `style`: the squared distance of its log length from the mean of the user's first two
    lines, in units of all lines. `assistant`: whether it is an assistant's.
    """
    words = [content(text) for text in lines.text]
    length = np.array([np.log1p(len(tokens(text))) for text in lines.text])
    spread = float(length.std()) or 1.0
    goal, style = np.full(len(words), np.nan), np.full(len(words), np.nan)
    starts = np.flatnonzero(lines.at == 0)
    for begin, end in zip(starts, [*starts[1:], len(words)], strict=True):
        opening = set(words[begin]) | set(content(lines.persona[begin]))
        usual = length[begin : begin + 2].mean()
        for row in range(begin + 1, end):
            if words[row] and opening:
                goal[row] = len(opening & set(words[row])) / len(set(words[row]))
            if row >= begin + 2:
                style[row] = ((length[row] - usual) / spread) ** 2
    assistant = np.array([float(assistant_like(text)) if text.strip() else np.nan for text in lines.text])
    return {"fact": contrast, "goal": goal, "style": style, "assistant": assistant}


@measure(SPEC)
def drift(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    judge: LineJudge | None = None,
    permutations: int = 999,
) -> Measurement:
    """Do users turn into assistants, or into others, in the course of a conversation?

    Four meters on every user line (`meters`): `assistant`, which is the measure itself, and the parts `fact`, `goal`
    and `style`. Of each the slope over a conversation, place 0 for the first own line and 1 for the last, with every
    conversation's own level taken out: `sum(z x) / sum(z^2)`, z the place less its mean. Value: synthetic minus real.
    The part `assistant_level` is the share of assistant-like lines itself, wherever they stand. `evidence["curves"]`
    has each meter over sixths of the conversation. Shorter than three own lines, a conversation says nothing.

    `fact` needs a judge and personas; the word lists of `assistant` are English. Drift that the partner gave a reason
    for is not told apart here (`line_to_line` does).

    >>> from understudy.testing.personas import persona_world, turning_assistant
    >>> people = persona_world(40, seed=0)
    >>> m = drift(people, turning_assistant(people, seed=1), rng=np.random.default_rng(0), permutations=99)
    >>> bool(m.value > 0.2), m.p_value, m.parts[0].name
    (True, 0.01, 'consistency.drift.assistant_level')

    Source: drift as a direction, towards the assistant: arXiv:2512.12775 (over 100 rounds), arXiv:2601.10387; of goals
    apart from personas: arXiv:2507.20152. The meters are this project's.
    """
    lines = lines_of(real, synthetic)
    if judge is None:
        contrast, why = np.full(len(lines.text), np.nan), NO_JUDGE
    else:
        contrast, why = earned(lines, judge, rng).contrast, "no persona is told beside the conversations"
    found = meters(lines, contrast)
    place = np.where(lines.of > 1, lines.at / np.maximum(lines.of - 1, 1), np.nan)
    sheet = Sheet(SPEC, real, synthetic)

    def slope(name: str, says: str, values: Floats) -> None:
        if np.isnan(values).all():
            sheet.lacks(name, says, why)
            return
        x, z = _centred(values, lines), _centred(np.where(np.isnan(values), np.nan, place), lines)
        usable = np.where(lines.of >= 3, x, np.nan)
        sheet.ratio(name, says, lines.talk, usable * z, z * z, unit="change over a conversation")

    slope("", SPEC.asks, found["assistant"])
    level = "share of lines"
    says = "lines that are an assistant's"
    sheet.ratio("assistant_level", says, lines.talk, found["assistant"], unit=level, bounds=(-1.0, 1.0))
    slope("fact", "what lines earn against other personas, first to last line", found["fact"])
    slope("goal", "words of the opening or the persona, first to last line", found["goal"])
    slope("style", "distance from the first two lines' length, first to last line", found["style"])
    side = np.where(lines.talk >= len(real), "synthetic", "real")
    evidence: dict[str, Any] = {
        "curves": {
            meter: {name: _curve(values, place, side == name) for name in ("real", "synthetic")}
            for meter, values in found.items()
        }
    }
    if judge is not None:
        evidence["judge"] = {"identity": judge.identity, "note": calibration_note(judge)}
    return sheet.measured(rng, permutations, evidence)


def _centred(values: Floats, lines: Lines) -> Floats:
    """Values less their mean in each conversation."""
    known = ~np.isnan(values)
    talks = int(lines.talk.max(initial=0)) + 1
    count = np.bincount(lines.talk[known], minlength=talks)
    mean = np.bincount(lines.talk[known], values[known], talks) / np.maximum(count, 1)
    return np.asarray(values - mean[lines.talk], dtype=np.float64)


def _curve(values: Floats, place: Floats, mine: np.ndarray) -> list[float | None]:
    """The mean in each sixth of the conversation; None where there is none."""
    within = np.minimum(np.nan_to_num(place, nan=0.0) * BINS, BINS - 1).astype(np.int64)
    out: list[float | None] = []
    for k in range(BINS):
        rows = values[mine & (within == k) & ~np.isnan(values)]
        out.append(float(rows.mean()) if len(rows) else None)
    return out
