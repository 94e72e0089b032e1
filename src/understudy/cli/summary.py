"""A report in a terminal: the verdicts, then the headline numbers, each with what it must be read beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from understudy.cli.output import Output

if TYPE_CHECKING:
    from understudy.measures.measurement import Measurement
    from understudy.reports.report import Report

FINDINGS_SHOWN = 4
VERDICT_STYLES = {"told_apart": "bold red"}  # not told apart is no success, only no finding


def show_report(report: Report, output: Output) -> None:
    """A sentence a question, what it rests on, and the table of headline measurements."""
    from understudy.reports.verdicts import QUESTIONS

    for question, verdict in report.verdicts.items():
        if verdict.status == "not_asked":
            continue
        output.line(f"{QUESTIONS[question]} {verdict.sentence}", VERDICT_STYLES.get(verdict.status, "bold"))
        for finding in verdict.findings[:FINDINGS_SHOWN]:
            output.line(f"  - {finding}")
        if len(verdict.findings) > FINDINGS_SHOWN:
            output.line(f"  - and {len(verdict.findings) - FINDINGS_SHOWN} more in the report", "dim")
    output.line()
    columns = ["", "value", "95 % interval", "real vs real", "other real", "p"]
    output.table(*_without_empty(columns, [_row(m) for m in report.headlines]))


def _row(m: Measurement) -> list[str]:
    from understudy.reports.verdicts import p_of
    from understudy.reports.wording import interval, number, p_text, title_of

    if m.value is None:
        return [title_of(m), "unscored", "", "", "", ""]
    references = [number(e.value, 2) if e else "" for e in (m.floor, m.ceiling)]
    return [title_of(m), number(m.value, 2), interval(m.interval, 2), *references, p_text(p_of(m))]


def _without_empty(columns: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Columns that no row fills say nothing."""
    kept = [k for k in range(len(columns)) if k == 0 or any(row[k] for row in rows)]
    return [columns[k] for k in kept], [[row[k] for k in kept] for row in rows]
