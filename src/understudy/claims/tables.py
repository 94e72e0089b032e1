"""The ledger as Markdown: a row a claim for the README, a section a claim for the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.claims.ledger import Entry, change, latest
from understudy.claims.record import Claim

KINDS = {
    "finding": "Findings",
    "correction": "Corrections of what is quoted",
    "newer": "Newer results",
    "question": "Open questions",
}


def cell(text: str) -> str:
    """Text that stays in its cell.

    >>> cell("a | b\\nc")
    'a \\\\| b c'
    """
    return " ".join(text.split()).replace("|", "\\|")


def overview(claims: Mapping[str, Claim], entries: Sequence[Entry]) -> str:
    """A row a claim: where it stands, its scope, the verdict, and the number behind it."""
    last = latest(entries)
    lines = ["| claim | source | its own scope | verdict | what was found |", "| --- | --- | --- | --- | --- |"]
    for claim in claims.values():
        entry = last.get(claim.id)
        source = f"{claim.sources[0].id} ({claim.sources[0].grade})"
        row = (claim.title, source, claim.n, f"**{entry.outcome}**" if entry else "not run", entry.why if entry else "")
        lines.append("| " + " | ".join(map(cell, row)) + " |")
    return "\n".join(lines)


def page(claims: Mapping[str, Claim], entries: Sequence[Entry]) -> str:
    """Every claim with its sources, its falsifier, and all that its studies found."""
    parts = ["# What the field claims, and what its studies found", overview(claims, entries)]
    for kind, title in KINDS.items():
        parts.append(f"## {title}")
        parts += [_section(claim, entries) for claim in claims.values() if claim.kind == kind]
    return "\n\n".join(parts) + "\n"


def _section(claim: Claim, entries: Sequence[Entry]) -> str:
    mine = [entry for entry in entries if entry.claim == claim.id]
    lines = [f"### {claim.title}", "", claim.statement, "", f"- task: {claim.task}", f"- n: {claim.n}"]
    lines += [
        f"- source, {source.grade}: {source.id}{': ' + source.says if source.says else ''}" for source in claim.sources
    ]
    lines.append(f"- refuted if: {claim.refuted_if}")
    lines.append(f"- study: `{claim.study}`" if claim.study else f"- untested: {claim.untested}")
    if mine:
        now = mine[-1]
        lines += ["", f"**{now.outcome}** ({now.date[:10]}, {now.commit or now.version}; {change(mine)}): {now.why}"]
        if shown := [row for row in now.rows if row.value is not None]:
            lines += ["", "| corpus | measure | value | floor | verdict |", "| --- | --- | --- | --- | --- |"]
            for row in shown:
                between = f" [{row.interval[0]:.3g}, {row.interval[1]:.3g}]" if row.interval else ""
                cells = (row.corpus, row.measure, f"{row.value:.3g}{between}", row.floor or "–", row.outcome)
                lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return "\n".join(lines)
