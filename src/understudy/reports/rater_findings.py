"""What human raters' judgements show, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.measures.measurement import Measurement
from understudy.reports.findings import differs
from understudy.reports.wording import evidence_number, interval, number, percent, stopped

TOLD = "panel.discrimination"
SHARE = f"{TOLD}.percent_correct"


def people_tell(m: Measurement) -> bool:
    """Whether raters were shown to tell the synthetic users from the real ones."""
    return differs(m) and (m.value or 0.0) > 0


def told_sentence(m: Measurement, share: Measurement | None) -> str:
    """What the judgements show."""
    value, reach = number(m.value, 2), interval(m.interval, 2)
    found = ""
    if share is not None and share.value is not None and share.interval is not None:
        low, high = (percent(x) for x in share.interval)
        found = f"People found the real user in {percent(share.value)} of pairs ({low} to {high}; guessing is 50 %). "
    if differs(m):
        tells = "They can tell" if people_tell(m) else "They take the synthetic users for the real ones"
        return f"{found}{tells}: d′ {value} ({reach})."
    least = evidence_number(m, "detectable_d")
    power = f" A d′ of {number(least, 2)} would have been found four times in five." if least is not None else ""
    return f"{found}Not shown that they can tell: d′ {value} ({reach}).{power} That does not show that they cannot."


def by_people(measurements: Sequence[Measurement]) -> str:
    """What raters say of looks, from a flat list of measurements; nothing where none were asked."""
    named = {m.name: m for m in measurements}
    told = named.get(TOLD)
    if told is None:
        return ""
    if told.value is None:
        return f"Human raters: not scored, {stopped(told.reason)}"
    return told_sentence(told, named.get(SHARE))
