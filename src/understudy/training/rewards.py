"""What a line of a simulated user earns: terms that none can buy another's place, times what takes away.

A reward is a function from lines to a number in 0..1 or None. None: this could not be judged; the line is left out of
what is learned from, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from understudy.measures.consistency.line_judge import LineJudge
from understudy.measures.consistency.personas import unscorable
from understudy.seeds import derive_seed, stream
from understudy.training.critics import ContingencyCritic, Floats, RealismCritic

DECOYS = 8
_UNSEEN = 0.5  # a judge knows the lines that it was fitted on: others stand about half as far above other personas
LEAST = 0.02  # of a term, so that a line that fails in one is still better for doing well in the others
DEGENERATE = ("blank", "echo", "copy", "repeat")  # earns nothing; a line of one word is only not judged


class Spoken(NamedTuple):
    """A line with what it is judged by: who is said to speak, what they said before, and what they heard."""

    persona: tuple[str, ...]
    before: tuple[str, ...]
    heard: str
    line: str
    answer: float | None = None  # how surely the simulator, asked after this line, knows who it is


class Earned(NamedTuple):
    """What each line earns, the terms that it is made of, and why a line is degenerate (empty where it is not)."""

    reward: list[float | None]
    terms: dict[str, list[float | None]]
    why: list[str]


class Reward(Protocol):
    """Lines in, what each earns out; `seed` draws whatever has to be drawn."""

    def __call__(self, lines: Sequence[Spoken], *, seed: int) -> Earned: ...


class Band(msgspec.Struct, frozen=True):
    """How people do what a line is held against: lengths that most lines have, and what a good one is worth."""

    shortest: float
    longest: float
    own: float  # how far people's lines stand above other personas on average


class Composite:
    """The harmonic mean of all terms of a line, times what copies, repeats and lengths leave.

    Terms, each in 0..1: `own`, the judge's score of the line for its persona above that for others', 1 at the mean of
    people's own lines and a quarter where it could be anybody's, for nobody speaks of themselves all the time;
    `agrees`, not taking back a fact or an earlier line; `knows`, the simulator's own answer when asked who it is (only
    where it was asked); `real`, a critic cannot tell the line from people's; `fits`, it answers what was heard. A term
    near 0 takes all with it, so that none can be traded for another.
    """

    def __init__(
        self, judge: LineJudge, realism: RealismCritic, contingency: ContingencyCritic, band: Band,
        personas: Sequence[tuple[str, ...]],
    ) -> None:  # fmt: skip
        self.judge, self.realism, self.contingency, self.band = judge, realism, contingency, band
        self.personas = sorted({" ".join(p) for p in personas})

    def __call__(self, lines: Sequence[Spoken], *, seed: int) -> Earned:
        """What each line earns: 0 where it is degenerate, None where the judge cannot tell whose it is."""
        why = [unscorable(s.line, persona=s.persona, before=s.before) for s in lines]
        contrast = contrasts(self.judge, lines, self.personas, seed=seed)
        full = max(self.band.own, 1e-3)
        terms: dict[str, list[float | None]] = {
            "own": [None if c is None else float(np.clip(0.25 + 0.75 * c / full, 0, 1)) for c in contrast],
            "agrees": agreements(self.judge, lines),
            "knows": [s.answer for s in lines],
            "real": _doubled(self.realism.score([s.line for s in lines])),
            "fits": self._fits(lines),
        }
        found: list[float | None] = []
        for k, s in enumerate(lines):
            if why[k] in DEGENERATE:
                found.append(0.0)
            elif why[k] or (s.persona and terms["own"][k] is None):
                found.append(None)
            else:
                known = [t[k] for t in terms.values()]
                over = [1 / max(value, LEAST) for value in known if value is not None]
                found.append(1 / float(np.mean(over)) * self._left(s))
        return Earned(found, terms, why)

    def _fits(self, lines: Sequence[Spoken]) -> list[float | None]:
        scores = _doubled(self.contingency.score([s.heard for s in lines], [s.line for s in lines]))
        return [score if s.heard else None for s, score in zip(lines, scores, strict=True)]

    def _left(self, s: Spoken) -> float:
        """What copying from the persona, repeating oneself and a length that people do not have leave of a reward."""
        words = s.line.lower().split()
        left = (1 - said_before(words, s.persona, 4)) * (1 - said_before(words, s.before, 3))
        over = max(len(words) / max(self.band.longest, 1) - 1, self.band.shortest / max(len(words), 1) - 1, 0.0)
        return float(left * np.exp(-2 * over))


class PromptToLine:
    """The published reward: whether the line goes with the persona, and nothing else. It pays for collapse."""

    def __init__(self, judge: LineJudge) -> None:
        self.judge = judge

    def __call__(self, lines: Sequence[Spoken], *, seed: int) -> Earned:
        """The judge's score of each line; what it cannot score is dropped."""
        scores = self.judge.belongs([" ".join(s.persona) for s in lines], [s.line for s in lines])
        found = [float(v) if ok else None for v, ok in zip(scores.value, scores.scorable, strict=True)]
        why = [unscorable(s.line, persona=s.persona, before=s.before) for s in lines]
        return Earned(found, {"own": found}, why)


