"""Numbers and names as a reader wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from understudy.measures.measurement import Measurement

MINUS = "\u2212"
TITLES = {
    "realism.discriminator": "Telling the two apart",
    "realism.messiness": "Behaviours",
    "realism.ensemble": "What the turns do",
    "realism.conditional": "Reacting, and leaving",
    "realism.coverage": "Covering what people do",
    "realism.diversity": "Variety",
    "separability.icc": "One user, one style",
    "separability.identification": "Recognising a user again",
    "separability.dispersion": "Spread of style",
    "separability.twins": "Twins finding each other",
    "separability.prediction": "Own history against others'",
    "separability.silhouette": "Standing apart",
    "transfer.mixture": "Mixture",
    "traits.lineage": "Lineage",
    "panel.discrimination": "Told apart by people",
    "panel.rating.natural": "Rated: writes like people",
    "panel.rating.responsive": "Rated: fits what was said",
    "panel.rating.consistent": "Rated: one and the same person",
    "panel.rating.purposeful": "Rated: wants something",
    "panel.pmq.competence": "Partner: competence",
    "panel.pmq.human_likeness": "Partner: human-likeness",
    "panel.pmq.flexibility": "Partner: flexibility",
    "traits.effect": "Twins of a matched control",
    "ranking.tau": "Order of systems, Kendall's tau",
    "ranking.spearman": "Order of systems, Spearman's rho",
    "ranking.calibration": "Calibration of scores",
    "ranking.prediction_powered": "Worth of the simulator in people",
    "ranking.stability": "Swapping the simulator",
}

# Measures of a headline family that are run only where they are asked for.
BESIDE_THE_HEADLINE = ("separability.twins", "separability.prediction", "separability.silhouette")

LABELS = {
    "n_words": "words per turn",
    "n_chars": "characters per turn",
    "distinct_2": "distinct word pairs",
    "self_repetition": "turns said by others too",
    "spread": "cosine distance between conversations",
    "first_turn": "Jaccard distance between first turns",
    "own_words": "words not taken from the partner",
    "openings": "effective number of openings",
    "no_final_mark": "no final punctuation",
    "lower_case": "all lower case",
    "uptake_meaning": "uptake of meaning (cosine)",
    "reveal_area": "how early needs are named (1: all at once)",
    "length_decay": "change of length (log words, later half minus earlier)",
}


def decimals_for(values: Sequence[float]) -> int:
    """Decimals that show the largest of `values` to about three figures.

    >>> decimals_for([0.07, 0.5]), decimals_for([12.3]), decimals_for([0.004])
    (2, 1, 3)
    """
    largest = max((abs(v) for v in values), default=0.0)
    for bound, decimals in ((100, 0), (10, 1), (0.095, 2), (0.0095, 3)):
        if largest >= bound:
            return decimals
    return 3 if largest else 2


class Figures(NamedTuple):
    """The numbers of a measurement as text, all to the same decimals."""

    value: str
    interval: str
    floor: str
    ceiling: str


def reach_of(m: Measurement) -> tuple[float, float] | None:
    """The interval inside the range of the measure: what no value can be, none is said to be."""
    if m.interval is None or m.value is None:
        return None
    low, high = m.spec.range
    bottom = m.interval[0] if low is None or m.value < low else max(m.interval[0], low)
    top = m.interval[1] if high is None or m.value > high else min(m.interval[1], high)
    return bottom, top


def decimals_of(m: Measurement) -> int:
    """Two decimals below ten; three only below .1, where two would not tell the value from its bounds or from 0."""
    values = [m.value or 0.0, *(m.interval or ())]
    largest = max(map(abs, values))
    if largest >= 9.995:
        return decimals_for(values)
    value = abs(values[0])
    merged = any(round(v, 2) == round(values[0], 2) and v != values[0] for v in values[1:])
    return 3 if 0 < value < 0.0995 and (merged or value < 0.005) else 2


def figures_of(m: Measurement, *, signed: bool = False) -> Figures:
    """Value, interval, floor and ceiling as every table, sentence and terminal shows them."""
    places = decimals_of(m)
    floor, ceiling = (None if e is None else e.value for e in (m.floor, m.ceiling))
    return Figures(
        number(m.value, places, signed=signed),
        interval(reach_of(m), places),
        number(floor, places, signed=signed),
        number(ceiling, places, signed=signed),
    )


def number(value: float | None, decimals: int | None = None, *, signed: bool = False) -> str:
    """A number with a true minus sign, and never a negative zero.

    >>> number(1234.5), number(-0.214), number(-0.0001, 2), number(0.3, signed=True), number(None)
    ('1,234', '−0.21', '0.00', '+0.30', '–')
    """
    if value is None:
        return "–"
    text = f"{abs(value):,.{decimals_for([value]) if decimals is None else decimals}f}"
    if not text.strip("0.,"):
        return text
    return f"{MINUS if value < 0 else '+' if signed else ''}{text}"


def numbers(values: Sequence[float]) -> list[str]:
    """Two numbers to the same decimals, so that they can be compared.

    >>> numbers([0.0701, 0.5]), numbers([0.085, 0.033]), numbers([0.011, 0.013])
    (['0.07', '0.50'], ['0.09', '0.03'], ['0.011', '0.013'])
    """
    decimals = min(decimals_for(values), 2)
    if max(map(abs, values), default=0.0) < 0.0995 and len({round(v, 2) for v in values}) < len(set(values)):
        decimals = 3
    return column(values) if decimals == 2 else [number(v, decimals) for v in values]


def column(values: Sequence[float]) -> list[str]:
    """Numbers of one column to the same decimals: three where a small one would else read as none.

    >>> column([0.013, 0.06, 0.97]), column([0.002, 0.5]), column([12.0, 0.5])
    (['0.01', '0.06', '0.97'], ['0.002', '0.500'], ['12.0', '0.5'])
    """
    small = any(0 < abs(v) < 0.005 for v in values) and max(map(abs, values), default=0.0) < 9.5
    decimals = 3 if small else min(decimals_for(values), 2)
    return [number(v, decimals) for v in values]


def stopped(text: str) -> str:
    """`text` with a full stop, where nothing ends it."""
    return text if text.endswith((".", "!", "?", "。")) else f"{text}."


def as_sentence(text: str) -> str:
    """`text` with a capital and a full stop.

    >>> as_sentence("no label is shared")
    'No label is shared.'
    """
    return stopped(text[:1].upper() + text[1:])


def interval(bounds: Sequence[float] | None, decimals: int | None = None) -> str:
    """An interval as `low to high`.

    >>> interval((0.912, 0.958)), interval(None)
    ('0.91 to 0.96', '–')
    """
    if bounds is None:
        return "–"
    places = decimals_for(bounds) if decimals is None else decimals
    return f"{number(bounds[0], places)} to {number(bounds[1], places)}"


def p_text(p: float | None) -> str:
    """A p-value without false precision.

    >>> p_text(0.0009), p_text(0.0314), p_text(0.4), p_text(None)
    ('< .001', '.031', '.40', '–')
    """
    if p is None:
        return "–"
    if p < 0.00095:
        return "< .001"
    if p >= 0.9995:
        return "1"
    return f"{p:.{3 if p < 0.0995 else 2}f}".lstrip("0")


def percent(share: float) -> str:
    """A share in per cent.

    >>> percent(0.4567), percent(0.003), percent(0.0)
    ('46 %', '0.3 %', '0 %')
    """
    value = 100 * share
    if 0 < abs(value) < 0.1:
        return "< 0.1 %"
    text = number(value, 0 if abs(value) >= 9.5 else 1).removesuffix(".0")
    return f"{text} %"


def amounts(values: Sequence[float], unit: str) -> list[str]:
    """Rates as text: per cent where the unit is a share, plain numbers to the same decimals elsewhere."""
    if unit.startswith("share") and all(-1 <= v <= 1 for v in values):
        return [percent(v) for v in values]
    return numbers(values)


def headlines_of(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The measurements of a flat list that are no part of another: whose name extends no other name."""
    names = {m.name for m in measurements}

    def has_parent(name: str) -> bool:
        pieces = name.split(".")
        return any(".".join(pieces[:end]) in names for end in range(1, len(pieces)))

    return tuple(m for m in measurements if not has_parent(m.name))


