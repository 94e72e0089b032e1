"""Named things in turns: found by label, by form, or by having been labelled elsewhere; and filled in again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from understudy.users.material import Mentions

_LINK = r"(?:(?:of|the|and|a|an|in|on|to|for|from|with|at|&|de|la)\s+)*"
_TITLE = re.compile(rf"(?:[A-Z0-9][^\s()]*\s+{_LINK})+\((?:18|19|20)\d\d\)")
# A letter of a script with spaces: a number that touches one is part of a word.
_LETTER = r"[^\W\d_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]"
_LETTER_ONLY = re.compile(_LETTER)
_NUMBER = re.compile(rf"(?<!{_LETTER})(?<![\d_])(?:[$€£¥#]?\d[\d.,:/-]*\d[%€]?|[$€£¥#]?\d+%?)(?!{_LETTER})(?![\d_])")
_CAPITALISED = re.compile(r"(?<![.!?。！？:]\s)(?<=\s)[A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*)*")
_DIGITS = re.compile(r"\d+")
_LONGEST = 6  # words of a known surface looked for


class Entity(NamedTuple):
    """A span of a text that names something of a kind."""

    start: int
    end: int
    kind: str
    surface: str


class Gazetteer:
    """What counts as an entity in a corpus: the surfaces that it labels, and the words that it writes as names.

    >>> names = Gazetteer.of(["I saw Alien (1979) in Paris"], [(("movie", "Alien (1979)"),)])
    >>> [(e.kind, e.surface) for e in names.find("is alien (1979) set in Paris or in 2122?")]
    [('movie', 'alien (1979)'), ('name', 'Paris'), ('number:4', '2122')]
    """

    def __init__(self, kinds: Mapping[str, str], names: frozenset[str]) -> None:
        self.kinds, self.names = dict(kinds), names
        self._first_words = frozenset(key.split()[0].rstrip(".'\"") for key in self.kinds)

    @classmethod
    def of(cls, texts: Sequence[str], mentions: Sequence[Mentions]) -> Gazetteer:
        seen: dict[str, Counter[str]] = {}
        for text, pairs in zip(texts, mentions, strict=True):
            lowered = text.lower()
            for kind, surface in pairs:
                key = _normal(surface)
                if len(key) > 2 and key in _normal(lowered):
                    seen.setdefault(key, Counter())[kind] += 1
        upper: Counter[str] = Counter()
        lower: Counter[str] = Counter()
        for text in texts:
            if text.upper() == text:
                continue
            upper.update(word for run in _CAPITALISED.findall(text) for word in run.split())
            lower.update(word for word in text.split() if word[:1].islower())
        names = frozenset(w for w, n in upper.items() if len(w) > 1 and n > lower[w.lower()])
        return cls({key: min(c, key=lambda k: (-c[k], k)) for key, c in seen.items()}, names)

    def find(self, text: str, mentions: Mentions = ()) -> list[Entity]:
        """The entities of a text in order, without overlaps: labelled, then known, then by form."""
        found: list[Entity] = []
        for kind, surface in mentions:
            span = _place(surface, text)
            if span is not None:
                found.append(Entity(*span, kind, text[slice(*span)]))
        if self.kinds and not mentions:
            found += self._known(text)
        found += [Entity(m.start(), m.end(), "title", m.group()) for m in _TITLE.finditer(text)]
        found += [Entity(m.start(), m.end(), f"number:{_shape(m.group())}", m.group()) for m in _NUMBER.finditer(text)]
        if text.upper() != text:
            for m in _CAPITALISED.finditer(text):
                if all(word in self.names for word in m.group().split()):
                    found.append(Entity(m.start(), m.end(), "name", m.group()))
        return _apart(found)

    def _known(self, text: str) -> Iterable[Entity]:
        words = list(re.finditer(r"[^\s,;!?。，！？]+", text[:2000]))
        at = 0
        while at < len(words):
            if words[at].group().lower().rstrip(".'\"") not in self._first_words:
                at += 1
                continue
            for size in range(min(_LONGEST, len(words) - at), 0, -1):
                start, end = words[at].start(), words[at + size - 1].end()
                surface = text[start:end].rstrip(".'\"")
                kind = self.kinds.get(_normal(surface))
                if kind is not None:
                    yield Entity(start, start + len(surface), kind, surface)
                    at += size - 1
                    break
            at += 1


def _place(surface: str, text: str) -> tuple[int, int] | None:
    """Where a labelled surface stands in a text, whatever its case and spacing; not inside a word."""
    lowered, wanted = text.lower(), surface.lower()
    if len(lowered) != len(text):
        lowered = text
    start = lowered.find(wanted)
    end = start + len(wanted)
    if start < 0:
        match = re.search(r"\s+".join(re.escape(part) for part in wanted.split()), lowered)
        if match is None:
            return None
        start, end = match.span()
    inside = _LETTER_ONLY.match(text[start - 1 : start]) or _LETTER_ONLY.match(text[end : end + 1])
    return None if inside else (start, end)


def _shape(number: str) -> str:
    """`19:45` -> `2:2`: numbers written alike stand for each other."""
    return _DIGITS.sub(lambda m: str(len(m.group())), number)


def _normal(surface: str) -> str:
    return " ".join(surface.lower().split())


def _apart(found: list[Entity]) -> list[Entity]:
    """Earlier finds win over later ones that overlap them."""
    kept: list[Entity] = []
    for entity in found:
        if all(entity.end <= other.start or entity.start >= other.end for other in kept):
            kept.append(entity)
    return sorted(kept)


class Filler:
    """Chooses what a retrieved turn's entities become in another conversation."""

    def __init__(self, goal: Sequence[tuple[str, str]]) -> None:
        self.goal = tuple(goal)

    def fill(
        self, entity: Entity, told_then: str, told_now: Sequence[Entity], now: str, *, own: bool, taken: set[str]
    ) -> str | None:
        """The new surface of an entity, or None to leave it.

        One that repeated what the partner had just named repeats what the partner names now; one that the speaker
        brought up is, in somebody else's turn, replaced by something of the speaker's own. `told_then` is the
        partner's turn that the retrieved turn answered, `told_now` the entities of the present one in `now`.
        """
        key = _normal(entity.surface)
        if key in _normal(now):
            return None
        if key in _normal(told_then):
            options = [e.surface for e in told_now if e.kind == entity.kind]
        elif own:
            return None
        else:
            options = [surface for kind, surface in self.goal if kind == entity.kind]
        fresh = [surface for surface in options if _normal(surface) not in taken]
        return next(iter(fresh or options), None)
