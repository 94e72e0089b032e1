"""Do the conversations of a user lie nearer to each other than to those of the next user?"""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure
from understudy.measures.resampling import Floats
from understudy.measures.separability.histories import FEWEST_USERS, compared, distances, scaled

SPEC = MeasureSpec(
    name="separability.silhouette",
    question="real",
    asks="Do the conversations of a user lie together, apart from others', as much as a real user's do?",
    unit="difference of mean silhouettes, synthetic minus real; 0 = as real users",
    range=(-2.0, 2.0),
    better="match",
    source="silhouette, doi:10.1016/0377-0427(87)90125-7",
    minimum_units=FEWEST_USERS,
)


def silhouettes(values: Floats) -> Floats:
    """Of each user's history `(U, S, F)`: the mean silhouette of its S members.

    On squared distances, for which the mean distance to a group is that to its centre plus its spread.

    >>> apart = np.array([[[0.0], [0.1]], [[5.0], [5.1]], [[9.0], [9.1]]])
    >>> silhouettes(apart).round(2).tolist()
    [1.0, 1.0, 1.0]
    """
    z = scaled(values)
    users, sessions, features = z.shape
    centre = z.mean(axis=1)
    spread = ((z - centre[:, None]) ** 2).sum(axis=2).mean(axis=1)
    far = distances(z.reshape(-1, features), centre) + spread[None, :]
    owner = np.repeat(np.arange(users), sessions)
    rows = np.arange(len(owner))
    own = far[rows, owner] * sessions / (sessions - 1)
    far[rows, owner] = np.inf
    nearest = far.min(axis=1)
    top = np.maximum(own, nearest)
    found = np.where(top > 1e-12, (nearest - own) / np.maximum(top, 1e-12), 0.0)
    return np.asarray(found.reshape(users, sessions).mean(axis=1))


@measure(SPEC)
def silhouette(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 199) -> Measurement:
    """Do the conversations of a user lie together, apart from the next user's, topic held constant?

    Of each conversation, with a the mean squared distance to the others of its user and b that to the conversations
    of the nearest other user, the silhouette is `(b - a) / max(a, b)`, in [-1, 1]; the score of a user is the mean.
    Features, topic, equal numbers a side, interval, p and the part `words` are as in `prediction`.

    Among many users somebody is near by chance, so that a mean silhouette below 0 is usual even of real people: read
    it against `topic_alone`, what conversations dealt out at random within topic give, and its p.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(spread, rng):
    ...     words = [w for u in range(20) for w in rng.poisson(9 + spread * u, 4)]
    ...     return Corpus([Conversation(str(i), (Turn("user", "so " * w),), user_id=f"u{i // 4}")
    ...                    for i, w in enumerate(words)])
    >>> rng = np.random.default_rng(0)
    >>> m = silhouette(side(20, rng), side(0, rng), rng=rng, permutations=99)
    >>> bool(m.value < -0.1), m.p_value, m.evidence["real_p_value"], bool(m.evidence["synthetic_p_value"] > 0.05)
    (True, 0.01, 0.01, True)

    Source: Rousseeuw (1987), doi:10.1016/0377-0427(87)90125-7. Different from it: squared distances.
    """
    return compared(
        SPEC, real, synthetic, silhouettes,
        kinds=("style", "words"), rng=rng, permutations=permutations,
    )  # fmt: skip
