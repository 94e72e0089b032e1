"""Small networks, many at a time: one array axis holds the runs, so that a hundred cost little more than one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Weights = list[Array]


def fresh(runs: int, sizes: Sequence[int], *, rng: np.random.Generator, dtype: Any = np.float32) -> Weights:
    """Weights of `runs` networks with layers of `sizes`: normal with deviation 1/sqrt(inputs), biases 0.

    >>> [w.shape for w in fresh(3, (4, 5, 2), rng=np.random.default_rng(0))]
    [(3, 4, 5), (3, 1, 5), (3, 5, 2), (3, 1, 2)]
    """
    weights: Weights = []
    for inputs, outputs in pairwise(sizes):
        weights.append((rng.standard_normal((runs, inputs, outputs)) / np.sqrt(inputs)).astype(dtype))
        weights.append(np.zeros((runs, 1, outputs), dtype))
    return weights


def forward(weights: Weights, x: Array) -> tuple[Array, list[Array]]:
    """Outputs of every run on `x`, and what each layer was given. Layers but the last end in a ReLU."""
    given = []
    layers = len(weights) // 2
    for k in range(layers):
        given.append(x)
        x = np.matmul(x, weights[2 * k]) + weights[2 * k + 1]
        if k < layers - 1:
            x = np.maximum(x, 0)
    return x, given


def backward(weights: Weights, given: list[Array], slope: Array) -> Weights:
    """The gradient of a loss whose derivative by the outputs is `slope`."""
    gradient: Weights = [np.empty(0)] * len(weights)
    for k in reversed(range(len(given))):
        inputs = given[k] if given[k].ndim == 3 else given[k][None]
        gradient[2 * k] = np.matmul(inputs.swapaxes(1, 2), slope)
        gradient[2 * k + 1] = slope.sum(1, keepdims=True)
        if k:
            slope = np.matmul(slope, weights[2 * k].swapaxes(1, 2)) * (given[k] > 0)
    return gradient


def softmax(logits: Array) -> Array:
    """Along the last axis."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def dot(first: Weights, second: Weights) -> Array:
    """The inner product of two sets of weights, run by run."""
    parts = [np.einsum("rio,rio->r", a, b, dtype=np.float64) for a, b in zip(first, second, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def minus(first: Weights, second: Weights) -> Weights:
    """The displacement from `second` to `first`."""
    return [a - b for a, b in zip(first, second, strict=True)]


def cosine(first: Weights, second: Weights) -> Array:
    """The cosine of two sets of weights, run by run."""
    return np.asarray(dot(first, second) / np.sqrt(dot(first, first) * dot(second, second)))


class Adam:
    """Adam in place, with the usual decays."""

    def __init__(self, weights: Weights, rate: float) -> None:
        self._first = [np.zeros_like(w) for w in weights]
        self._second = [np.zeros_like(w) for w in weights]
        self._rate, self._steps = rate, 0

    def step(self, weights: Weights, gradient: Weights) -> None:
        """One step down the gradient."""
        self._steps += 1
        rate = self._rate * np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps)
        for w, g, m, v in zip(weights, gradient, self._first, self._second, strict=True):
            m += (g - m) * np.float32(0.1)
            v += (g * g - v) * np.float32(0.001)
            w -= np.asarray(rate, w.dtype) * m / (np.sqrt(v) + np.asarray(1e-8, w.dtype))
