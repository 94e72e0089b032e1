"""Measurement, MeasureSpec and @measure: a number that never travels alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.errors import MeasureError

Direction = Literal["lower", "higher", "match"]
Question = Literal["real", "rank", "train", "carry"]


class Estimate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reference value with its interval: a floor (real vs real) or a ceiling (another real corpus)."""

    value: float
    interval: tuple[float, float] | None = None
    note: str = ""


def floor_of(values: npt.NDArray[np.float64]) -> Estimate | None:
    """Real against real: mean and 95 % range over splits of the real units; None where it could not be split."""
    if not len(values):
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(float(values.mean()), (float(low), float(high)), f"{len(values)} halvings of the real units")


class Counts(msgspec.Struct, frozen=True):
    """How much a measurement saw. `users` counts units: users, or conversations where none is named."""

    users: int
    conversations: int
    turns: int


class MeasureSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a measure is, before it is run.

    `name` is `family.measure`; `question` one of the audit's four; `asks` the question it answers, in words;
    `better` says where good lies: `lower`, `higher`, or `match` (over-production is as wrong as under-production).
    `minimum_units` is the least number of units on each side below which the result is unscored.
    """

    name: str
    question: Question
    asks: str
    unit: str
    range: tuple[float | None, float | None]
    better: Direction
    source: str
    version: int = 1
    minimum_units: int = 10
    headline: bool = False


class Measurement(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The result of a measure. `value` is None exactly when `status` is `unscored`, and then `reason` says why.

    `parts` are finer measurements of the same measure (`realism.messiness.hedges`); `evidence` is plain data for
    the report: tables, curves, examples. `adjusted_p` is the p-value after Holm (headlines) or BH (parts).
    """

    name: str
    value: float | None
    status: Literal["scored", "unscored"]
    n: Mapping[str, Counts]
    spec: MeasureSpec
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    adjusted_p: float | None = None
    floor: Estimate | None = None
    ceiling: Estimate | None = None
    reason: str = ""
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    provenance: Mapping[str, Any] = msgspec.field(default_factory=dict)
    parts: tuple[Measurement, ...] = ()

    def __post_init__(self) -> None:
        scored = self.status == "scored"
        if scored != (self.value is not None):
            raise MeasureError(
                f"{self.name}: status {self.status!r} with value {self.value!r}",
                why="a scored measurement has a number and an unscored one has none",
                fix="return unscored(...) with a reason where nothing could be computed",
            )
        if self.value is not None and not np.isfinite(self.value):
            raise MeasureError(
                f"{self.name}: value {self.value!r}",
                why="NaN and infinity hide a missing number",
                fix="return unscored(...) with a reason",
            )
        if not scored and not self.reason:
            raise MeasureError(
                f"{self.name} is unscored without a reason",
                why="a missing number must say why it is missing",
                fix="pass reason='...'",
            )


class Measure(Protocol):
    """A two-corpus measure under its declaration."""

    spec: MeasureSpec

    def __call__(self, real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, **options: Any) -> Measurement: ...


def counts_of(corpus: Corpus) -> Counts:
    """Units, conversations and turns of one corpus."""
    return Counts(users=corpus.n_units, conversations=len(corpus), turns=sum(len(c.turns) for c in corpus))


def counts(real: Corpus, synthetic: Corpus) -> dict[str, Counts]:
    """Units, conversations and turns on each side."""
    return {"real": counts_of(real), "synthetic": counts_of(synthetic)}


def unscored(spec: MeasureSpec, real: Corpus, synthetic: Corpus, reason: str, part: str = "") -> Measurement:
    """A missing number, with its reason."""
    name = f"{spec.name}.{part}" if part else spec.name
    return Measurement(name=name, value=None, status="unscored", reason=reason, n=counts(real, synthetic), spec=spec)


REGISTRY: dict[str, Measure] = {}


def measure(spec: MeasureSpec) -> Callable[[Callable[..., Measurement]], Measure]:
    """Declare a two-corpus measure: `f(real, synthetic, *, rng)`, real first.

    Sides with fewer than `spec.minimum_units` units, or no user turn at all, come back unscored before `f` runs.
    The declared measure is found by name in `REGISTRY`.
    """

    def declare(function: Callable[..., Measurement]) -> Measure:
        @functools.wraps(function)
        def run(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, **options: Any) -> Measurement:
            for side, corpus in (("real", real), ("synthetic", synthetic)):
                units = corpus.n_units
                if units < spec.minimum_units:
                    reason = f"the {side} side has {units} unit(s); at least {spec.minimum_units} are needed"
                    return unscored(spec, real, synthetic, reason)
                if not any(turn.role == "user" and turn.text.strip() for c in corpus for turn in c.turns):
                    return unscored(spec, real, synthetic, f"the {side} side has no user turn with text")
            return function(real, synthetic, rng=rng, **options)

        if spec.name in REGISTRY:
            raise MeasureError(
                f"two measures are named {spec.name!r}",
                why="a report could not tell them apart",
                fix="rename one",
            )
        run.spec = spec  # type: ignore[attr-defined]
        declared: Measure = run  # type: ignore[assignment]
        REGISTRY[spec.name] = declared
        return declared

    return declare


def flatten(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Headline measurements followed by their parts, each without its own parts."""
    flat: list[Measurement] = []
    for m in measurements:
        flat.append(msgspec.structs.replace(m, parts=()))
        flat.extend(flatten(m.parts))
    return flat
