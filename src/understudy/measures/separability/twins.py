"""Do the two halves of a user's history find each other among all halves, topic held constant?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.intervals import share_of_users_interval
from understudy.measures.measurement import Measurement, MeasureSpec, measure
from understudy.measures.resampling import Floats, Ints, permutation_p
from understudy.measures.separability.histories import (
    FEWEST_USERS,
    SHOWN,
    compared,
    distances,
    halvings,
    scaled,
)

SPEC = MeasureSpec(
    name="separability.twins",
    question="real",
    asks="Do two halves of a user's history find each other by their words, as often as a real user's do?",
    unit="difference of top-1 accuracies, synthetic minus real; 0 = as real users",
    range=(-1.0, 1.0),
    better="match",
    source="authorship attribution by nearest centroid, doi:10.1002/asi.21001",
    minimum_units=FEWEST_USERS,
)


class Ranks(NamedTuple):
    """Of each user: how often the own twin is nearest (shared among ties), and the reciprocal of its rank."""

    hit: Floats
    reciprocal: Floats


class Twins(NamedTuple):
    """How often twins find each other: `top1` with a 95 % interval (`share_of_users_interval`), mean reciprocal rank
    `mrr`, what chance gives, and p over permuted twins of either."""

    top1: float
    interval: tuple[float, float]
    mrr: float
    chance: float
    p_top1: float
    p_mrr: float
    hit: Floats


def ranks(far: Floats, truth: Ints | None = None) -> Ranks:
    """Where the own twin stands in each row of a matrix of distances; users at one distance share the rank.

    >>> ranks(np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 1.0], [1.0, 2.0, 3.0]])).hit.tolist()
    [1.0, 0.5, 0.0]
    """
    own = far[np.arange(len(far)), np.arange(len(far)) if truth is None else truth][:, None]
    slack = 1e-9 * (1.0 + np.abs(own))
    ahead = (far < own - slack).sum(axis=1)
    level = (np.abs(far - own) <= slack).sum(axis=1)
    return Ranks(np.where(ahead == 0, 1.0 / level, 0.0), 1.0 / (ahead + (level + 1) / 2))


def _both_ways(far: Floats) -> Ranks:
    """`ranks` of each user, sought among the second halves and among the first."""
    return Ranks(*np.mean([ranks(far), ranks(far.T)], axis=0))


def find_twins(first: Floats, second: Floats, *, rng: np.random.Generator, permutations: int = 999) -> Twins:
    """Do vectors learned from two halves of each user's history find each other? Row k of both is user k's.

    For personas, or for anything else that stands for a user. Every column is scaled by how far twins lie apart;
    nearest is by Euclidean distance, sought in both directions. p: which rows are twins is permuted.

    >>> rng = np.random.default_rng(0)
    >>> who = rng.normal(0, 1, (20, 5))
    >>> found = find_twins(who + rng.normal(0, 0.2, (20, 5)), who + rng.normal(0, 0.2, (20, 5)), rng=rng)
    >>> found.chance, bool(found.top1 > 0.8), found.p_top1
    (0.05, True, 0.001)
    """
    z = scaled(np.stack([first, second], axis=1))
    far = distances(z[:, 0], z[:, 1])
    hit, reciprocal = _both_ways(far)
    null = []
    for _ in range(permutations):
        order = rng.permutation(len(far))
        sides = [ranks(far, order), ranks(far.T, np.argsort(order))]
        null.append([np.mean([side[k].mean() for side in sides]) for k in (0, 1)])
    observed = np.array([hit.mean(), reciprocal.mean()])
    p_values = permutation_p(observed, np.array(null), two_sided=False)
    return Twins(
        float(observed[0]),
        share_of_users_interval(lambda some: _both_ways(some).hit, far),
        float(observed[1]),
        1.0 / len(hit),
        float(p_values[0]),
        float(p_values[1]),
        hit,
    )


def twin_hits(values: Floats) -> Floats:
    """Of each user's history `(U, S, F)`: how often its halves find each other, over halvings and directions."""
    z = scaled(values)
    hits = []
    for first, second in halvings(values.shape[1]):
        far = distances(z[:, first].mean(axis=1), z[:, second].mean(axis=1))
        hits += [ranks(far).hit, ranks(far.T).hit]
    return np.asarray(np.mean(hits, axis=0))


def taken_for(values: Floats) -> list[list[float]]:
    """How often the half of one user (row) is nearest to the other half of another (column); the first users only."""
    z = scaled(values)
    share = np.zeros((len(z), len(z)))
    cuts = halvings(values.shape[1])
    for first, second in cuts:
        far = distances(z[:, first].mean(axis=1), z[:, second].mean(axis=1))
        for square in (far, far.T):
            near = square <= square.min(axis=1, keepdims=True) + 1e-9
            share += near / near.sum(axis=1, keepdims=True) / (2 * len(cuts))
    return [[round(float(x), 3) for x in row[:SHOWN]] for row in share[:SHOWN]]


@measure(SPEC)
def twins(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 199) -> Measurement:
    """Do the two halves of a user's history find each other among all users', topic held constant?

    The sessions of each user are halved; the centroid of one half is matched to the nearest centroid of the others'
    halves, in both directions, over up to eight halvings. Features are the embedded words of the history
    (`embeddings.conversation_embeddings`) and, as the part `style`, the seven style measures; topic means of the side
    are taken out and each feature is scaled by the spread between a user's sessions. Both sides give the same number
    of users (at most 60) and of sessions a user (at most 12), so that chance, 1 / users, is the same.

    Value: synthetic minus real accuracy. p: users permuted between the sides, two-sided, on the gap over its standard
    error. Interval: the gap and what the same exchange leaves (`exchanged`). For each side by itself `evidence` has
    the accuracy, what topic alone would give (`topic_alone`) and its p: conversations change hands within their
    topic, so that users who differ in what they talk about, and not in how, are no different people.
    `evidence["matrices"]` shows who is taken for whom. Unscored where no ten users a side have two sessions each, or
    most conversations stand alone in their topic.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(own, rng):
    ...     pick = lambda u: " ".join(f"w{(u * own + k) % 20}" for k in rng.integers(0, 6, 8))
    ...     return Corpus([Conversation(f"{u}-{s}", (Turn("user", pick(u)),), f"u{u}")
    ...                    for u in range(20) for s in range(4)])
    >>> rng = np.random.default_rng(0)
    >>> m = twins(side(1, rng), side(0, rng), rng=rng, permutations=99)
    >>> m.evidence["users"], bool(m.value < -0.1), m.p_value, m.evidence["real_p_value"]
    (20, True, 0.01, 0.01)

    Source: authorship attribution by nearest centroid, Stamatatos (2009), doi:10.1002/asi.21001. Different from it:
    (1) topic is held constant; (2) the null deals conversations out again within topic.
    """
    return compared(
        SPEC, real, synthetic, twin_hits,
        kinds=("words", "style"), chance=lambda users: 1 / users, rng=rng, permutations=permutations, picture=taken_for,
    )  # fmt: skip
