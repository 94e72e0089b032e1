"""The records: each stands somewhere, says what would refute it, and names a study that is there."""

from __future__ import annotations

import pytest

from understudy.claims.record import Claim, Source, choose, read_claims
from understudy.claims.study import open_study
from understudy.errors import UsageError

CLAIMS = read_claims()


def test_the_nine_findings_and_both_questions_are_there() -> None:
    kinds = [claim.kind for claim in CLAIMS.values()]
    assert kinds.count("finding") == 9
    assert kinds.count("question") == 2
    assert kinds.count("correction") >= 4
    assert kinds == sorted(kinds, key=["finding", "correction", "newer", "question"].index)


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_a_record_can_be_read_and_run(claim: Claim) -> None:
    assert len(claim.statement) > 40
    assert len(claim.refuted_if) > 20
    if claim.study:
        assert open_study(claim).__doc__


def test_an_unknown_claim_is_named() -> None:
    with pytest.raises(UsageError, match="no claim is called 'nothing'"):
        choose(["nothing"])


@pytest.mark.parametrize(("study", "untested"), [("", ""), ("a.b", "because")])
def test_a_claim_is_studied_or_says_why_not(study: str, untested: str) -> None:
    with pytest.raises(UsageError, match="both or neither"):
        Claim(
            id="x", title="", kind="finding", statement="", refuted_if="", sources=(Source("s", "own"),), date="",
            task="", n="", study=study, untested=untested,
        )  # fmt: skip


def test_a_study_that_is_not_there_is_told() -> None:
    claim = choose(["entity-swap"])[0]
    with pytest.raises(UsageError, match="a study that is not there"):
        open_study(Claim(**{**{f: getattr(claim, f) for f in claim.__struct_fields__}, "study": "training.nothing"}))
