"""Gates: a measurement held against a bound, judged on the unfavourable end of its interval."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from understudy.errors import UsageError
from understudy.measures.measurement import Measurement

_SYNTAX = re.compile(
    r"\s*(?P<name>[a-z][\w.:-]*)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>[-+]?[\d.]+(?:e[-+]?\d+)?)\s*", re.I
)


class Gate(NamedTuple):
    """`name sign bound`, as given."""

    name: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.bound:g}"


class GateResult(NamedTuple):
    """Whether a gate was met, and the sentence that says why."""

    gate: str
    met: bool
    measurement: str
    judged_on: float | None
    reason: str


def parse_gate(text: str) -> Gate:
    """Read `discriminator.words<=0.65`.

    >>> parse_gate("discriminator.words <= 0.65")
    Gate(name='discriminator.words', sign='<=', bound=0.65)
    """
    match = _SYNTAX.fullmatch(text)
    try:
        bound = float(match["bound"]) if match else math.nan
    except ValueError:
        bound = math.nan
    if match is None or not math.isfinite(bound):
        raise UsageError(
            f"--gate {text!r} cannot be read",
            why="a gate is a measurement, a sign (<=, >=, < or >) and a number",
            fix="for example --gate 'discriminator.words<=0.65' (quoted, because of the sign)",
        )
    return Gate(match["name"], match["sign"], bound)


def matching(name: str, known: Iterable[str]) -> list[str]:
    """The full names that a short one stands for: itself, or those that end in it at a dot.

    >>> matching("discriminator.words", ["realism.discriminator", "realism.discriminator.words"])
    ['realism.discriminator.words']
    """
    names = list(known)
    if name in names:
        return [name]
    return [full for full in names if full.endswith("." + name)]


def unknown_gate(gate: Gate, known: Iterable[str]) -> UsageError:
    """The error for a name that no measurement has, with the nearest ones."""
    names = sorted(set(known))
    short = {name.partition(".")[2] or name: name for name in names}
    close = difflib.get_close_matches(gate.name, [*names, *short], n=3, cutoff=0.5)
    listed = ", ".join(dict.fromkeys(short.get(name, name) for name in close)) or ", ".join(names[:6])
    return UsageError(
        f"--gate names no measurement: {gate.name!r}",
        why="a gate on a measurement that is not made would never fail",
        fix=f"close to it: {listed}" if close else f"measurements are for example {listed}",
    )


def check_names(gates: Sequence[Gate], measures: Iterable[str]) -> None:
    """Refuse, before any work, a gate whose measure does not exist; parts are known only after the audit."""
    names = list(measures)
    for gate in gates:
        words = gate.name.split(".")
        stems = [".".join(words[:end]) for end in range(1, len(words) + 1)]
        families = {name.partition(".")[0] for name in names}
        if not any(matching(stem, names) for stem in stems if stem not in families):
            raise unknown_gate(gate, names)


def judge(gate: Gate, measurements: Sequence[Measurement]) -> GateResult:
    """Hold `gate` against flattened `measurements`.

    `<=` looks at the upper end of the interval, `>=` at the lower: a gate is met when the data show it, not when
    they allow it. An unscored measurement, or one without an interval, does not meet any gate.
    """
    by_name = {m.name: m for m in measurements}
    found = matching(gate.name, by_name)
    if not found:
        raise unknown_gate(gate, by_name)
    if len(found) > 1:
        raise UsageError(
            f"--gate {gate.name!r} stands for {len(found)} measurements",
            why="a gate holds one number",
            fix=f"write one of: {', '.join(found[:5])}",
        )
    m = by_name[found[0]]
    if m.value is None:
        return GateResult(str(gate), False, m.name, None, f"unscored: {m.reason}")
    if m.interval is None:
        return GateResult(str(gate), False, m.name, None, f"{m.value:.3f} has no interval to be judged on")
    upper = gate.sign.startswith("<")
    end = m.interval[1] if upper else m.interval[0]
    met = {"<=": end <= gate.bound, "<": end < gate.bound, ">=": end >= gate.bound, ">": end > gate.bound}[
        gate.sign
    ]
    side = "upper" if upper else "lower"
    return GateResult(str(gate), met, m.name, end, f"{m.value:.3f}, {side} bound {end:.3f}")
