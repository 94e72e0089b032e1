"""A measurement as a sentence in plain words: what was shown, where it is furthest off, beside what floor."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from understudy.measures.measurement import Measurement
from understudy.reports.wording import (
    amounts,
    evidence_number,
    figures_of,
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
# The number of an induced label stands before its words.
_NUMBERED = re.compile(r"(?<!\w)\d+: ")


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


class TooFew(NamedTuple):
    """So few relabellings that no test of the report could have rejected."""

    relabellings: int
    tests: int


def too_few(heads: Sequence[Measurement]) -> TooFew | None:
    """Whether Holm's correction puts the least possible p-value above the level.

    Over m tests with P relabellings the smallest adjusted p-value is m / (P + 1).
    """
    tested = [m for m in heads if m.p_value is not None and m.adjusted_p is not None]
    drawn = max((evidence_number(m, "permutations") or 0 for m in tested), default=0)
    if not drawn or any(differs(m) for m in tested) or len(tested) / (drawn + 1) <= LEVEL:
        return None
    return TooFew(int(drawn), len(tested))


def finding(m: Measurement, parts: Sequence[Measurement], few: TooFew | None = None) -> str:
    """What a scored headline measurement found, in a sentence."""
    if few and p_of(m) is not None:
        return f"Not tested: {few.relabellings} relabellings are too few for {few.tests} tests. Value: {_told(m)}."
    if too_close(m):
        return closer(m)
    if p_of(m) is not None and not differs(m):
        return f"No difference detected at this n: {_told(m)}."
    sentence = _SENTENCES[m.name](m, parts) if m.name in _SENTENCES else None
    return sentence or plain_finding(m)


def too_close(m: Measurement) -> bool:
    """Whether a discriminator, whole or on one set of features, does worse than guessing, beyond chance.

    Two samples of people would not: only copies of these very people look like that.
    """
    return m.name.split(".")[:2] == ["realism", "discriminator"] and m.interval is not None and m.interval[1] < 0.5


def closer(m: Measurement) -> str:
    """What an AUC wholly below one half says."""
    value, reach, floor, _ = figures_of(m)
    beside = "" if m.floor is None else f"; real against real {floor}"
    told = f"Closer to these real users than other real users are (AUC {value}, {reach}{beside})"
    return f"{told}: were the users fitted to the same people?"


def plain_finding(m: Measurement) -> str:
    """Title, value, interval, floor."""
    return f"{title_of(m)}: {_told(m)}."


def _told(m: Measurement) -> str:
    """`0.17 (0.16 to 0.19), real against real 0.05`, all to the same decimals."""
    value, reach, floor, _ = figures_of(m)
    told = value if m.interval is None else f"{value} ({reach})"
    return told if m.floor is None else f"{told}, real against real {floor}"


def contribution(m: Measurement) -> float:
    """What a part adds to its headline: a mean of distances, or of absolute values."""
    known = evidence_number(m, "total_variation", "distance", "weight")
    return abs(m.value or 0.0) if known is None else abs(known)


def largest(m: Measurement, parts: Sequence[Measurement], count: int = 2) -> str:
    """The parts that the headline's value comes from, in words, with what either side shows."""
    scored = [p for p in parts if p.value is not None and contribution(p) > 0]
    named = [_levels(p, m) for p in sorted(scored, key=contribution, reverse=True)[:count]]
    return f" Largest gaps: {'; '.join(named)}." if named else ""


def _levels(p: Measurement, m: Measurement) -> str:
    """`first turns: 0.42 where people show 0.90`; a part that is not shown by itself says so."""
    label, both = part_label(p, m), rates(p)
    if both is not None:
        told = Gap(label, unit_of(p), *both, 0.0).phrase()
    else:
        told = _cell_of(p, label) or _turn_of(p, label) or f"{label}: {figures_of(p).value}"
    return told if differs(p) or p_of(p) is None else f"{told} (not shown by itself)"


def _cell_of(p: Measurement, label: str) -> str:
    """The label that differs most, of a part that compares distributions."""
    listed_rows = p.evidence.get("labels") or p.evidence.get("differences")
    rows = [r for r in listed_rows if isinstance(r, Mapping)] if isinstance(listed_rows, (list, tuple)) else []
    rows = [r for r in rows if _numeric(r.get("real")) and _numeric(r.get("synthetic"))]
    if not rows:
        return ""
    row = max(rows, key=lambda r: abs(r["real"] - r["synthetic"]))
    after = f" after “{row['given']}”" if row.get("given") else ""
    real, synthetic = amounts((row["real"], row["synthetic"]), "share")
    return f"{label}, “{_NUMBERED.sub('', str(row.get('label', '')))}”{after}: {synthetic} where people show {real}"


