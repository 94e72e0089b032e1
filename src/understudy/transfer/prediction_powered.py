"""Prediction-powered scores: people's scores, sharpened by simulated ones without trusting them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.measures.score_bounds import Scale, scale_of, score_bounds
from understudy.transfer.scores import Scores

Floats = npt.NDArray[np.float64]
FEWEST_UNITS = 10
FEWEST_PAIRED = 15  # users, from which the degree of freedom that the weight costs widens by 5 % at most
SHIFTED = 0.01
EVERY_ITEM = "every simulated item has a real score already: simulate items that nobody has scored"
ALL_EQUAL = "all its real scores are equal"
NO_ITEM = "the two sides name no item in common, so that no real score has a simulated one beside it"


class PoweredScore(NamedTuple):
    """The score of one system: by people alone (`human`), and with the simulator's help (`value`).

    `weight` is the lambda that the simulator got (0: none), `correlation` that of real with simulated scores over
    paired users; `n` counts real episodes and `effective` what they are worth with the simulator. `sigma` is the
    standard deviation that one more real episode brings down (with clustering), `explained` the share of its
    square that the simulator could explain. `reason` says why there was no help, or none that may be relied on.
    """

    system: str
    human: float
    human_interval: tuple[float, float] | None
    value: float
    interval: tuple[float, float] | None
    weight: float
    correlation: float | None
    n: int
    users: int
    paired: int
    unlabelled: int
    effective: float
    sigma: float
    explained: float
    reason: str = ""

    @property
    def worth(self) -> float:
        """How many more real episodes the simulator saves."""
        return self.effective - self.n


class _Sides(NamedTuple):
    """One system: real scores and their users; predictions for real rows (NaN: none) and for further items."""

    score: Floats
    user: npt.NDArray[np.int64]
    predicted: Floats
    further: Floats
    further_user: npt.NDArray[np.int64]
    users: int


def prediction_powered(real: Scores, simulated: Scores, system: str, *, level: float = 0.95) -> PoweredScore:
    """What do people score `system`, if simulated scores are used for what they are worth and no more?

    A real episode is paired with the simulated ones of the same system and item (their mean). With f the
    prediction, L the paired real episodes and U the simulated items without a real score,

        value = mean(y) - w (mean_L(f) - mean_U(f)),   w = Cov(mean y, D) / Var(D),   D = mean_L(f) - mean_U(f)

    which is PPI++ for a mean with its power-tuned lambda: `lambda = w (1 + n/N)`. Variances are by user (a name on
    both sides is one user), t with G - 2 degrees of freedom over the G real users. D is zero on average, whatever
    the simulator is like, if real and further items were drawn from the same source; so a misleading simulator
    costs nothing but the one degree of freedom. Unscored episodes on the real side are no part of L. Intervals keep to
    the scale of the real scores (`score_bounds`).

    Angelopoulos, Duchi & Zrnic (2023), arXiv 2311.01453. Differences: clustered by user; w is not clipped to
    [0, 1], so that a simulator on another scale, or in reverse, still helps; w loses a degree of freedom.

    >>> rng = np.random.default_rng(0)
    >>> hard = rng.normal(size=300)
    >>> names = np.array([f"i{k}" for k in range(300)])
    >>> real = Scores(np.full(60, "a"), hard[:60] + rng.normal(size=60) / 3, np.array(names[:60]), names[:60])
    >>> simulated = Scores(np.full(300, "a"), hard + 1, np.array([f"s{k}" for k in range(300)]), names)
    >>> p = prediction_powered(real, simulated, "a")
    >>> p.n, round(p.effective), [round(b - a, 2) for a, b in (p.human_interval, p.interval)]
    (60, 173, [0.48, 0.28])
    """
    sides = _sides(real, simulated, system)
    n, users = len(sides.score), len(np.unique(sides.user))
    mean = float(sides.score.mean())
    y = _influence(sides.score, sides.user, sides.users)
    human_variance = float(y @ y) * users / max(users - 1, 1)
    scale = scale_of(real.score)
    human = _bounds(mean, human_variance, users, users - 1, scale, level) if users >= FEWEST_UNITS else None
    paired = np.isfinite(sides.predicted)
    alone = PoweredScore(
        system, mean, human, mean, human, 0.0, None, n, users, int(paired.sum()), len(sides.further), float(n),
        float(np.sqrt(n * human_variance)), 0.0,
    )  # fmt: skip
    reason = _hindrance(real, simulated, sides, users) or ("" if human_variance > 0 else ALL_EQUAL)
    if reason:
        return alone._replace(reason=reason)
    contrast = _influence(sides.predicted[paired], sides.user[paired], sides.users)
    f = contrast.copy()
    contrast -= _influence(sides.further, sides.further_user, sides.users)
    shift = float(sides.predicted[paired].mean() - sides.further.mean())
    spread = float(contrast @ contrast)
    if spread <= 0:
        return alone._replace(reason="the simulator gives every item the same score")
    weight = float(y @ contrast) / spread
    rest = y - weight * contrast
    variance = min(float(rest @ rest) * users / max(users - 2, 1), human_variance * _one_more(users))
    size = float(np.sqrt((y @ y) * (f @ f)))
    correlation = float(y @ f) / size if size > 0 else None
    # Without help the sum of squares still falls by the degree of freedom: that is no gain.
    gain = float(y @ y) / max(float(rest @ rest), 1e-9 * float(y @ y)) * (users - 2) / (users - 1)
    effective = n * max(gain, 1.0)
    supply = 1 + alone.paired / alone.unlabelled
    value = min(max(mean - weight * shift, scale.low), scale.high)
    return alone._replace(
        value=value,
        interval=_bounds(value, variance, users, users - 2, scale, level, people=mean),
        weight=weight * supply,
        correlation=correlation,
        effective=effective,
        explained=min((1 - n / effective) * supply, 0.99),
        reason=_shift_warning(shift, spread, users),
    )


def _one_more(users: int) -> float:
    """What the variance by people alone grows by when a weight is estimated that turns out to be worth nothing."""
    return (users - 1) / max(users - 2, 1)


def _sides(real: Scores, simulated: Scores, system: str) -> _Sides:
    """Join by item: the mean simulated score of an item stands beside each of its real scores."""
    people = real.scored.take(real.scored.system == system)
    machine = simulated.scored.take(simulated.scored.system == system)
    names, units = np.unique(np.concatenate([people.unit, machine.unit]), return_inverse=True)
    user, machine_user = units[: len(people)], units[len(people) :]
    if people.item is None or machine.item is None:
        none = np.full(len(people), np.nan)
        return _Sides(people.score, user, none, machine.score, machine_user, len(names))
    named = machine.item != ""
    items, first, place = np.unique(machine.item[named], return_index=True, return_inverse=True)
    if not len(items):
        return _Sides(people.score, user, np.full(len(people), np.nan), np.empty(0), machine_user[:0], len(names))
    average = np.bincount(place, machine.score[named]) / np.bincount(place)
    at = np.minimum(np.searchsorted(items, people.item), len(items) - 1)
    known = (items[at] == people.item) & (people.item != "")
    predicted = np.where(known, average[at], np.nan)
    everywhere = real.item[real.system == system] if real.item is not None else people.item
    further = ~np.isin(items, everywhere[everywhere != ""])
    return _Sides(people.score, user, predicted, average[further], machine_user[named][first][further], len(names))


def _hindrance(real: Scores, simulated: Scores, sides: _Sides, users: int) -> str:
    """Why the simulated scores cannot be used, if so."""
    paired = np.isfinite(sides.predicted)
    if real.item is None or simulated.item is None or not paired.any():
        return NO_ITEM
    if users < FEWEST_UNITS:
        return too_few_users(users)
    if len(np.unique(sides.user[paired])) < FEWEST_PAIRED:
        return (
            f"{len(np.unique(sides.user[paired]))} real users have an item that was simulated; at least {FEWEST_PAIRED}"
        )
    if not len(sides.further):
        return EVERY_ITEM
    if len(np.unique(sides.further_user)) < FEWEST_UNITS:
        return f"further items were simulated by fewer than {FEWEST_UNITS} simulated users"
    return ""


def too_few_users(users: int) -> str:
    """Why a score has no interval."""
    return f"{users} real users; at least {FEWEST_UNITS} are needed for an interval"


def _influence(values: Floats, user: npt.NDArray[np.int64], users: int) -> Floats:
    """What each user adds to the error of the mean."""
    total: Floats = np.bincount(user, values - values.mean(), minlength=users) / len(values)
    return total


def _bounds(
    mean: float, variance: float, users: int, freedom: int, scale: Scale, level: float, people: float | None = None
) -> tuple[float, float]:
    """Bounds on the scale of the score; trials are counted by the mean of `people`, which is a plain average."""
    share = ((mean if people is None else people) - scale.low) / (scale.high - scale.low) if scale.binary else 0.0
    low, high = score_bounds(
        np.array([mean]),
        np.array([variance]),
        np.array([float(users)]),
        scale,
        freedom=np.array([float(freedom)]),
        spread=np.array([share * (1 - share)]),
        level=level,
    )
    return float(low[0]), float(high[0])


def _shift_warning(shift: float, variance: float, users: int) -> str:
    """Whether the simulator itself says that the further items are of another kind."""
    from scipy import stats

    p = 2 * float(stats.t.sf(abs(shift) / np.sqrt(variance), users - 1))
    if p >= SHIFTED:
        return ""
    return (
        f"the simulator scores items that people met {'higher' if shift > 0 else 'lower'} than the further ones "
        f"(p = {p:.2g}): if these are of another kind, the prediction-powered score is of that mix"
    )
