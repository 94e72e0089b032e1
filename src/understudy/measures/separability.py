"""Are simulated users as different from each other, and as like themselves, as real ones?"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, counts, floor_of, measure, unscored
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.resampling import (
    Floats,
    Ints,
    Pool,
    Statistic,
    TwoSample,
    permutation_p,
    pool,
    two_sample,
)
from understudy.measures.sampling import unit_order
from understudy.measures.style import STYLE_FEATURES, speaks, style_matrix
from understudy.measures.variance_components import (
    Anova,
    Moment,
    UserSums,
    anova,
    conversation_variance,
    influence,
    intraclass,
    mean_squares,
    sampling_variance,
    topic_numbers,
    user_sums,
    user_variance,
)

MOST_UNITS = 1000
# Variances get this share of the pooled variance, so that a constant feature gives a large ratio and not infinity.
FLOOR_OF_VARIANCE = 0.05**2

ICC = MeasureSpec(
    name="separability.icc",
    question="real",
    asks="Is as much of the style due to who writes as among real users?",
    unit="difference of intraclass correlations, synthetic minus real; 0 = as real users",
    range=(-2.0, 2.0),
    better="match",
    source="ICC(1), doi:10.1037/0033-2909.86.2.420",
    headline=True,
)
DISPERSION = MeasureSpec(
    name="separability.dispersion",
    question="real",
    asks="Do users, and conversations, spread as widely in style as real ones?",
    unit="mean absolute log ratio of standard deviations; 0 = as real users",
    range=(0.0, None),
    better="lower",
    source="log ratio of standard deviations (lnVR), doi:10.1111/2041-210X.12309",
    headline=True,
)


class Styles(NamedTuple):
    """Style of the conversations in which a user speaks: both sides pooled, a row of `sums` a unit."""

    sums: UserSums
    units: Pool
    varies: npt.NDArray[np.bool_]
    repeats: tuple[bool, bool]


def _fewer_units(corpus: Corpus, rng: np.random.Generator) -> Corpus:
    """At most `MOST_UNITS` units, at random, whole."""
    rows = unit_order(corpus, rng)
    ids = corpus.unit_ids[rows]
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    if len(starts) <= MOST_UNITS:
        return corpus
    return corpus.subset(np.sort(rows[: starts[MOST_UNITS]]))


def collect_styles(real: Corpus, synthetic: Corpus) -> Styles:
    """Sufficient sums of the seven style features a unit, and the pool whose rows are the units."""
    pooled = pool(real, synthetic)
    topic = topic_numbers(real, synthetic, pooled)
    values = np.concatenate([style_matrix(real), style_matrix(synthetic)])
    kept = np.concatenate([speaks(real), speaks(synthetic)])
    return styles_of(values[kept], pooled.unit[kept], topic[kept], pooled.unit_is_synthetic)


def styles_of(values: Floats, unit: Ints, topic: Ints, unit_is_synthetic: npt.NDArray[np.bool_]) -> Styles:
    """The same for any features `(n, F)`: units numbered from 0, the real ones first."""
    sums = user_sums(values, unit, topic, len(unit_is_synthetic))
    many = sums.size >= 2
    repeats = (bool(many[~unit_is_synthetic].any()), bool(many[unit_is_synthetic].any()))
    units = Pool(int((~unit_is_synthetic).sum()), np.arange(len(unit_is_synthetic)), unit_is_synthetic)
    return Styles(sums, units, values.std(axis=0) > 1e-12, repeats)


class _Gap(NamedTuple):
    """Synthetic minus real of a moment, its sampling variance, and the users' influences on either side."""

    value: Floats
    variance: Floats
    effects: tuple[Floats, Floats]