def _turn_of(p: Measurement, label: str) -> str:
    """The turn at which two curves stand furthest apart."""
    from understudy.reports.evidence import curves_in

    both = next(iter(curves_in(p.evidence).values()), None)
    if both is None:
        return ""
    real, synthetic = (dict(zip(line.x, line.y, strict=True)) for line in both)
    turn = max(real.keys() & synthetic.keys(), key=lambda x: (abs(real[x] - synthetic[x]), -x), default=None)
    if turn is None:
        return ""
    people, ours = amounts((real[turn], synthetic[turn]), "share")
    return f"{label}, after turn {turn:.0f}: {ours} where people show {people}"


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


def _mix(m: Measurement, parts: Sequence[Measurement]) -> str:
    return f"The mix of what turns do stands apart from people's: {_told(m)}.{largest(m, parts)}"


def _reaction(m: Measurement, parts: Sequence[Measurement]) -> str:
    return f"They react to the partner otherwise than people do: {_told(m)}.{largest(m, parts)}"


def _covered(m: Measurement, _: Sequence[Measurement]) -> str | None:
    if m.value is None or not 0 <= m.value <= 1:
        return None
    floor = f"; one half of the real users covers {percent(m.floor.value)} of the other" if m.floor else ""
    return f"They cover {percent(m.value)} of what people do{floor}."


def _varied(m: Measurement, parts: Sequence[Measurement]) -> str | None:
    off = [p for p in parts if differs(p)]
    return f"Variety is off in {len(off)} of {len(parts)} ways.{largest(m, parts, NAMED)}" if parts else None


def _spread(m: Measurement, parts: Sequence[Measurement]) -> str | None:
    off = [p for p in parts if differs(p) and p.value is not None]
    if not off:
        return None
    narrow = sum((p.value or 0.0) < 0 for p in off)
    ways = f"too narrow in {narrow}, too wide in {len(off) - narrow}"
    most = sorted(off, key=contribution, reverse=True)[:2]
    named = "; ".join(f"{part_label(p, m)}: {number(math.exp(p.value or 0.0), 2)} times people's spread" for p in most)
    respects = f"{len(off)} of {len(parts)} respects"
    return f"Style spreads otherwise than among people in {respects}: {ways}. Largest gaps: {named}."


def _icc(m: Measurement, parts: Sequence[Measurement]) -> str | None:
    rows = [r for r in m.evidence.get("features") or () if isinstance(r, Mapping)]
    levels = [(r["real"], r["synthetic"]) for r in rows if _numeric(r.get("real")) and _numeric(r.get("synthetic"))]
    if not levels:
        return None
    real, synthetic = (sum(level[side] for level in levels) / len(levels) for side in (0, 1))
    says = "Users blur into one another" if synthetic < real else "Users are overdrawn"
    ours, people = percent(max(synthetic, 0.0)), percent(max(real, 0.0))
    told = f"{says}: who writes accounts for {ours} of the variation in style, where among people it is {people}."
    return told + largest(m, parts)


def _messiness(m: Measurement, parts: Sequence[Measurement]) -> str | None:
    tested = [p for p in parts if p.status == "scored"]
    if not tested:
        return None
    off = [p for p in tested if differs(p)]
    most = sum((p.value or 0.0) > 0 for p in off)
    ways = f"{most} overdone, {len(off) - most} too rare or too low"
    return f"Of {len(tested)} behaviours {len(off)} are off: {ways}.{largest(m, parts)}"


def _recognised(m: Measurement, _: Sequence[Measurement]) -> str | None:
    real, synthetic, chance = (evidence_number(m, k) for k in ("real_accuracy", "synthetic_accuracy", "chance"))
    if real is None or synthetic is None or chance is None:
        return None
    ours, people, luck = amounts((synthetic, real, chance), "share")
    return f"A user is recognised again from style {ours} of the time, real ones {people}; chance is {luck}."


def _apart(m: Measurement, _: Sequence[Measurement]) -> str | None:
    """Both sides' scores, beside what their topics alone would give."""
    keys = ("real", "synthetic", "real_topic_alone", "synthetic_topic_alone")
    found = [evidence_number(m, key) for key in keys]
    if None in found:
        return None
    people, ours, *alone = (number(value, 2) for value in found)
    told = {
        "separability.twins": "The halves of a history find each other",
        "separability.prediction": "A user's own history outdoes others' in predicting the user",
        "separability.silhouette": "Mean silhouette of the conversations of a user",
    }[m.name]
    return f"{told}: {ours}, among people {people}; topic alone would give {alone[1]} and {alone[0]}."


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
    "separability.twins": _apart,
    "separability.prediction": _apart,
    "separability.silhouette": _apart,
}
