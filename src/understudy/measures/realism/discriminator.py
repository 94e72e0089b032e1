"""Can a discriminator tell simulated users from real ones, and what gives them away?"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.measures.classifier import (
    Scores,
    Singles,
    auc_interval,
    cross_validate,
    full_weights,
    permuted_labels,
    unit_folds,
)
from understudy.measures.distributions import omnibus_p
from understudy.measures.measurement import Measurement, MeasureSpec, counts, floor_of, measure
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.power import detectable_auc
from understudy.measures.realism.discriminator_features import FeatureSet, feature_sets
from understudy.measures.resampling import Ints, Pool, pool

MOST_CONVERSATIONS = 3000
FLOOR_SPLITS = 40
TELLS = 12
EXAMPLES = 2

SPEC = MeasureSpec(
    name="realism.discriminator",
    question="real",
    asks="Can a classifier tell synthetic from real user sides, and from what?",
    unit="AUC, 0.5 = cannot tell, 1 = always tells",
    range=(0.0, 1.0),
    better="match",
    source="classifier two-sample test, arXiv:1610.06545; measurement (ii) of arXiv:2305.07961",
    headline=True,
)


class _Trial(NamedTuple):
    """One feature set's cross-validated result: AUC, interval, p-value, null and floor AUCs."""

    auc: float
    interval: tuple[float, float] | None
    p_value: float
    null: npt.NDArray[np.float64]
    floor: npt.NDArray[np.float64]


def sample_units(corpus: Corpus, most: int, rng: np.random.Generator) -> Corpus:
    """At most about `most` conversations, whole units drawn at random, in their original order."""
    if len(corpus) <= most:
        return corpus
    _, member = np.unique(corpus.unit_ids, return_inverse=True)
    rank = rng.permutation(int(member.max()) + 1)[member]
    order = np.argsort(rank, kind="stable")
    last = rank[order[most - 1]]
    return corpus.subset(np.flatnonzero(rank <= last))


