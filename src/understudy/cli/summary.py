"""A report in a terminal: the verdicts, then the headline numbers, each with what it must be read beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from understudy.cli.output import Output, interval, number

if TYPE_CHECKING:
    from understudy.measures.measurement import Measurement
    from understudy.reports.report import Report


def show_report(report: Report, output: Output) -> None:
    """Verdicts and the table of headline measurements."""
    rows = [_row(m) for m in report.measurements]
    output.table(["measure", "value", "95 % interval", "floor", "ceiling", "p"], rows)


def _row(m: Measurement) -> list[str]:
    if m.value is None:
        return [m.name, "-", f"unscored: {m.reason}", "", "", ""]
    p = m.adjusted_p if m.adjusted_p is not None else m.p_value
    references = [number(e.value) if e else "-" for e in (m.floor, m.ceiling)]
    return [m.name, number(m.value), interval(m.interval), *references, number(p)]
