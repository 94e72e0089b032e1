"""Task `item`: which of ten items is offered next?"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from understudy.conversations import Corpus
from understudy.seeds import stream
from understudy.transfer.task import Examples, Ints, no_examples
from understudy.transfer.tasks.choices import CANDIDATES, EARLIER, Choices
from understudy.transfer.tasks.choosing import ChoosingTask
from understudy.transfer.tasks.offers import Offer, Offers, Value, offers_of
from understudy.transfer.tasks.texts import TextBank

FEWEST = 2  # conversations that name an item, so that something can be learnt of it elsewhere
TRIES = 200


class ItemTask(ChoosingTask):
    """Which of ten items does the partner offer next, from the user's words so far?

    Items and offers are found from `meta["entities"]` (`offers_of`); an item named before in the conversation is no
    longer an offer. The nine others are items of the same kind that this conversation never names, drawn in
    proportion to the conversations that name them, so that being well known gives nothing away. Items that only one
    conversation names are neither right nor wrong candidates. Score: the reciprocal rank of the offered item (by
    chance .29). Baseline: words that the user and the item's name share. Learner: the ranker of the next
    turn (`fit_ranker`), which learns what the words of a name follow.
    """

    name = "item"
    needs = "entity labels: items that partners offer, ten of a kind and each in two conversations or more"

    def examples(self, corpus: Corpus) -> Examples:
        return corpus.memo("transfer.items", self._examples)

    def _examples(self, corpus: Corpus) -> Examples:
        found = offers_of(corpus)
        offers, drawn = _with_candidates(found, self.seed)
        if not offers:
            return no_examples()
        number: dict[str, int] = {}
        names = [[number.setdefault(value[1], len(number)) for value in values] for values in drawn]
        said = [number.setdefault(offer.said, len(number)) for offer in offers]
        right = stream(self.seed, "item places").integers(0, CANDIDATES, size=len(offers))
        candidates: Ints = np.array(names, dtype=np.int64)
        at = np.arange(len(offers))
        candidates[at, 0], candidates[at, right] = candidates[at, right], candidates[at, 0].copy()
        none = np.full((len(offers), EARLIER), -1, dtype=np.int64)
        bank = TextBank(list(number))
        last: Ints = np.array(said, dtype=np.int64)
        place = np.ones_like(last)
        choices = Choices(bank, last=last, earlier=none, place=place, candidates=candidates, right=right)
        talks = np.array([offer.conversation for offer in offers], dtype=np.int64)
        labels = [(values[0][1],) for values in drawn]
        return Examples(choices, labels, corpus.unit_ids[talks], talks)


def _with_candidates(found: Offers, seed: int) -> tuple[list[Offer], list[tuple[Value, ...]]]:
    """The offers with ten candidates, and these, the offered item first."""
    known: dict[str, list[Value]] = defaultdict(list)
    for value, talks in sorted(found.items.items()):
        if len(talks) >= FEWEST:
            known[value[0]].append(value)
    shares = {kind: np.array([len(found.items[value]) for value in values], float) for kind, values in known.items()}
    offers, drawn = [], []
    for place, offer in enumerate(found.offers):
        right = next((value for value in offer.items if len(found.items[value]) >= FEWEST), None)
        if right is None or len(known[right[0]]) < CANDIDATES:
            continue
        values, share = known[right[0]], shares[right[0]]
        rng = stream(seed, "item candidates", place)
        tried = [values[k] for k in rng.choice(len(values), size=TRIES, p=share / share.sum())]
        wrong = [value for value in dict.fromkeys(tried) if offer.conversation not in found.items[value]]
        if len(wrong) >= CANDIDATES - 1:
            offers.append(offer)
            drawn.append((right, *wrong[: CANDIDATES - 1]))
    return offers, drawn
