"""Choosing a little more of something, and otherwise as before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MOST = 4.0
_RIDGE = 0.01
_CLOSE = 1e-4
_STEPS = 25


class Choices(NamedTuple):
    """Choices that somebody meets, their options end to end: `score` (options,) are log weights, `features` (options,
    k) what each is like; `first` numbers the first option of each choice.
    """

    score: Array
    features: Array
    first: Ints

    def under(self, weights: Array) -> tuple[Array, Array, float]:
        """With `features @ weights` added to the log weights: mean features, their mean spread within a choice
        `(k, k)`, and the mean log sum."""
        size = np.diff(np.r_[self.first, len(self.score)])
        score = self.score + self.features @ weights
        top = np.maximum.reduceat(score, self.first)
        share = np.exp(score - np.repeat(top, size))
        total = np.add.reduceat(share, self.first)
        share = (share / np.repeat(total, size))[:, None]
        mean = np.add.reduceat(share * self.features, self.first, axis=0)
        apart = self.features - np.repeat(mean, size, axis=0)
        return mean.mean(axis=0), (share * apart).T @ apart / len(self.first), float((top + np.log(total)).mean())


def tilt(choices: Choices, shift: Array) -> Array:
    """The weights `(k,)` of features under which their means over all choices move by `shift`, as little else as that
    allows.

    Exponential tilting: one vector of weights for every choice, so that who has no choice says what it would have said
    and who has one makes up for it. Newton's method on the convex dual with a small ridge; at most `MOST` a unit of a
    feature: what hardly varies moves by less.

    >>> even = Choices(np.zeros(2), np.array([[0.0], [1.0]]), np.array([0]))
    >>> more = tilt(even, np.array([0.2]))
    >>> float(np.round(np.exp(more[0]) / (1 + np.exp(more[0])), 2))
    0.69
    """
    weights = np.zeros(choices.features.shape[1])
    if not len(choices.first) or not np.any(shift):
        return weights
    mean, spread, total = choices.under(weights)
    target = mean + shift
    for _ in range(_STEPS):
        slope = mean - target + _RIDGE * weights
        if float(np.abs(slope).max()) < _CLOSE:
            break
        step = np.linalg.solve(spread + _RIDGE * np.eye(len(shift)), slope)
        value, size = total - weights @ target + _RIDGE / 2 * weights @ weights, 1.0
        while size > _CLOSE:
            trial = weights - size * step
            mean, spread, total = choices.under(trial)
            if total - trial @ target + _RIDGE / 2 * trial @ trial <= value - _CLOSE * size * (slope @ step):
                break
            size /= 2
        weights = weights - size * step
    return np.clip(weights, -MOST, MOST)
