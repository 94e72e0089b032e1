"""What `understudy generate` says: the account, the rates, how it came out, and the progress line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.cli.generating import Progress
    from understudy.cli.models import Models
    from understudy.cli.output import OnProgress, Output
    from understudy.conversations import Conversation
    from understudy.scenarios.generation import Accounts, Generated
    from understudy.scenarios.preparation import Prepared
    from understudy.scenarios.scenario import Scenario

LINES_SHOWN = 8


def cells(prepared: Prepared) -> str:
    """How much of the plan's cells the design reaches."""
    c = prepared.coverage
    return (
        f"{c.one_way[0]:,} of {c.one_way[1]:,} levels, {c.two_way[0]:,} of {c.two_way[1]:,} pairs "
        f"(independent draws: {c.two_way_expected:,.0f})"
    )


def plain(value: Any) -> Any:
    """A record as plain data."""
    import msgspec

    return msgspec.to_builtins(value)


def scenario_lines(scenario: Scenario) -> list[str]:
    """A scenario for people to read."""
    from understudy.scenarios.rendering import persona_lines

    context = ", ".join(f"{k}={v}" for k, v in plain(scenario.context).items())
    goal = f"; goal: {scenario.goal}" if scenario.goal else ""
    return [
        f"{scenario.id}  {scenario.topic} / {scenario.subtopic or scenario.topic}{goal}",
        f"  {'; '.join(persona_lines(scenario))}",
        f"  {context}",
    ]


def talk_lines(talk: Conversation, fault: str | None) -> list[str]:
    """A conversation for people to read, and what broke it."""
    lines = [f"    {turn.role}: {turn.text}" for turn in talk.turns]
    return [*lines, f"    failed: {fault}"] if fault else lines


def tell(
    made: Generated,
    prepared: Prepared,
    provenance: Mapping[str, Any],
    file: Path,
    output: Output,
    *,
    seconds: float,
    spent: Mapping[str, Any] | None,
) -> None:
    """The result of a run: the account, the rates, how it came out."""
    from understudy.scenarios.sidecar import sidecar_beside

    payload = {
        "file": str(file),
        "account": str(sidecar_beside(file)),
        "speakers": provenance["speakers"],
        "accounts": plain(made.accounts),
        "rates": plain(made.rates),
        "spent": spent,
        "seconds": round(seconds, 3),
    }

    def show(o: Output) -> None:
        a = made.accounts
        o.line(f"{a.accepted:,} conversations in {seconds:.1f} s -> {file}; {provenance['speakers']}")
        o.table(["", "scenarios"], _account_rows(a))
        if made.rates:
            rows = [
                [
                    r.name,
                    f"{r.target:.4g} ± {2 * r.error:.2g}",
                    f"{r.before:.4g}",
                    f"{r.after:.4g}",
                    "" if r.met else "missed",
                ]
                for r in made.rates
            ]
            o.table(["rate", "target", "first", "kept", ""], rows)
        rows = [
            [r.name, f"{r.accuracy:.0%}", f"{r.chance:.0%}", f"{r.bits:.2f}"]
            for r in made.realised
            if r.accuracy is not None and r.chance is not None and r.bits is not None
        ]
        if rows:
            o.table(["came out as asked", "share", "by chance", "bits"], rows)
        o.note(f"next: understudy audit {file} --real REAL --out report/", "dim")

    for note in prepared.notes:
        output.warn(note)
    output.result(payload, show)


def _account_rows(a: Accounts) -> list[list[str]]:
    rows = [["planned", f"{a.planned:,}"], ["accepted", f"{a.accepted:,}"], ["deduplicated", f"{a.deduplicated:,}"]]
    for name, counts in (("rejected", a.rejected), ("failed", a.failed)):
        rows += [[f"{name}: {reason}", f"{count:,}"] for reason, count in list(counts.items())[:LINES_SHOWN]]
        rest = sum(list(counts.values())[LINES_SHOWN:])
        rows += [[f"{name}: other reasons", f"{rest:,}"]] if rest else []
    return rows


class Teller:
    """The progress line: done, failed, refused, retrying, spend, and why a model is throttled."""

    def __init__(self, on_progress: OnProgress, models: Models) -> None:
        self._on_progress, self._models = on_progress, models

    def progress(self, p: Progress) -> None:
        """One attempt is done."""
        parts = [f"{p.failed:,} failed"] if p.failed else []
        parts += [f"{p.refused:,} refused"] if p.refused else []
        parts += self._models.status()
        self._on_progress(f"generate ({', '.join(parts)})" if parts else "generate", p.done, p.planned)
