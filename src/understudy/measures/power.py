"""How many conversations a wanted effect needs, and how small an effect a given number can show."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy import optimize, stats

from understudy.errors import MeasureError


class Requirement(NamedTuple):
    """Conversations and users needed on each side for one wanted effect."""

    effect: str
    conversations: int
    users: int


def design_effect(per_user: float, icc: float) -> float:
    """Variance inflation of a mean when users give `per_user` conversations with intraclass correlation `icc`.

    `1 + (m - 1) icc`. Kish (1965), Survey Sampling.

    >>> round(design_effect(4, 0.4), 2)
    2.2
    """
    if per_user < 1 or not 0 <= icc <= 1:
        raise MeasureError(
            f"per_user={per_user}, icc={icc}",
            why="a user has at least one conversation and an intraclass correlation lies in [0, 1]",
            fix="give --per-user of 1 or more and --icc between 0 and 1",
        )
    return 1.0 + (per_user - 1.0) * icc


def auc_variance(auc: float, n: float) -> float:
    """Variance of an AUC estimated on `n` examples a side. Hanley & McNeil (1982).

    doi:10.1148/radiology.143.1.7063747

    >>> round(auc_variance(0.5, 100) ** 0.5, 4)
    0.0409
    """
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    return (auc * (1 - auc) + (n - 1) * (q1 + q2 - 2 * auc * auc)) / (n * n)


def _quantiles(power: float, alpha: float) -> tuple[float, float]:
    if not 0 < alpha < 1 or not alpha < power < 1:
        raise MeasureError(
            f"power={power}, alpha={alpha}",
            why="power must exceed the error rate, and both lie between 0 and 1",
            fix="the usual choice is --power 0.8 --alpha 0.05",
        )
    return float(stats.norm.ppf(1 - alpha / 2)), float(stats.norm.ppf(power))


def conversations_for_auc(auc: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Independent test conversations a side so that a discriminator of true AUC `auc` is told from .5.

    `n = (z_a sqrt(1/6) + z_b sqrt(V1))^2 / (auc - .5)^2` with `V1 = n Var(AUC)` of Hanley & McNeil at `auc`.
    Range: positive integer. Raises MeasureError unless .5 < auc < 1.

    >>> conversations_for_auc(0.55), conversations_for_auc(0.65)
    (522, 57)
    """
    if not 0.5 < auc < 1:
        raise MeasureError(
            f"AUC {auc}",
            why="an effect to be found is an AUC above .5 and below 1",
            fix="give a value such as 0.6",
        )
    z_a, z_b = _quantiles(power, alpha)

    def shortfall(n: float) -> float:
        return (auc - 0.5) - z_a * math.sqrt(1 / (6 * n)) - z_b * math.sqrt(auc_variance(auc, n))

    return math.ceil(float(optimize.brentq(shortfall, 1.0, 1e9)))


def conversations_for_rates(first: float, second: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Independent conversations a side to tell two rates (shares of conversations) apart, two-sided.

    `n = (z_a + z_b)^2 (p(1-p) + q(1-q)) / (p - q)^2`.

    >>> conversations_for_rates(0.45, 0.55)
    389
    """
    if not (0 <= first <= 1 and 0 <= second <= 1) or first == second:
        raise MeasureError(
            f"rates {first} and {second}",
            why="two different shares between 0 and 1 are needed",
            fix="give for example --rates 0.45 0.55",
        )
    z_a, z_b = _quantiles(power, alpha)
    spread = first * (1 - first) + second * (1 - second)
    return math.ceil((z_a + z_b) ** 2 * spread / (first - second) ** 2)


def conversations_for_equivalence(margin: float, *, rate: float = 0.5, power: float = 0.8, alpha: float = 0.05) -> int:
    """Independent conversations a side to show by two one-sided tests that two equal rates differ by < `margin`.

    `n = 2 p(1-p) (z_{1-a} + z_{1-(1-power)/2})^2 / margin^2`. Schuirmann (1987), doi:10.1007/BF01068419.

    >>> conversations_for_equivalence(0.05)
    1713
    """
    if not 0 < margin < 1:
        raise MeasureError(
            f"margin {margin}",
            why="an equivalence margin lies between 0 and 1",
            fix="give for example --margin 0.05",
        )
    reach = float(stats.norm.ppf(1 - alpha) + stats.norm.ppf(1 - (1 - power) / 2))
    return math.ceil(2 * rate * (1 - rate) * reach**2 / margin**2)


def detectable_auc(conversations: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true AUC that `conversations` independent test conversations a side tell from .5.

    Range (.5, 1]; 1.0 means that not even perfect separation would be found reliably.

    >>> round(detectable_auc(522), 3)
    0.55
    """
    z_a, z_b = _quantiles(power, alpha)
    if conversations < 2:
        return 1.0

    def shortfall(auc: float) -> float:
        spread = z_a * math.sqrt(1 / (6 * conversations))
        return (auc - 0.5) - spread - z_b * math.sqrt(max(auc_variance(auc, conversations), 0.0))

    if shortfall(1.0 - 1e-9) < 0:
        return 1.0
    return float(optimize.brentq(shortfall, 0.5, 1.0 - 1e-9))


def with_users(effect: str, independent: int, *, per_user: float, icc: float) -> Requirement:
    """Turn a number of independent conversations into conversations and users, given how users cluster.

    >>> with_users("AUC 0.60", 130, per_user=4, icc=0.4)
    Requirement(effect='AUC 0.60', conversations=286, users=72)
    """
    conversations = math.ceil(round(independent * design_effect(per_user, icc), 9))
    return Requirement(effect, conversations, math.ceil(conversations / per_user))
