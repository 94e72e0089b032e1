"""The account that lies beside generated conversations: what was planned, what became of it, how it came out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from understudy.scenarios.coverage import cover
from understudy.scenarios.generation import Generated
from understudy.scenarios.goodness import holm
from understudy.scenarios.preparation import Prepared
from understudy.scenarios.subtopics import Subtopics

SCHEMA = "understudy.generation/1"


def sidecar_beside(out: Path) -> Path:
    """Where the account of the conversations in `out` lies.

    >>> sidecar_beside(Path("syn.jsonl")).name
    'syn.jsonl.account.json'
    """
    return out.with_name(out.name + ".account.json")


def sidecar(
    prepared: Prepared, made: Generated, *, provenance: Mapping[str, Any], named: Mapping[str, Subtopics] | None = None
) -> dict[str, Any]:
    """All of it as plain data, without times of day, so that a run that went on writes the same bytes.

    `coverage` is of the design; `coverage_accepted` of what was kept, whose chi-squares show what rejection bent.
    """
    kept = {o.scenario for o in made.outcomes if o.outcome == "accepted"}
    accepted = [s for s in prepared.scenarios if s.id in kept]
    data = {
        "schema": SCHEMA,
        "provenance": dict(provenance),
        "seed": prepared.seed,
        "plan": msgspec.to_builtins(prepared.plan),
        "accounts": msgspec.to_builtins(made.accounts),
        "notes": list(prepared.notes),
        "subtopics": {name: msgspec.to_builtins(found) for name, found in (named or {}).items()},
        "declared": prepared.joint.described(),
        "cuts": {name: list(pair) for name, pair in prepared.cuts.items()},
        "coverage": msgspec.to_builtins(prepared.coverage),
        "coverage_holm_p": holm(prepared.coverage.fits),
        "coverage_accepted": (
            msgspec.to_builtins(cover(accepted, prepared.layers.strata, prepared.joint, prepared.personality))
            if accepted
            else None
        ),
        "rates": [{**msgspec.to_builtins(rate), "met": rate.met} for rate in made.rates],
        "realised_at_first": msgspec.to_builtins(made.realised_at_first),
        "realised": msgspec.to_builtins(made.realised),
        "outcomes": msgspec.to_builtins(made.outcomes),
        "ledger": msgspec.to_builtins(made.ledger),
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(data))
    return plain


def write_account(path: Path, account: Mapping[str, Any]) -> None:
    """Write an account as JSON: whole or not at all."""
    draft = path.with_name(f".{path.name[:80]}.part")
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(account), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
