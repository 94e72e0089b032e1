"""Gates are read, named and judged on the unfavourable end of the interval."""

from __future__ import annotations

import msgspec
import pytest

from understudy.cli.gates import Gate, check_names, judge, parse_gate
from understudy.errors import UsageError
from understudy.measures.measurement import Measurement, MeasureSpec
from understudy.reports.findings import too_close

SPEC = MeasureSpec("realism.discriminator", "real", "?", "AUC", (0.0, 1.0), "match", "arXiv:1610.06545")


def _scored(name: str, value: float, interval: tuple[float, float] | None) -> Measurement:
    return Measurement(name=name, value=value, status="scored", interval=interval, n={}, spec=SPEC)


WORDS = _scored("realism.discriminator.words", 0.60, (0.55, 0.66))
MEASURED = [
    WORDS,
    _scored("realism.discriminator", 0.7, None),
    _scored("separability.icc.words", 0.4, (0.2, 0.6)),
    Measurement(name="realism.coverage", value=None, status="unscored", reason="too few users", n={}, spec=SPEC),
]


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("discriminator.words<=0.66", True),
        ("discriminator.words<0.66", False),
        ("discriminator.words<=0.65", False),  # the value is .60, but the data do not show it
        ("discriminator.words>=0.55", True),
        ("discriminator.words>=0.56", False),
        ("discriminator.words>0.55", False),
        ("realism.discriminator.words <= 1", True),
        ("icc.words>=.2", True),
        ("coverage>=0", False),
        ("realism.discriminator<=1", False),  # no interval: nothing to judge on
    ],
)
def test_judged_on_the_bound(text: str, met: bool) -> None:
    assert judge(parse_gate(text), MEASURED).met is met


def test_an_unscored_measurement_fails_the_gate_with_its_reason() -> None:
    result = judge(parse_gate("coverage>=0"), MEASURED)
    assert result.reason == "unscored: too few users"
    assert result.judged_on is None


def test_users_fitted_to_those_who_test_meet_no_gate() -> None:
    fitted = msgspec.structs.replace(WORDS, evidence={"contaminated": True})
    for text in ("words>=0.1", "words<=0.9"):
        assert judge(parse_gate(text), [WORDS]).met
        assert not judge(parse_gate(text), [fitted]).met


@pytest.mark.parametrize(
    "text", ["", "words", "words=0.5", "words<=", "words<=x", "<=0.5", "words<=1..2", "words<=0.5 x"]
)
def test_bad_syntax_shows_a_good_gate(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gate(text)
    assert "discriminator.words<=0.65" in caught.value.fix


def test_an_unknown_name_lists_close_ones() -> None:
    with pytest.raises(UsageError) as caught:
        judge(Gate("discriminator.wrods", "<=", 1.0), MEASURED)
    assert "discriminator.words" in caught.value.fix


def test_a_short_name_of_two_measurements_is_refused() -> None:
    with pytest.raises(UsageError, match="stands for 2") as caught:
        judge(Gate("words", "<=", 1.0), MEASURED)
    assert "separability.icc.words" in caught.value.fix


def test_names_are_checked_before_the_work() -> None:
    names = ["realism.discriminator", "separability.icc"]
    check_names([Gate("discriminator.words", "<=", 1.0), Gate("realism.discriminator.all", "<=", 1.0)], names)
    check_names([Gate("icc", ">=", 0.0), Gate("words", "<", 0.6)], names)
    for bad in ("discriminater.words", "realism", "realism.nothing", "wrods", "words_per_turns"):
        with pytest.raises(UsageError):
            check_names([Gate(bad, "<=", 1.0)], names)


def test_the_parts_known_beforehand_are_those_of_an_audit() -> None:
    from understudy import audit, sample_corpus, split_corpus
    from understudy.cli.gates import part_names
    from understudy.reports.audit import DEFAULT_MEASURES

    halves = split_corpus(sample_corpus(), (0.5, 0.5), seed=0)
    made = {m.name for m in audit(*halves, seed=0, permutations=199).measurements}
    assert made - set(DEFAULT_MEASURES) <= set(part_names())


def test_a_short_name_of_several_parts_is_refused_before_the_work() -> None:
    with pytest.raises(UsageError, match="'length' stands for 3") as caught:
        check_names([Gate("length", "<=", 1.0)], ["realism.discriminator", "realism.ensemble"])
    assert "realism.discriminator.length" in caught.value.fix


@pytest.mark.parametrize(("text", "right"), [("words=<0.6", "words<=0.6"), ("words≥0.6", "words>=0.6")])
def test_a_sign_written_otherwise_is_put_right(text: str, right: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gate(text)
    assert repr(right) in caught.value.fix


@pytest.mark.parametrize("name", ["realism.discriminator", "realism.discriminator.words"])
def test_the_rule_for_copies_is_the_reports(name: str) -> None:
    close, beside = _scored(name, 0.04, (0.01, 0.09)), _scored("realism.discriminators", 0.04, (0.01, 0.09))
    assert too_close(close)
    assert not judge(Gate(name, "<=", 0.65), [close]).met
    assert not too_close(beside)
    assert judge(Gate(beside.name, "<=", 0.65), [beside]).met


def test_a_discriminator_fooled_by_copies_meets_no_gate() -> None:
    copies = _scored("realism.discriminator.words", 0.04, (0.01, 0.09))
    result = judge(parse_gate("discriminator.words<=0.65"), [copies])
    assert not result.met
    assert "copies" in result.reason
