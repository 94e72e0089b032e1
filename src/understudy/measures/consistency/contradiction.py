"""Does a line take back an earlier one? What is denied, counted otherwise or filled otherwise, weighed by labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from understudy.measures.consistency.line_judge import Floats
from understudy.measures.consistency.statements import Said, opposed, said

FEATURES = (
    "denied otherwise, of the same", "liked otherwise, of the same", "counted otherwise", "opposite words, of the same",
    "slot filled otherwise", "words in common", "about the speaker", "asks",
)  # fmt: skip
SPEAKING_FOR = 5
# One slot holds one value at a time; of the others people have many.
_SINGLE = ("lives", "age", "works", "favourite")


def features(earlier: Sequence[str], later: Sequence[str]) -> Floats:
    """`(n, len(FEATURES))`, a row a pair.

    >>> features(["I have two dogs."], ["I do not have any dogs."])[0, :3].round(2).tolist()
    [1.0, 0.0, 0.0]
    """
    rows = [_row(said(a), said(b)) for a, b in zip(earlier, later, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))


def _row(one: Said, other: Said) -> tuple[float, ...]:
    shared = one.content & other.content
    smaller = max(min(len(one.content), len(other.content)), 1)
    near = min(1.0, 2.0 * len(shared) / smaller) if shared else 0.0
    own = float(one.about_self and other.about_self)
    counts = dict(one.numbers)
    counted = any(thing in counts and counts[thing] != n for thing, n in other.numbers)
    filled = any(
        slot in _SINGLE and value != held and not set(value.split()) & set(held.split())
        for slot, value in one.slots
        for again, held in other.slots
        if again == slot
    )
    return (
        near * own * float(one.denied != other.denied) * float(not other.asks),
        near * own * float(one.dislikes != other.dislikes),
        float(counted) * own,
        near * float(opposed(one.content - shared, other.content - shared)),
        float(filled) * own,
        len(shared) / smaller,
        own,
        float(other.asks),
    )


def fit_weights(earlier: Sequence[str], later: Sequence[str], taken_back: Floats) -> Floats:
    """Weights, then the intercept: logistic regression on pairs of lines, those that speak for it not below 0."""
    from scipy.optimize import minimize

    x, y = features(earlier, later), taken_back

    def loss(w: Floats) -> tuple[float, Floats]:
        z = x @ w[:-1] + w[-1]
        slope = 1 / (1 + np.exp(-z)) - y
        value = (np.logaddexp(0, z) - y * z).sum() + 0.5 * (w[:-1] @ w[:-1])
        return float(value), np.r_[x.T @ slope + w[:-1], slope.sum()]

    bounds = [(0.0, None)] * SPEAKING_FOR + [(None, None)] * (len(FEATURES) - SPEAKING_FOR + 1)
    found: Floats = minimize(loss, np.zeros(len(FEATURES) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    return found