def _halvings(pooled: Pool, fold: Ints, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Real against real: the real units of each fold halved at random, the synthetic ones left out."""
    real = np.flatnonzero(~pooled.unit_is_synthetic)
    sign = np.zeros((len(pooled.unit_is_synthetic), FLOOR_SPLITS), dtype=np.int8)
    if len(real) < 20:
        return sign[pooled.unit, :0]
    half = np.zeros(len(real), dtype=bool)
    for name in np.unique(fold):
        members = np.flatnonzero(fold[real] == name)
        half[members[::2]] = True
    sign[real] = np.where(permuted_labels(half, fold[real], rng, FLOOR_SPLITS), 1, -1)
    return sign[pooled.unit]


class _Design(NamedTuple):
    """Folds and label columns shared by all feature sets: observed, `permutations` relabellings, halvings."""

    fold: Ints
    sign: npt.NDArray[np.int8]
    permutations: int


def _design(pooled: Pool, permutations: int, rng: np.random.Generator) -> _Design:
    fold = unit_folds(pooled.unit, pooled.unit_is_synthetic, rng)
    labels = permuted_labels(pooled.unit_is_synthetic, fold, rng, permutations)
    labels = np.concatenate([pooled.unit_is_synthetic[:, None], labels], axis=1)
    sign = np.where(labels[pooled.unit], 1, -1).astype(np.int8)
    sign = np.concatenate([sign, _halvings(pooled, fold, rng)], axis=1)
    return _Design(fold[pooled.unit], sign, permutations)


def _trial(features: Singles, pooled: Pool, design: _Design) -> _Trial:
    sign, permutations = design.sign, design.permutations
    scores = cross_validate(features, sign, design.fold)
    auc, null, floor = float(scores.auc[0]), scores.auc[1 : 1 + permutations], scores.auc[1 + permutations :]
    observed = Scores(scores.score[:, :1], scores.fold_auc[:, :1], scores.fold)
    interval = auc_interval(observed, sign[:, :1], pooled.unit)
    p_value = (1 + int((null >= auc - 1e-12).sum())) / (1 + len(null))
    return _Trial(auc, interval, p_value, null, floor)


def _omnibus(trials: list[_Trial]) -> float:
    """One p-value for "no feature set tells": the largest standardised AUC over the shared relabellings."""
    observed = np.array([trial.auc for trial in trials])
    null = np.stack([trial.null for trial in trials], axis=1)
    return omnibus_p(observed, null, [False] * len(trials))


def _turns_with(corpus: Corpus, needle: str) -> list[str]:
    """Up to two user turns that contain the n-gram `needle` (`⏎` marks a turn's start or end)."""
    import re

    words = needle.split(" ")
    body = r"\W+".join(re.escape(w) for w in words if w != "⏎")
    if not body:
        return []
    unspaced = len(words[-1]) == 1 and ord(words[-1]) > 0x2E80
    edge = "" if unspaced else r"\b"
    start = r"^\W*" if words[0] == "⏎" else edge
    stop = r"\W*$" if words[-1] == "⏎" else edge
    pattern = re.compile(f"{start}{body}{stop}", re.IGNORECASE)
    found: list[str] = []
    for conversation in corpus:
        for turn in conversation.turns:
            if turn.role == "user" and pattern.search(turn.text):
                found.append(turn.text[:300])
                break
        if len(found) == EXAMPLES:
            break
    return found


def _word_tells(real: Corpus, synthetic: Corpus, features: FeatureSet, label: npt.NDArray[np.bool_]) -> list[Any]:
    """The n-grams whose weight times shift separates most, with conversation rates and turns that show them."""
    weights = full_weights(features.matrix, np.where(label, 1, -1).astype(np.int8))
    present = features.matrix > 0
    real_rate, synthetic_rate = present[~label].mean(axis=0), present[label].mean(axis=0)
    shift = features.matrix[label].mean(axis=0) - features.matrix[~label].mean(axis=0)
    pull = weights * shift
    tells = []
    for column in np.argsort(-pull)[:TELLS]:
        name = features.names[column]
        tells.append(
            {
                "feature": name,
                "direction": "overdone" if shift[column] > 0 else "missing",
                "weight": float(pull[column]),
                "real_rate": float(real_rate[column]),
                "synthetic_rate": float(synthetic_rate[column]),
                "unit": "share of conversations",
                "real_examples": _turns_with(real, name),
                "synthetic_examples": _turns_with(synthetic, name),
            }
        )
    return tells


def _dense_tells(features: FeatureSet, label: npt.NDArray[np.bool_]) -> list[Any]:
    """Features by how far the two sides' means stand apart, in pooled standard deviations."""
    assert features.raw is not None
    real, synthetic = features.raw[~label], features.raw[label]
    shift = (synthetic.mean(axis=0) - real.mean(axis=0)) / features.raw.std(axis=0)
    spread = np.log((synthetic.std(axis=0) + 1e-9) / (real.std(axis=0) + 1e-9))
    return [
        {
            "feature": features.names[column],
            "direction": "overdone" if shift[column] > 0 else "missing",
            "weight": float(abs(shift[column])),
            "real_rate": float(real[:, column].mean()),
            "synthetic_rate": float(synthetic[:, column].mean()),
            "unit": "mean over conversations",
            "log_spread_ratio": float(np.clip(spread[column], -20, 20)),
        }
        for column in np.argsort(-np.abs(shift))[:TELLS]
    ]


def _part(name: str, trial: _Trial, real: Corpus, synthetic: Corpus, evidence: dict[str, Any]) -> Measurement:
    return Measurement(
        name=f"{SPEC.name}.{name}",
        value=trial.auc,
        status="scored",
        n=counts(real, synthetic),
        spec=msgspec.structs.replace(SPEC, name=f"{SPEC.name}.{name}", headline=False),
        interval=trial.interval,
        p_value=trial.p_value,
        floor=floor_of(trial.floor),
        evidence={
            "null_mean": float(trial.null.mean()),
            "null_sd": float(trial.null.std()),
            "permutations": len(trial.null),
            **evidence,
        },
    )


@measure(SPEC)
def discriminator(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Can a classifier tell synthetic user sides from real ones, from which features, and by what?

    A ridge linear discriminant is cross-validated on nested feature sets of each conversation's user turns:
    length; punctuation and case; function words; words (1-2-grams); behaviour tags; all. Per set:

        AUC = mean over 5 folds of P(score of a synthetic conversation > score of a real one)

    Folds, permutations and clusters are by unit (user, else conversation). Range [0, 1]; .5 cannot tell; better is
    `match`: below .5 is noise, not merit. p-value: units relabelled within folds, the whole pipeline re-run; of
    the headline, whose value is that of `all`: the largest standardised AUC over the sets (max-T).
    Floor: the same pipeline on halves of the real units. A discriminator saturates, so read the AUC between its
    floor and a ceiling (another real corpus). Word rows have unit length, so conversation length is controlled in
    `function_words` and `words` but not in `all`. At most 3,000 conversations a side are used, drawn by unit.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(word, n=30):
    ...     turns = [Turn("user", f"{word} film {i % 7} please") for i in range(n)]
    ...     return Corpus([Conversation(f"{word}{i}", (turn,)) for i, turn in enumerate(turns)])
    >>> m = discriminator(side("some"), side("any"), rng=np.random.default_rng(0), permutations=99)
    >>> m.value, m.p_value, m.name
    (1.0, 0.01, 'realism.discriminator')

    Source: arXiv:1610.06545 (classifier two-sample test); arXiv:2305.07961 (discriminator as measurement ii).
    Differences: (1) AUC instead of accuracy; (2) a permutation test at the unit instead of a binomial test on
    turns; (3) nested feature sets, so that the answer says what gives the users away.
    """
    real_used = sample_units(real, MOST_CONVERSATIONS, rng)
    synthetic_used = sample_units(synthetic, MOST_CONVERSATIONS, rng)
    pooled = pool(real_used, synthetic_used)
    label = pooled.is_synthetic
    design = _design(pooled, permutations, rng)
    parts: list[Measurement] = []
    trials: list[_Trial] = []
    for name, features in feature_sets(real_used, synthetic_used).items():
        trial = _trial(features.matrix, pooled, design)
        trials.append(trial)
        evidence: dict[str, Any] = {"features": features.matrix.shape[1]}
        if name in ("words", "function_words"):
            evidence["tells"] = _word_tells(real_used, synthetic_used, features, label)
        elif features.raw is not None:
            evidence["tells"] = _dense_tells(features, label)
        parts.append(_part(name, trial, real_used, synthetic_used, evidence))
    adjusted = benjamini_hochberg([p.p_value for p in parts if p.p_value is not None])
    parts = [msgspec.structs.replace(p, adjusted_p=a) for p, a in zip(parts, adjusted, strict=True)]
    everything = parts[-1]
    smaller = min(int(label.size - label.sum()), int(label.sum()))
    return msgspec.structs.replace(
        everything,
        name=SPEC.name,
        spec=SPEC,
        p_value=_omnibus(trials),
        adjusted_p=None,
        evidence={
            **everything.evidence,
            "detectable_auc": detectable_auc(smaller),
            "conversations_used": {"real": len(real_used), "synthetic": len(synthetic_used)},
        },
        parts=tuple(parts),
    )
