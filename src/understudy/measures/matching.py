"""Is the topic mix the same on both sides? Compare matched, or say that it was not."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus

FEWEST_SHARED = 0.5


class TopicMatch(NamedTuple):
    """Both corpora as they go into the measures, whether their topic mixes agree, and a sentence that says so."""

    real: Corpus
    synthetic: Corpus
    matched: bool
    statement: str


def topic_distance(real: Corpus, synthetic: Corpus) -> float | None:
    """Total variation between the topic mixes, 0 (same) to 1 (no shared topic); None where a side names no topics.

    >>> from understudy.conversations import Conversation
    >>> a = Corpus([Conversation("1", (), topic="x"), Conversation("2", (), topic="y")])
    >>> topic_distance(a, Corpus([Conversation("3", (), topic="x")]))
    0.5
    """
    sides = [Counter(t for t in corpus.topics if t is not None) for corpus in (real, synthetic)]
    totals = [sum(side.values()) for side in sides]
    if not all(totals):
        return None
    every = set(sides[0]) | set(sides[1])
    return sum(abs(sides[0][t] / totals[0] - sides[1][t] / totals[1]) for t in every) / 2


def describe_topics(real: Corpus, synthetic: Corpus) -> TopicMatch:
    """Leave both sides as they are and say how far their topic mixes stand apart."""
    distance = topic_distance(real, synthetic)
    if distance is None:
        statement = "Topic was not controlled: at least one side names no topics."
        return TopicMatch(real, synthetic, False, statement)
    single = len(set(real.topics) | set(synthetic.topics)) == 1
    if single:
        return TopicMatch(real, synthetic, True, "Both sides are on the one same topic.")
    statement = (
        f"Topic was not controlled: the topic mixes differ by a total variation of {distance:.2f} "
        "(0 = same mix, 1 = no topic shared)."
    )
    return TopicMatch(real, synthetic, distance == 0.0, statement)


def match_topics(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator) -> TopicMatch:
    """Subsample both sides to the largest common topic mix.

    The common mix gives topic t the weight `min(real share, synthetic share)`, rescaled; each side keeps as many
    conversations as that mix allows, drawn at random within topics. Left as they are, with the reason, where a
    side names no topics or less than half of either side lies in shared topics.
    """
    distance = topic_distance(real, synthetic)
    if distance is None:
        return describe_topics(real, synthetic)
    if 1.0 - distance < FEWEST_SHARED:
        plain = describe_topics(real, synthetic)
        return plain._replace(statement=plain.statement + " Too little is shared to match on topic.")
    kept = []
    shares = [Counter(corpus.topics) for corpus in (real, synthetic)]
    weight = {
        t: min(shares[0][t] / len(real), shares[1][t] / len(synthetic))
        for t in shares[0]
        if t is not None and t in shares[1]
    }
    total = sum(weight.values())
    for corpus, share in zip((real, synthetic), shares, strict=True):
        size = min(share[t] * total / w for t, w in weight.items() if w > 0)
        topics = np.array([t if t is not None else "" for t in corpus.topics])
        rows = [rng.permutation(np.flatnonzero(topics == t))[: int(size * w / total + 1e-9)] for t, w in weight.items()]
        kept.append(corpus.subset(np.sort(np.concatenate(rows))))
    statement = (
        f"Matched on topic: both sides follow the same mix of {len(weight)} topics "
        f"({len(kept[0])} of {len(real)} real and {len(kept[1])} of {len(synthetic)} synthetic conversations kept)."
    )
    return TopicMatch(kept[0], kept[1], True, statement)
