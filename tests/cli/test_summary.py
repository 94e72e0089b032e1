"""A report in a terminal: families of tests apart, people's word, and how much is copied."""

from __future__ import annotations

import pytest

from tests.reports.constructed import discriminator, icc, scored, spec
from understudy.cli.output import Output
from understudy.cli.summary import show_report
from understudy.measures.measurement import Measurement
from understudy.measures.raters.discrimination import SPEC
from understudy.reports.report import make_report


def shown(capsys: pytest.CaptureFixture[str], *measurements: Measurement, synthetic: float = 0.02) -> str:
    report = make_report(measurements, provenance={"copies": {"synthetic": synthetic, "real": 0.01}})
    show_report(report, Output(json=False, quiet=False))
    return capsys.readouterr().out


def test_p_values_stand_under_the_family_that_they_are_adjusted_in(capsys: pytest.CaptureFixture[str]) -> None:
    besides = [
        scored(spec(f"relational.{name}", "?", "share", -1.0, 1.0), 0.1, 0.05, 0.04) for name in ("repair", "uptake")
    ]
    lines = shown(capsys, discriminator(), icc(), *besides).splitlines()
    places = [lines.index(f"{one}") for one in lines if one.endswith("tests)")]
    assert [lines[k] for k in places] == [
        "Do they look real? (adjusted for 2 tests)", "Asked besides: relational (adjusted for 2 tests)",
    ]  # fmt: skip
    assert any(line.startswith("Repair") for line in lines[places[1] :])
    assert not any(line.startswith("Repair") for line in lines[: places[1]])
    assert len({line.index("value") for line in lines if "adjusted p" in line and "value" in line}) == 1
    assert not any("adjusted for" in line for line in shown(capsys, discriminator(), icc()).splitlines())


def test_people_and_copies_are_told_beside_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, discriminator(), scored(SPEC, 0.8, 0.3, 0.001), synthetic=0.4)
    assert "They can tell: d′ 0.80 (0.50 to 1.10)." in out
    assert "40.0 % are word for word a turn of this real corpus" in out
    assert "says little of its users" in out
    quiet = shown(capsys, scored(spec("realism.discriminator", "?", "AUC", 0.0, 1.0), 0.5, 0.05, 0.9),
                  scored(SPEC, 0.8, 0.3, 0.001))  # fmt: skip
    assert "Told apart by people, and by none of 1 measures." in quiet
