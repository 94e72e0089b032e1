"""The setting of a conversation as typed fields, after DiaSynth's ten characteristics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec


class Context(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The setting of one conversation: a level of each characteristic."""

    age: str
    gender: str
    familiarity: str
    emotion: str
    formality: str
    duration: str
    medium: str
    location: str
    agreement: str
    fillers: str
    hedges: str
    short_turns: str
    typos: str


class Characteristic(NamedTuple):
    """What a field of a context may say. `base` is a start, not a finding: a plan declares its own numbers.

    `reads` says what is read from the text to tell which level came out, empty where no rule can tell; the levels
    then stand in rising order of it. A value of at most `cuts[0]` reads as the first level, of at most `cuts[1]`
    as the second.
    """

    name: str
    base: Mapping[str, float]
    says: str
    reads: str = ""
    cuts: tuple[float, float] = (0.0, 0.0)
    free: bool = False  # a plan may name levels of its own
    zero_means_none: bool = False


# Ten characteristics in DiaSynth's Table 11 (arXiv:2409.19020); its topic is a layer of its own here, its age and
# gender are two fields, and its natural dialogue features are the four that can be counted.
CHARACTERISTICS: tuple[Characteristic, ...] = (
    Characteristic("age", {"18-29": 1, "30-44": 1, "45-59": 1, "60+": 1}, "age of the user", free=True),
    Characteristic("gender", {"woman": 49, "man": 49, "another": 2}, "gender of the user", free=True),
    Characteristic("familiarity", {"strangers": 6, "acquainted": 3, "close": 1}, "how well the two know each other"),
    Characteristic(
        "emotion",
        {"upset": 1, "calm": 3, "pleased": 1},
        "the user's mood",
        "words of liking minus words of dislike or trouble, per 100 words of the user",
        (-0.5, 3.0),
    ),
    Characteristic(
        "formality",
        {"informal": 1, "neutral": 2, "formal": 1},
        "how formally the user writes or speaks",
        "marks of careful form minus marks of casual form, per user turn",
        (0.5, 1.6),
    ),
    Characteristic(
        "duration", {"short": 1, "medium": 2, "long": 1}, "how long it goes on", "turns of both sides", (6.0, 14.0)
    ),
    Characteristic(
        "medium",
        {"chat": 5, "sms": 1, "phone": 2, "email": 1, "in_person": 1},
        "the channel",
        free=True,
    ),
    Characteristic("location", {"home": 5, "work": 3, "outside": 2}, "where the user is", free=True),
    Characteristic(
        "agreement",
        {"agrees": 2, "mixed": 2, "objects": 1},
        "whether the user goes along with the partner",
        "share of the user's turns with a negation",
        (0.0, 0.34),
        zero_means_none=True,
    ),
    Characteristic(
        "fillers",
        {"none": 3, "some": 2, "many": 1},
        "um, hmm, well",
        "fillers per 100 words of the user",
        (0.0, 2.5),
        zero_means_none=True,
    ),
    Characteristic(
        "hedges",
        {"none": 2, "some": 2, "many": 1},
        "maybe, I think",
        "hedges per 100 words of the user",
        (0.0, 3.0),
        zero_means_none=True,
    ),
    Characteristic(
        "short_turns",
        {"few": 2, "some": 2, "many": 1},
        "turns of at most three words",
        "share of the user's turns with at most three words",
        (0.1, 0.35),
    ),
    Characteristic(
        "typos",
        {"none": 3, "some": 2, "many": 1},
        "shorthand, missing apostrophes, misspellings",
        "share of the user's turns with shorthand or a common misspelling",
        (0.0, 0.3),
        zero_means_none=True,
    ),
)
BY_NAME: Mapping[str, Characteristic] = {c.name: c for c in CHARACTERISTICS}
NAMES: tuple[str, ...] = tuple(BY_NAME)
READABLE: tuple[str, ...] = tuple(c.name for c in CHARACTERISTICS if c.reads)
