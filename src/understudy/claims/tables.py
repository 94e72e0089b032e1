"""The ledger as Markdown: a row a claim for the README, a section a claim for the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.claims.ledger import Entry, by_data, change
from understudy.claims.record import Claim

KINDS = {
    "finding": "Findings",
    "correction": "Corrections of what is quoted",
    "newer": "Newer results",
    "question": "Open questions",
}
INTRODUCTION = (
    "Written from the records and the ledger by `understudy retest --page`; `understudy retest` runs the studies again."
    " *Held*: the whole interval says so. *Weakened*: less than claimed, or not on every corpus. *Refuted*: the whole"
    " interval says otherwise. *Inconclusive*: neither. *Untested*: the reason is given. Sources have grades:"
    " *primary*, read there; *secondary*, told by others or seen in an abstract; *recomputed* from tables or files;"
    " *own*, measured by this project."
)


def cell(text: str) -> str:
    """Text that stays in its cell.

    >>> cell("a | b\\nc")
    'a \\\\| b c'
    """
    return " ".join(text.split()).replace("|", "\\|")


def overview(claims: Mapping[str, Claim], entries: Sequence[Entry]) -> str:
    """A row a claim: where it stands, its scope, the verdicts on the data last used, and the number behind the last."""
    lines = ["| claim | source | its own scope | verdict | what was found | floor |", "| --- " * 6 + "|"]
    for claim in claims.values():
        mine = by_data([entry for entry in entries if entry.claim == claim.id])
        source = f"{claim.sources[0].id} ({claim.sources[0].grade})"
        verdicts = "; ".join(f"**{group[-1].outcome}** {_on(group[-1])}".strip() for group in reversed(mine))
        now = mine[-1][-1] if mine else None
        floors = {row.corpus: row.floor for row in now.rows if row.floor} if now else {}
        floor = next(iter(floors.values()), "") if len(floors) < 2 else f"{len(floors)} corpora, see the page"
        row = (claim.title, source, claim.n, verdicts or "not run", now.why if now else "", floor or "–")
        lines.append("| " + " | ".join(map(cell, row)) + " |")
    return "\n".join(lines)


def _on(entry: Entry) -> str:
    """What a verdict was given on, in words."""
    if not entry.data:
        return ""
    if len(entry.data) == 1:
        return f"on {next(iter(entry.data))}"
    return f"on {len(entry.data)} corpora"


def page(claims: Mapping[str, Claim], entries: Sequence[Entry]) -> str:
    """Every claim with its sources, its falsifier, and all that its studies found."""
    parts = ["# What the field claims, and what its studies found", INTRODUCTION, overview(claims, entries)]
    for kind, title in KINDS.items():
        parts.append(f"## {title}")
        parts += [_section(claim, entries) for claim in claims.values() if claim.kind == kind]
    return "\n\n".join(parts) + "\n"


def _section(claim: Claim, entries: Sequence[Entry]) -> str:
    mine = [entry for entry in entries if entry.claim == claim.id]
    lines = [f"### {claim.title}", "", claim.statement, "", f"- name: `{claim.id}`", f"- task: {claim.task}"]
    lines += [f"- n: {claim.n}", f"- published: {claim.date}"]
    lines += [
        f"- source, {source.grade}: {source.id}{': ' + source.says if source.says else ''}" for source in claim.sources
    ]
    lines.append(f"- refuted if: {claim.refuted_if}")
    lines.append(f"- study: `{claim.study}`" if claim.study else f"- untested: {claim.untested}")
    for group in reversed(by_data(mine)):
        now = group[-1]
        told = f"{now.date[:10]}, {now.commit or now.version}, {now.seconds:.0f} s; {change(group)}"
        lines += ["", f"**{now.outcome}** {_on(now)} ({told}): {now.why}"]
        if shown := [row for row in now.rows if row.value is not None]:
            lines += ["", "| corpus | measure | value | floor | verdict |", "| --- | --- | --- | --- | --- |"]
            for row in shown:
                between = f" [{row.interval[0]:.3g}, {row.interval[1]:.3g}]" if row.interval else ""
                cells = (row.corpus, row.measure, f"{row.value:.3g}{between}", row.floor or "–", row.outcome)
                lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return "\n".join(lines)