def asked_besides(m: Measurement) -> bool:
    """Whether a measurement was asked for by name and takes no part in the verdict on its question."""
    return m.name.partition(".")[0] in ("consistency", "relational", "panel") or m.name.startswith(BESIDE_THE_HEADLINE)


def family_of(m: Measurement) -> str:
    """The family of tests that a headline measurement is corrected in: its question, or what was asked besides."""
    return m.name.partition(".")[0] if asked_besides(m) else m.spec.question


def parts_of(headline: Measurement, measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The parts of a headline measurement in a flat list, in their order."""
    return tuple(m for m in measurements if m.name.startswith(headline.name + "."))


def title_of(m: Measurement) -> str:
    """A heading for a headline measurement."""
    return TITLES.get(m.name) or words(m.name.partition(".")[2] or m.name).capitalize()


def part_label(m: Measurement, headline: Measurement) -> str:
    """What a part's name adds to its headline's, in words."""
    return words(m.name.removeprefix(headline.name + "."))


def words(name: str) -> str:
    """A dotted, underscored name as words.

    >>> words("n_words"), words("users.question_rate")
    ('words per turn', 'users: question rate')
    """
    return ": ".join(LABELS.get(piece) or piece.replace("_", " ") for piece in name.split("."))


def evidence_number(m: Measurement, *keys: str) -> float | None:
    """The first finite number among `keys` of the evidence."""
    for key in keys:
        value = m.evidence.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return None


def rates(m: Measurement) -> tuple[float, float] | None:
    """What the real and the synthetic side each show, where the evidence says so."""
    real = evidence_number(m, "real", "real_rate", "real_mean")
    synthetic = evidence_number(m, "synthetic", "synthetic_rate", "synthetic_mean")
    return None if real is None or synthetic is None else (real, synthetic)


def unit_of(m: Measurement) -> str:
    """The unit of those rates: from the evidence, else from `signed gap, UNIT` of the declaration."""
    unit = m.evidence.get("unit")
    if isinstance(unit, str):
        return unit
    return m.spec.unit.partition("signed gap, ")[2]


def with_unit(amount: str, unit: str) -> str:
    """An amount and its unit as one phrase.

    >>> with_unit("0.07", "per 100 words"), with_unit("8 %", "share of user turns")
    ('0.07 per 100 words', '8 % of user turns')
    """
    if unit.startswith("share of") and amount.endswith("%"):
        return f"{amount}{unit.removeprefix('share')}"
    return f"{amount} {unit}" if unit.startswith("per ") else amount
