"""Task `attributes` (also `genre`): of what kind is what should be offered next?"""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.transfer.tasks.labelled import LabelledTextTask, Row
from understudy.transfer.tasks.offers import lifts, offers_of

LIFT = 1.5


class AttributesTask(LabelledTextTask):
    """Which attributes (the genres, say) does the next offered item have, from the user's words so far?

    Items, attributes and offers are found from `meta["entities"]` alone (`offers_of`). No corpus says which
    attributes an item has; they are induced: an item has an attribute that the *other* conversations in which it is
    named name `LIFT` times as often as those of any item of its kind do, and at least two and a third of them
    (`lifts`). So:

    1. the words that are read never make their own label: the example's conversation is left out of the count;
    2. an item named before, by either side, is no longer an offer, so that a repeated title is never the answer;
    3. attribute words stay in the text, since reading them is the task; titles that the user gave as examples stay
       too, as they are different items from the one asked for.

    Offers of items without an induced attribute are no examples. Labels are `kind=value`.
    """

    name = "attributes"
    metric = "mean average precision"
    needs = "entity labels: items that partners offer, and attributes that users name, again and again"
    ranked = True
    strength = 1.0  # labels are induced, so that single words tell little

    def rows(self, corpus: Corpus) -> list[Row]:
        found = offers_of(corpus)
        names = [f"{kind}={value}" for kind, value in found.attributes]
        wanted = [np.flatnonzero(line) for line in lifts(found) >= LIFT]
        return [
            Row(offer.conversation, (offer.said,), [names[column] for column in columns])
            for offer, columns in zip(found.offers, wanted, strict=True)
            if len(columns)
        ]


class GenreTask(AttributesTask):
    """`attributes` under the name that it has where the items are films, songs or books. See `AttributesTask`."""

    name = "genre"
