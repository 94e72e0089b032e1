"""Do an ensemble of classifiers see the same distribution of sessions on both sides?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.errors import MeasureError
from understudy.measures.behaviours import user_turn_behaviours, writing
from understudy.measures.distributions import (
    Block,
    Labels,
    Table,
    WeightedSums,
    jensen_shannon,
    omnibus_p,
    shares,
)
from understudy.measures.measurement import Counts, Measurement, MeasureSpec, counts, floor_of, measure
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.resampling import Floats, TwoSample, observed_weights, pool, two_sample
from understudy.measures.speech_acts import same_scheme, user_acts
from understudy.measures.turn_words import Singles, TurnSpace, clusters, turn_space, unit_rows
from understudy.seeds import stream

CLUSTERS = 12
MOST_TOPICS = 40
SHOWN = 12
PAIRS = (
    ("act", "sentiment"), ("act", "hedging"), ("act", "length"), ("intent", "act"), ("question", "length"),
    ("sentiment", "politeness"),
)  # fmt: skip
TRANSITIONS = ("act", "intent", "sentiment", "question", "length")
NAMES = ("act", "intent", "sentiment", "hedging", "question", "politeness", "length", "topic")
SPEC = MeasureSpec(
    name="realism.ensemble",
    question="real",
    asks="Do classifiers of turns and sessions see the same mix, and the same order, on both sides?",
    unit="mean Jensen-Shannon distance, base 2",
    range=(0.0, 1.0),
    better="lower",
    source="measurement (iii) of arXiv:2305.07961; doi:10.1109/18.61115; max-T, Westfall & Young (1993)",
    headline=True,
)


class Classifier(NamedTuple):
    """A labelling of turns (or conversations): `label[i]` numbers `names` and belongs to `conversation[i]`.

    `origin` says how it labels; `induced` ones are their own definition and have no error to correct.
    """

    name: str
    names: tuple[str, ...]
    conversation: Labels
    label: Labels
    origin: str


class _View(NamedTuple):
    """One distribution to compare: a marginal, a pair or a transition."""

    name: str
    block: Block
    cells: tuple[str, ...]
    origin: str
    headline: bool
    inverse: Floats | None


def adjusted_counts(confusion: Floats, observed: Floats) -> Floats:
    """What the counts of a classifier would be without its errors.

    `confusion[t, p]` is how often true label `t` was called `p`, on a labelled sample; `observed` counts the
    predictions, last axis over labels. With rows M of `confusion` as shares, expected shares are true shares times
    M, so the truth is estimated by the pseudo-inverse, clipped at 0 and scaled back to the observed total:
    range >= 0. An identity matrix changes nothing. Raises MeasureError for a matrix that is not square, has
    another size than `observed`, or has a row without counts.

    >>> adjusted_counts(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([55.0, 45.0])).round(6)
    array([50., 50.])

    Source: the matrix method of adjusted counting (quantification), Forman (2008), doi:10.1007/s10618-008-0097-y.
    """
    return _corrected(np.asarray(observed, dtype=float), _inverse(confusion, np.shape(observed)[-1], "observed"))


def _inverse(confusion: Floats, labels: int, of: str) -> Floats:
    matrix = np.asarray(confusion, dtype=float)
    if matrix.shape != (labels, labels) or not (matrix.sum(axis=1) > 0).all() or (matrix < 0).any():
        raise MeasureError(
            f"a confusion matrix of shape {matrix.shape} for the {labels} labels of {of}",
            why="each true label needs a row of counts over the predicted labels",
            fix="give a square matrix with one row a label, in the order of the labels, no row empty",
        )
    return np.asarray(np.linalg.pinv(matrix / matrix.sum(axis=1, keepdims=True)))


def _corrected(observed: Floats, inverse: Floats) -> Floats:
    corrected: Floats = shares(np.clip(observed @ inverse, 0.0, None)) * observed.sum(axis=-1, keepdims=True)
    return corrected


def classify(real: Corpus, synthetic: Corpus) -> tuple[list[Classifier], dict[str, str]]:
    """Every classifier over both corpora, real rows first, and why the others are missing.

    `act` (`user_acts`), `intent` (12 k-means clusters of the pooled user turns' content), `sentiment`, `hedging`,
    `politeness` (word lists), `question` (marks and forms), `length` (classes of words), `topic` (own labels where
    both sides carry them, else 12 clusters of conversations). Nothing looks at which side a turn is from.
    """
    import polars as pl

    frames = [user_turn_behaviours(real), user_turn_behaviours(synthetic)]
    frames[1] = frames[1].with_columns(pl.col("conversation") + len(real))
    frame = pl.concat(frames, how="vertical_relaxed")
    rows = frame["conversation"].to_numpy().astype(np.int64)
    a, b = writing(real), writing(synthetic)
    acts = user_acts(real, synthetic)
    found = [Classifier("act", acts.names, rows, acts.label, acts.origin)]
    missing: dict[str, str] = {}
    if a.language == b.language:
        space = turn_space(real, synthetic)
        found += [_intents(space, _is_user(real, synthetic), rows), _topics(space, real, synthetic, rows)]
    else:
        reason = f"the real side writes {a.name} and the synthetic side {b.name}"
        missing |= {"intent": reason, "topic": reason}
    for name, (names, rule, scope) in _rules().items():
        if scope == "list" and not (a.language and a.language == b.language):
            missing[name] = "no lexicon for this script or language, on both sides"
        elif scope == "script" and a.spaced != b.spaced:
            missing[name] = "a word is not the same in the two scripts"
        else:
            label = frame.select(label=rule)["label"].to_numpy().astype(np.int64)
            found.append(Classifier(name, names, rows, label, "marks and word lists"))
    return sorted(found, key=lambda c: NAMES.index(c.name)), missing


def _rules() -> dict[str, tuple[tuple[str, ...], Any, str]]:
    """Classifiers read off the behaviours: label names, expression, scope."""
    import polars as pl

    good, bad = pl.col("positive") > 0, pl.col("negative") > 0
    words = pl.col("n_words")
    lengths = (1, 3, 6, 10, 16, 30)
    size = pl.sum_horizontal(*[(words > most).cast(pl.Int64) for most in lengths])
    names = ("1", "2-3", "4-6", "7-10", "11-16", "17-30", "31+")
    unmarked = pl.col("unmarked_question").fill_null(False)
    return {
        "sentiment": (
            ("neutral", "positive", "negative", "mixed"),
            good.cast(pl.Int64) + 2 * bad.cast(pl.Int64),
            "list",
        ),
        "hedging": (("none", "one", "several"), pl.col("hedges").clip(0, 2), "list"),
        "question": (
            ("none", "marked", "unmarked form"),
            pl.when(pl.col("question")).then(1).when(unmarked).then(2).otherwise(0),
            "any",
        ),
        "politeness": (
            ("plain", "please", "thanks", "both"),
            pl.col("polite").cast(pl.Int64) + 2 * pl.col("thanks").cast(pl.Int64),
            "list",
        ),
        "length": (tuple(f"{n} words" for n in names), size, "script"),
    }


def _is_user(real: Corpus, synthetic: Corpus) -> Any:
    return np.concatenate([corpus.turns["is_user"].to_numpy() for corpus in (real, synthetic)])


def _intents(space: TurnSpace, is_user: Any, rows: Labels) -> Classifier:
    label = clusters(space.meaning[is_user], CLUSTERS, stream(0, "ensemble", "intent"))
    names = _cluster_names(space.rare[is_user], label, space.words)
    return Classifier("intent", names, rows, label, "induced: k-means of the pooled user turns")


def _topics(space: TurnSpace, real: Corpus, synthetic: Corpus, rows: Labels) -> Classifier:
    own = (*real.topics, *synthetic.topics)
    conversation = np.arange(len(own))
    sides = [[t for t in c.topics if t is not None] for c in (real, synthetic)]
    carried = all(2 * len(named) >= len(c) for named, c in zip(sides, (real, synthetic), strict=True))
    if carried and same_scheme(*sides):
        common = Counter(t for t in own if t is not None).most_common(MOST_TOPICS)
        names = tuple(sorted(name for name, _ in common))
        number = {name: i for i, name in enumerate(names)}
        label = np.array([number.get(t or "", len(names)) for t in own], dtype=np.int64)
        return Classifier("topic", (*names, "other"), conversation, label, "own labels")
    from scipy import sparse

    members = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, np.arange(len(rows)))), (len(own), len(rows)))
    is_user = _is_user(real, synthetic)
    vectors: Singles = unit_rows(np.asarray(members @ space.meaning[is_user], dtype=np.float32))
    label = clusters(vectors, CLUSTERS, stream(0, "ensemble", "topic"))
    names = _cluster_names(members @ space.rare[is_user], label, space.words)
    return Classifier("topic", names, conversation, label, "induced: k-means of the pooled conversations")


def _cluster_names(rare: Any, label: Labels, words: tuple[str, ...]) -> tuple[str, ...]:
    """Three words that stand out in each cluster."""
    average = np.asarray(rare.mean(axis=0)).ravel()
    names = []
    for k in range(CLUSTERS):
        inside = np.flatnonzero(label == k)
        lift = np.asarray(rare[inside].mean(axis=0)).ravel() - average if len(inside) else average * 0
        best = [words[i] for i in np.argsort(-lift, kind="stable")[:3] if lift[i] > 0]
        names.append(" ".join(best) or f"cluster {k}")
    return (*(f"{k}: {name}" for k, name in enumerate(names)), "no content words")


def _views(
    classifiers: list[Classifier], conversations: int, confusion: Mapping[str, Floats]
) -> tuple[list[_View], WeightedSums]:
    table = Table(conversations)
    views = []
    known = {c.name: c for c in classifiers}
    for c in classifiers:
        inverse = _inverse(confusion[c.name], len(c.names), c.name) if c.name in confusion else None
        block = table.add_labels(c.conversation, c.label, len(c.names))
        views.append(_View(c.name, block, c.names, c.origin, True, inverse))
    for name in TRANSITIONS:
        if name in known:
            c = known[name]
            goes_on = c.conversation[1:] == c.conversation[:-1]
            size = len(c.names)
            step = np.where(goes_on, c.label[:-1] * size + c.label[1:], -1)
            cells = tuple(f"{x} → {y}" for x in c.names for y in c.names)
            block = table.add_labels(c.conversation[1:], step, size * size)
            views.append(_View(f"transition.{name}", block, cells, c.origin, True, None))
    for first, second in PAIRS:
        if first in known and second in known:
            a, b = known[first], known[second]
            cells = tuple(f"{x} & {y}" for x in a.names for y in b.names)
            joint = a.label * len(b.names) + b.label
            block = table.add_labels(a.conversation, joint, len(cells))
            views.append(_View(f"pair.{first}_{second}", block, cells, f"{a.origin}; {b.origin}", False, None))
    return views, table.summed()


def _distribution(view: _View, sums: Floats) -> Floats:
    found = view.block.of(sums)
    return shares(found if view.inverse is None else _corrected(found, view.inverse))


def _cells(view: _View, real: Floats, synthetic: Floats) -> list[dict[str, Any]]:
    """The labels that differ most."""
    p, q = _distribution(view, real)[0], _distribution(view, synthetic)[0]
    order = np.argsort(-np.abs(q - p), kind="stable")[:SHOWN]
    return [
        {"label": view.cells[i], "real": float(p[i]), "synthetic": float(q[i])} for i in order if p[i] > 0 or q[i] > 0
    ]


def _part_spec(name: str) -> MeasureSpec:
    asks = f"Do both sides have the same distribution of {name.replace('.', ' ').replace('_', ' with ')}?"
    unit = "Jensen-Shannon distance, base 2"
    return msgspec.structs.replace(SPEC, name=f"{SPEC.name}.{name}", asks=asks, unit=unit, headline=False)


def _parts(
    views: list[_View], run: TwoSample, sides: tuple[Floats, Floats], n: Mapping[str, Counts]
) -> list[Measurement]:
    adjusted = benjamini_hochberg(run.p_value[1:].tolist())
    return [
        Measurement(
            name=f"{SPEC.name}.{view.name}",
            value=float(run.value[k]),
            status="scored",
            n=n,
            spec=_part_spec(view.name),
            interval=None if run.interval is None else (float(run.interval[k, 0]), float(run.interval[k, 1])),
            p_value=float(run.p_value[k]),
            adjusted_p=adjusted[k - 1],
            floor=floor_of(run.floor[:, k]),
            evidence={
                "labels": _cells(view, *sides),
                "labelled_by": view.origin,
                "classifier_error": "corrected by the confusion matrix given"
                if view.inverse is not None
                else "none to correct: the classifier is its own definition"
                if view.origin.startswith("induced")
                else "not corrected: no confusion matrix given",
            },
        )
        for k, view in enumerate(views, 1)
    ]


@measure(SPEC)
def ensemble(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    permutations: int = 999,
    confusion: Mapping[str, Floats] | None = None,
) -> Measurement:
    """Do classifiers of turns and sessions see the same mix of labels, and the same order, on both sides?

    For each classifier f (act, intent, sentiment, hedging, question, politeness, length, topic):

        JSD(P_real(f), P_synthetic(f)) = sqrt(H(M) - (H(P) + H(Q)) / 2),   M = (P + Q) / 2, logs base 2

    over user turns (topic: conversations), and the same for turn-to-turn transitions `(f_t, f_t+1)` and for pairs
    `(f, g)`. Value: the mean over marginals and transitions. Range [0, 1], lower is better, read beside the floor:
    an estimated distance is above 0 even between two samples of the same people, the more so the more cells.
    Parts: `realism.ensemble.<f>`, `.transition.<f>`, `.pair.<f>_<g>`; right marginals with a wrong order alarm in
    `.transition` alone. p-value of the headline: the largest standardised distance, the mean among them, over
    relabelled units (`omnibus_p`); of parts, one-sided permutation, adjusted by Benjamini-Hochberg.

    `confusion` may give, by classifier, a matrix of true by predicted counts from a labelled sample: its marginal
    is then corrected (`adjusted_counts`). Induced classifiers (clusters) are their own definition: nothing to
    correct. Corpora in different languages are compared on acts by punctuation and on question marks alone.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(closing, n=30):
    ...     turns = lambda i: (Turn("user", f"what is the best film of {i}?"), Turn("user", closing))
    ...     return Corpus([Conversation(str(i), turns(i)) for i in range(n)])
    >>> rng = np.random.default_rng(0)
    >>> m = ensemble(side("thanks"), side("please find me the cheap one"), rng=rng, permutations=99)
    >>> m.p_value, [round(p.value, 2) for p in m.parts if p.name == "realism.ensemble.politeness"]
    (0.01, [0.71])

    Source: arXiv:2305.07961, realism measure (iii), which names the idea and leaves it open. Differences: (1) a
    set of classifiers that need no training data, and distances for them; (2) transitions and pairs beside
    marginals; (3) a test by unit and a real-vs-real floor.
    """
    pooled = pool(real, synthetic)
    n = counts(real, synthetic)
    classifiers, missing = classify(real, synthetic)
    views, sums = _views(classifiers, pooled.n, confusion or {})
    in_headline = np.array([view.headline for view in views])

    def statistic(left: Floats, right: Floats) -> Floats:
        r, s = sums(left, right)
        each = np.stack([jensen_shannon(_distribution(v, r), _distribution(v, s)) for v in views], axis=1)
        return np.column_stack([each[:, in_headline].mean(axis=1), each])

    run = two_sample(statistic, pooled, rng=rng, permutations=permutations)
    tested = np.r_[True, in_headline]
    sides = sums(*observed_weights(pooled))
    lacking = tuple(
        Measurement(name=f"{SPEC.name}.{name}", value=None, status="unscored", reason=why, n=n, spec=_part_spec(name))
        for name, why in missing.items()
    )
    return Measurement(
        name=SPEC.name,
        value=float(run.value[0]),
        status="scored",
        n=n,
        spec=SPEC,
        interval=None if run.interval is None else (float(run.interval[0, 0]), float(run.interval[0, 1])),
        p_value=omnibus_p(run.value[tested], run.null[:, tested], np.zeros(int(tested.sum()), dtype=bool)),
        floor=floor_of(run.floor[:, 0]),
        evidence={
            "mean_p": float(run.p_value[0]),
            "classifiers": {c.name: c.origin for c in classifiers},
            "permutations": permutations,
        },
        parts=(*_parts(views, run, sides, n), *lacking),
    )
