"""Items that a partner offers and attributes that users ask for, read off a corpus's entity labels alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus, Turn

Value: TypeAlias = tuple[str, str]  # kind and surface, without case and spacing
FEWEST_ITEMS = 10  # different values that a kind of items has
COMMON = 0.01  # share of conversations in which an attribute value is said
FEWEST = 5  # and how many at least
MOST = 24  # attribute values
SHARE = 1 / 3  # of an item's other conversations, that name an attribute which it is to have
FEWEST_TOGETHER = 2  # conversations in which an item and an attribute are both named


class Offer(NamedTuple):
    """A partner turn that names items for the first time in its conversation, and the user's words before it."""

    conversation: int
    said: str
    items: tuple[Value, ...]


class Offers(NamedTuple):
    """The offers of a corpus, and in which conversations each item and each attribute value is named."""

    offers: tuple[Offer, ...]
    items: dict[Value, set[int]]
    attributes: dict[Value, set[int]]
    conversations: int


def mentions(turn: Turn) -> Iterator[Value]:
    """The labelled entities of a turn: `meta["entities"]`, a list of `[kind, surface]`.

    >>> list(mentions(Turn("user", "x", meta={"entities": [["movie", "Alien  (1979)"], ["genre", None], 3]})))
    [('movie', 'alien (1979)')]
    """
    found: Any = turn.meta.get("entities")
    for pair in found if isinstance(found, list | tuple) else ():
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair):
            surface = " ".join(pair[1].lower().split())
            if surface:
                yield pair[0], surface


def offers_of(corpus: Corpus) -> Offers:
    """Kinds of entity that partners mostly bring up are items, if they have many values; kinds that users mostly bring
    up are attributes, of which the common values count.

    >>> from understudy.conversations import Conversation
    >>> asks = Turn("user", "a comedy", meta={"entities": [["genre", "comedy"]]})
    >>> film = lambda k: Turn("assistant", "try this", meta={"entities": [["film", f"film {k % 12}"]]})
    >>> found = offers_of(Corpus([Conversation(str(k), (asks, film(k))) for k in range(24)]))
    >>> found.offers[0], list(found.attributes)
    (Offer(conversation=0, said='a comedy', items=(('film', 'film 0'),)), [('genre', 'comedy')])
    """
    return corpus.memo("transfer.offers", _offers_of)


def _offers_of(corpus: Corpus) -> Offers:
    named, item_kinds, attribute_kinds = _kinds(corpus)
    items = {value: talks for value, talks in named.items() if value[0] in item_kinds}
    enough = max(FEWEST, COMMON * len(corpus))
    common = [value for value, talks in named.items() if value[0] in attribute_kinds and len(talks) >= enough]
    common = sorted(common, key=lambda value: (-len(named[value]), value))[:MOST]
    offers = tuple(offer for row in range(len(corpus)) for offer in _in_talk(corpus, row, item_kinds))
    return Offers(offers, items, {value: named[value] for value in common}, len(corpus))


def _kinds(corpus: Corpus) -> tuple[dict[Value, set[int]], set[str], set[str]]:
    named: dict[Value, set[int]] = defaultdict(set)
    first_by_user: dict[str, int] = defaultdict(int)
    first: dict[str, int] = defaultdict(int)
    for row, talk in enumerate(corpus):
        for turn in talk.turns:
            for value in mentions(turn):
                if row not in named[value]:
                    first[value[0]] += 1
                    first_by_user[value[0]] += turn.role == "user"
                named[value].add(row)
    values: dict[str, int] = defaultdict(int)
    for kind, _ in named:
        values[kind] += 1
    items = {kind for kind, n in first.items() if 2 * first_by_user[kind] < n and values[kind] >= FEWEST_ITEMS}
    return dict(named), items, {kind for kind, n in first.items() if 2 * first_by_user[kind] >= n}


def _in_talk(corpus: Corpus, row: int, item_kinds: set[str]) -> Iterator[Offer]:
    known: set[Value] = set()
    said: list[str] = []
    for turn in corpus[row].turns:
        here = [value for value in dict.fromkeys(mentions(turn)) if value[0] in item_kinds]
        new = tuple(value for value in here if value not in known)
        if turn.role == "assistant" and new and said:
            yield Offer(row, "\n".join(said), new)
        known.update(here)
        if turn.role == "user" and turn.text.strip():
            said.append(turn.text)


def lifts(offers: Offers) -> npt.NDArray[np.float64]:
    """`(offers, attributes)`: how often other conversations with an offered item name the attribute, against how often
    other conversations with any item of that kind do; the highest of the offered items. 0 where fewer than two of
    the item's, or fewer than a third, name it.

    Against the kind, and not against all, since every hotel comes with the words of hotels. The offer's own
    conversation counts on neither side, so that what its user says is not what labels it.
    """
    by_kind: dict[str, set[int]] = defaultdict(set)
    for (kind, _), talks in offers.items.items():
        by_kind[kind] |= talks
    together = {
        (kind, value): len(talks & named)
        for kind, talks in by_kind.items()
        for value, named in offers.attributes.items()
    }
    table = np.zeros((len(offers.offers), len(offers.attributes)))
    for row, offer in enumerate(offers.offers):
        own = offer.conversation
        for item in offer.items:
            others, alike = offers.items[item], by_kind[item[0]]
            n, all_of_kind = len(others) - 1, len(alike) - 1  # both hold the offer's own conversation
            if n < FEWEST_TOGETHER:
                continue
            for column, (value, named) in enumerate(offers.attributes.items()):
                both = len(others & named) - (own in named)
                if both >= max(FEWEST_TOGETHER, SHARE * n):
                    usual = (together[item[0], value] - (own in named)) / all_of_kind
                    table[row, column] = max(table[row, column], both / n / usual)
    return table
