"""Distance to the closest record. Not evidence of privacy: it is here because people ask for it."""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.intervals import FEWEST_CLUSTERS, bounded_interval, cluster_t_interval
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure, unscored
from understudy.measures.privacy.near_turns import FEWEST_WORDS, nearest_turns
from understudy.measures.privacy.spans import said

LABEL = "not evidence of privacy"

SPEC = MeasureSpec(
    name="privacy.nearest_distance",
    question="carry",
    asks="How far is a synthetic turn from the closest real one? (not evidence of privacy)",
    unit="mean word edit distance to the closest train turn, over the longer length",
    range=(0.0, 1.0),
    better="higher",
    source="distance to closest record; shown to say nothing of membership in arXiv:2505.01524",
    minimum_units=1,
)


@measure(SPEC)
def nearest_distance(
    real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, holdout: Corpus | None = None
) -> Measurement:
    """How far is a synthetic turn from the closest turn of the training data? Not evidence of privacy.

    Mean over synthetic turns of five words or more of `1 - similarity` to the nearest train turn (word edit
    distance over the longer length; 1 where none comes near). A set may keep this distance and still give away who
    was in the training data, and be close only because people talk alike: see `privacy.disclosure`.

    >>> from understudy.conversations import Conversation, Turn
    >>> def one(text): return Corpus([Conversation("c", (Turn("user", text),))])
    >>> m = nearest_distance(one("my old cat sat here"), one("my old cat sat there"), rng=np.random.default_rng(0))
    >>> round(m.value, 2), m.evidence["label"]
    (0.2, 'not evidence of privacy')

    Source: arXiv:2505.01524 on why it is none.
    """
    del rng
    ours = said(synthetic)
    long = ours.length >= FEWEST_WORDS
    if not long.any():
        return unscored(SPEC, real, synthetic, f"no synthetic turn has {FEWEST_WORDS} words")
    far = 1.0 - nearest_turns(ours, said(real)).similarity[long]
    interval = None
    if len(np.unique(ours.unit[long])) >= FEWEST_CLUSTERS:
        found = cluster_t_interval(far, ours.unit[long])
        interval = bounded_interval(found.mean, found.standard_error**2, found.clusters)
    evidence: dict[str, object] = {"label": LABEL, "train": float(far.mean())}
    if holdout is not None and len(holdout):
        evidence["held_out"] = float((1.0 - nearest_turns(ours, said(holdout)).similarity[long]).mean())
    return Measurement(
        name=SPEC.name,
        value=float(far.mean()),
        status="scored",
        n=counts(real, synthetic),
        spec=SPEC,
        interval=interval,
        evidence=evidence,
    )
