"""A measurement as a sentence in plain words: what was shown, where it is furthest off, beside what floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from understudy.measures.measurement import Measurement
from understudy.reports.wording import (
    amounts,
    decimals_for,
    evidence_number,
    interval,
    number,
    part_label,
    percent,
    rates,
    title_of,
    unit_of,
    with_unit,
    words,
)

LEVEL = 0.05
NAMED = 3


def p_of(m: Measurement) -> float | None:
    """The p-value to judge by: adjusted where it was adjusted."""
    return m.p_value if m.adjusted_p is None else m.adjusted_p


def differs(m: Measurement) -> bool:
    """Whether a difference was shown at the 5 % level."""
    p = p_of(m)
    return m.status == "scored" and p is not None and p <= LEVEL


def listed(names: Sequence[str]) -> str:
    """Names as a phrase.

    >>> listed(["a", "b", "c"]), listed(["a"]), listed([])
    ('a, b and c', 'a', '')
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


class Gap(msgspec.Struct, frozen=True):
    """A behaviour that is off: what it is, on which side how much, and how far apart on a common scale."""

    label: str
    unit: str
    real: float
    synthetic: float
    weight: float

    def phrase(self) -> str:
        """One phrase.

        >>> Gap("hedges", "per 100 words", 0.5, 0.07, 0.2).phrase()
        'hedges: 0.07 per 100 words where people show 0.50'
        """
        real, synthetic = amounts((self.real, self.synthetic), self.unit)
        return f"{self.label}: {with_unit(synthetic, self.unit)} where people show {real}"


def gap_weight(m: Measurement) -> float:
    """How far apart the two sides of a part stand: distance between distributions, else relative difference."""
    known = evidence_number(m, "total_variation", "distance", "weight")
    both = rates(m)
    if known is not None or both is None:
        return abs(m.value or 0.0) if known is None else known
    return abs(both[1] - both[0]) / (abs(both[0]) + abs(both[1]) or 1.0)


def worst_behaviours(measurements: Sequence[Measurement]) -> list[Gap]:
    """Behaviours whose gap was shown, furthest first."""
    gaps = []
    for m in measurements:
        pair = rates(m)
        if m.name.startswith("realism.messiness.") and pair is not None and differs(m):
            label = words(m.name.removeprefix("realism.messiness."))
            gaps.append(Gap(label, unit_of(m), *pair, gap_weight(m)))
    return sorted(gaps, key=lambda g: (-g.weight, g.label))


def finding(m: Measurement, parts: Sequence[Measurement]) -> str:
    """What a scored headline measurement found, in a sentence."""
    if p_of(m) is not None and not differs(m):
        return f"No difference detected at this n: {_told(m)}."
    sentence = _SENTENCES[m.name](m, parts) if m.name in _SENTENCES else None
    return sentence or plain_finding(m)


def plain_finding(m: Measurement) -> str:
    """Title, value, interval, floor."""
    return f"{title_of(m)}: {_told(m)}."


def _told(m: Measurement) -> str:
    """`0.17 (0.16 to 0.19), real against real 0.05`, all to the same decimals."""
    assert m.value is not None
    decimals = decimals_for([m.value, *(m.interval or ()), *([m.floor.value] if m.floor else ())])
    reach = f" ({interval(m.interval, decimals)})" if m.interval is not None else ""
    floor = f", real against real {number(m.floor.value, decimals)}" if m.floor is not None else ""
    return f"{number(m.value, decimals)}{reach}{floor}"


def pairs(m: Measurement) -> str:
    """An AUC as what it means: pairs of one real and one synthetic conversation."""
    assert m.value is not None
    hits = "every time" if m.value >= 0.995 else f"{100 * m.value:.0f} times in 100"
    floor = "" if m.floor is None else f"; between halves of the real users it is {100 * m.floor.value:.0f} in 100"
    return f"Of a real and a synthetic conversation, a classifier picks out the synthetic user {hits}{floor}."


def _ladder(m: Measurement, parts: Sequence[Measurement]) -> str:
    best = max(
        (p for p in parts if differs(p) and p.name != f"{m.name}.all"), key=lambda p: p.value or 0.0, default=None
    )
    if best is None or best.value is None:
        return pairs(m)
    return f"{pairs(m)} From {part_label(best, m)} alone it is {100 * best.value:.0f} in 100."


