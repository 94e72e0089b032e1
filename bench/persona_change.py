"""Planted drift for the figure `consistency`: where somebody else takes over, and how well it could be known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.corpora import markdown
from understudy.conversations import Corpus
from understudy.measures.consistency.embedded_judge import KINDS, EmbeddedJudge, Person, fit_judge, people_of
from understudy.measures.consistency.line_evidence import facts
from understudy.measures.consistency.line_judge import Floats
from understudy.measures.consistency.persona_change import NEAR, Change, ChangeLocator, fit_locator
from understudy.seeds import stream
from understudy.testing.personas import persona_world

SEED = 0
SPLICES = 300
LENGTH, FEWEST = 16, 4  # of the splices whose place is anywhere


class Splice(NamedTuple):
    """Own lines of A up to `cut`, then others'."""

    persona: str
    lines: tuple[str, ...]
    cut: int


def whole(pool: Sequence[Person], rng: np.random.Generator) -> Splice:
    """All that A said in a conversation, then all that B said in another: the change is always near the middle."""
    while True:
        a, b = (pool[int(j)] for j in rng.choice(len(pool), 2, replace=False))
        if facts(a.persona) != facts(b.persona):
            return Splice(a.persona, (*a.lines, *b.lines), len(a.lines))


def anywhere(pool: Sequence[Person], rng: np.random.Generator) -> Splice:
    """Sixteen lines, the change before any from the fifth to the thirteenth, as likely as another.

    A's lines come from people of one persona, in turn; those after the change from others, in turn.
    """
    of: dict[frozenset[str], list[Person]] = defaultdict(list)
    for person in pool:
        of[facts(person.persona)].append(person)
    most = LENGTH - FEWEST
    long = [group for group in of.values() if sum(len(p.lines) for p in group) >= most]
    while True:
        group = long[int(rng.integers(len(long)))]
        cut = int(rng.integers(FEWEST, most + 1))
        mine = [line for k in rng.permutation(len(group)).tolist() for line in group[k].lines]
        others = [pool[k] for k in rng.permutation(len(pool)).tolist()[:40]]
        apart = [p for p in others if facts(p.persona) != facts(group[0].persona)]
        theirs = [line for p in apart for line in p.lines]
        if len(theirs) >= LENGTH:
            return Splice(group[0].persona, (*mine[:cut], *theirs[: LENGTH - cut]), cut)


def _near(place: int, cut: int) -> bool:
    return abs(place - cut) <= NEAR


def _ceiling(locator: ChangeLocator, seen: list[tuple[Splice, Floats]], rng: np.random.Generator) -> float:
    """Located, if lines had the same evidence in no order: drawn from all own and all others' lines of the splices."""
    own = np.concatenate([ratios[: s.cut] for s, ratios in seen])
    other = np.concatenate([ratios[s.cut :] for s, ratios in seen])
    draws = [(s, np.r_[rng.choice(own, s.cut), rng.choice(other, len(s.lines) - s.cut)]) for s, _ in seen * 2]
    return float(np.mean([_near(locator.locate(ratios, rng).line, s.cut) for s, ratios in draws]))


def _share(hits: Sequence[bool]) -> str:
    return f"{np.mean(hits):.1%}"


def _rows(
    name: str, seen: list[tuple[Splice, Floats]], locator: ChangeLocator, rng: np.random.Generator
) -> tuple[list[object], list[object]]:
    """A row of where, and a row of whether."""
    found = [locator.locate(ratios, rng) for _, ratios in seen]
    cuts = [s.cut for s, _ in seen]
    near = np.array([_near(c.line, cut) for c, cut in zip(found, cuts, strict=True)])
    error = 1.96 * near.std() / np.sqrt(len(near))
    guess = max(np.mean([_near(place, cut) for cut in cuts]) for place in range(1, max(cuts) + 1))
    chance = np.mean([np.mean([_near(k, s.cut) for k in range(1, len(s.lines))]) for s, _ in seen])
    inside = [c.interval[0] <= cut <= c.interval[1] for c, cut in zip(found, cuts, strict=True)]
    size = np.mean([c.interval[1] - c.interval[0] + 1 for c in found])
    met = "ok" if near.mean() >= 0.9 else "missed"
    where: list[object] = [name, len(seen), f"{near.mean():.1%} ± {100 * error:.1f} ({met})",
                           f"{_ceiling(locator, seen, rng):.1%}", f"{guess:.0%}", f"{chance:.0%}",
                           f"{_share(inside)} of {size:.1f} lines"]  # fmt: skip
    mixed = [ratios[rng.permutation(len(ratios))] for _, ratios in seen]
    step = np.mean([ratios[: s.cut].mean() - ratios[s.cut :].mean() for s, ratios in seen])
    flat = [ratios[: s.cut].mean() - ratios[s.cut :].mean() for (s, _), ratios in zip(seen, mixed, strict=True)]
    spread = f"{np.mean(flat):+.2f} ± {1.96 * np.std(flat) / np.sqrt(len(flat)):.2f}"
    alarms = [locator.locate(ratios, rng).changed for ratios in mixed]
    return where, [name, f"{step:.2f}", spread, _share([c.changed for c in found]), _share(alarms)]


def planted(fitting: Corpus, judges: dict[str, EmbeddedJudge], held_out: Corpus) -> str:
    """Row 1: PersonaChat's people held out, and a world of known facts; change in the middle, anywhere, and none."""
    world = persona_world(300, seed=9)
    known = fit_locator([world], [fit_judge([world], kind, seed=SEED) for kind in KINDS], seed=SEED)
    cases = (
        ("personachat_real", fit_locator([fitting], judges.values(), seed=SEED), people_of(held_out)),
        ("world of known facts", known, people_of(persona_world(300, seed=4, turns=12), roles=("user",))),
    )
    places, whether = [], []
    for name, locator, pool in cases:
        told = sorted({p.persona for p in pool})
        rng = stream(SEED, "bench", "splices", name)
        for said, make in (("A's conversation, then B's", whole), ("16 lines, anywhere", anywhere)):
            splices = [make(pool, rng) for _ in range(SPLICES)]
            seen = [(s, locator.ratios(s.persona, s.lines, told, rng)) for s in splices]
            where, row = _rows(f"{name}: {said}", seen, locator, rng)
            places.append(where)
            whether.append([*row, "–"])
        alone = [pool[k] for k in rng.permutation(len(pool))[:SPLICES].tolist()]
        ratios = [locator.ratios(p.persona, p.lines, told, rng) for p in alone]
        calm: list[Change] = [locator.locate(x, rng) for x in ratios]
        mixed = [locator.locate(x[rng.permutation(len(x))], rng).changed for x in ratios]
        whether.append([f"{name}: nobody else", "–", "–", "–", _share(mixed), _share([c.changed for c in calm])])
    heads = ["lines of", "splices", "located within ± 2 lines, ≥ 90 %", "ceiling", "best fixed place", "any place",
             "90 % ranges that hold it"]  # fmt: skip
    heads2 = ["lines of", "step", "step when shuffled", "change found", "found when shuffled",
              "found where is none, ≤ 5 %"]  # fmt: skip
    return "\n\n".join(
        [
            "**Planted drift**: own lines of A, then of others, all judged as A's. Ceiling: located, if the same "
            "lines' evidence came in no order. Best fixed place: always the same line, chosen knowing all answers.",
            markdown(heads, places),
            "Is there a change? At 5 % false alarms; steps in log likelihood ratio a line.",
            markdown(heads2, whether),
        ]
    )