def prepare_icc(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """For `comparison.closer`; the mean gap is the column after the features that vary. Nothing is drawn."""
    del rng
    styles = collect_styles(real, synthetic)
    return icc_statistic(styles), styles.units


def prepare_dispersion(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """For `comparison.closer`; the headline is column -2. Nothing is drawn."""
    del rng
    styles = collect_styles(real, synthetic)
    return dispersion_statistic(styles), styles.units


def _gap(sums: UserSums, moment: Moment, sides: tuple[Anova, Anova], weights: tuple[Floats, Floats]) -> _Gap:
    real, synthetic = (moment(side.sums, side.topics) for side in sides)
    first, second = (influence(moment, side, sums) for side in sides)
    variance = sampling_variance(first, weights[0]) + sampling_variance(second, weights[1])
    return _Gap(synthetic - real, variance, (first, second))


def _studentised(value: Floats, variance: Floats) -> Floats:
    return np.asarray(value / np.sqrt(variance + 1e-12))


def icc_statistic(styles: Styles) -> Statistic:
    """Columns: F gaps, their mean, F real ICCs, F synthetic ICCs, then F + 1 gaps over their standard errors."""
    sums = styles.sums
    features = np.flatnonzero(styles.varies).tolist()

    def statistic(real: Floats, synthetic: Floats) -> Floats:
        gaps, levels, ratios = [], [], []
        whole = [np.zeros_like(real), np.zeros_like(synthetic)]
        for feature in features:
            sides = (anova(sums, feature, real), anova(sums, feature, synthetic))
            gap = _gap(sums, intraclass, sides, (real, synthetic))
            whole = [total + effect / len(features) for total, effect in zip(whole, gap.effects, strict=True)]
            gaps.append(gap.value)
            levels.append([intraclass(side.sums, side.topics) for side in sides])
            ratios.append(_studentised(gap.value, gap.variance))
        mean = np.mean(gaps, axis=0)
        variance = sampling_variance(whole[0], real) + sampling_variance(whole[1], synthetic)
        by_side = [level[side] for side in (0, 1) for level in levels]
        columns = [*gaps, mean, *by_side, *ratios, _studentised(mean, variance)]
        return np.stack(columns, axis=1)

    return statistic


def _log_variance(moment: Moment) -> Moment:
    return lambda sums, topics: 0.5 * np.log(moment(sums, topics) + FLOOR_OF_VARIANCE)


def dispersion_statistic(styles: Styles) -> Statistic:
    """Columns: log ratios between conversations (F), between users (F, if both sides repeat), their mean absolute
    value, and the mean absolute ratio to standard error."""
    sums = styles.sums
    features = np.flatnonzero(styles.varies).tolist()
    by_user = all(styles.repeats)

    def statistic(real: Floats, synthetic: Floats) -> Floats:
        conversations: list[Floats] = []
        users: list[Floats] = []
        ratios: list[Floats] = []
        for feature in features:
            sides = (anova(sums, feature, real), anova(sums, feature, synthetic))
            moments: list[Moment] = [conversation_variance]
            if by_user:
                sizes = [mean_squares(side.sums, side.topics)[2] for side in sides]
                moments.append(user_variance(np.minimum(*sizes)))
            for moment, into in zip(moments, (conversations, users), strict=False):
                gap = _gap(sums, _log_variance(moment), sides, (real, synthetic))
                into.append(gap.value)
                ratios.append(_studentised(gap.value, gap.variance))
        gaps = [*conversations, *users]
        far, studentised = np.mean(np.abs(gaps), axis=0), np.mean(np.abs(ratios), axis=0)
        return np.stack([*gaps, far, studentised], axis=1)

    return statistic


def _bounds(result: TwoSample, column: int) -> tuple[float, float] | None:
    if result.interval is None:
        return None
    low, high = result.interval[column]
    return float(low), float(high)


def _part_spec(spec: MeasureSpec, part: str) -> MeasureSpec:
    """A part is a signed gap of its own: too little is as wrong as too much."""
    unit = spec.unit.removeprefix("mean absolute ") if spec is DISPERSION else spec.unit
    return msgspec.structs.replace(
        spec, name=f"{spec.name}.{part}", unit=unit, range=(-1.0, 1.0) if spec is ICC else (None, None),
        better="match", headline=False,
    )  # fmt: skip


def _measurement(
    spec: MeasureSpec,
    result: TwoSample,
    column: int,
    p_value: float,
    n: dict[str, Any],
    part: str = "",
    **rest: Any,
) -> Measurement:
    return Measurement(
        name=f"{spec.name}.{part}" if part else spec.name,
        value=float(result.value[column]),
        status="scored",
        n=n,
        spec=_part_spec(spec, part) if part else spec,
        interval=_bounds(result, column),
        p_value=p_value,
        floor=floor_of(result.floor[:, column]),
        **rest,
    )


def _no_repeats(styles: Styles) -> str:
    sides = [side for side, many in zip(("real", "synthetic"), styles.repeats, strict=True) if not many]
    return f"no user with two or more conversations on the {' and the '.join(sides)} side"


def _icc_rows(result: TwoSample, names: list[str]) -> list[dict[str, Any]]:
    """Both ICCs of each feature with intervals. No ratio where the real one is not above 0: it means nothing."""
    rows = []
    for i, name in enumerate(names):
        at, beside = len(names) + 1 + i, 2 * len(names) + 1 + i
        real, synthetic = float(result.value[at]), float(result.value[beside])
        rows.append(
            {
                "feature": name,
                "real": real,
                "real_interval": _bounds(result, at),
                "synthetic": synthetic,
                "synthetic_interval": _bounds(result, beside),
                "ratio": synthetic / real if real > 0 else None,
            }
        )
    return rows


@measure(ICC)
def icc(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Does who writes matter as much to the style of simulated users as to that of real ones?

    For each of the seven `style.STYLE_FEATURES`, ICC(user | task): the share of the variance between
    conversations, topic means of the side taken out, that lies between users (0 = all users alike, 1 = every user
    writes one way only; below 0 by chance). One-way random effects with unequal sizes:

        ICC = (MSB - MSW) / (MSB + (n0 - 1) MSW)

    A part's value is the synthetic ICC minus the real one; the headline is the mean over features. 0 = as real
    users; negative: users blur into one; positive: caricatures. Intervals: delete-a-group jackknife over users.
    p: users permuted between the sides, two-sided, on the gap over its standard error, so that unequal means alone
    do not reject (Chung & Romano 2013, doi:10.1214/13-AOS1090). Features that never vary are unscored; a feature
    that is constant on one side has ICC 0 there. Unscored when no user on a side has two conversations. At most
    1,000 units a side, drawn at random.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(spread, rng):
    ...     words = [w for u in range(20) for w in rng.poisson(9 + spread * (u % 5), 4)]
    ...     return Corpus([Conversation(str(i), (Turn("user", "so " * w),), user_id=f"u{i // 4}")
    ...                    for i, w in enumerate(words)])
    >>> rng = np.random.default_rng(0)
    >>> m = icc(side(9, rng), side(0, rng), rng=rng, permutations=99)
    >>> part = m.parts[0]
    >>> part.name, bool(part.value < -0.5), part.p_value
    ('separability.icc.words_per_turn', True, 0.01)

    Source: Shrout & Fleiss (1979), doi:10.1037/0033-2909.86.2.420.
    """
    real, synthetic = _fewer_units(real, rng), _fewer_units(synthetic, rng)
    styles = collect_styles(real, synthetic)
    if not all(styles.repeats):
        return unscored(ICC, real, synthetic, _no_repeats(styles))
    features = np.flatnonzero(styles.varies)
    if not len(features):
        return unscored(ICC, real, synthetic, "no style feature varies")
    result = two_sample(icc_statistic(styles), styles.units, rng=rng, permutations=permutations, two_sided=True)
    n = counts(real, synthetic)
    count = len(features)
    rows = _icc_rows(result, [STYLE_FEATURES[i] for i in features])
    p_values = result.p_value[3 * count + 1 :].tolist()
    adjusted = benjamini_hochberg(p_values[:-1])
    scored = {
        STYLE_FEATURES[feature]: _measurement(
            ICC, result, i, p_values[i], n, STYLE_FEATURES[feature], adjusted_p=adjusted[i], evidence=rows[i]
        )
        for i, feature in enumerate(features)
    }
    half = [row["synthetic"] >= 0.5 * row["real"] for row in rows]
    evidence = {
        "features": rows,
        "features_at_least_half": sum(half),
        "share_at_least_half": sum(half) / count,
        "units_used": {"real": styles.units.n_real, "synthetic": styles.units.n - styles.units.n_real},
        "permutations": permutations,
    }
    parts = tuple(
        scored.get(name) or unscored(ICC, real, synthetic, "the feature never varies", name) for name in STYLE_FEATURES
    )
    return _measurement(ICC, result, count, p_values[-1], n, evidence=evidence, parts=parts)


@measure(DISPERSION)
def dispersion(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Is the spread of style between conversations, and between users, as wide as among real users?

    For each style feature, topic means of the side taken out: the log ratio synthetic / real of the standard
    deviation (a) of conversations, `conversations.<feature>`, and (b) of a user's mean over n0 conversations,
    `users.<feature>`, n0 the smaller effective number a user of the two sides. 0 = as real; negative = too narrow
    (variance collapse, even where all means are right); positive = too wide. Both variances get 0.0025 of the
    pooled variance, so a constant feature reads about -3. The headline is the mean absolute log ratio; it cannot
    be 0 in a sample, so read it against its floor. (b) is left out when no user on a side has two conversations.

    Intervals: delete-a-group jackknife over units. p: units permuted between the sides; for the headline on the
    mean absolute ratio to standard error, for parts two-sided. At most 1,000 units a side.

    >>> from understudy.conversations import Conversation, Turn
    >>> def side(low, high, rng):
    ...     words = rng.integers(low, high, 60)
    ...     return Corpus([Conversation(str(i), (Turn("user", "so " * w),)) for i, w in enumerate(words)])
    >>> rng = np.random.default_rng(0)
    >>> m = dispersion(side(2, 40, rng), side(19, 21, rng), rng=rng, permutations=99)
    >>> part = m.parts[0]
    >>> part.name, bool(part.value < -2), m.p_value
    ('separability.dispersion.conversations.words_per_turn', True, 0.01)

    Source: Nakagawa et al. (2015), doi:10.1111/2041-210X.12309 (log ratio of standard deviations).
    """
    real, synthetic = _fewer_units(real, rng), _fewer_units(synthetic, rng)
    styles = collect_styles(real, synthetic)
    features = [STYLE_FEATURES[i] for i in np.flatnonzero(styles.varies)]
    if not features:
        return unscored(DISPERSION, real, synthetic, "no style feature varies")
    result = two_sample(dispersion_statistic(styles), styles.units, rng=rng, permutations=permutations, two_sided=True)
    n = counts(real, synthetic)
    levels = ("conversations", "users") if all(styles.repeats) else ("conversations",)
    names = [f"{level}.{feature}" for level in levels for feature in features]
    p_values = result.p_value[: len(names)].tolist()
    adjusted = benjamini_hochberg(p_values)
    parts = tuple(
        _measurement(DISPERSION, result, i, p_values[i], n, name, adjusted_p=adjusted[i])
        for i, name in enumerate(names)
    )
    headline = permutation_p(result.value[-1:], result.null[:, -1:], two_sided=False)
    evidence = {
        "features": [{"feature": p.name.removeprefix(f"{DISPERSION.name}."), "log_ratio": p.value} for p in parts],
        "between_users": "measured" if all(styles.repeats) else _no_repeats(styles),
        "permutations": permutations,
    }
    return _measurement(DISPERSION, result, len(names), float(headline[0]), n, evidence=evidence, parts=parts)
