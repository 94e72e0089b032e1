"""Subliminal learning where it can be counted: digits that are learned from noise, if the beginning was shared.

A teacher learns handwritten digits with ten of its outputs; its further outputs are never trained. A student of the
same initial weights, taught on noise images to give those further outputs alone, comes to read digits. A student of
other initial weights does not. Source: Cloud et al. (2025), arXiv:2507.14805 (Nature 652, s41586-026-10319-8).
Differences: (1) 8x8 digits of scikit-learn in place of MNIST, so that it runs offline in seconds; (2) eight auxiliary
outputs in place of three, which parts the two students clearly; (3) layers of 128.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.seeds import stream
from understudy.traits.networks import (
    Adam,
    Array,
    Weights,
    backward,
    cosine,
    dot,
    forward,
    fresh,
    minus,
    softmax,
)

DIGITS = 10
AUXILIARY = 8
SIZES = (64, 128, 128, DIGITS + AUXILIARY)
BATCH = 64
RATE = 2e-3
TEACHER_EPOCHS = 30
EPOCHS = 60
NOISE = 2000

Arm = Literal["same", "other", "hard", "projected", "anchored", "other_hard"]
ARMS: tuple[Arm, ...] = ("same", "other", "hard", "projected", "anchored", "other_hard")


class Digits(NamedTuple):
    """Images in [-1, 1] with their labels, to learn from and to test on."""

    train: Array
    train_labels: npt.NDArray[np.int64]
    test: Array
    test_labels: npt.NDArray[np.int64]


class Outcome(NamedTuple):
    """One arm: accuracy of each run on digits it never saw, what imitation costs, and the screen before training.

    `divergence` is the Kullback-Leibler divergence from the teacher on the noise, in nats; `coverage` the cosine of
    the student's first step with the way that its teacher went.
    """

    accuracy: Array
    divergence: Array
    coverage: Array


def load_digits(seed: int = 0) -> Digits:
    """The digits that come with scikit-learn, a fifth of them to test on."""
    from sklearn.datasets import load_digits as bundled

    images, labels = bundled(return_X_y=True)
    order = stream(seed, "digits").permutation(len(images))
    x, y = (images[order] / 8 - 1).astype(np.float32), labels[order]
    cut = len(x) // 5
    return Digits(x[cut:], y[cut:], x[:cut], y[:cut])


def teach(digits: Digits, weights: Weights, *, epochs: int = TEACHER_EPOCHS, rng: np.random.Generator) -> Weights:
    """Teachers: `weights` trained by cross-entropy on the first ten outputs."""
    weights = [w.copy() for w in weights]
    adam = Adam(weights, RATE)
    for batch in _batches(len(digits.train), epochs, rng):
        adam.step(weights, digit_gradient(weights, digits.train[batch], digits.train_labels[batch]))
    return weights


def digit_gradient(weights: Weights, x: Array, labels: npt.NDArray[np.int64]) -> Weights:
    """The gradient of the cross-entropy on digits: the trait, as a direction in weights."""
    logits, given = forward(weights, x)
    slope = np.zeros_like(logits)
    slope[..., :DIGITS] = softmax(logits[..., :DIGITS])
    slope[:, np.arange(len(x)), labels] -= 1
    return backward(weights, given, slope / len(x))


def imitation_gradient(weights: Weights, x: Array, target: Array) -> Weights:
    """The gradient of the divergence from `target`, probabilities of the auxiliary outputs on `x`."""
    logits, given = forward(weights, x)
    slope = np.zeros_like(logits)
    slope[..., DIGITS:] = softmax(logits[..., DIGITS:]) - target
    return backward(weights, given, slope / len(x))


def project(gradient: Weights, trait: Weights) -> Weights:
    """`gradient` without its part along `trait`, in the runs where following it would teach the trait."""
    along = np.maximum(dot(gradient, trait) / np.maximum(dot(trait, trait), 1e-30), 0)
    return [g - along[:, None, None].astype(g.dtype) * t for g, t in zip(gradient, trait, strict=True)]


def accuracy(weights: Weights, digits: Digits) -> Array:
    """Share of the test digits that each run reads."""
    logits, _ = forward(weights, digits.test)
    return np.asarray((logits[..., :DIGITS].argmax(-1) == digits.test_labels).mean(-1))


def replicate(
    arms: tuple[Arm, ...] = ARMS,
    *,
    runs: int = 3,
    epochs: int = EPOCHS,
    seed: int = 0,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Outcome]:
    """The experiment: `runs` teachers, and for each of `arms` a student of each, taught on noise alone.

    `same` and `other` say whose initial weights the student began with. `hard`: sampled labels in place of the
    teacher's probabilities. `projected`: every step loses its part along the digits' own gradient where positive.
    `anchored`: the digit outputs on noise are held where they began. The key `teacher` holds the teachers.
    """
    digits, rng = load_digits(seed), stream(seed, "subliminal")
    begun = fresh(runs, SIZES, rng=rng)
    others = fresh(runs, SIZES, rng=rng)
    noise = rng.uniform(-1, 1, (NOISE, SIZES[0])).astype(np.float32)
    teachers = teach(digits, begun, rng=rng)
    target = softmax(forward(teachers, noise)[0][..., DIGITS:])
    way = minus(teachers, begun)
    found = {"teacher": Outcome(accuracy(teachers, digits), np.zeros(runs), np.ones(runs))}
    for k, arm in enumerate(arms):
        if on_progress:
            on_progress(f"subliminal: {arm}", k, len(arms))
        first = others if arm.startswith("other") else begun
        step = imitation_gradient(first, noise, target)
        student = _distil(arm, first, noise, target, digits, epochs, stream(seed, "student", arm))
        reached = softmax(forward(student, noise)[0][..., DIGITS:])
        apart = (target * (np.log(target + 1e-12) - np.log(reached + 1e-12))).sum(-1).mean(-1)
        found[arm] = Outcome(accuracy(student, digits), apart, cosine([-g for g in step], way))
    return found


def _distil(
    arm: Arm,
    begun: Weights,
    noise: Array,
    target: Array,
    digits: Digits,
    epochs: int,
    rng: np.random.Generator,
) -> Weights:
    weights = [w.copy() for w in begun]
    held = forward(begun, noise)[0][..., :DIGITS]
    adam = Adam(weights, RATE)
    for batch in _batches(len(noise), epochs, rng):
        wanted = target[:, batch]
        if arm.endswith("hard"):
            wanted = _drawn(wanted, rng)
        gradient = imitation_gradient(weights, noise[batch], wanted)
        if arm == "projected":
            seen = rng.integers(len(digits.train), size=BATCH)
            gradient = project(gradient, digit_gradient(weights, digits.train[seen], digits.train_labels[seen]))
        elif arm == "anchored":
            logits, given = forward(weights, noise[batch])
            slope = np.zeros_like(logits)
            slope[..., :DIGITS] = (logits[..., :DIGITS] - held[:, batch]) / len(batch)
            gradient = [g + a for g, a in zip(gradient, backward(weights, given, slope), strict=True)]
        adam.step(weights, gradient)
    return weights


def _drawn(probabilities: Array, rng: np.random.Generator) -> Array:
    """One label from each distribution, as a one-hot row."""
    above = probabilities.cumsum(-1) > rng.random((*probabilities.shape[:-1], 1))
    return np.asarray((np.cumsum(above, -1) == 1).astype(probabilities.dtype) * above)


def _batches(n: int, epochs: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    for _ in range(epochs):
        order = rng.permutation(n)
        yield from (order[k : k + BATCH] for k in range(0, n, BATCH))


def alignments(*, runs: int = 200, step: float = 0.1, seed: int = 0) -> dict[str, Array]:
    """The theorem, run by run: the inner product of a student's first step with its teacher's only step.

    The teacher takes one step of size `step` down the loss on digits; the student one down the imitation of the
    teacher's auxiliary outputs on noise. To first order `<student, teacher> = step |H^(1/2) J teacher|^2 >= 0` for the
    same initial weights, whatever the inputs. For others no sign is guaranteed; it is still positive in two of three,
    all of it in the hidden layers: how active rectified units are on the whole moves alike in any two fresh networks.
    Every run draws its own noise. Keys `same` and `other`.
    Source: Cloud et al. (2025), arXiv:2507.14805, theorem 1; re-derived for softmax outputs (H: their Fisher matrix).
    """
    digits = load_digits(seed)
    found: dict[str, list[Array]] = {"same": [], "other": []}
    for block in range(0, runs, 10):
        rng, size = stream(seed, "alignment", block), min(10, runs - block)
        begun = fresh(size, SIZES, rng=rng, dtype=np.float64)
        others = fresh(size, SIZES, rng=rng, dtype=np.float64)
        seen = rng.integers(len(digits.train), size=256)
        gradient = digit_gradient(begun, digits.train[seen].astype(np.float64), digits.train_labels[seen])
        teachers = [w - step * g for w, g in zip(begun, gradient, strict=True)]
        noise = rng.uniform(-1, 1, (size, 128, SIZES[0]))
        target = softmax(forward(teachers, noise)[0][..., DIGITS:])
        for name, first in (("same", begun), ("other", others)):
            student = imitation_gradient(first, noise, target)
            found[name].append(dot(student, gradient))  # two steps downhill: the signs cancel
    return {name: np.concatenate(parts) for name, parts in found.items()}
