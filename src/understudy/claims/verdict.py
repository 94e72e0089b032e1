"""From intervals to verdicts: held, weakened, refuted, inconclusive or untested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from understudy.measures.measurement import Measurement

Outcome = Literal["held", "weakened", "refuted", "inconclusive", "untested"]


class Row(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What one corpus says of a claim. `value` None: it could not be measured there, and `why` says so."""

    corpus: str
    measure: str
    outcome: Outcome
    why: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    floor: str = ""
    version: int = 1
    n: Mapping[str, Any] = {}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of a study with the rows behind it."""

    outcome: Outcome
    why: str
    rows: tuple[Row, ...] = ()


def judge(
    found: Measurement, corpus: str, *, claimed: float = 0.0, negligible: float = 0.0, floor: str = "", asks: str = ""
) -> Row:
    """What an effect with its interval says of a claim that it is above 0, or at least `claimed`.

    held: the whole interval is above `claimed`. weakened: above 0, but the whole interval below `claimed`. refuted:
    the whole interval at or below `negligible` (0, or an effect too small to matter). inconclusive: anything else, and
    whatever has no interval. A value whose interval does not hold it is a broken measure, and inconclusive.

    >>> from understudy.measures.measurement import MeasureSpec
    >>> spec = MeasureSpec("a.b", "train", "?", "points", (None, None), "higher", "none")
    >>> def at(value, low, high):
    ...     return Measurement(name="a.b", value=value, status="scored", n={}, spec=spec, interval=(low, high))
    >>> cases = (.8, .6, 1), (.2, .1, .3), (-.2, -.3, -.1), (.4, .2, .6)
    >>> [judge(at(*case), "x", claimed=0.5).outcome for case in cases]
    ['held', 'weakened', 'refuted', 'inconclusive']
    """
    row = Row(
        corpus=corpus,
        measure=found.name,
        outcome="inconclusive",
        why=f"unscored: {found.reason}",
        value=found.value,
        interval=found.interval,
        floor=floor or _floor(found),
        version=found.spec.version,
        n={side: msgspec.to_builtins(count) for side, count in found.n.items()},
    )
    if found.value is None:
        return row
    if found.interval is None:
        return msgspec.structs.replace(row, why="no interval: what another sample would say is not known")
    low, high = found.interval
    told = f"{asks or found.name}: {found.value:.3g} [{low:.3g}, {high:.3g}]"
    if not low <= found.value <= high:
        return msgspec.structs.replace(row, why=f"{told} lies outside its own interval")
    if low > max(claimed, 0.0):
        outcome: Outcome = "held"
    elif high <= max(negligible, 0.0):
        outcome = "refuted"
    elif low > 0.0 and high < claimed:
        outcome = "weakened"
    else:
        outcome = "inconclusive"
    return msgspec.structs.replace(row, outcome=outcome, why=told)


def _floor(found: Measurement) -> str:
    if found.floor is None:
        return ""
    low, high = found.floor.interval or (found.floor.value, found.floor.value)
    return f"{found.floor.value:.3g} [{low:.3g}, {high:.3g}]"


def combine(rows: Sequence[Row], *, missing: str = "needs conversations of people (--real PEOPLE)") -> Finding:
    """The verdict over corpora.

    refuted: on at least one, and held on none. weakened: held on some and refuted on others, or weakened on one.
    held: on at least half of the corpora where something could be told, and refuted nowhere. untested: no corpus had
    what the study needs. inconclusive: the rest. `missing` says what the study lacks where there is no row.

    >>> rows = [Row(corpus=c, measure="m", outcome=o, why="") for c, o in (("a", "held"), ("b", "refuted"))]
    >>> combine(rows).outcome, combine(rows[:1]).outcome, combine(rows[1:]).outcome, combine([]).outcome
    ('weakened', 'held', 'refuted', 'untested')
    """
    told = [row for row in rows if row.outcome != "untested"]
    count = {name: sum(row.outcome == name for row in told) for name in ("held", "weakened", "refuted", "inconclusive")}
    if not told:
        why = "; ".join(dict.fromkeys(row.why for row in rows)) or missing
        return Finding(outcome="untested", why=why, rows=tuple(rows))
    if count["refuted"] and not count["held"]:
        outcome: Outcome = "refuted"
    elif count["refuted"] or count["weakened"]:
        outcome = "weakened"
    elif count["held"] * 2 >= len(told):
        outcome = "held"
    else:
        outcome = "inconclusive"
    why = ", ".join(f"{name} on {number}" for name, number in count.items() if number)
    return Finding(
        outcome=outcome, why=f"{why} of {len(told)} comparisons" if len(told) > 1 else told[0].why, rows=tuple(rows)
    )
