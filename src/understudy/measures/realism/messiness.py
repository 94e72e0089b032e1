"""Which turn-level behaviours are missing or overdone, and do they vary as they do among people?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from scipy import stats

from understudy.conversations import Corpus
from understudy.measures.behaviours import user_turn_behaviours
from understudy.measures.distributions import (
    Block,
    Table,
    omnibus_p,
    ratio_gap,
    ratio_level,
    shares,
    total_variation,
)
from understudy.measures.measurement import Counts, Measurement, MeasureSpec, counts, floor_of, measure
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.realism.messiness_columns import Column, between_sd, columns_of, incomparable, why_not
from understudy.measures.resampling import (
    Floats,
    Pool,
    Statistic,
    TwoSample,
    observed_weights,
    permutation_p,
    pool,
    two_sample,
)

EXPLAINED = 6
EXAMPLES = 3

SPEC = MeasureSpec(
    name="realism.messiness",
    question="real",
    asks="Do turn-level behaviours (length, form, hedges ...) occur as often and as variably as among people?",
    unit="mean total-variation distance over behaviours",
    range=(0.0, 1.0),
    better="lower",
    source="user-turn traits as in arXiv:2510.06552; permutation max-T, Westfall & Young (1993)",
    headline=True,
)


class _Result(NamedTuple):
    """What the engine says of one behaviour."""

    real: float
    synthetic: float
    gap: float
    interval: tuple[float, float] | None
    p_value: float
    floor: Floats
    distance: float


def _statistic(columns: list[Column], pooled: Pool) -> tuple[Statistic, Floats]:
    """Columns: mean distance, distances, gaps, studentised gaps; and each side's levels as they are."""
    table = Table(pooled.n)
    bins: list[Block] = []
    levels: list[Block] = []
    for c in columns:
        label = np.where(np.isnan(c.value), -1, np.searchsorted(c.bins, c.value, side="right"))
        bins.append(table.add_labels(c.conversation, label, len(c.bins) + 1))
        scale = np.ones_like(c.value) if c.words is None else c.words / 100
        levels.append(table.add_ratio(c.conversation, c.value, scale, pooled.unit))
    sums = table.summed()

    def statistic(real: Floats, synthetic: Floats) -> Floats:
        r, s = sums(real, synthetic)
        distance = np.stack([total_variation(shares(b.of(r)), shares(b.of(s))) for b in bins], axis=1)
        gaps, scores = zip(*(ratio_gap(b.of(r), b.of(s)) for b in levels), strict=True)
        return np.column_stack([distance.mean(axis=1), distance, *gaps, *scores])

    observed = sums(*observed_weights(pooled))
    return statistic, np.array([[ratio_level(b.of(side))[0][0] for b in levels] for side in observed])


