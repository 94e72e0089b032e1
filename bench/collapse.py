"""Figure: variance collapse. Identical average users pass on means and fail separability and dispersion."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.corpora import halves, load, markdown
from understudy.conversations import Conversation, Corpus
from understudy.measures.measurement import flatten
from understudy.measures.realism.discriminator import sample_units
from understudy.reports.audit import run_measures
from understudy.seeds import stream

CORPORA = ("recllmsim_human_real", "redial_real", "star_real")
SHOWN = ("separability.icc", "separability.dispersion", "separability.identification", "realism.messiness")


def averaged(corpus: Corpus, rng: np.random.Generator) -> Corpus:
    """The same conversations dealt out to users at random: every user becomes the average user, all means stay.

    Sessions per user and topics per session are kept: conversations are only exchanged within a topic.
    """
    owner: list[str | None] = [c.user_id for c in corpus]
    topics = np.array([c.topic or "" for c in corpus])
    for topic in np.unique(topics):
        rows = np.flatnonzero(topics == topic)
        for row, source in zip(rows, rng.permutation(rows), strict=True):
            owner[int(row)] = corpus[int(source)].user_id
    talks = [Conversation(c.id, c.turns, user_id=o, topic=c.topic) for c, o in zip(corpus, owner, strict=True)]
    return Corpus(talks)


def run(data: Path, out: Path) -> str:
    """One row a corpus and arm: held-out people, and the same people made average."""
    rows: list[list[object]] = []
    for name in CORPORA:
        rng = stream(0, "collapse", name)
        real, held_out = halves(sample_units(load(data, name), 1600, rng), rng)
        for arm, synthetic in (("held-out people", held_out), ("average users", averaged(held_out, rng))):
            results, _ = run_measures(real, synthetic, seed=0, measures=SHOWN, permutations=999)
            by_name = {m.name: m for m in flatten(results)}
            cells = [
                f"{by_name[m].value:.3f} (p {by_name[m].p_value})" if by_name[m].value is not None else "unscored"
                for m in SHOWN
            ]
            rows.append([name, arm, *cells])
    return markdown(["corpus", "synthetic set", *SHOWN], rows)
