"""What stands beside the numbers of a ranking, as plain data: tables of systems, flags, purchases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from understudy.measures.score_bounds import Scale, score_bounds
from understudy.seeds import stream
from understudy.transfer.allocation import buy_for_precision, spend
from understudy.transfer.prediction_powered import ALL_EQUAL, PoweredScore, too_few_users
from understudy.transfer.rank_agreement import Agreement, rank_agreement
from understudy.transfer.rank_correlation import kendall_tau
from understudy.transfer.scores import Scores, Tally, tally
from understudy.transfer.split_half import Ceiling

RELIABLE = 0.5  # of the human ceiling: three pairs of four in the same order
FEWEST_SYSTEMS = 8  # below which an order may be right by luck


def systems_table(
    crowd: Tally,
    machine: Tally,
    scales: tuple[Scale, Scale],
    powered: Sequence[PoweredScore],
    systems: Sequence[str],
) -> dict[str, Any]:
    """A row a system, best real score first: real, simulated and prediction-powered scores with their bounds."""
    order = np.argsort(-crowd.means, kind="stable")
    table: dict[str, Any] = {"system": [systems[k] for k in order]}
    for name, side, scale in (("real", crowd, scales[0]), ("simulated", machine, scales[1])):
        low, high = score_bounds(side.means, np.diag(side.covariance), side.units.astype(np.float64), scale)
        for key, column in (("", side.means), ("_low", low), ("_high", high), ("_n", side.counts.sum(0))):
            table[name + key] = column[order].tolist()
        table[f"{name}_users"] = side.units[order].tolist()
    helped = [p.weight != 0.0 for p in powered]
    table["prediction_powered"] = [powered[k].value if helped[k] else None for k in order]
    intervals = [powered[k].interval if helped[k] else None for k in order]
    table["prediction_powered_low"] = [i[0] if i else None for i in intervals]
    table["prediction_powered_high"] = [i[1] if i else None for i in intervals]
    return table


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns, which is what the report draws from."""
    return {key: [row[key] for row in rows] for key in rows[0]} if rows else {}


def ceiling_evidence(ceiling: Ceiling, other: float) -> dict[str, Any]:
    """The ceiling with how it was reached: measured on halves, then carried."""
    return {**ceiling._asdict(), "simulated_per_real_episode": other}


def flags_of(found: Agreement, ceiling: Ceiling | None, systems: int) -> list[str]:
    """What must be read beside the number, by rule."""
    flags = []
    if systems < FEWEST_SYSTEMS:
        flags.append(
            f"descriptive: {systems} systems, and an order of fewer than {FEWEST_SYSTEMS} may be right by luck"
        )
    if found.interval is None:
        flags.append("no interval: fewer than ten users on a side")
    elif found.interval[1] < 0:
        flags.append("inverted: simulated users prefer what real users do not")
    elif found.interval[0] <= 0:
        flags.append("uninformative: no agreement is not ruled out")
    if ceiling is None:
        flags.append("no human ceiling: fewer than twenty real users, or halves of them lack systems")
    elif found.interval is not None:
        if found.interval[1] < ceiling.interval[0]:
            flags.append("below the human ceiling: other people would agree more")
        if ceiling.interval[0] <= 0 or ceiling.value < RELIABLE:
            flags.append("real users do not order these systems reliably: other people may order them otherwise")
    return flags


def without_spoiled(
    crowd: Tally, planned: Scores, machine: Tally, systems: Sequence[str], *, seed: int
) -> dict[str, Any] | None:
    """What changes if episodes that the simulator broke are left out; None where no column says which."""
    if planned.spoiled is None:
        return None
    kept = tally(planned.take(~planned.spoiled), systems)
    own = np.isin(planned.system, np.asarray(systems))
    table: dict[str, Any] = {
        "system": list(systems),
        "planned": [int((planned.system == s).sum()) for s in systems],
        "spoiled": [int((planned.spoiled & (planned.system == s)).sum()) for s in systems],
        "with": machine.means.tolist(),
    }
    evidence = {"share": float(planned.spoiled[own].mean()), "systems": table}
    if not (kept.units > 1).all():
        return {**evidence, "reason": "some system has no unspoiled episode left"}
    table["without"] = kept.means.tolist()
    found = rank_agreement(crowd, kept, kendall_tau, rng=stream(seed, "ranking", "spoiled"))
    best = [systems[int(np.argmax(side.means))] for side in (machine, kept)]
    return {**evidence, "tau": found.value, "interval": found.interval, "best_with": best[0], "best_without": best[1]}


def purchases(powered: Sequence[PoweredScore], precision: float | None, budget: int | None) -> dict[str, Any]:
    """What to buy for the wanted precision, and how to spread a budget; systems without an answer, each with why."""
    widths = [(high - low) / 2 for p in powered if p.interval for low, high in [p.interval] if high > low]
    wanted = precision if precision is not None else (float(np.median(widths)) / 2 if widths else None)
    evidence: dict[str, Any] = {}
    buyable = [p for p in powered if p.interval and p.sigma > 0]
    left_out = [
        f"{p.system}: {ALL_EQUAL if p.interval else too_few_users(p.users)}" for p in powered if p not in buyable
    ]
    if wanted is not None and buyable:
        rows = [p._asdict() for p in buy_for_precision(buyable, wanted)]
        chosen = precision is not None
        evidence["buy"] = {
            "half_width": wanted, "chosen": chosen, "systems": columns_of(rows), "left_out": left_out
        }  # fmt: skip
    if budget is not None and buyable:
        rows = [p._asdict() for p in spend(buyable, budget)]
        evidence["spend"] = {"budget": budget, "systems": columns_of(rows), "left_out": left_out}
    return evidence


def reasons_of(powered: Sequence[PoweredScore]) -> str:
    """Why no score is sharpened: one reason for all, or each with its systems, the commonest first.

    >>> alone = PoweredScore("a", 0, None, 0, None, 0, None, 9, 9, 0, 0, 9, 1.0, 0.0, "few")
    >>> reasons_of([alone, alone._replace(system="b", reason="flat"), alone._replace(system="c", reason="flat")])
    'flat (b, c); few (a)'
    """
    systems: dict[str, list[str]] = {}
    for p in powered:
        systems.setdefault(p.reason or "the simulator explains nothing of the real scores", []).append(p.system)
    if len(systems) == 1:
        return next(iter(systems))
    told = [
        f"{reason} ({', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''})"
        for reason, names in sorted(systems.items(), key=lambda item: -len(item[1]))
    ]
    return "; ".join(told)