def contrasts(judge: LineJudge, lines: Sequence[Spoken], personas: Sequence[str], *, seed: int) -> list[float | None]:
    """How much better a line goes with its own persona than with others', of `personas`. None: nobody can tell."""
    others = []
    for s in lines:
        rng = stream(derive_seed(seed, s.line), "decoys", " ".join(s.persona))
        pool = [personas[int(k)] for k in rng.integers(len(personas), size=2 * DECOYS)]
        others.append([p for p in pool if p != " ".join(s.persona)][:DECOYS])
    told = [p for s, found in zip(lines, others, strict=True) for p in (" ".join(s.persona), *found)]
    said = [s.line for s, found in zip(lines, others, strict=True) for _ in range(1 + len(found))]
    scores = judge.belongs(told, said)
    out, at = list[float | None](), 0
    for s, found in zip(lines, others, strict=True):
        value, fine = scores.value[at : at + 1 + len(found)], scores.scorable[at : at + 1 + len(found)]
        at += 1 + len(found)
        out.append(float(value[0] - value[1:].mean()) if s.persona and found and fine.all() else None)
    return out


def agreements(judge: LineJudge, lines: Sequence[Spoken]) -> list[float | None]:
    """One minus the surest contradiction of a line with a fact or an earlier line; None where nothing came before."""
    pairs = [(k, text) for k, s in enumerate(lines) for text in (*s.persona, *s.before)]
    if not pairs:
        return [None] * len(lines)
    scores = judge.contradicts([text for _, text in pairs], [lines[k].line for k, _ in pairs])
    worst: dict[int, float] = {}
    for (k, _), value, fine in zip(pairs, scores.value.tolist(), scores.scorable.tolist(), strict=True):
        if fine:
            worst[k] = max(worst.get(k, 0.0), value)
    return [1 - worst[k] if k in worst else None for k in range(len(lines))]


def said_before(words: Sequence[str], texts: Sequence[str], size: int) -> float:
    """The share of the runs of `size` words of a line that stand in one of the texts.

    >>> said_before("i have two dogs and".split(), ["i have two dogs"], 4)
    0.5
    """
    runs = [tuple(words[k : k + size]) for k in range(len(words) - size + 1)]
    if not runs:
        return 0.0
    known = {tuple(said[k : k + size]) for said in (t.lower().split() for t in texts) for k in range(len(said))}
    return sum(run in known for run in runs) / len(runs)


def _doubled(scores: Floats) -> list[float | None]:
    """1 where nobody could tell, falling to 0 where it is plain."""
    return [float(min(2 * p, 1.0)) for p in scores]


def band_of(lines: Sequence[Spoken], judge: LineJudge, *, seed: int) -> Band:
    """What people do."""
    lengths = [len(s.line.split()) for s in lines]
    personas = sorted({" ".join(s.persona) for s in lines})
    some = [lines[int(k)] for k in stream(seed, "band").permutation(len(lines))[:600]]
    known = [c for c in contrasts(judge, some, personas, seed=seed) if c is not None] if len(personas) > 1 else []
    low, high = np.quantile(lengths, [0.05, 0.95])
    return Band(float(low), float(high), _UNSEEN * float(np.mean(known)) if known else 1.0)


def means(terms: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    """The mean of each term where it is known."""
    kept = {name: [v for v in values if v is not None] for name, values in terms.items()}
    return {name: round(float(np.mean(values)), 4) for name, values in kept.items() if values}
