"""Do the answers to the questionnaire hang together: reliability of each factor, three factors, items turned round?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from understudy.measures.pmq import FACTORS, ITEMS, oriented, score
from understudy.measures.resampling import Floats

FEWEST = 30  # people
REPLICATES = 400
_SMALLEST = 1e-3
_KEYS = tuple(item.key for item in ITEMS)
_FACTOR = np.array([FACTORS.index(item.factor) for item in ITEMS])


class Estimated(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    interval: tuple[float, float]


class Reliability(NamedTuple):
    """Of one factor: Cronbach's alpha, McDonald's omega (one-factor loadings), and how many people it rests on."""

    alpha: Estimated
    omega: Estimated
    people: int


class Structure(NamedTuple):
    """The three-factor model fitted to the answers: standardised loadings, correlations of factors, and fit.

    `turned` are items that speak against their own factor: the correlation with the rest of it is below 0 and so is
    its 95 % interval. Such an item was printed, keyed or read the wrong way round.
    """

    loadings: Mapping[str, float]
    correlations: Mapping[tuple[str, str], float]
    chi_square: float
    df: int
    cfi: float
    rmsea: float
    srmr: float
    turned: tuple[str, ...]
    people: int


def matrix(answers: Sequence[Mapping[str, int | None]]) -> Floats:
    """`(people, 18)`, favourable pole at 7, of those who were scored on all factors and left nothing out."""
    rows = []
    for one in answers:
        if score(one).scored and all(one.get(key) is not None for key in _KEYS):
            rows.append([oriented(key, int(one[key] or 0)) for key in _KEYS])
    return np.array(rows, dtype=np.float64).reshape(-1, len(_KEYS))


def alpha(items: Floats) -> float:
    """Cronbach's alpha, `k / (k - 1) (1 - sum of variances / variance of the sum)`; at most 1, nan without variance.

    >>> alpha(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]))
    1.0
    """
    k = items.shape[1]
    whole = float(items.sum(axis=1).var(ddof=1))
    if whole <= 0:
        return float("nan")
    return float(k / (k - 1) * (1 - items.var(axis=0, ddof=1).sum() / whole))


def omega(items: Floats) -> float:
    """McDonald's omega, `(sum l)^2 / ((sum l)^2 + sum u)`, with loadings l and uniquenesses u of one factor
    (principal axes, on covariances); range [0, 1], nan without variance."""
    c = np.cov(items, rowvar=False)
    own = np.diag(c)
    if (own <= 0).any():
        return float("nan")
    common = own * 0.5
    loading = np.sqrt(common)
    for _ in range(100):
        values, vectors = np.linalg.eigh(c - np.diag(own) + np.diag(common))
        loading = vectors[:, -1] * np.sqrt(max(float(values[-1]), 0.0))
        new = np.minimum(loading**2, own * (1 - _SMALLEST))
        moved = float(np.abs(new - common).max())
        common = new
        if moved < 1e-6:
            break
    shared = float(loading.sum()) ** 2
    return float(shared / (shared + float((own - common).sum())))


def reliability(answers: Sequence[Mapping[str, int | None]], *, rng: np.random.Generator) -> dict[str, Reliability]:
    """How reliable are the three scores among these people? Intervals: bootstrap over people.

    Complete, attentive answers only (`matrix`); an empty dict below 30 people. Source: Cronbach (1951),
    doi:10.1007/BF02310555; omega: McDonald (1999).

    >>> from understudy.testing.questionnaires import simulated_answers
    >>> found = reliability(simulated_answers(200, seed=0), rng=np.random.default_rng(0))
    >>> {name: round(r.alpha.value, 2) for name, r in found.items()}
    {'competence': 0.88, 'human_likeness': 0.85, 'flexibility': 0.78}
    """
    whole = matrix(answers)
    if len(whole) < FEWEST:
        return {}
    draws = [rng.integers(0, len(whole), len(whole)) for _ in range(REPLICATES)]
    found = {}
    for number, name in enumerate(FACTORS):
        items = whole[:, number == _FACTOR]
        estimates = []
        for statistic in (alpha, omega):
            spread = np.array([statistic(items[rows]) for rows in draws])
            low, high = np.nanquantile(spread, [0.025, 0.975])
            estimates.append(Estimated(statistic(items), (float(low), float(high))))
        found[str(name)] = Reliability(estimates[0], estimates[1], len(whole))
    return found


def structure(answers: Sequence[Mapping[str, int | None]]) -> Structure | None:
    """Do the items load on the three factors that they are meant for? None below 30 people or without variance.

    Maximum likelihood on correlations: each item loads on its own factor, factors correlate freely. With S observed
    and M implied, `F = log|M| + tr(S M^-1) - log|S| - 18`, chi-square `(n - 1) F` on 132 degrees of freedom;
    CFI against uncorrelated items, RMSEA, SRMR. Treats seven points as numbers. Factors are turned so that most of
    their items load positively.

    >>> from understudy.testing.questionnaires import simulated_answers
    >>> found = structure(simulated_answers(400, seed=0))
    >>> found.df, found.cfi > 0.95, found.turned
    (132, True, ())
    """
    whole = matrix(answers)
    if len(whole) < FEWEST or (whole.std(axis=0) == 0).any():
        return None
    s = np.asarray(np.corrcoef(whole, rowvar=False), dtype=np.float64)
    loading, factors, least = _fitted(s)
    p, n = len(_KEYS), len(whole)
    mask = np.eye(len(FACTORS))[_FACTOR]
    implied = (mask * loading[:, None]) @ factors @ (mask * loading[:, None]).T
    np.fill_diagonal(implied, 1.0)
    df = p * (p + 1) // 2 - 2 * p - 3
    chi = (n - 1) * max(least, 0.0)
    nothing = (n - 1) * -float(np.linalg.slogdet(s)[1])
    nothing_df = p * (p - 1) // 2
    excess, most = max(chi - df, 0.0), max(nothing - nothing_df, chi - df, 1e-9)
    off = np.tril_indices(p, -1)
    pairs = ((0, 1), (0, 2), (1, 2))
    return Structure(
        loadings={key: float(x) for key, x in zip(_KEYS, loading, strict=True)},
        correlations={(str(FACTORS[a]), str(FACTORS[b])): float(factors[a, b]) for a, b in pairs},
        chi_square=float(chi),
        df=df,
        cfi=1 - excess / most,
        rmsea=float(np.sqrt(excess / (df * (n - 1)))),
        srmr=float(np.sqrt(np.mean((s - implied)[off] ** 2))),
        turned=_turned(whole),
        people=n,
    )


def _turned(whole: Floats) -> tuple[str, ...]:
    """Items whose correlation with the rest of their factor is below 0, with its whole interval (Fisher's z)."""
    found = []
    axes = _first_axes(np.asarray(np.corrcoef(whole, rowvar=False)))
    for i, key in enumerate(_KEYS):
        rest = (_FACTOR[i] == _FACTOR) & (np.arange(len(_KEYS)) != i)
        # Along the axis of all items, so that another one turned round is not taken for the rule.
        r = float(np.corrcoef(whole[:, i], whole[:, rest] @ axes[rest])[0, 1])
        if np.arctanh(np.clip(r, -0.999999, 0.999999)) + 1.96 / np.sqrt(len(whole) - 3) < 0:
            found.append(key)
    return tuple(found)


def _fitted(s: Floats) -> tuple[Floats, Floats, float]:
    """Loadings, correlations of the factors, and the least discrepancy."""
    from scipy import optimize

    p, pairs = len(_KEYS), ((0, 1), (0, 2), (1, 2))
    mask = np.eye(len(FACTORS))[_FACTOR]
    log_s = float(np.linalg.slogdet(s)[1])

    def discrepancy(x: Floats) -> tuple[float, Floats]:
        loading, unique, factors = mask * x[:p, None], x[p : 2 * p], np.eye(len(FACTORS))
        for (a, b), r in zip(pairs, x[2 * p :], strict=True):
            factors[a, b] = factors[b, a] = r
        m = loading @ factors @ loading.T + np.diag(unique)
        sign, log_m = np.linalg.slogdet(m)
        if sign <= 0:
            return 1e6, np.zeros_like(x)
        inverse = np.linalg.inv(m)
        slope = inverse - inverse @ s @ inverse
        by_loading = (2 * slope @ loading @ factors * mask).sum(axis=1)
        between = loading.T @ slope @ loading
        gradient = np.concatenate([by_loading, np.diag(slope), [2 * between[a, b] for a, b in pairs]])
        return float(log_m + np.trace(s @ inverse) - log_s - p), gradient

    start = np.concatenate([_first_axes(s), np.full(p, 0.5), np.full(3, 0.2)])
    bounds = [(-1.5, 1.5)] * p + [(0.01, 2.0)] * p + [(-0.95, 0.95)] * 3
    best = optimize.minimize(discrepancy, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000})
    loading, factors = best.x[:p].copy(), np.eye(len(FACTORS))
    for (a, b), r in zip(pairs, best.x[2 * p :], strict=True):
        factors[a, b] = factors[b, a] = r
    for f in range(len(FACTORS)):
        if loading[f == _FACTOR].sum() < 0:
            loading[f == _FACTOR] *= -1
            factors[f, :] *= -1
            factors[:, f] *= -1
    return loading, factors, float(best.fun)


def _first_axes(s: Floats) -> Floats:
    """Where to start: the first principal axis of each factor's items, so that an item turned round starts turned."""
    found = np.zeros(len(_KEYS))
    for f in range(len(FACTORS)):
        own = np.flatnonzero(f == _FACTOR)
        _, vectors = np.linalg.eigh(s[np.ix_(own, own)])
        axis = vectors[:, -1] * (1 if vectors[:, -1].sum() >= 0 else -1)
        found[own] = 0.7 * axis * np.sqrt(len(own))
    return found
