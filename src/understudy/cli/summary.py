"""A report in a terminal: the headline numbers, each with what it must be read beside, then a verdict in short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from understudy.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from understudy.measures.measurement import Measurement
    from understudy.reports.report import Report
    from understudy.reports.verdicts import Verdict

VERDICT_STYLES = {"told_apart": "bold red", "alarm": "bold red"}  # not told apart is no success, only no finding
TOO_CLOSE = "Closer to the real users than other real users are: were the users fitted to the same people?"


def show_report(report: Report, output: Output) -> None:
    """A table a family of tests, then a sentence a question; the findings in full are in the report."""
    from understudy.reports.findings import too_close
    from understudy.reports.rater_findings import by_people
    from understudy.reports.report import copies_in
    from understudy.reports.verdicts import QUESTIONS
    from understudy.reports.wording import asked_besides

    if told := report.provenance.get("contaminated"):
        output.line(f"! {told}", "bold red")
    families = _families(report.headlines)
    widest = max((len(row[0]) for _, _, rows in families for row in rows), default=0)
    for heading, columns, rows in families:
        if len(families) > 1:
            output.line(heading, "bold")
        output.table(*_without_empty(columns, rows), least=widest)
        output.line()
    _missing(report.headlines, output)
    for question, verdict in report.verdicts.items():
        if verdict.status == "not_asked":
            continue
        heads = [m for m in report.headlines if m.spec.question == question and not asked_besides(m)]
        output.line(f"{QUESTIONS[question]} {_in_short(verdict, heads)}", VERDICT_STYLES.get(verdict.status, "bold"))
    if said := by_people(report.measurements):
        output.line(said, VERDICT_STYLES.get(report.verdicts["real"].status, "bold"))
    if copied := copies_in(report.provenance):
        output.line(copied.statement, "bold red" if copied.many else "")
    if any(too_close(m) for m in report.headlines):
        output.line(TOO_CLOSE, "bold red")


def _missing(heads: Sequence[Measurement], output: Output) -> None:
    """Why numbers are missing: a line a reason."""
    from understudy.reports.views import unscored_rows
    from understudy.reports.wording import title_of

    titles = {m.name: title_of(m) for m in heads}
    rows = unscored_rows(heads)
    for reason, names in rows:
        output.line(f"unscored: {reason} ({', '.join(titles[name].lower() for name in names)})", "dim")
    if rows:
        output.line()


def _families(heads: Sequence[Measurement]) -> list[tuple[str, list[str], list[list[str]]]]:
    """A heading, columns and rows for each family of tests: p values are adjusted within one, never across."""
    from understudy.reports.verdicts import QUESTIONS, family_title
    from understudy.reports.wording import family_of

    found = []
    rest = [m for m in heads if not m.name.startswith(("transfer.", "ranking."))]
    for family in dict.fromkeys(map(family_of, rest)):
        members = [m for m in rest if family_of(m) == family]
        columns = ["", "value", "95 % interval", "real vs real", "other real", "adjusted p"]
        found.append((family_title(family, members), columns, [_row(m) for m in members]))
    for question, rows_of in (("rank", _order), ("train", _training)):
        columns, rows = rows_of(heads)
        found += [(QUESTIONS[question], columns, rows)] if rows else []
    return found


def _order(heads: Sequence[Measurement]) -> tuple[list[str], list[list[str]]]:
    """The order of systems, beside the human ceiling."""
    columns = ["", "value", "95 % interval", "noise alone", "other people", "adjusted p"]
    return columns, [_row(m) for m in heads if m.name.startswith("ranking.")]


def _training(heads: Sequence[Measurement]) -> tuple[list[str], list[list[str]]]:
    """A row a measurement of training; S/I only beside B/I."""
    from understudy.reports.wording import evidence_number, number

    columns = ["", "value", "95 % interval", "B/I", "S/I", "note"]
    rows = []
    for m in heads:
        if not m.name.startswith("transfer."):
            continue
        title, value, reach = _row(m)[:3]
        base, own = evidence_number(m, "b_over_i"), evidence_number(m, "s_over_i")
        both = ["", ""] if base is None or own is None else [number(base, 2), number(own, 2)]
        alarm = "ALARM" if m.evidence.get("alarm") is True else ""
        flagged = "flagged" if m.value is not None and m.evidence.get("flags") else ""
        rows.append([title, value, reach, *both, alarm or flagged])
    return columns, rows


def _in_short(verdict: Verdict, heads: Sequence[Measurement]) -> str:
    """The verdict in one sentence; where the rule has none shorter, its own."""
    from understudy.reports.findings import differs, listed
    from understudy.reports.wording import evidence_number, number, title_of

    if verdict.status == "told_apart":
        titles = [title_of(m).lower() for m in heads if differs(m)]
        if not titles:
            return f"Told apart by people, and by none of {len(heads)} measures."
        return f"Told apart, by {len(titles)} of {len(heads)} measures: {listed(titles)}."
    if verdict.status != "not_told_apart":
        return verdict.sentence
    judge = next((m for m in heads if m.name == "realism.discriminator" and m.value is not None), None)
    n = (judge or heads[0]).n
    sizes = " and ".join(f"{n[side].conversations:,} {side}" for side in n)
    least = None if judge is None else evidence_number(judge, "detectable_auc")
    seen = "" if least is None else f" (an AUC of {number(least, 2)} or more would mostly be found)"
    return f"Not told apart at {sizes} conversations{seen}; that is not proof that they are alike."


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
