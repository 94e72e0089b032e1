"""Where the marks of a figure stand, in per cent of its width; the template draws them as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from understudy.measures.measurement import Estimate, Measurement
from understudy.reports.wording import number, reach_of

Span = tuple[float, float]
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Tick(NamedTuple):
    """A labelled place on an axis."""

    at: float
    label: str


class Scale(NamedTuple):
    """A linear axis from `low` to `high`."""

    low: float
    high: float
    step: float

    def at(self, value: float) -> float:
        """Place of `value` in per cent, held inside the figure.

        >>> Scale(0.0, 2.0, 1.0).at(0.5), Scale(0.0, 2.0, 1.0).at(9.0)
        (25.0, 100.0)
        """
        place = 100 * (value - self.low) / (self.high - self.low)
        return round(min(max(place, 0.0), 100.0), 2)

    def span(self, bounds: Sequence[float] | None) -> Span | None:
        """Both ends of an interval."""
        return None if bounds is None else (self.at(bounds[0]), self.at(bounds[1]))

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Labelled places at every step."""
        count = math.floor((self.high - self.low) / self.step + 1e-9)
        decimals = _decimals(self.step)
        values = [self.low + self.step * i for i in range(count + 1)]
        return tuple(Tick(self.at(v), number(v, decimals)) for v in values)


class Strip(NamedTuple):
    """One measurement on an axis: its value and interval, the floor's band, the ceiling's mark."""

    value: float
    interval: Span | None
    floor: float | None
    floor_band: Span | None
    ceiling: float | None
    ceiling_band: Span | None


class Pair(NamedTuple):
    """What the real and the synthetic side show, on one axis."""

    real: float
    synthetic: float
    real_interval: Span | None = None
    synthetic_interval: Span | None = None


class Curve(NamedTuple):
    """A line in a box of 100 x 100, y down, with an optional band around it."""

    side: str
    points: str
    band: str
    end: Tick


class Chart(NamedTuple):
    """Curves over one pair of axes."""

    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def _decimals(step: float) -> int:
    for decimals in range(7):
        if math.isclose(round(step, decimals), step, rel_tol=1e-9):
            return decimals
    return 7


def scale_over(values: Iterable[float], *, count: int = 4) -> Scale:
    """An axis with about `count` round steps that holds all `values`.

    >>> scale_over([0.03, 0.97])
    Scale(low=0.0, high=1.0, step=0.25)
    >>> scale_over([2.0, 2.0]).ticks[0].label
    '1.50'
    """
    kept = list(values) or [0.0, 1.0]
    low, high = min(kept), max(kept)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in STEPS if s * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(round(first * step, 12), round(last * step, 12), round(step, 12))


def kept_within(scale: Scale, bounds: tuple[float | None, float | None], values: Sequence[float]) -> Scale:
    """The axis cut to what the measure can be; an end that some value lies beyond is no bound.

    >>> kept_within(Scale(-0.5, 1.5, 0.5), (0.0, 1.0), [0.2, 0.97])
    Scale(low=0.0, high=1.0, step=0.5)
    """
    low, high = bounds
    first = scale.low if low is None or any(v < low for v in values) else max(scale.low, low)
    last = scale.high if high is None or any(v > high for v in values) else min(scale.high, high)
    return Scale(first, last, scale.step) if last - first > scale.step / 2 else scale


def extent(m: Measurement) -> list[float]:
    """Every number of a measurement that a figure shows."""
    if m.value is None:
        return []
    found = [m.value, *(reach_of(m) or ())]
    for reference in (m.floor, m.ceiling):
        if reference is not None:
            found += [reference.value, *(reference.interval or ())]
    return found


def natural_scale(measurements: Sequence[Measurement]) -> Scale:
    """An axis for measurements of one unit: from chance for an AUC, from 0 for distances, around 0 for gaps."""
    values = [v for m in measurements for v in extent(m)]
    spec = measurements[0].spec
    known = [m.value for m in measurements if m.value is not None]
    if spec.unit.startswith("AUC"):
        return kept_within(scale_over([*values, 0.4, 1.0], count=6), spec.range, known)
    scale = scale_over([*values, 0.0] if spec.range[0] is None or spec.range[0] <= 0 else values)
    return kept_within(scale, spec.range, known)


def strip(m: Measurement, scale: Scale) -> Strip | None:
    """Where a measurement's marks stand; None where it is unscored."""
    if m.value is None:
        return None

    def place(reference: Estimate | None) -> tuple[float | None, Span | None]:
        if reference is None:
            return None, None
        return scale.at(reference.value), scale.span(reference.interval)

    return Strip(scale.at(m.value), scale.span(reach_of(m)), *place(m.floor), *place(m.ceiling))


def pair(
    real: float,
    synthetic: float,
    scale: Scale,
    *,
    real_interval: Sequence[float] | None = None,
    synthetic_interval: Sequence[float] | None = None,
) -> Pair:
    """Where the two sides of a dumbbell stand."""
    return Pair(scale.at(real), scale.at(synthetic), scale.span(real_interval), scale.span(synthetic_interval))


class Line(NamedTuple):
    """Numbers to be drawn as a curve; `low` and `high` bound its band and may be empty."""

    side: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def chart(lines: Sequence[Line]) -> Chart:
    """Curves over common axes, the vertical one from 0."""
    across = scale_over([v for line in lines for v in line.x], count=6)
    first, last = min(v for line in lines for v in line.x), max(v for line in lines for v in line.x)
    across = Scale(first, last if last > first else first + 1, across.step)
    up = scale_over([0.0, *(v for line in lines for v in (*line.y, *line.high))])
    if all(0 <= y <= 1 for line in lines for y in line.y):
        up = kept_within(up, (0.0, 1.0), [])
    curves = []
    for line in lines:
        where = [(across.at(x), round(100 - up.at(y), 2)) for x, y in zip(line.x, line.y, strict=True)]
        band = ""
        if line.low and line.high:
            top = [(across.at(x), round(100 - up.at(y), 2)) for x, y in zip(line.x, line.high, strict=True)]
            foot = [(across.at(x), round(100 - up.at(y), 2)) for x, y in zip(line.x, line.low, strict=True)]
            band = _points([*top, *reversed(foot)])
        curves.append(Curve(line.side, _points(where), band, Tick(where[-1][1], line.side)))
    step = max(1, round((last - first) / 6))
    marks = [first + step * i for i in range(int((last - first) // step) + 1)]
    x_ticks = tuple(Tick(across.at(v), number(v, 0)) for v in marks)
    return Chart(tuple(curves), x_ticks, tuple(Tick(round(100 - t.at, 2), t.label) for t in up.ticks))


def _points(where: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in where)