def prepare(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """The mean distance over the behaviours that both sides can show, for `closer`."""
    pooled = pool(real, synthetic)
    barred = incomparable(real, synthetic)
    columns = [c for c in columns_of(real, synthetic) if not why_not(c, barred, pooled)]
    every, _ = _statistic(columns, pooled)
    return lambda r, s: every(r, s)[:, :1], pooled


def _result(run: TwoSample, sides: Floats, index: int, count: int) -> _Result:
    gap, score = 1 + count + index, 1 + 2 * count + index
    p = permutation_p(run.value[[score]], run.null[:, [score]], two_sided=True)
    return _Result(
        real=float(sides[0, index]),
        synthetic=float(sides[1, index]),
        gap=float(run.value[gap]),
        interval=None if run.interval is None else (float(run.interval[gap, 0]), float(run.interval[gap, 1])),
        p_value=float(p[0]),
        floor=run.floor[:, gap],
        distance=float(run.value[1 + index]),
    )


def _part(column: Column, result: _Result, n: Mapping[str, Counts], synthetic_rows: Any) -> Measurement:
    sd = [between_sd(column, rows) for rows in (~synthetic_rows, synthetic_rows)]
    evidence: dict[str, Any] = {
        "behaviour": column.behaviour.says,
        "real": result.real,
        "synthetic": result.synthetic,
        "total_variation": result.distance,
        "between_conversation_sd": {"real": sd[0], "synthetic": sd[1]},
        "dispersion_ratio": sd[1] / sd[0] if sd[0] and sd[1] is not None else None,
    }
    if column.behaviour.kind != "flag":
        known = ~np.isnan(column.value)
        side = synthetic_rows[column.conversation]
        a, b = column.value[known & ~side], column.value[known & side]
        evidence["wasserstein"] = float(stats.wasserstein_distance(a, b))
    return Measurement(
        name=f"{SPEC.name}.{column.behaviour.name}",
        value=result.gap,
        status="scored",
        n=n,
        spec=_part_spec(column),
        interval=result.interval,
        p_value=result.p_value,
        floor=floor_of(result.floor),
        evidence=evidence,
    )


def _part_spec(column: Column) -> MeasureSpec:
    bounds = (-1.0, 1.0) if column.behaviour.kind in ("flag", "share") else (None, None)
    return msgspec.structs.replace(
        SPEC,
        name=f"{SPEC.name}.{column.behaviour.name}",
        asks=f"Synthetic minus real: {column.behaviour.says}",
        unit=f"signed gap, {column.unit}",
        range=bounds,
        better="match",
        headline=False,
    )


def _turns_showing(corpus: Corpus, column: Column, level: float, first_row: int) -> list[str]:
    """Turns of different conversations that show a behaviour; for lengths and shares, typical ones."""
    turn = user_turn_behaviours(corpus).height
    start = 0 if first_row == 0 else len(column.value) - turn
    value = column.value[start : start + turn]
    kind = column.behaviour.kind
    # A median turn, not a mean one: lengths are skewed.
    centre = float(np.nanmedian(value)) if kind in ("size", "share") else level
    candidate = np.abs(value - centre) <= 0.1 * abs(centre) if kind in ("size", "share") else value > 0
    rows = np.flatnonzero(candidate)
    _, first = np.unique(column.conversation[start : start + turn][rows], return_index=True)
    chosen = rows[first]
    if not len(chosen):
        return []
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, EXAMPLES).astype(int))]
    texts = _user_texts(corpus)
    return [texts[int(row)][:300] for row in chosen]


def _user_texts(corpus: Corpus) -> list[str]:
    import polars as pl

    return corpus.memo("messiness.texts", lambda source: source.turns.filter(pl.col("is_user"))["text"].to_list())


def _tells(real: Corpus, synthetic: Corpus, columns: list[Column], results: list[_Result]) -> list[dict[str, Any]]:
    """Behaviours by how far apart they stand, worst first; the first few with turns that show them."""
    order = sorted(range(len(columns)), key=lambda i: -results[i].distance)
    tells = []
    for rank, index in enumerate(order):
        column, result = columns[index], results[index]
        shown = rank < EXPLAINED and column.turns
        tells.append(
            {
                "feature": column.behaviour.name,
                "says": column.behaviour.says,
                "direction": "overdone" if result.gap > 0 else "missing",
                "weight": result.distance,
                "real_rate": result.real,
                "synthetic_rate": result.synthetic,
                "unit": column.unit,
                "p_value": result.p_value,
                "real_examples": _turns_showing(real, column, result.real, 0) if shown else [],
                "synthetic_examples": _turns_showing(synthetic, column, result.synthetic, 1) if shown else [],
            }
        )
    return tells


def _surface(corpus: Corpus) -> dict[str, float]:
    """Marks of how the text was stored rather than typed: read case and punctuation gaps beside these."""
    import polars as pl

    text = corpus.turns.filter(pl.col("is_user"))["text"]
    spaced = float(text.str.contains(r"\w [.,?!](?:\s|$)").mean() or 0.0)  # type: ignore[arg-type]
    capitals = float(text.str.contains(r"\p{Lu}").mean() or 0.0)  # type: ignore[arg-type]
    return {"turns_with_a_space_before_marks": spaced, "turns_with_capitals": capitals}


