"""Is the spread of style between conversations, and between users, as wide as among real users?"""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure, unscored
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.resampling import Floats, Pool, Statistic, permutation_p, two_sample
from understudy.measures.separability.styles import (
    Styles,
    collect_styles,
    fewer_units,
    gap_of,
    measurement_of,
    no_repeats,
    studentised,
)
from understudy.measures.style import STYLE_FEATURES
from understudy.measures.variance_components import (
    Moment,
    anova,
    conversation_variance,
    mean_squares,
    user_variance,
)

# Variances get this share of the pooled variance, so that a constant feature gives a large ratio and not infinity.
FLOOR_OF_VARIANCE = 0.05**2

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


def prepare_dispersion(real: Corpus, synthetic: Corpus, rng: np.random.Generator) -> tuple[Statistic, Pool]:
    """For `comparison.closer`; the headline is column -2. Nothing is drawn."""
    del rng
    styles = collect_styles(real, synthetic)
    return dispersion_statistic(styles), styles.units


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
                gap = gap_of(sums, _log_variance(moment), sides, (real, synthetic))
                into.append(gap.value)
                ratios.append(studentised(gap.value, gap.variance))
        gaps = [*conversations, *users]
        far, beyond = np.mean(np.abs(gaps), axis=0), np.mean(np.abs(ratios), axis=0)
        return np.stack([*gaps, far, beyond], axis=1)

    return statistic


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
    real, synthetic = fewer_units(real, rng), fewer_units(synthetic, rng)
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
        measurement_of(DISPERSION, result, i, p_values[i], n, name, adjusted_p=adjusted[i])
        for i, name in enumerate(names)
    )
    headline = permutation_p(result.value[-1:], result.null[:, -1:], two_sided=False)
    evidence = {
        "features": [{"feature": p.name.removeprefix(f"{DISPERSION.name}."), "log_ratio": p.value} for p in parts],
        "between_users": "measured" if all(styles.repeats) else no_repeats(styles),
        "permutations": permutations,
    }
    return measurement_of(DISPERSION, result, len(names), float(headline[0]), n, evidence=evidence, parts=parts)
