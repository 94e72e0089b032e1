"""Users against users: what the report draws of a measurement's matrices, and what it refuses to."""

from __future__ import annotations

import msgspec
import numpy as np

from tests.measures.planted import corpus_of_users
from understudy.measures.separability.twins import twins
from understudy.reports.audit import audit
from understudy.reports.html import render_html
from understudy.reports.matrices import matrices_in
from understudy.reports.report import make_report


def test_both_sides_are_drawn_and_only_squares() -> None:
    rng = np.random.default_rng(0)
    people = corpus_of_users(rng, 12, sessions=4)
    found = twins(people, people, rng=rng, permutations=19)
    drawn = matrices_in(found)
    assert [m.caption.partition(":")[0] for m in drawn] == ["People", "Synthetic users"]
    assert [len(m.rows) for m in drawn] == [12, 12]
    assert "nearest to the other half" in render_html(make_report([found], examples=[], provenance={}))
    cases: tuple[object, ...] = ({"real": [[1.0, 0.0]]}, {"real": "no"}, {"real": [[None]]}, [], None)
    for broken in cases:
        bad = msgspec.structs.replace(found, evidence={**found.evidence, "matrices": broken})
        assert all(cell.text == "" for m in matrices_in(bad) for row in m.rows for cell in row)


def test_asked_for_besides_and_out_of_the_headline() -> None:
    rng = np.random.default_rng(1)
    sides = corpus_of_users(rng, 20, own=1.1), corpus_of_users(rng, 20, own=0.0, name="s")
    chosen = ["separability.icc"]
    alone = audit(*sides, seed=0, permutations=99, measures=chosen)
    more = audit(*sides, seed=0, permutations=99, measures=chosen, besides=["separability"])
    names = [m.name for m in more.headlines]
    assert names == ["separability.icc", "separability.twins", "separability.prediction", "separability.silhouette"]
    assert more.verdicts == alone.verdicts
    assert "topic alone would give" in render_html(more)
