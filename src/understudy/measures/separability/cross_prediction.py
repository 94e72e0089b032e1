"""Does what is known of a user predict that user better than anybody else's persona does?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.intervals import share_of_users_interval
from understudy.measures.measurement import Measurement, MeasureSpec, measure
from understudy.measures.resampling import Floats, permutation_p
from understudy.measures.separability.histories import (
    FEWEST_USERS,
    SHOWN,
    compared,
    distances,
    halvings,
    scaled,
)

SPEC = MeasureSpec(
    name="separability.prediction",
    question="real",
    asks="Does a user's own history predict the user better than others' do, as much as among real users?",
    unit="difference of shares of others outdone, synthetic minus real; 0 = as real users",
    range=(-1.0, 1.0),
    better="match",
    source="cross-prediction of persona-conditioned models, after arXiv:2506.06254",
    minimum_units=FEWEST_USERS,
)


class Dominance(NamedTuple):
    """Of a matrix of losses: `share` of others' predictions that the own one outdoes (.5 by chance) with a 95 %
    interval (`share_of_users_interval`); `advantage`, the mean loss of others' minus that of the own; p over permuted
    owners."""

    share: float
    interval: tuple[float, float]
    advantage: float
    p_value: float


def outdone(loss: Floats) -> Floats:
    """Of each column, the user predicted: share of other rows, the predictors, whose loss is higher; ties half."""
    own = np.diagonal(loss)[None, :]
    slack = 1e-9 * (1.0 + np.abs(own))
    worse = (loss > own + slack).sum(axis=0) + 0.5 * ((np.abs(loss - own) <= slack).sum(axis=0) - 1)
    return np.asarray(worse / (len(loss) - 1))


def dominance(loss: Floats, *, rng: np.random.Generator, permutations: int = 999) -> Dominance:
    """Is the diagonal of `loss[i, j]`, of predicting user j by the persona of user i, the best of its column?

    >>> rng = np.random.default_rng(0)
    >>> own = dominance(1 + rng.random((12, 12)) - np.eye(12), rng=rng, permutations=99)
    >>> own.share, own.p_value, bool(own.advantage > 0.5)
    (1.0, 0.01, True)
    """
    users = len(loss)
    null = []
    for _ in range(permutations):
        order = rng.permutation(users)
        null.append([outdone(loss[order]).mean()])
    value = float(outdone(loss).mean())
    p_value = permutation_p(np.array([value]), np.array(null), two_sided=False)
    others = (loss.sum(axis=0) - np.diagonal(loss)) / (users - 1)
    interval = share_of_users_interval(outdone, loss)
    return Dominance(value, interval, float((others - np.diagonal(loss)).mean()), float(p_value[0]))


def _losses(values: Floats) -> Floats:
    """`(U, U)`: squared error, feature by feature and on average, of one user's half told by another's."""
    z = scaled(values)
    cuts = halvings(values.shape[1])
    loss = np.zeros((len(z), len(z)))
    for first, second in cuts:
        far = distances(z[:, first].mean(axis=1), z[:, second].mean(axis=1))
        loss += (far + far.T) / (2 * len(cuts) * z.shape[2])
    return loss


def own_share(values: Floats) -> Floats:
    """Of each user's history `(U, S, F)`: the share of others that tell its held-out half worse than its own does."""
    return outdone(_losses(values))


def picture(values: Floats) -> list[list[float]]:
    """Shares, by row the predictor and by column the predicted, of predictors that one outdoes: 1 is the best."""
    loss = _losses(values)
    rank = (loss[:, None, :] < loss[None, :, :] - 1e-9).sum(axis=1) / (len(loss) - 1)
    return [[round(float(x), 3) for x in row[:SHOWN]] for row in rank[:SHOWN]]


@measure(SPEC)
def prediction(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 199) -> Measurement:
    """Does a user's own history predict the user better than others' histories do, topic held constant?

    One half of each user's sessions is a persona: its mean style (topic means of the side taken out, each feature
    scaled by the spread between a user's sessions). The loss of persona i on user j is the squared error about j's
    other half; the score of j is the share of other personas with a higher loss than j's own, ties half: .5 by
    chance, 1 where the diagonal of the matrix dominates. Averaged over up to eight halvings and both directions.

    Value: synthetic minus real. Interval, p, topic alone and the equal numbers a side are as in `twins`, and so is the
    part `words`. `evidence["matrices"]` has the matrix of the first users.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(spread, rng):
    ...     words = [w for u in range(20) for w in rng.poisson(9 + spread * u, 4)]
    ...     return Corpus([Conversation(str(i), (Turn("user", "so " * w),), user_id=f"u{i // 4}")
    ...                    for i, w in enumerate(words)])
    >>> rng = np.random.default_rng(0)
    >>> m = prediction(side(9, rng), side(0, rng), rng=rng, permutations=99)
    >>> bool(m.evidence["real"] > 0.9), bool(abs(m.evidence["synthetic"] - 0.5) < 0.2), m.p_value
    (True, True, 0.01)

    Source: personas that predict each other's users, after the clusters of arXiv:2506.06254, which it shows without a
    number; here (1) with a null, (2) on held-out sessions, (3) topic held constant.
    """
    return compared(
        SPEC, real, synthetic, own_share,
        kinds=("style", "words"), chance=lambda _: 0.5, rng=rng, permutations=permutations, picture=picture,
    )  # fmt: skip
