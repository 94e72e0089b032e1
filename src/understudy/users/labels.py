"""The labels of a simulated turn: those of the real turn in whose words it is said, true of the words as they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from understudy.users.material import Mentions

_WORD = re.compile(r"\w+")
_ROOT = 4  # letters by which a word is taken for a form of another


class Labels(NamedTuple):
    """What a downstream task is trained on, beside the text."""

    acts: tuple[str, ...] = ()
    entities: Mentions = ()
    satisfaction: float | None = None

    def meta(self) -> dict[str, Any]:
        """`entities` as a turn's meta holds them; empty where there are none."""
        return {"entities": [list(pair) for pair in self.entities]} if self.entities else {}


def entities_as_said(
    mentions: Mentions, renamed: Mapping[str, str], before: str, after: str, *, brought: Iterable[tuple[str, str]] = ()
) -> Mentions:
    """The entity labels of a turn that read `before` and now reads `after`.

    `renamed` says what surfaces became; `brought` are the entities of words that came from other turns. A label that
    the old text did not hold word for word (`comedy` of "comedies") is kept while a form of it is still said.

    >>> entities_as_said((("area", "north"), ("stars", "4")), {"north": "south"}, "north, 4 stars", "south please")
    (('area', 'south'),)
    >>> entities_as_said((("genre", "comedy"),), {}, "i like comedies", "we like comedies")
    (('genre', 'comedy'),)
    """
    new_of = {_plain(old): new for old, new in renamed.items()}
    then, now = _plain(before), _plain(after)
    kept: dict[tuple[str, str], None] = {}
    for kind, surface in mentions:
        said = new_of.get(_plain(surface), surface)
        if _plain(said) in now or (_plain(surface) not in then and _still_meant(surface, then, now)):
            kept[(kind, said)] = None
    named = {_plain(surface) for _, surface in kept}
    for kind, surface in brought:
        if _plain(surface) not in named and _plain(surface) in now:
            kept[(kind, surface)] = None
    return tuple(kept)


def _still_meant(surface: str, then: str, now: str) -> bool:
    """Whether what stood for the label in the old text stands in the new one; true where nothing visible did."""
    if then == now:
        return True
    roots = {word[:_ROOT] for word in _WORD.findall(_plain(surface)) if len(word) >= _ROOT}
    forms = {word for word in _WORD.findall(then) if word[:_ROOT] in roots}
    return not forms or not forms.isdisjoint(_WORD.findall(now))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def labelled_kinds(mentions: Sequence[Mentions]) -> Collection[str]:
    """The kinds of entity that a corpus labels, as against those found by form."""
    return frozenset(kind for pairs in mentions for kind, _ in pairs)
