"""The text learner that the labelled tasks share: hashed words and word pairs, TF-IDF, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.transfer.task import Floats, Ints, Labels
from understudy.transfer.tasks.texts import Sparse, Texts, Vocabulary

STRENGTH = 10.0  # inverse regularisation: the larger, the more a single word may say
# Few steps, and few of them remembered: with a million weights, remembering costs more than the loss itself.
SOLVER = {"maxiter": 20, "maxcor": 4, "ftol": 1e-6}
WEIGHTS = 500_000  # a field; with hundreds of classes the rarest words are left out, so that a fit stays seconds
COMMON = 2  # a column has to be in this many training examples, where there are enough of them


class LinearTextModel:
    """How likely each class is for a text: linear in its words, or constant where nothing was learnt.

    `classes` are sorted. Where every training example had one label (`exclusive`) the classes share a softmax, else
    each is a logistic regression of its own and its score its log-odds.
    """

    def __init__(
        self,
        classes: tuple[str, ...],
        bias: Floats,
        *,
        exclusive: bool,
        weights: Sequence[Floats] = (),
        words: Sequence[Vocabulary] = (),
    ) -> None:
        self.classes, self.bias, self.exclusive = classes, bias, exclusive
        self.weights, self.words = tuple(weights), tuple(words)

    def scores(self, inputs: Any) -> Floats:
        """`(n, classes)`: the higher, the likelier."""
        column = Texts.from_inputs(inputs)
        total = np.tile(self.bias, (len(column), 1))
        if self.weights and len(column):
            for vocabulary, counts, weights in zip(self.words, column.counts(), self.weights, strict=True):
                total += vocabulary.weigh(counts) @ weights
        return total

    def chosen(self, inputs: Any) -> npt.NDArray[np.bool_]:
        """`(n, classes)`: the likeliest class; where classes go together, those with even odds or better if any."""
        scores = self.scores(inputs)
        best = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
        taken = scores >= 0.0
        return best if self.exclusive else np.where(taken.any(axis=1, keepdims=True), taken, best)


def prior_model(labels: Sequence[Labels]) -> LinearTextModel:
    """How often each class occurs, whatever the text says.

    >>> prior_model([("a",), ("a",), ("b",)]).scores(["anything"]).argmax()
    np.int64(0)
    """
    classes, indicator = class_indicator(labels)
    share = (indicator.sum(axis=0) + 0.5) / (len(labels) + 1.0)
    return LinearTextModel(classes, np.log(share / (1.0 - share)), exclusive=_exclusive(indicator))


def fit_linear(inputs: Any, labels: Sequence[Labels], *, strength: float = STRENGTH) -> LinearTextModel:
    """TF-IDF of words and word pairs (`Vocabulary`) and L2-penalised logistic regression by L-BFGS.

    Deterministic: convex, from the classes' shares and no words, at most 20 steps. A second for thousands of
    examples.

    >>> model = fit_linear(["good film", "bad film", "good one", "bad one"], [("+",), ("-",), ("+",), ("-",)])
    >>> [model.classes[k] for k in model.scores(["a good play", "a bad play"]).argmax(axis=1)]
    ['+', '-']
    """
    classes, indicator = class_indicator(labels)
    column = Texts.from_inputs(inputs)
    words, blocks = [], []
    for counts in column.counts():
        vocabulary = Vocabulary(counts, fewest=COMMON if len(column) >= 50 else 1, most=WEIGHTS // max(len(classes), 1))
        words.append(vocabulary)
        blocks.append(vocabulary.weigh(counts))
    if len(classes) < 2 or not any(len(vocabulary.kept) for vocabulary in words):
        return prior_model(labels)
    from scipy import sparse

    features = sparse.hstack(blocks, format="csr")
    exclusive = _exclusive(indicator)
    weights, bias = _logistic(features, indicator, strength, exclusive=exclusive)
    ends = np.cumsum([len(vocabulary.kept) for vocabulary in words])[:-1]
    return LinearTextModel(classes, bias, exclusive=exclusive, weights=np.split(weights, ends), words=words)


def _exclusive(indicator: Floats) -> bool:
    return bool((indicator.sum(axis=1) == 1.0).all())


def class_indicator(labels: Sequence[Labels], classes: Sequence[str] | None = None) -> tuple[tuple[str, ...], Floats]:
    """The sorted classes and `(n, classes)` of 0 and 1; labels outside given `classes` are left out.

    >>> class_indicator([("b",), ("a", "b")])
    (('a', 'b'), array([[0., 1.], [1., 1.]]))
    """
    known = tuple(sorted({name for names in labels for name in names})) if classes is None else tuple(classes)
    number = {name: k for k, name in enumerate(known)}
    indicator = np.zeros((len(labels), len(known)))
    for row, names in enumerate(labels):
        for name in names:
            if name in number:
                indicator[row, number[name]] = 1.0
    return known, indicator


def _logistic(x: Sparse, y: Floats, strength: float, *, exclusive: bool) -> tuple[Floats, Floats]:
    """Weights `(d, K)` and bias of all classes together: one sparse product serves every class."""
    from scipy.optimize import minimize
    from scipy.special import expit, log_softmax, logsumexp

    n, d = x.shape
    k = y.shape[1]
    # Measured in the prior's own spread, weights are steep enough to be found in few steps.
    spread = float(np.sqrt(strength))
    # Products in single precision, sums in double: half the time, and the same steps.
    x = (x * spread).astype(np.float32)
    transposed = x.T.tocsr()
    right = y.astype(np.float32)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat[: d * k]
        z = x @ weights.astype(np.float32).reshape(d, k) + flat[d * k :].astype(np.float32)
        if exclusive:
            value = -(right * log_softmax(z, axis=1)).sum(dtype=np.float64)
            slope = np.exp(z - logsumexp(z, axis=1, keepdims=True)) - right
        else:
            value = (np.logaddexp(np.float32(0.0), z) - right * z).sum(dtype=np.float64)
            slope = expit(z) - right
        gradient = np.empty_like(flat)
        np.add((transposed @ slope).ravel(), weights, out=gradient[: d * k])
        gradient[d * k :] = slope.sum(axis=0, dtype=np.float64)
        gradient /= n
        return (float(value) + 0.5 * float(weights @ weights)) / n, gradient

    # From the classes' shares a score of steps is enough; from nothing, hundreds.
    share = (y.sum(axis=0) + 0.5) / (n + 1.0)
    start = np.concatenate([np.zeros(d * k), np.log(share / (1.0 - share))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=SOLVER)
    return found.x[: d * k].reshape(d, k) * spread, found.x[d * k :]


def f1_of_each(model: LinearTextModel, inputs: Any, labels: Sequence[Labels]) -> Floats:
    """F1 of the chosen classes of each example; 1 or 0 where both have one class, so that the mean is accuracy.

    A right class that the model never met counts as missed.
    """
    chosen = model.chosen(inputs)
    _, right = class_indicator(labels, model.classes)
    wanted = np.array([len(names) for names in labels], dtype=np.float64)
    score: Floats = 2.0 * (chosen * right).sum(axis=1) / np.maximum(chosen.sum(axis=1) + wanted, 1.0)
    return score


def average_precision_of_each(model: LinearTextModel, inputs: Any, labels: Sequence[Labels]) -> Floats:
    """Average precision of each example's ranking of classes: the mean over right classes of (right ones down to
    here) / rank. Right classes that the model never met come behind all others; ties go to the first name.

    >>> model = prior_model([("a",), ("a",), ("b",), ("c",), ("c",), ("c",)])
    >>> average_precision_of_each(model, ["", ""], [("c",), ("a", "b")]).round(3).tolist()
    [1.0, 0.583]
    """
    scores = model.scores(inputs)
    _, right = class_indicator(labels, model.classes)
    order: Ints = np.argsort(-scores, axis=1, kind="stable")
    hit = np.take_along_axis(right, order, axis=1)
    rank = np.arange(1, hit.shape[1] + 1)
    total = (hit * np.cumsum(hit, axis=1) / rank).sum(axis=1)
    known = hit.sum(axis=1)
    out: Floats = np.empty(len(labels))
    for row, names in enumerate(labels):
        unknown = np.arange(1, len(names) - int(known[row]) + 1)
        extra = ((known[row] + unknown) / (len(model.classes) + unknown)).sum()
        out[row] = (total[row] + extra) / max(len(names), 1)
    return out
