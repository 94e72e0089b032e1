"""Noise channels: what typing on a phone does to the user turns of a corpus that is too clean.

Only the text of user turns changes; ids, users, labels, endings and the partner stay, so that a conversation and its
noisy twin are the same conversation for everything that counts units.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus
from understudy.errors import UsageError
from understudy.seeds import stream

# The text of one turn, a generator, a rate -> the text as it arrives.
Noise = Callable[[str, np.random.Generator, float], str]

_WORD = re.compile(r"[^\W\d_]{4,}")
_LAST_MARK = re.compile(r"[.!。！]+\s*$")
_SENTENCE = re.compile(r"(?<=[.!?。！？…])\s*")


def _lower(text: str, rng: np.random.Generator, rate: float) -> str:
    return text.lower() if rng.random() < rate else text


def _unmarked(text: str, rng: np.random.Generator, rate: float) -> str:
    """Without the mark that closes the turn; question marks stay, they carry meaning."""
    return _LAST_MARK.sub("", text) if rng.random() < rate else text


def _typos(text: str, rng: np.random.Generator, rate: float) -> str:
    """A letter left out, doubled or swapped with the next, inside words of four letters or more."""

    def slip(match: re.Match[str]) -> str:
        word = match[0]
        if rng.random() >= rate:
            return word
        at = int(rng.integers(1, len(word) - 1))
        kinds = (word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:],
                 word[:at] + word[at + 1] + word[at] + word[at + 2 :])  # fmt: skip
        return kinds[int(rng.integers(3))]

    return _WORD.sub(slip, text)


def _fragments(text: str, rng: np.random.Generator, rate: float) -> str:
    """Only the longest sentence, as who types in a hurry leaves the rest out."""
    parts = [part for part in _SENTENCE.split(text) if part.strip()]
    if len(parts) < 2 or rng.random() >= rate:
        return text
    longest = max(range(len(parts)), key=lambda k: len(parts[k]))
    return parts[longest].strip()


# name -> (noise, the rate it has unless another is given)
CHANNELS: dict[str, tuple[Noise, float]] = {
    "lower_case": (_lower, 0.9),
    "unmarked": (_unmarked, 0.8),
    "typos": (_typos, 0.03),
    "fragments": (_fragments, 0.7),
}


def through_channel(corpus: Corpus, name: str, *, seed: int) -> Corpus:
    """The corpus as it reads after a noise channel; `name` is a channel, or several joined by `+`.

    `lower_case` (90 % of the turns), `unmarked` (no closing mark; 80 %), `typos` (3 % of the words of four letters
    or more), `fragments` (of several sentences only the longest; 70 % of the turns). `name:rate` sets another
    rate. What happens to a turn depends on `seed`, the channel and the conversation's id, not on the order.

    >>> from understudy.conversations import Turn
    >>> talk = Conversation("a", (Turn("user", "A film. I would like one from France."), Turn("assistant", "Which?")))
    >>> noisy = through_channel(Corpus([talk]), "lower_case:1+fragments:1+unmarked:1", seed=0)
    >>> [turn.text for turn in noisy[0].turns]
    ['i would like one from france', 'Which?']
    """
    steps = [_step(part) for part in name.split("+")]

    def change(talk: Conversation) -> Conversation:
        rng = stream(seed, "channel", name, talk.id)
        turns = []
        for turn in talk.turns:
            text = turn.text
            if turn.role == "user":
                for noise, rate in steps:
                    text = noise(text, rng, rate)
            turns.append(turn if text == turn.text else msgspec.structs.replace(turn, text=text))
        return msgspec.structs.replace(talk, turns=tuple(turns))

    return Corpus([change(talk) for talk in corpus], corpus.card)


def _step(part: str) -> tuple[Noise, float]:
    name, _, given = part.strip().partition(":")
    if name not in CHANNELS:
        raise UsageError(
            f"there is no noise channel {name!r}",
            why=f"channels are {', '.join(CHANNELS)}; `+` joins several, `name:rate` sets a rate",
            fix="for example lower_case, or lower_case+typos:0.05",
        )
    noise, rate = CHANNELS[name]
    if given:
        try:
            rate = float(given)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            raise UsageError(
                f"channel {part.strip()!r} has no rate from 0 to 1",
                why="the rate is the share of turns (typos: of words) that the channel changes",
                fix=f"for example {name}:{CHANNELS[name][1]}",
            )
    return noise, rate
