"""What a partner does that tells a user who it is talking to: fails, ignores, takes up, repeats itself, is warm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.text import tokens
from understudy.measures import behaviour_lexicons as lexicons
from understudy.measures.behaviours import writing
from understudy.measures.relational.grounding_lexicons import LISTS, listed

Said = tuple[bool, str]  # whether the user speaks, and the text
FUNCTION = lexicons.FUNCTION_WORDS | lexicons.UNSPACED_FUNCTION
FEWEST_WORDS = 3  # of a turn that counts as repeated: anybody says "yes" twice
_SAMPLE = 4000
# Not knowing and not following, beside the trouble that the measures' list tells of.
_LOST = {
    "en": (
        r"(?:i'm|i am) not (?:quite |really )?sure|not something i know|(?:i have )?no idea|i (?:don't|do not) know|"
        r"(?:didn't|did not|don't|do not) (?:quite |really )?(?:get|catch|follow|understand)|"
        r"(?:say|repeat|rephrase) (?:that|it)(?: again)?\b.*[?？]"
    ),
    "zh": "我不知道|不清楚|不确定|没听懂|没明白|不明白|再说一遍",
}
# Sympathy, praise and eagerness; no thanks, wishes or goodbyes, which come when people leave anyway.
_WARM = {
    "en": (
        r"happy to|glad to|(?:i'm|i am) glad|my pleasure|i understand|i'm sorry to hear|that must|how are you|lovely|"
        r"wonderful|congratulations|(?:great|good|nice|excellent) (?:choice|question|idea|taste)|don't worry|no worries"
    ),
    "zh": "很高兴|乐意|理解您|理解你|别担心|不用担心|太好了|很棒",
}


class PartnerActs(NamedTuple):
    """1.0 where the partner's turn does it, 0.0 where not, nan where that cannot be told."""

    failure: float
    ignored: float
    uptake: float
    template: float
    warmth: float


class ActReader:
    """Reads the acts of partner turns, by word list where the language has lists and by words in common in any.

    `failure`: the turn tells of trouble, or that the partner does not know or did not follow. `uptake`: it says a
    content word of the user's turn. `template`: it says again, letter for letter, what the partner has said before.
    `ignored`: the user asked for repair or objected, and the turn takes up nothing of it, fails or repeats.
    `warmth`: sympathy, praise, eagerness.

    >>> ActReader("en").read("I am sorry, I cannot do that.", [], "book the mill")
    PartnerActs(failure=1.0, ignored=0.0, uptake=0.0, template=0.0, warmth=0.0)
    """

    def __init__(self, language: str) -> None:
        def compiled(body: str | None) -> re.Pattern[str] | None:
            return re.compile(body) if body else None

        self.language = language
        edge = "{}" if language == "zh" else r"(?:^|\b)(?:{})(?:\b|$)"
        trouble = lexicons.partner_pattern(language, "trouble")
        lost = edge.format(_LOST[language]) if language in _LOST else None
        self._trouble = compiled("|".join(p for p in (trouble, lost) if p))
        self._warm = compiled(edge.format(_WARM[language]) if language in _WARM else None)
        known = language in LISTS
        self._objects = [re.compile(listed(language, name)) for name in ("challenge", "open_request") if known]

    def read(self, text: str, earlier: Sequence[str], asked: str | None) -> PartnerActs:
        """The acts of a turn after the partner's `earlier` turns and the user's turn `asked`."""
        low, nothing = _plain(text), float("nan")
        fails = nothing if self._trouble is None else float(self._trouble.search(low) is not None)
        warm = nothing if self._warm is None else float(self._warm.search(low) is not None)
        key = _key(text)
        again = float(len(tokens(text)) >= FEWEST_WORDS and any(_key(one) == key for one in earlier))
        wanted = _content(asked or "")
        taken = float(bool(wanted & _content(text))) if wanted else nothing
        ignored = nothing
        if self._objects:
            objected = asked is not None and any(p.search(_plain(asked)) for p in self._objects)
            ignored = float(objected and (taken == 0.0 or again == 1.0 or fails == 1.0))
        return PartnerActs(fails, ignored, taken, again, warm)


def read_talks(talks: Iterable[Sequence[Said]], reader: ActReader) -> list[list[PartnerActs | None]]:
    """For each user turn of each conversation the acts of the partner turns since its last one; None without any.

    A further entry stands at the end where the partner spoke last: the user left without another word. Of several
    partner turns in a row each act counts where one of them does it.
    """
    found = []
    for talk in talks:
        rows: list[PartnerActs | None] = []
        earlier: list[str] = []
        asked: str | None = None
        since: list[PartnerActs] = []
        for is_user, text in talk:
            if is_user:
                rows.append(together(since) if since else None)
                since, asked = [], text
            else:
                since.append(reader.read(text, earlier, asked))
                earlier.append(text)
        if since and rows:
            rows.append(together(since))
        found.append(rows)
    return found


def said_of(turns: Sequence[Turn]) -> list[Said]:
    """Turns as role and text."""
    return [(turn.role == "user", turn.text) for turn in turns]


def language_of(talks: Sequence[Sequence[Said]]) -> str:
    """The language whose word lists read these conversations; empty where there is none."""
    texts = [text for talk in talks for is_user, text in talk if is_user]
    some = texts[:: max(1, len(texts) // _SAMPLE)]
    return writing(Corpus([Conversation("words", tuple(Turn("user", text) for text in some))])).language


def together(acts: Sequence[PartnerActs]) -> PartnerActs:
    """Several partner turns in a row: what one of them does is done."""
    every = np.array(acts)
    known = ~np.isnan(every)
    most = np.where(known, every, 0.0).max(axis=0)
    return PartnerActs(*(float(x) for x in np.where(known.any(axis=0), most, np.nan)))


def _plain(text: str) -> str:
    return text.lower().replace("’", "'")


def _key(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


def _content(text: str) -> set[str]:
    return {word for word in tokens(_plain(text)) if word not in FUNCTION and (len(word) > 1 or not word.isascii())}