@measure(SPEC)
def messiness(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Which turn-level behaviours are missing or overdone, and do they vary between conversations as among people?

    For each behaviour of `BEHAVIOURS` and a few over whole conversations, values are binned (bins fixed
    beforehand) and

        distance = TV(real bins, synthetic bins)        value = mean distance over the behaviours

    0 the same, 1 disjoint; read it beside its floor. Parts `realism.messiness.<behaviour>` hold the signed gap
    (synthetic - real) of the level: share of user turns for flags, per 100 words for word lists, mean otherwise;
    too much is as wrong as too little (`match`). Their evidence has both levels, the distance, the Wasserstein
    distance in the behaviour's own unit, and the dispersion ratio (sd between conversations, synthetic / real).

    p-value of the headline: the largest standardised distance or studentised gap, the mean among them, over
    relabelled units (`omnibus_p`), so that one behaviour far off shows among dozens that are right;
    `evidence["mean_p"]` tests the mean alone. p-values of parts are two-sided, adjusted by Benjamini-Hochberg.
    Intervals: jackknife by unit.

    A behaviour without a word list, script or data on both sides is an unscored part. Lists are compared only
    between corpora of one language. Text is compared as stored: see `evidence["surface"]`.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(text, n=30):
    ...     turns = [Turn("user", f"{text} what is the best film of year {i}?") for i in range(n)]
    ...     return Corpus([Conversation(str(i), (turn,)) for i, turn in enumerate(turns)])
    >>> m = messiness(side("thanks,"), side(""), rng=np.random.default_rng(0), permutations=99)
    >>> thanks = next(part for part in m.parts if part.name == "realism.messiness.thanks")
    >>> m.p_value, thanks.value, thanks.p_value
    (0.01, -1.0, 0.01)

    Source: dimensions of user-turn naturalness as in arXiv:2510.06552 and doi:10.1177/1461445605050365 (hedges,
    boosters). Differences: (1) distributions and dispersion, not only means; (2) tests by unit with a real-vs-real
    floor; (3) own word lists.
    """
    pooled = pool(real, synthetic)
    n = counts(real, synthetic)
    barred = incomparable(real, synthetic)
    columns = columns_of(real, synthetic)
    reasons = [why_not(c, barred, pooled) for c in columns]
    scored = [c for c, reason in zip(columns, reasons, strict=True) if not reason]
    missing = tuple(
        Measurement(
            name=f"{SPEC.name}.{c.behaviour.name}",
            value=None,
            status="unscored",
            reason=reason,
            n=n,
            spec=_part_spec(c),
        )
        for c, reason in zip(columns, reasons, strict=True)
        if reason
    )
    if not scored:
        reason = "no behaviour could be read on both sides"
        return Measurement(name=SPEC.name, value=None, status="unscored", reason=reason, n=n, spec=SPEC, parts=missing)
    statistic, sides = _statistic(scored, pooled)
    run = two_sample(statistic, pooled, rng=rng, permutations=permutations)
    results = [_result(run, sides, i, len(scored)) for i in range(len(scored))]
    adjusted = benjamini_hochberg([r.p_value for r in results])
    parts = [
        msgspec.structs.replace(_part(c, r, n, pooled.is_synthetic), adjusted_p=a)
        for c, r, a in zip(scored, results, adjusted, strict=True)
    ]
    tested = np.r_[0 : len(scored) + 1, 1 + 2 * len(scored) : len(run.value)]
    return Measurement(
        name=SPEC.name,
        value=float(run.value[0]),
        status="scored",
        n=n,
        spec=SPEC,
        interval=None if run.interval is None else (float(run.interval[0, 0]), float(run.interval[0, 1])),
        p_value=omnibus_p(run.value[tested], run.null[:, tested], tested > len(scored)),
        floor=floor_of(run.floor[:, 0]),
        evidence={
            "tells": _tells(real, synthetic, scored, results),
            "mean_p": float(run.p_value[0]),
            "behaviours_scored": len(scored),
            "behaviours_unscored": len(missing),
            "surface": {"real": _surface(real), "synthetic": _surface(synthetic)},
            "permutations": permutations,
        },
        parts=(*parts, *missing),
    )
