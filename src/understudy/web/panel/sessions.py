"""What one rater is asked, in which order: a pure function of the design and the rater's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np

from understudy.measures.pmq import AttentionCheck, Item, presented
from understudy.measures.raters.records import Side
from understudy.seeds import derive_seed, stream
from understudy.web.panel.tasks import Pair, Stimuli, Wanted

T = TypeVar("T")
Kind = Literal["intro", "pair", "rating", "chat", "pmq"]
FEWEST_MESSAGES = 3
MOST_MESSAGES = 12


class Design(msgspec.Struct, frozen=True):
    """All that decides what raters see. `settings` says where it comes from: a panel goes on under equal ones only."""

    seed: int
    wanted: Wanted
    stimuli: Stimuli
    chat: bool
    settings: dict[str, Any]
    about: str = ""
    consent: str = ""


class Step(NamedTuple):
    """One page. `number` counts from 1 through the session, `place` and `of` within its kind."""

    number: int
    kind: Kind
    place: int = 1
    of: int = 1
    pair: Pair | None = None
    catch: bool = False
    real_side: Side = "a"
    dialogue: str = ""
    unit: str = ""


def steps_of(design: Design, rater: int) -> tuple[Step, ...]:
    """The session of the rater with this number, from 0.

    Pairs are dealt so that each is shown about as often: the pool is shuffled for every round and cut into hands.
    Half of a rater's real users stand left, catch trials likewise, in an order drawn for the rater; a catch trial is
    never the first pair. Of the dialogues to rate half are real.
    """
    wanted, stimuli = design.wanted, design.stimuli
    rng = stream(design.seed, "panel", "session", rater)
    hand = [(pair, False) for pair in dealt(stimuli.pairs, wanted.pairs, rater, design.seed, "pairs")]
    hand += [(pair, True) for pair in stimuli.catches]
    order = [hand[int(k)] for k in rng.permutation(len(hand))]
    if order and order[0][1] and wanted.pairs:
        first = next(k for k, (_, catch) in enumerate(order) if not catch)
        order[0], order[first] = order[first], order[0]
    sides = balanced(len(order), rng)
    half = wanted.ratings // 2
    talks = [(pair.real, pair.units[0]) for pair in dealt(stimuli.rated, half, rater, design.seed, "real")]
    talks += [(pair.other, pair.units[1]) for pair in dealt(stimuli.rated, half, rater, design.seed, "synthetic")]
    talks = [talks[int(k)] for k in rng.permutation(len(talks))]
    found = [Step(1, "intro")]
    for k, (pair, catch) in enumerate(order):
        found.append(Step(len(found) + 1, "pair", k + 1, len(order), pair, catch, "a" if sides[k] else "b"))
    for k, (talk, unit) in enumerate(talks):
        found.append(Step(len(found) + 1, "rating", k + 1, len(talks), dialogue=talk, unit=unit))
    if design.chat:
        found += [Step(len(found) + 1, "chat"), Step(len(found) + 2, "pmq")]
    return tuple(found)


def balanced(count: int, rng: np.random.Generator) -> list[bool]:
    """As many of either side as can be, in random order."""
    start = int(rng.integers(2))
    return [bool((int(k) + start) % 2) for k in rng.permutation(count)]


def dealt(pool: Sequence[T], hand: int, rater: int, seed: int, what: str) -> list[T]:
    """The hand of one rater: rounds through the whole pool, shuffled anew each time.

    >>> hands = [dealt("abcdef", 2, rater, 0, "x") for rater in range(3)]
    >>> sorted(letter for hand in hands for letter in hand)
    ['a', 'b', 'c', 'd', 'e', 'f']
    """
    if not hand:
        return []
    around, place = divmod(rater, len(pool) // hand)
    order = stream(seed, "panel", "dealt", what, around).permutation(len(pool))
    return [pool[int(k)] for k in order[place * hand : (place + 1) * hand]]


class Line(NamedTuple):
    """One line of the questionnaire as this rater sees it."""

    key: str
    left: str
    right: str
    asks: str


def questionnaire_of(design: Design, rater: int) -> tuple[bool, tuple[Line, ...]]:
    """Whether it is mirrored for this rater, and the lines in the rater's order.

    Half of the items have the favourable pole on the left; for every second rater, at random, all are turned round. So
    no pole is always on one side, and ticking one side throughout still agrees with nothing.
    """
    mirrored = bool(stream(design.seed, "panel", "mirrored", rater).random() < 0.5)
    return mirrored, tuple(_line(one, mirrored) for one in presented(seed=derive_seed(design.seed, "panel", rater)))


def _line(one: Item | AttentionCheck, mirrored: bool) -> Line:
    if isinstance(one, AttentionCheck):
        return Line(one.key, "Left", "Right", one.asks)
    left, right = (one.right, one.left) if mirrored else (one.left, one.right)
    return Line(one.key, left, right, "")