def _furthest(m: Measurement, parts: Sequence[Measurement]) -> str:
    off = sorted((p for p in parts if differs(p)), key=lambda p: -abs(p.value or 0.0))[:2]
    return f"; furthest in {listed([f'“{part_label(p, m)}”' for p in off])}" if off else ""


def _mix(m: Measurement, parts: Sequence[Measurement]) -> str:
    return f"The mix of what turns do stands apart from people's: {_told(m)}{_furthest(m, parts)}."


def _reaction(m: Measurement, parts: Sequence[Measurement]) -> str:
    return f"They react to the partner otherwise than people do: {_told(m)}{_furthest(m, parts)}."


def _covered(m: Measurement, _: Sequence[Measurement]) -> str | None:
    if m.value is None or not 0 <= m.value <= 1:
        return None
    floor = f"; one half of the real users covers {percent(m.floor.value)} of the other" if m.floor else ""
    return f"They cover {percent(m.value)} of what people do{floor}."


def _varied(m: Measurement, parts: Sequence[Measurement]) -> str | None:
    off = sorted((p for p in parts if differs(p) and rates(p)), key=lambda p: -abs(p.value or 0.0))
    if not off:
        return None
    named = []
    for p in off[:NAMED]:
        real, synthetic = amounts(rates(p) or (), unit_of(p))
        named.append(f"{part_label(p, m)} ({synthetic}, people {real})")
    return f"Variety is off in {len(off)} of {len(parts)} ways, most in {listed(named)}."


def _spread(m: Measurement, parts: Sequence[Measurement]) -> str | None:
    off = [p for p in parts if differs(p) and p.value is not None]
    if not off:
        return None
    narrow = sum((p.value or 0.0) < 0 for p in off)
    ways = f"too narrow in {narrow}, too wide in {len(off) - narrow}"
    return f"Style spreads otherwise than among people in {len(off)} of {len(parts)} respects: {ways}."


def _icc(m: Measurement, _: Sequence[Measurement]) -> str | None:
    rows = [r for r in m.evidence.get("features") or () if isinstance(r, Mapping)]
    levels = [
        (r["real"], r["synthetic"]) for r in rows if _numeric(r.get("real")) and _numeric(r.get("synthetic"))
    ]
    if not levels:
        return None
    real, synthetic = (sum(level[side] for level in levels) / len(levels) for side in (0, 1))
    says = "Users blur into one another" if synthetic < real else "Users are overdrawn"
    ours, people = percent(max(synthetic, 0.0)), percent(max(real, 0.0))
    return f"{says}: who writes accounts for {ours} of the variation in style, where among people it is {people}."


def _messiness(m: Measurement, parts: Sequence[Measurement]) -> str | None:
    tested = [p for p in parts if p.status == "scored"]
    if not tested:
        return None
    off = [p for p in tested if differs(p)]
    most = sum((p.value or 0.0) > 0 for p in off)
    few = f" ({listed([part_label(p, m) for p in off])})" if 0 < len(off) <= NAMED else ""
    ways = f"{most} overdone, {len(off) - most} too rare or too low"
    return f"Of {len(tested)} behaviours {len(off)} are off{few}: {ways}."


def _recognised(m: Measurement, _: Sequence[Measurement]) -> str | None:
    real, synthetic, chance = (evidence_number(m, k) for k in ("real_accuracy", "synthetic_accuracy", "chance"))
    if real is None or synthetic is None or chance is None:
        return None
    ours, people, luck = amounts((synthetic, real, chance), "share")
    return f"A user is recognised again from style {ours} of the time, real ones {people}; chance is {luck}."


def _numeric(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_SENTENCES = {
    "realism.discriminator": _ladder,
    "realism.messiness": _messiness,
    "realism.ensemble": _mix,
    "realism.conditional": _reaction,
    "realism.coverage": _covered,
    "realism.diversity": _varied,
    "separability.icc": _icc,
    "separability.identification": _recognised,
    "separability.dispersion": _spread,
}
