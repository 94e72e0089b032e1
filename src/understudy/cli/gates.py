"""Gates: a measurement held against a bound, judged on the unfavourable end of its interval."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from understudy.errors import UsageError
from understudy.measures.measurement import Measurement
from understudy.reports.bounds import Sign, held

_SYNTAX = re.compile(
    r"\s*(?P<name>[a-z][\w.:-]*)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>[-+]?[\d.]+(?:e[-+]?\d+)?)\s*", re.I
)


DISCRIMINATOR_FAMILIES = ("length", "punctuation", "function_words", "words", "behaviours", "all")


class Gate(NamedTuple):
    """`name sign bound`, as given."""

    name: str
    sign: Sign
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


_MEANT = {"=<": "<=", "=>": ">=", "≤": "<=", "≥": ">="}


def part_names() -> list[str]:
    """The full names of the parts that an audit can have, known before it runs."""
    from understudy.measures.behaviours import BEHAVIOURS
    from understudy.measures.realism import conditional, diversity, ensemble
    from understudy.measures.realism.messiness_columns import OVER_CONVERSATIONS
    from understudy.measures.style import STYLE_FEATURES

    behaviours = [*(b.name for b in BEHAVIOURS), *(b.name for b, _ in OVER_CONVERSATIONS)]
    by_measure: dict[str, Iterable[str]] = {
        "realism.discriminator": DISCRIMINATOR_FAMILIES,
        "realism.messiness": dict.fromkeys(behaviours),
        "realism.ensemble": (
            *ensemble.NAMES,
            *(f"transition.{name}" for name in ensemble.TRANSITIONS),
            *(f"pair.{first}_{second}" for first, second in ensemble.PAIRS),
        ),
        "realism.conditional": conditional.ASKS,
        "realism.coverage": ("density",),
        "realism.diversity": diversity.COMPONENTS,
        "separability.icc": STYLE_FEATURES,
        "separability.identification": ("reciprocal_rank",),
        "separability.dispersion": [f"{who}.{n}" for who in ("users", "conversations") for n in STYLE_FEATURES],
    }
    return [f"{measure}.{part}" for measure, parts in by_measure.items() for part in parts]


# What the optional questions of an audit measure: by task with --task, once with --scores.
OF_A_TASK = ("transfer.gap_closed", "transfer.false_progress")
OF_SCORES = ("tau", "spearman", "calibration", "prediction_powered", "stability")


def asked_names(tasks: Sequence[str], *, ranked: bool, besides: Sequence[str] = (), panel: bool = False) -> list[str]:
    """The names of the headline measurements of an audit that is asked for `tasks`, for families of measures
    `besides`, if `ranked` for an order, and with what raters of a `panel` said.
    """
    from understudy.measures.pmq import FACTORS
    from understudy.measures.raters.records import RATING_ITEMS
    from understudy.reports.audit import DEFAULT_MEASURES
    from understudy.reports.sections import BESIDES

    by_task = [f"{measure}.{task}" for measure in OF_A_TASK for task in tasks]
    more = [f"{family}.{home.partition(':')[2]}" for family in besides for home in BESIDES[family]]
    more += [f"ranking.{name}" for name in OF_SCORES if ranked]
    if panel:
        rated = [f"panel.rating.{item.key}" for item in RATING_ITEMS]
        more += ["panel.discrimination", *rated, *(f"panel.pmq.{factor}" for factor in FACTORS)]
    return [*DEFAULT_MEASURES, *by_task, *more]


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
        meant = next((text.replace(wrong, right) for wrong, right in _MEANT.items() if wrong in text), None)
        raise UsageError(
            f"--gate {text!r} cannot be read",
            why="a gate is a measurement, a sign (<=, >=, < or >) and a number",
            fix=f"write {meant!r}"
            if meant and _SYNTAX.fullmatch(meant)
            else "for example --gate 'discriminator.words<=0.65' (quoted, because of the sign)",
        )
    return Gate(match["name"], cast(Sign, match["sign"]), bound)


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
    short = {".".join(words[k:]): name for name in names for words in [name.split(".")] for k in range(1, len(words))}
    close = difflib.get_close_matches(gate.name, [*names, *short], n=3, cutoff=0.5)
    listed = ", ".join(dict.fromkeys(short.get(name, name) for name in close)) or ", ".join(names[:6])
    return UsageError(
        f"--gate names no measurement: {gate.name!r}",
        why="a gate on a measurement that is not made would never fail",
        fix=f"close to it: {listed}" if close else f"measurements are for example {listed}",
    )


def check_names(gates: Sequence[Gate], measures: Iterable[str]) -> None:
    """Refuse, before any work, a gate on nothing, and a short name that stands for several measurements."""
    names = list(measures)
    parts = [part for part in part_names() if any(part.startswith(f"{name}.") for name in names)]
    for gate in gates:
        found = matching(gate.name, [*names, *parts])
        if len(found) > 1:
            raise _ambiguous(gate, found)
        if found:
            continue
        words = gate.name.split(".")
        stems = [".".join(words[:end]) for end in range(1, len(words) + 1)]
        families = {name.partition(".")[0] for name in names}
        if not any(matching(stem, names) for stem in stems if stem not in families):
            raise _not_asked(gate) or unknown_gate(gate, [*names, *parts])


def _not_asked(gate: Gate) -> UsageError | None:
    """The error for a measurement that an audit makes only when it is asked to."""
    name = gate.name.partition(".")[2] if gate.name.startswith(("transfer.", "ranking.")) else gate.name
    head, _, task = name.partition(".")
    if f"transfer.{head}" in OF_A_TASK:
        option = f"--task {task}" if task else "--task TASK"
    elif gate.name.startswith("ranking.") or head in OF_SCORES:
        option = "--scores FILE"
    else:
        return None
    return UsageError(
        f"--gate {gate.name!r} is on a question that is not asked",
        why="a gate on a measurement that is not made would never fail",
        fix=f"add {option}",
    )


def _ambiguous(gate: Gate, found: Sequence[str]) -> UsageError:
    shown = found[:5]
    more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    return UsageError(
        f"--gate {gate.name!r} stands for {len(found)} measurements",
        why="a gate holds one number",
        fix=f"write one of: {', '.join(shown)}{more}",
    )


def judge(gate: Gate, measurements: Sequence[Measurement]) -> GateResult:
    """Hold `gate` against flattened `measurements`, on the unfavourable end of the interval (`reports.bounds.held`)."""
    by_name = {m.name: m for m in measurements}
    found = matching(gate.name, by_name)
    if not found:
        raise unknown_gate(gate, by_name)
    if len(found) > 1:
        raise _ambiguous(gate, found)
    m = by_name[found[0]]
    met, end, why = held(m, gate.sign, gate.bound)
    flags = m.evidence.get("flags") if end is not None else None
    told = f"; flagged: {'; '.join(map(str, flags))}" if isinstance(flags, (list, tuple)) and flags else ""
    return GateResult(str(gate), met, m.name, end, f"{why}{told}")
