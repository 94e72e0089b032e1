"""What a line says about its speaker, as (slot, value, polarity): English rules, written for this project."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from understudy.conversations.text import tokens
from understudy.measures.behaviour_lexicons import FUNCTION_WORDS
from understudy.measures.consistency.word_ranker import content

_NUMBERS = {
    "no": 0, "zero": 0, "none": 0, "a": 1, "an": 1, "one": 1, "single": 1, "two": 2, "both": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100,
}  # fmt: skip
NEGATIONS = frozenset(
    (  # noqa: SIM905
        "no not never none nothing nobody neither nor without hardly cannot n't don't dont doesn't doesnt didn't didnt "
        "isn't isnt aren't arent wasn't wasnt weren't werent won't wont wouldn't wouldnt can't cant couldn't couldnt "
        "haven't havent hasn't hasnt hadn't hadnt ain't aint"
    ).split()
)
_OPPOSITES = (
    "love hate", "like dislike", "like hate", "love dislike", "enjoy hate", "enjoy dislike", "married single",
    "married divorced", "alone together", "tall short", "old young", "rich poor", "happy sad", "early late",
    "big small", "large small", "hot cold", "city country", "indoors outdoors", "vegetarian meat", "vegan meat",
    "vegan cheese", "employed unemployed", "retired working", "male female", "man woman", "boy girl",
    "mother father", "mom dad", "husband wife", "son daughter", "brother sister", "alive dead", "always never",
    "day night", "morning night", "summer winter", "introvert extrovert", "shy outgoing", "good bad", "easy hard",
    "best worst", "first last", "more less", "win lose", "open closed", "healthy sick", "rural urban", "cat dog",
    "black white", "all none",
)  # fmt: skip
_AGAINST: dict[str, set[str]] = {}
for _pair in _OPPOSITES:
    _one, _other = (content(word)[0] if content(word) else word for word in _pair.split())
    _AGAINST.setdefault(_one, set()).add(_other)
    _AGAINST.setdefault(_other, set()).add(_one)

_ONE = r"([a-z]+(?: [a-z]+)?)"
_SLOTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (slot, re.compile(pattern))
    for slot, pattern in (
        ("lives", rf"\bi(?:'m| am)? (?:live|living|grew up|from) (?:in|at|near|from)? ?(?:the )?{_ONE}"),
        ("works", rf"\bi (?:work|worked) (?:as|at|for|in|with) (?:an? |the |my )?{_ONE}"),
        ("is", rf"\bi(?:'m| am| was) (?:an? |the ){_ONE}"),
        ("age", r"\bi(?:'m| am)(?: only| about| almost)? (\d{1,2}|[a-z]+) years? old\b"),
        ("favourite", rf"\bmy favou?rite (?:[a-z]+ )?[a-z]+ (?:is|are|was) (?:the |an? )?{_ONE}"),
        ("my", r"\bmy ([a-z]+)\b"),
    )
)
_DISLIKES = re.compile(r"\bi (?:really |also |just |absolutely )?(?:hate|dislike|can't stand|cannot stand)\b")


class Said(NamedTuple):
    """What one line says. `slots`: (slot, value); `denied`: whether the line denies; `numbers` by the word counted."""

    words: frozenset[str]
    content: frozenset[str]
    slots: frozenset[tuple[str, str]]
    denied: bool
    dislikes: bool
    numbers: tuple[tuple[str, int], ...]
    asks: bool
    about_self: bool


@lru_cache(maxsize=65536)
def said(line: str) -> Said:
    """What a line says about its speaker.

    >>> told = said("I have two dogs and I live in Boston.")
    >>> ("lives", "boston") in told.slots, told.numbers, told.denied, told.about_self
    (True, (('dog', 2),), False, True)
    """
    text = re.sub(r"\s+(n't|'\w+)", r"\1", line.lower().replace("’", "'"))
    words = tokens(text)
    slots = set()
    for slot, pattern in _SLOTS:
        for match in pattern.finditer(text):
            value = " ".join(content(match[1]))
            if value:
                slots.add((slot, value))
    numbers = []
    for k, word in enumerate(words[:-1]):
        count = int(word) if word.isdigit() and len(word) < 4 else _NUMBERS.get(word)
        if count is not None:
            following = next((w for w in words[k + 1 : k + 3] if w not in FUNCTION_WORDS), None)
            if following and content(following):
                numbers.append((content(following)[0], count))
    return Said(
        frozenset(words),
        frozenset(content(text)),
        frozenset(slots),
        any(word in NEGATIONS or word.endswith("n't") for word in words),
        bool(_DISLIKES.search(text)),
        tuple(numbers),
        "?" in line,
        bool(re.search(r"\b(?:i|i'm|im|i've|i'd|my|me|we|our)\b", text)),
    )


def opposed(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether a word of one stands against a word of the other.

    >>> opposed(frozenset({"love", "cheese"}), frozenset({"hate", "cheese"}))
    True
    """
    return any(second & _AGAINST[word] for word in first if word in _AGAINST)
