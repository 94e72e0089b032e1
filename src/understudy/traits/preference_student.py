"""The reward loop: a linear assistant that is trained on what its users rewarded, not on what anybody said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from understudy.conversations import Corpus
from understudy.errors import UsageError
from understudy.traits.battery import Battery
from understudy.traits.linear_student import features, gaps
from understudy.traits.students import Floats, Progress, Read, mean_by_probe

Reply = tuple[str, str, str]


class PreferenceStudent:
    """Learns which of two replies to one context was rewarded more: `P(a over b) = sigmoid(w · (f(a) - f(b)))`.

    A corpus of rewards has several conversations that differ in their last turn alone, each with a number in
    `meta["reward"]`. For a policy that is linear in `f`, this is what direct preference optimisation comes to
    (arXiv:2305.18290). The words are the same in both arms: whatever parts the twins was in the rewards.
    """

    identity = "rewards: linear/1"
    sees = "what rewards favour, through words and pairs of words"
    blind = "everything that is in the texts and not in the rewards; shared initial weights"

    def read(
        self, arms: Mapping[str, Sequence[Corpus]], battery: Battery, *, seed: int, on_progress: Progress | None = None
    ) -> Read:
        """Train on the rewards of each corpus of each arm and read the battery off."""
        gap = gaps(battery)
        pairs = len(next(iter(arms.values())))
        found: dict[str, list[Floats]] = {name: [] for name in arms}
        for k in range(pairs):
            if on_progress:
                on_progress("twins", k, pairs)
            for name, shares in arms.items():
                found[name].append(mean_by_probe(gap @ _trained(preferences(shares[k])), battery))
        return Read(np.zeros(len(battery.probes)), {name: np.array(rows) for name, rows in found.items()})


def preferences(corpus: Corpus) -> list[tuple[Reply, Reply]]:
    """Pairs of replies to one context, the one that was rewarded more first; ties say nothing and are left out."""
    contexts: dict[tuple[Any, ...], list[tuple[float, Reply]]] = {}
    for talk in corpus:
        reward = talk.meta.get("reward")
        if len(talk.turns) < 2 or not isinstance(reward, int | float):
            continue
        *before, last = talk.turns
        reply = (before[-1].text, last.role, last.text)
        contexts.setdefault(tuple((t.role, t.text) for t in before), []).append((float(reward), reply))
    return [
        (better, worse)
        for replies in contexts.values()
        for high, better in replies
        for low, worse in replies
        if high > low
    ]


def _trained(chosen: list[tuple[Reply, Reply]]) -> Floats:
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    if not chosen:
        raise UsageError(
            "no two replies to one context with different rewards",
            why="a preference is learned from pairs, one rewarded more than the other",
            fix='give conversations that differ in their last turn, each with a number in meta["reward"]',
        )
    apart = features(better for better, _ in chosen) - features(worse for _, worse in chosen)
    rows, signs = vstack([apart, -apart]).tocsr(), np.repeat([1, -1], len(chosen))  # it needs both classes
    fitted = LogisticRegression(C=0.5, fit_intercept=False, max_iter=100, tol=1e-4).fit(rows, signs)
    found: Floats = fitted.coef_[0]
    return found
