"""What a study is given: corpora by name, a seed, and somebody to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.splitting import split_corpus
from understudy.seeds import derive_seed, stream

Progress = Callable[[str, int, int], None]
MOST = 1200  # conversations of a corpus; what a verdict needs, and no more


class Named(NamedTuple):
    """A corpus and what it is called; of people, with the synthetic corpora that are to be held against them."""

    name: str
    corpus: Corpus
    synthetic: tuple[Named, ...] = ()


class Evidence(NamedTuple):
    """What people said, each corpus with its synthetic counterparts."""

    real: tuple[Named, ...]
    seed: int = 0
    on_progress: Progress | None = None

    def halves(self, corpus: Corpus, *words: str, share: float = 0.5) -> tuple[Corpus, Corpus]:
        """A part to fit on and one to judge by: other users, at most `MOST` conversations together.

        The same for the same words, so that what one study learned of a part need not be learned again.
        """

        def made(whole: Corpus) -> tuple[Corpus, Corpus]:
            first, second = split_corpus(self.fewer(whole), (share, 1 - share), seed=derive_seed(self.seed, *words))
            return first, second

        return corpus.memo(("claims.halves", self.seed, share, *words), made)

    def fewer(self, corpus: Corpus, most: int = MOST) -> Corpus:
        """At most `most` conversations: whole users at random, as many as fit."""
        if len(corpus) <= most:
            return corpus
        names, member = np.unique(corpus.unit_ids, return_inverse=True)
        place = stream(self.seed, "claims", corpus.digest).permutation(len(names))[member]
        order = np.argsort(place, kind="stable")
        kept = order[: int(np.searchsorted(place[order], place[order[most]], side="left"))]
        return corpus.subset(np.sort(kept if len(kept) else order[:most]))

    def tell(self, stage: str, done: int, total: int) -> None:
        """Say how far the study is."""
        if self.on_progress is not None:
            self.on_progress(stage, done, total)
