"""Turn latents: labels for what a turn does, how they follow one another, and when people leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from understudy.conversations.text import tokens
from understudy.users.material import Floats, Ints

_MOST_LABELS = 40
_POSITIONS = 4
NONE = -1


def form_features(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Length, marks and digits of each text: what a turn looks like, in any language."""
    rows = np.zeros((len(texts), 5))
    for k, text in enumerate(texts):
        n = len(text)
        rows[k] = (
            np.log1p(n),
            "?" in text or "？" in text,
            "!" in text or "！" in text,
            any(c.isdigit() for c in text),
            len(tokens(text[:200])) <= 3,
        )
    return rows


def label_turns(
    texts: Sequence[str], acts: Sequence[tuple[str, ...]], own: Floats, *, seed: int
) -> tuple[list[str], Ints, bool]:
    """A label for each turn: the corpus's own acts where most turns have them, else clusters of words and form.

    Returns the names, a label a turn, and whether they came from acts. Turns that lack acts, and combinations
    rarer than the `_MOST_LABELS` commonest, take the label of the nearest centroid.
    """
    if not texts:
        return ["turn-0"], np.zeros(0, dtype=np.int64), False
    joined = ["+".join(sorted(set(a))) for a in acts]
    named = [name for name in joined if name]
    if 2 * len(named) > len(texts):
        common = Counter(named).most_common(_MOST_LABELS)
        names = [name for name, _ in sorted(common, key=lambda pair: (-pair[1], pair[0]))]
        number = {name: k for k, name in enumerate(names)}
        label = np.array([number.get(name, NONE) for name in joined], dtype=np.int64)
        centroids = np.stack([own[label == k].mean(axis=0) for k in range(len(names))])
        missing = label == NONE
        label[missing] = np.argmax(own[missing] @ centroids.T, axis=1)
        return names, label, True
    from sklearn.cluster import MiniBatchKMeans

    form = form_features(texts)
    spread = form.std(axis=0)
    space = np.hstack([own, 0.5 * (form - form.mean(axis=0)) / np.where(spread > 0, spread, 1)]).astype(np.float32)
    wanted = int(np.clip(np.sqrt(len(texts) / 20), 2, 32))
    wanted = min(wanted, len(np.unique(space, axis=0)))
    model = MiniBatchKMeans(wanted, n_init=2, batch_size=2048, max_iter=50, random_state=seed % 2**32)
    label = model.fit_predict(space).astype(np.int64)
    return [f"turn-{k}" for k in range(wanted)], label, False


class IntentModel:
    """pi(intent | previous intent, partner's act, position), smoothed by backing off, one condition at a time.

    Positions are quarters of the way. Each level is shrunk to the one below by `strength` pseudo-counts.
    """

    strength = 4.0

    def __init__(self, intent: Ints, previous: Ints, act: Ints, quarter: Ints, *, intents: int, acts: int) -> None:
        self.intents, self.acts = intents, acts
        p, a = previous + 1, act + 1  # NONE becomes 0
        base = np.bincount(intent, minlength=intents) + 0.5
        by_quarter = self._level(base / base.sum(), quarter, intent, _POSITIONS)
        by_act = self._level(by_quarter, a * _POSITIONS + quarter, intent, (acts + 1) * _POSITIONS)
        self._by_act = by_act
        cell = (p * (acts + 1) + a) * _POSITIONS + quarter
        keys, at = np.unique(cell * intents + intent, return_inverse=True)
        self._keys, self._n = keys, np.bincount(at).astype(float)
        self._cells, where = np.unique(cell, return_inverse=True)
        self._total = np.bincount(where).astype(float)

    def _level(self, lower: npt.NDArray[np.float64], cell: Ints, intent: Ints, cells: int) -> npt.NDArray[np.float64]:
        counts = np.bincount(cell * self.intents + intent, minlength=cells * self.intents).reshape(cells, -1)
        if lower.ndim == 2:
            lower = np.tile(lower, (cells // len(lower), 1))
        total = counts.sum(axis=1, keepdims=True)
        return np.asarray((counts + self.strength * lower) / (total + self.strength))

    def log_probabilities(self, previous: int, act: int, way: float) -> npt.NDArray[np.float64]:
        """log pi over all intents; `way` in 0..1 is how far through the conversation the speaker is."""
        quarter = quarter_of(way)
        lower = self._by_act[(act + 1) * _POSITIONS + quarter]
        cell = ((previous + 1) * (self.acts + 1) + act + 1) * _POSITIONS + quarter
        at = int(np.searchsorted(self._cells, cell))
        total = self._total[at] if at < len(self._cells) and self._cells[at] == cell else 0.0
        counts = np.zeros(self.intents)
        if total:
            low, high = np.searchsorted(self._keys, [cell * self.intents, (cell + 1) * self.intents])
            counts[self._keys[low:high] - cell * self.intents] = self._n[low:high]
        return np.asarray(np.log((counts + self.strength * lower) / (total + self.strength)))


def quarter_of(way: float) -> int:
    """The quarter of a conversation in which `way` (0..1) lies."""
    return min(int(way * _POSITIONS), _POSITIONS - 1)


def quarters(position: Ints, length: Ints) -> Ints:
    """The quarter of its conversation in which each turn stands."""
    return np.minimum(position * _POSITIONS // np.maximum(length, 1), _POSITIONS - 1)


def leaving_odds(act: Ints, position: Ints, over: npt.NDArray[np.bool_], *, acts: int) -> npt.NDArray[np.float64]:
    """The log odds ratio of leaving after each partner act, given how far the conversation has come.

    Expected departures come from the hazard at the same position; observed ones are shrunk to them.
    Index 0 stands for no act. Clipped to +-3.
    """
    hazard = np.bincount(position, weights=over) / np.maximum(np.bincount(position), 1)
    expected = np.bincount(act + 1, weights=hazard[position], minlength=acts + 1)
    seen = np.bincount(act + 1, weights=over, minlength=acts + 1)
    stayed = np.bincount(act + 1, minlength=acts + 1) - seen
    expected_stay = np.bincount(act + 1, minlength=acts + 1) - expected
    ratio = np.log((seen + 1) / (expected + 1)) - np.log((stayed + 1) / (expected_stay + 1))
    return np.asarray(np.clip(ratio, -3, 3))
