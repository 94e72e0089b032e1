"""Does who writes matter as much to style as among real users?"""

from __future__ import annotations

from typing import Any

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure, unscored
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.resampling import Floats, Pool, Statistic, TwoSample, two_sample
from understudy.measures.separability.styles import (
    Styles,
    bounds_of,
    collect_styles,
    fewer_units,
    gap_of,
    measurement_of,
    no_repeats,
    studentised,
)
from understudy.measures.style import STYLE_FEATURES
from understudy.measures.variance_components import anova, intraclass, sampling_variance

LEVEL_UNIT = "share of the variation"  # of what either side shows
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


def prepare_icc(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """For `comparison.closer`; the mean gap is the column after the features that vary. Nothing is drawn."""
    del rng
    styles = collect_styles(real, synthetic)
    return icc_statistic(styles), styles.units


def icc_statistic(styles: Styles) -> Statistic:
    """Columns: F gaps, their mean, F real ICCs, F synthetic ICCs, then F + 1 gaps over their standard errors."""
    sums = styles.sums
    features = np.flatnonzero(styles.varies).tolist()

    def statistic(real: Floats, synthetic: Floats) -> Floats:
        gaps, levels, ratios = [], [], []
        whole = [np.zeros_like(real), np.zeros_like(synthetic)]
        for feature in features:
            sides = (anova(sums, feature, real), anova(sums, feature, synthetic))
            gap = gap_of(sums, intraclass, sides, (real, synthetic))
            whole = [total + effect / len(features) for total, effect in zip(whole, gap.effects, strict=True)]
            gaps.append(gap.value)
            levels.append([intraclass(side.sums, side.topics) for side in sides])
            ratios.append(studentised(gap.value, gap.variance))
        mean = np.mean(gaps, axis=0)
        variance = sampling_variance(whole[0], real) + sampling_variance(whole[1], synthetic)
        by_side = [level[side] for side in (0, 1) for level in levels]
        columns = [*gaps, mean, *by_side, *ratios, studentised(mean, variance)]
        return np.stack(columns, axis=1)

    return statistic


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
                "real_interval": bounds_of(result, at),
                "synthetic": synthetic,
                "synthetic_interval": bounds_of(result, beside),
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
    real, synthetic = fewer_units(real, rng), fewer_units(synthetic, rng)
    styles = collect_styles(real, synthetic)
    if not all(styles.repeats):
        return unscored(ICC, real, synthetic, no_repeats(styles))
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
        STYLE_FEATURES[feature]: measurement_of(
            ICC, result, i, p_values[i], n, STYLE_FEATURES[feature], adjusted_p=adjusted[i],
            evidence={**rows[i], "unit": LEVEL_UNIT},
        )
        for i, feature in enumerate(features)
    }  # fmt: skip
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
    return measurement_of(ICC, result, count, p_values[-1], n, evidence=evidence, parts=parts)
