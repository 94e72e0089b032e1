"""Can a user be picked out again by style, and as easily as a real user?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure, unscored
from understudy.measures.resampling import Floats, Ints, permutation_p, pool
from understudy.measures.separability.histories import FEWEST_USERS, Design, clipped, exchanged, match_design
from understudy.measures.style import STYLE_FEATURES, speaks, style_matrix
from understudy.measures.variance_components import topic_numbers

HALVINGS = 24

SPEC = MeasureSpec(
    name="separability.identification",
    question="real",
    asks="Is a user found again by style among others, as often as a real user is?",
    unit="difference of top-1 accuracies, synthetic minus real; 0 = as real users",
    range=(-1.0, 1.0),
    better="match",
    source="authorship attribution by nearest centroid, doi:10.1002/asi.21001",
    minimum_units=FEWEST_USERS,
)


class Halves(NamedTuple):
    """Each user's sampled sessions in two halves, over R random halvings: mean `style` (R, U, F) and shares of
    `topics` (R, U, T) of either half; and style summed `by_topic` (U, T, F) on the scale of the two shares."""

    style: tuple[Floats, Floats]
    topics: tuple[Floats, Floats]
    by_topic: Floats


def draw_halves(
    values: Floats, unit: Ints, topic: Ints, users: Ints, sessions: int, rng: np.random.Generator
) -> Halves:
    """`HALVINGS` times: `sessions` random conversations of each of `users`, in two halves."""
    half = sessions // 2
    own = [np.flatnonzero(unit == user) for user in users]
    rows = np.array([[rng.permutation(talks)[:sessions] for talks in own] for _ in range(HALVINGS)])
    style, shown = values[rows], np.eye(int(topic.max()) + 1)[topic][rows]
    return Halves(
        (style[:, :, :half].mean(axis=2), style[:, :, half:].mean(axis=2)),
        (shown[:, :, :half].mean(axis=2), shown[:, :, half:].mean(axis=2)),
        np.einsum("rust,rusf->utf", shown, style) / (HALVINGS * half),
    )


def identify(halves: Halves, users: Ints) -> tuple[Floats, Floats]:
    """How often each of `users` is nearest to, and the mean reciprocal rank of, their own other half.

    Topic means over these users are taken out first; each feature is scaled by how far a user's halves lie apart.
    """
    shown = [part[:, users] for part in halves.topics]
    size = (shown[0] + shown[1]).mean(axis=0).sum(axis=0)
    mean = halves.by_topic[users].sum(axis=0) / np.maximum(size, 1e-9)[:, None]
    first, second = (part[:, users] - topic @ mean for part, topic in zip(halves.style, shown, strict=True))
    noise = np.sqrt(((first - second) ** 2).mean(axis=(0, 1)))
    scale = np.where(noise > 1e-9, 1.0 / np.maximum(noise, 1e-9), 0.0)
    first, second = first * scale, second * scale
    lengths = (first**2).sum(axis=2)[:, :, None] + (second**2).sum(axis=2)[:, None, :]
    far = lengths - 2 * first @ second.transpose(0, 2, 1)
    own = np.einsum("ruu->ru", far)[:, :, None]
    # Users at one distance share the rank, so that identical users are found by chance and not always.
    ahead = (far < own - 1e-9).sum(axis=2)
    level = (np.abs(far - own) <= 1e-9).sum(axis=2)
    hit = np.where(ahead == 0, 1.0 / level, 0.0)
    return hit.mean(axis=0), (1.0 / (ahead + (level + 1) / 2)).mean(axis=0)


def _gap(halves: Halves, real: Ints, synthetic: Ints) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
    """Gaps in accuracy and reciprocal rank, the same over their standard errors, and the hits of each user."""
    found = [identify(halves, users) for users in (real, synthetic)]
    gaps = np.array([found[1][k].mean() - found[0][k].mean() for k in (0, 1)])
    errors = [np.sqrt(sum(side[k].var(ddof=1) / len(side[k]) for side in found) + 1e-6) for k in (0, 1)]
    return gaps, gaps / np.array(errors), (found[0][0], found[1][0])


@measure(SPEC)
def identification(
    real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 199
) -> Measurement:
    """Is a simulated user found again by style among others, as often as a real user is?

    The sessions of each user are halved; the centroid of one half (seven style measures, topic means of the side
    taken out, each scaled by the spread between halves) is matched to the nearest centroid of the other halves.
    Accuracy is the share of users found, over 24 halvings. Both sides give the same number of users (at most 60)
    and of sessions a user (at most 12), so that chance, 1 / users, is the same. Value: synthetic minus real
    accuracy. 0 = as real users; negative: users that cannot be told apart; positive: caricatures. The part
    `reciprocal_rank` is the same for the mean reciprocal rank.

    p: the drawn users permuted between the sides, two-sided, on the gap over its standard error. Interval: the gap
    and what the same permutations leave (`histories.exchanged`). Unscored where no ten users a side have two sessions
    each.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(spread, rng):
    ...     words = [w for u in range(20) for w in rng.poisson(9 + spread * u, 6)]
    ...     return Corpus([Conversation(str(i), (Turn("user", "so " * w),), user_id=f"u{i // 6}")
    ...                    for i, w in enumerate(words)])
    >>> rng = np.random.default_rng(0)
    >>> m = identification(side(20, rng), side(0, rng), rng=rng, permutations=99)
    >>> m.evidence["users"], m.evidence["sessions"], bool(m.value < -0.2), m.p_value
    (20, 6, True, 0.01)

    Source: authorship attribution by nearest centroid, Stamatatos (2009), doi:10.1002/asi.21001.
    """
    pooled = pool(real, synthetic)
    kept = np.concatenate([speaks(real), speaks(synthetic)])
    values = np.concatenate([style_matrix(real), style_matrix(synthetic)])[kept]
    topic, unit = topic_numbers(real, synthetic, pooled)[kept], pooled.unit[kept]
    sizes = np.bincount(unit, minlength=len(pooled.unit_is_synthetic))
    flags = pooled.unit_is_synthetic
    design = match_design(sizes[~flags], sizes[flags])
    if design is None:
        return unscored(SPEC, real, synthetic, f"fewer than {FEWEST_USERS} users a side have two conversations")
    drawn = np.concatenate(
        [
            rng.permutation(np.flatnonzero((flags == side) & (sizes >= design.sessions)))[: design.users]
            for side in (False, True)
        ]
    )
    halves = draw_halves(values, unit, topic, drawn, design.sessions, rng)
    order = np.arange(2 * design.users)
    gaps, observed, hits = _gap(halves, order[: design.users], order[design.users :])
    null = np.empty((permutations, 2))
    for row in range(permutations):
        shuffled = rng.permutation(order)
        null[row] = _gap(halves, shuffled[: design.users], shuffled[design.users :])[1]
    p_values = permutation_p(observed, null, two_sided=True)
    return _measurement(real, synthetic, design, gaps, p_values, hits, null[:, 0])


def _measurement(
    real: Corpus,
    synthetic: Corpus,
    design: Design,
    gaps: Floats,
    p_values: Floats,
    hits: tuple[Floats, Floats],
    null: Floats,
) -> Measurement:
    n = counts(real, synthetic)
    variance = float(sum(side.var(ddof=1) / len(side) for side in hits))
    rank = Measurement(
        name=f"{SPEC.name}.reciprocal_rank",
        value=float(gaps[1]),
        status="scored",
        n=n,
        spec=SPEC,
        p_value=float(p_values[1]),
    )
    return Measurement(
        name=SPEC.name,
        value=float(gaps[0]),
        status="scored",
        n=n,
        spec=SPEC,
        interval=clipped(exchanged(float(gaps[0]), variance, null), SPEC),
        p_value=float(p_values[0]),
        evidence={
            "users": design.users,
            "sessions": design.sessions,
            "real_accuracy": float(hits[0].mean()),
            "synthetic_accuracy": float(hits[1].mean()),
            "chance": 1.0 / design.users,
            "features": list(STYLE_FEATURES),
            "permutations": len(null),
        },
        parts=(rank,),
    )
