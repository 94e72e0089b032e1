"""A measurement held against a bound: the one rule by which gates and assertions pass."""

from __future__ import annotations

import operator
from typing import Literal, NamedTuple

from understudy.measures.measurement import Measurement
from understudy.reports.findings import too_close

Sign = Literal["<=", "<", ">=", ">"]
_HOLDS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


class Held(NamedTuple):
    """Whether the bound was met, the end of the interval that decided (None: something else did), and why."""

    met: bool
    judged_on: float | None
    reason: str


def held(m: Measurement, sign: Sign, bound: float) -> Held:
    """Whether the data show that `m` is at most (`<=`, `<`) or at least (`>=`, `>`) `bound`.

    `<=` looks at the upper end of the interval, `>=` at the lower: a bound is met when the data show it, not when
    they allow it. An unscored measurement, or one without an interval, meets none; nor does one of users who were
    fitted to the very people that test, or a discriminator whose interval lies below one half, since only copies of
    these very people look like that.

    >>> from understudy.measures.measurement import MeasureSpec
    >>> spec = MeasureSpec("a.b", "train", "?", "share", (None, None), "higher", "none")
    >>> m = Measurement(name="a.b", value=0.6, status="scored", n={}, spec=spec, interval=(0.5, 0.7))
    >>> [held(m, sign, 0.6).met for sign in ("<=", ">=")], held(m, ">=", 0.5)
    ([False, False], Held(met=True, judged_on=0.5, reason='0.600, lower bound 0.500'))
    """
    if m.value is None:
        return Held(False, None, f"unscored: {m.reason}")
    if m.interval is None:
        return Held(False, None, f"{m.value:.3f} has no interval to be judged on")
    if m.evidence.get("contaminated"):
        return Held(False, None, "contaminated: the users were fitted to people who test")
    upper = sign in ("<=", "<")
    end = m.interval[1] if upper else m.interval[0]
    if upper and too_close(m):
        told = f"{m.value:.3f}, wholly below .5: closer to these real users than other real users are; copies?"
        return Held(False, end, told)
    return Held(_HOLDS[sign](end, bound), end, f"{m.value:.3f}, {'upper' if upper else 'lower'} bound {end:.3f}")
