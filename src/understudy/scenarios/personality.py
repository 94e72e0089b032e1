"""Big Five scores of a population: norms with the correlations between traits, or fitted to a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.errors import UsageError

Floats = npt.NDArray[np.float64]
TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
_FEWEST = 30

# Correlations between the traits corrected for unreliability, over K = 212 samples and N = 144,117 people:
# van der Linden, te Nijenhuis & Bakker (2010), doi:10.1016/j.jrp.2010.03.003.
NORM_CORRELATIONS: Mapping[tuple[str, str], float] = {
    ("openness", "conscientiousness"): 0.20,
    ("openness", "extraversion"): 0.43,
    ("openness", "agreeableness"): 0.21,
    ("openness", "neuroticism"): -0.17,
    ("conscientiousness", "extraversion"): 0.29,
    ("conscientiousness", "agreeableness"): 0.43,
    ("conscientiousness", "neuroticism"): -0.43,
    ("extraversion", "agreeableness"): 0.26,
    ("extraversion", "neuroticism"): -0.36,
    ("agreeableness", "neuroticism"): -0.36,
}


class Personality(NamedTuple):
    """The distribution of Big Five z-scores in a population, in the order of `TRAITS`.

    Normal by default; with `observed` (a column of sorted z-scores a trait) the margins are those of a corpus, and
    the correlations join them through a Gaussian copula.
    """

    mean: Floats
    sd: Floats
    correlation: Floats
    observed: Floats | None = None
    source: str = "norms"

    def at(self, points: Floats) -> Floats:
        """`(n, 5)` scores at points of the unit cube: the inverse of the distribution function.

        >>> norms().at(np.full((1, 5), 0.5)).round(6).tolist()
        [[0.0, 0.0, 0.0, 0.0, 0.0]]
        """
        from scipy.special import ndtr, ndtri

        normal = ndtri(np.clip(points, 1e-9, 1 - 1e-9)) @ np.linalg.cholesky(self.correlation).T
        if self.observed is None:
            return np.asarray(self.mean + self.sd * normal)
        share = ndtr(normal)
        columns = [np.quantile(self.observed[:, k], share[:, k]) for k in range(len(TRAITS))]
        return np.column_stack(columns)


def norms(
    mean: Mapping[str, float] | None = None,
    sd: Mapping[str, float] | None = None,
    correlation: Mapping[str, Mapping[str, float]] | None = None,
) -> Personality:
    """Population norms: z-scores (mean 0, standard deviation 1) with the published correlations, or a plan's own.

    Source: van der Linden, te Nijenhuis & Bakker (2010), doi:10.1016/j.jrp.2010.03.003, corrected correlations.
    DiaSynth (arXiv:2409.19020) has no trait scores: its personas are one-sentence descriptions, and this layer is
    an extension of it.

    >>> changed = norms(correlation={"openness": {"extraversion": 0.1}})
    >>> float(norms().correlation[2, 0]), float(changed.correlation[2, 0])
    (0.43, 0.1)
    """
    matrix = np.eye(len(TRAITS))
    pairs = dict(NORM_CORRELATIONS)
    for first, row in (correlation or {}).items():
        for second, value in row.items():
            key = (first, second) if (first, second) in pairs else (second, first)
            if key not in pairs:
                raise UsageError(
                    f"personas.big_five.correlation names {first!r} and {second!r}",
                    why="correlations are between two different traits",
                    fix=f"use two of {', '.join(TRAITS)}",
                )
            pairs[key] = value
    for (first, second), value in pairs.items():
        i, j = TRAITS.index(first), TRAITS.index(second)
        matrix[i, j] = matrix[j, i] = value
    if np.linalg.eigvalsh(matrix).min() <= 1e-6:
        raise UsageError(
            "personas.big_five.correlation is no possible correlation matrix",
            why="it is not positive definite: no population has these correlations together",
            fix="bring the strongest of them nearer to zero",
        )
    return Personality(_row(mean, 0.0, "mean"), _row(sd, 1.0, "sd"), matrix)


def _row(given: Mapping[str, float] | None, default: float, name: str) -> Floats:
    for trait, value in (given or {}).items():
        if trait not in TRAITS or (name == "sd" and not value > 0):
            raise UsageError(
                f"personas.big_five.{name}: {trait} = {value}",
                why="it is a number a trait, and a standard deviation is above zero",
                fix=f"use the traits {', '.join(TRAITS)}",
            )
    return np.array([float((given or {}).get(trait, default)) for trait in TRAITS])


def big_five_scores(corpus: Corpus, path: str) -> Floats:
    """`(conversations, 5)` raw scores found at the dotted `path` of each conversation, NaN where there are none.

    `path` starts in the conversation: `meta.persuadee.big5`. Traits are told by their first letters, so `open`,
    `extrovert` and `Neuroticism` are all understood.
    """
    scores = np.full((len(corpus), len(TRAITS)), np.nan)
    for row, talk in enumerate(corpus):
        found: Any = talk
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else getattr(found, part, None)
        if not isinstance(found, Mapping):
            continue
        for name, value in found.items():
            column = next((k for k, t in enumerate(TRAITS) if t[:3] == str(name).lower()[:3]), None)
            if column is not None and isinstance(value, int | float):
                scores[row, column] = value
    return scores


def fitted(corpus: Corpus, path: str) -> tuple[Personality, Floats]:
    """The Big Five of a corpus's own users, and each conversation's z-scores (NaN where it has none).

    A user counts once. z-scores are within the corpus; correlations are Spearman's, turned into those of the
    copula (2 sin(pi r / 6)). Raises `UsageError` where fewer than 30 users have scores.
    """
    raw = big_five_scores(corpus, path)
    known = ~np.isnan(raw).any(axis=1)
    rows = np.flatnonzero(known)
    _, first = np.unique(corpus.unit_ids[rows], return_index=True)
    people = raw[rows[np.sort(first)]]
    if len(people) < _FEWEST:
        raise UsageError(
            f"personas.big_five.fit = {path!r}: {len(people)} users of the reference have all five scores there",
            why=f"a population is fitted to at least {_FEWEST}",
            fix="correct the path (it starts in the conversation, for example meta.persuadee.big5), or leave it out",
        )
    centre, spread = people.mean(axis=0), people.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    z = (people - centre) / spread
    ranks = np.apply_along_axis(_mid_ranks, 0, z)
    # A little shrinkage keeps the matrix positive definite where two traits go together in everybody.
    correlation = 0.98 * 2 * np.sin(np.pi * correlations(ranks) / 6)
    np.fill_diagonal(correlation, 1.0)
    fit = Personality(np.zeros(5), np.ones(5), correlation, np.sort(z, axis=0), f"fitted: {path}, {len(z)} users")
    return fit, (raw - centre) / spread


def correlations(columns: Floats) -> Floats:
    """Pearson's correlations of columns; 0 with a column that does not vary.

    >>> correlations(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [3.0, 6.0, 0.0]])).round(6).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    centred = columns - columns.mean(axis=0)
    length = np.sqrt(np.square(centred).sum(axis=0))
    unit = centred / np.where(length > 0, length, 1.0)
    matrix: Floats = unit.T @ unit
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _mid_ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: Floats = (ends - (counts - 1) / 2)[inverse]
    return middle
