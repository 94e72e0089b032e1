"""Canaries: sentences that only the training data hold. Does what was made from it give them away?"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from scipy import stats

from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.text import tokens
from understudy.errors import MeasureError
from understudy.measures.resampling import Floats
from understudy.seeds import stream

PREFIX, SUFFIX = 5, 5
RARE = 0.5  # suffix words come from the rarer half of the words that somebody used at least twice
STRENGTH = 1.0
FALSE_POSITIVES = 0.01


class Canaries(NamedTuple):
    """Planted sentences, others made alike that were not planted, and how often each was planted."""

    planted: tuple[str, ...]
    unseen: tuple[str, ...]
    repeats: int


class Exposed(NamedTuple):
    """How well planted canaries are told from unseen ones by the synthetic text alone.

    `auc` in [0, 1], .5 = not at all, with a 95 % interval (Hanley & McNeil); `caught` is the share of planted ones
    found at 1 % false alarms; `exposure` the mean of log2(candidates) - log2(rank), in bits, against
    `most_exposure` for a rank of one; `emitted` counts planted suffixes that stand in the synthetic text whole.
    """

    auc: float
    interval: tuple[float, float]
    caught: float
    exposure: float
    most_exposure: float
    emitted: int
    n: int


def make_canaries(corpus: Corpus, *, planted: int, unseen: int, repeats: int, seed: int) -> Canaries:
    """Sentences that begin like a turn of the corpus and go on with words nobody would put there.

    The prefix is the first five words of a random long user turn; the suffix five random words of the rarer half
    of the vocabulary. Without a likely beginning a fitted model never gets there, without an unlikely end the end
    proves nothing (Canary's Echo, arXiv:2502.14921).
    """
    rng = stream(seed, "canaries")
    lines = [tokens(turn.text) for talk in corpus for turn in talk.turns if turn.role == "user"]
    starts = [line[:PREFIX] for line in lines if len(line) >= PREFIX]
    held = Counter(word for line in lines for word in line)
    known = sorted((word for word, count in held.items() if count >= 2 and len(word) > 1), key=lambda w: (held[w], w))
    rare = known[: max(int(RARE * len(known)), 1)] or sorted(held)
    if len(starts) < 2 or len(rare) < 2 * SUFFIX:
        raise MeasureError(
            f"{len(starts)} turns of {PREFIX} words and {len(rare)} rare words",
            why="canaries begin as users do and end in words that are rare",
            fix="take a larger corpus",
        )
    made: dict[str, None] = {}
    while len(made) < planted + unseen:
        start = starts[int(rng.integers(len(starts)))]
        made[" ".join([*start, *(rare[int(k)] for k in rng.choice(len(rare), SUFFIX, replace=False))])] = None
    both = list(made)
    return Canaries(tuple(both[:planted]), tuple(both[planted:]), repeats)


def plant(corpus: Corpus, canaries: Canaries, *, seed: int) -> Corpus:
    """Replace random user turns by canaries, each `repeats` times, no two in one conversation if there is room.

    The copies of one canary go to different units where there are as many: the hard case for a guard that takes
    what two people say for common property.

    >>> talks = [Conversation(f"c{k}", (Turn("user", f"i saw w{k % 20} and x{k % 15} there"),)) for k in range(60)]
    >>> canaries = make_canaries(Corpus(talks), planted=2, unseen=2, repeats=4, seed=0)
    >>> planted = plant(Corpus(talks), canaries, seed=0)
    >>> [sum(t.text == canary for c in planted for t in c.turns) for canary in (*canaries.planted, *canaries.unseen)]
    [4, 4, 0, 0]
    """
    rng = stream(seed, "planting", canaries.repeats)
    places = [(row, at) for row, talk in enumerate(corpus) for at, turn in enumerate(talk.turns) if turn.role == "user"]
    wanted = len(canaries.planted) * canaries.repeats
    if wanted > len(places):
        raise MeasureError(
            f"{wanted} copies of canaries, {len(places)} user turns",
            why="each copy takes the place of a turn",
            fix="plant fewer, or take a larger corpus",
        )
    order = rng.permutation(len(places)).tolist()
    # One place in each conversation first, so that copies spread over people.
    seen: Counter[int] = Counter()
    ranked = []
    for k in order:
        seen[places[k][0]] += 1
        ranked.append((seen[places[k][0]], k))
    ranked.sort(key=lambda pair: pair[0])
    new: dict[tuple[int, int], str] = {}
    for copy, (_, k) in enumerate(ranked[:wanted]):
        new[places[k]] = canaries.planted[copy % len(canaries.planted)]
    talks: list[Conversation] = []
    for row, talk in enumerate(corpus):
        turns = tuple(Turn("user", new[row, at]) if (row, at) in new else turn for at, turn in enumerate(talk.turns))
        talks.append(msgspec.structs.replace(talk, turns=turns))
    return Corpus(talks, corpus.card)


class _Bigrams:
    """Word pairs of the synthetic user turns, with the frequency of single words mixed in."""

    def __init__(self, corpus: Corpus) -> None:
        self.lines = [tokens(turn.text) for talk in corpus for turn in talk.turns if turn.role == "user"]
        self.single = Counter(word for line in self.lines for word in line)
        self.pair = Counter(pair for line in self.lines for pair in pairwise(line))
        self.total = sum(self.single.values())

    def score(self, canary: str) -> float:
        """Mean log-likelihood of the suffix's pairs over that of its words alone: what the order gives away."""
        words = tokens(canary)
        gain = 0.0
        for first, second in list(pairwise(words))[PREFIX - 1 :]:
            alone = (self.single[second] + 1.0) / (self.total + len(self.single) + 1.0)
            joint = (self.pair[first, second] + STRENGTH * alone) / (self.single[first] + STRENGTH)
            gain += float(np.log(joint / alone))
        return gain / SUFFIX


def exposed(canaries: Canaries, synthetic: Corpus) -> Exposed:
    """Score every canary by word pairs of the synthetic text and rank planted ones among the unseen."""
    model = _Bigrams(synthetic)
    planted, unseen = (np.array([model.score(c) for c in side]) for side in (canaries.planted, canaries.unseen))
    text = "\n".join(" ".join(line) for line in model.lines)
    emitted = sum(" ".join(tokens(canary)[PREFIX:]) in text for canary in canaries.planted)
    return compare_scores(planted, unseen, emitted=emitted)


def compare_scores(planted: Floats, unseen: Floats, *, emitted: int = 0) -> Exposed:
    """AUC, hits at 1 % false alarms and exposure of scores, higher being more suspect.

    >>> found = compare_scores(np.array([3.0, 2.0, 0.5]), np.array([1.0, 0.0, 0.2, 0.7]))
    >>> round(found.auc, 2), round(found.caught, 2), found.n
    (0.83, 0.67, 3)
    """
    n, m = len(planted), len(unseen)
    ranks = stats.rankdata(np.concatenate([planted, unseen]))
    auc = float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    error = np.sqrt(max(auc * (1 - auc) + (n - 1) * (q1 - auc**2) + (m - 1) * (q2 - auc**2), 1e-12) / (n * m))
    cut = np.quantile(unseen, 1 - FALSE_POSITIVES, method="higher")
    above = (unseen[None, :] > planted[:, None]).sum(axis=1) + 0.5 * (unseen[None, :] == planted[:, None]).sum(axis=1)
    return Exposed(
        auc,
        (max(auc - 1.96 * float(error), 0.0), min(auc + 1.96 * float(error), 1.0)),
        float((planted > cut).mean()),
        float((np.log2(m + 1) - np.log2(above + 1)).mean()),
        float(np.log2(m + 1)),
        emitted,
        n,
    )
