"""Many looks at two growing curves: when may it be said that one rises and the other does not keep up?"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.errors import UsageError
from understudy.seeds import stream
from understudy.transfer.task import Floats

DRAWS = 2000
KEEPS_UP = 0.5  # of the simulated slope: the least real slope that still counts as keeping up
_SHORTEST = 4  # steps of the shortest window looked at beside the whole run

Scale = Literal["doubling", "step"]


class Slope(NamedTuple):
    """A slope with its standard error and degrees of freedom."""

    value: float
    error: float
    freedom: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        from scipy import stats

        reach = float(stats.t.ppf(0.5 + level / 2, self.freedom)) * self.error
        return self.value - reach, self.value + reach

    @property
    def p_value(self) -> float:
        """Of a slope of 0, both sides."""
        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        from scipy import stats

        return float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))


class Parting(NamedTuple):
    """One look: whether the curves have parted, since which step, and how far beyond doubt."""

    parted: bool
    since: int  # position of the first step of the window that shows it best
    statistic: float
    threshold: float


class Curve:
    """The scores of one fixed test set, step after step: means, and what each unit and each run adds to their errors.

    `weights`: how many examples stand behind each unit's score. The mean is over examples, its error by unit with
    the G/(G-1) correction (Cameron & Miller 2015, doi:10.3368/jhr.50.2.317).
    """

    def __init__(self, weights: Floats, seed: int, name: str) -> None:
        self.weights = weights
        self.units = len(weights)
        self._seed, self._name = seed, name
        self._influence: Floats = np.zeros((0, self.units))
        self._drawn: Floats = np.zeros((0, DRAWS))
        self._runs: list[Floats] = []

    def add(self, scores: Floats) -> None:
        """`scores` (runs, units) of the next step."""
        shares = self.weights / self.weights.sum()
        over_runs = scores.mean(axis=0)
        centred = shares * (over_runs - shares @ over_runs) * np.sqrt(self.units / (self.units - 1))
        self._influence = np.vstack([self._influence, centred])
        self._runs.append(scores @ shares)
        self._drawn = np.vstack([self._drawn, self._multipliers @ centred.astype(np.float32)])

    @cached_property
    def _multipliers(self) -> npt.NDArray[np.float32]:
        """The same at every step: the looks see the same units, and their errors go together."""
        return stream(self._seed, "looks", self._name).standard_normal((DRAWS, self.units), dtype=np.float32)

    @property
    def means(self) -> Floats:
        return np.array([run.mean() for run in self._runs])

    @property
    def runs(self) -> Floats:
        """The mean of each run at each step (runs, steps)."""
        return np.stack(self._runs, axis=1)

    def influence(self, over: Floats) -> Floats:
        """What each unit adds to the linear combination `over` of the steps' means."""
        summed: Floats = over @ self._influence
        return summed

    def drawn(self, over: Floats) -> Floats:
        """The same combination in each of `DRAWS` draws of the units."""
        summed: Floats = over @ self._drawn
        return summed


class Looks:
    """Looks at two curves as they grow, and at most an `alpha` chance, over all looks, of a wrong word.

    At each look two things are asked of the whole run and of its last 4, 8, 16 ... steps: does the simulated score
    rise, and is the real slope below `KEEPS_UP` times the simulated one? Where both have the same t beyond the
    threshold in one window, the curves have parted. The threshold is such that, where in every window one of the two
    is not so, the chance of ever being beyond it stays under `alpha * k / (k + 1)` up to look k (error spending, Lan &
    DeMets 1983, doi:10.1093/biomet/70.3.659). How the looks and the windows go together is drawn, not assumed:
    normal multipliers on the units, the same at every look, and on the training runs where there are several
    (Chernozhukov, Chetverikov & Kato 2013, doi:10.1214/13-AOS1161), with the tails of Student's t. With one run the
    errors are those of the test units: what is said is said of this run.
    """

    def __init__(self, simulated: Floats, held_out: Floats, *, per: Scale, alpha: float, seed: int) -> None:
        self.simulated = Curve(simulated, seed, "simulated")
        self.held_out = Curve(held_out, seed, "held out")
        self.steps: list[float] = []
        self._per, self._alpha, self._seed = per, alpha, seed
        self._taken = 0
        self._alive: npt.NDArray[np.bool_] = np.ones(DRAWS, dtype=bool)
        self._tail = stream(seed, "looks", "tail").standard_normal(DRAWS)

    def add(self, step: float, simulated: Floats, held_out: Floats) -> Parting | None:
        """The scores (runs, units) at the next step, and a look; None at the first step, where there is no slope."""
        if self.steps and step <= self.steps[-1]:
            raise UsageError(
                f"step {step:g} came after step {self.steps[-1]:g}",
                why="a slope is over steps that grow",
                fix="record each step once, in order",
            )
        if self._per == "doubling" and step <= 0:
            raise UsageError(f"step {step:g} has no doublings", why="it is not above 0", fix="use per='step'")
        self.steps.append(float(step))
        self.simulated.add(simulated)
        self.held_out.add(held_out)
        return self._look() if len(self.steps) > 1 else None

    def slope(self, of_simulated: float, of_held_out: float, since: int = 0) -> Slope:
        """`of_simulated` times the simulated slope plus `of_held_out` times the real one, from step `since` on."""
        over = self._over(since)
        return self._slope(over, of_simulated, of_held_out)

    def _over(self, since: int) -> Floats:
        x = np.array(self.steps)
        x = np.log2(x) if self._per == "doubling" else x
        over = np.zeros(len(x))
        centred = x[since:] - x[since:].mean()
        over[since:] = centred / (centred @ centred)
        return over

    def _slope(self, over: Floats, a: float, b: float) -> Slope:
        sources = [
            (float((a * self.simulated.influence(over)) @ (a * self.simulated.influence(over))), self.simulated.units),
            (float((b * self.held_out.influence(over)) @ (b * self.held_out.influence(over))), self.held_out.units),
        ]
        runs = a * (self.simulated.runs @ over) + b * (self.held_out.runs @ over)
        if len(runs) > 1:
            sources.append((float(runs.var(ddof=1) / len(runs)), len(runs)))
        variance = sum(v for v, _ in sources)
        spread = sum(v**2 / (n - 1) for v, n in sources)
        # Satterthwaite (1946), doi:10.2307/3002019.
        return Slope(float(runs.mean()), float(np.sqrt(variance)), variance**2 / spread if spread > 0 else 1.0)

    def _drawn(self, over: Floats, a: float, b: float, slope: Slope) -> Floats:
        """The t of a slope that is 0, in each draw."""
        drawn = a * self.simulated.drawn(over) + b * self.held_out.drawn(over)
        runs = a * (self.simulated.runs @ over) + b * (self.held_out.runs @ over)
        n = len(runs)
        if n > 1:
            multipliers = stream(self._seed, "looks", "runs").standard_normal((DRAWS, n))
            drawn = drawn + multipliers @ (runs - runs.mean()) / np.sqrt(n * (n - 1))
        # What turns a normal into Student's t: the chi square of Wilson & Hilferty (1931), doi:10.1073/pnas.17.12.684.
        part = 2 / (9 * slope.freedom)
        t: Floats = drawn / slope.error / np.maximum(1 - part + self._tail * np.sqrt(part), 0.05) ** 1.5
        return t

    def _look(self) -> Parting:
        self._taken += 1
        last = len(self.steps)
        windows = [0, *(last - m for m in _lengths(last))]
        best, since, worst = -np.inf, 0, np.full(DRAWS, -np.inf)
        for start in windows:
            over = self._over(start)
            found = []
            for a, b in ((1.0, 0.0), (KEEPS_UP, -1.0)):
                slope = self._slope(over, a, b)
                if slope.error <= 1e-12:  # every unit the same: nothing says how much others would differ
                    found.append(0.0)
                    continue
                found.append(slope.value / slope.error)
                worst = np.maximum(worst, self._drawn(over, a, b, slope))
            if min(found) > best:
                best, since = min(found), start
        allowed = int(DRAWS * self._alpha * self._taken / (self._taken + 1)) - int((~self._alive).sum())
        alive = np.sort(worst[self._alive])
        threshold = float(alive[len(alive) - 1 - max(allowed, 0)])
        self._alive &= worst <= threshold
        return Parting(best > max(threshold, 0.0), since, best, threshold)


def _lengths(steps: int) -> list[int]:
    """4, 8, 16 ... while shorter than the run."""
    lengths = []
    length = _SHORTEST
    while length < steps:
        lengths.append(length)
        length *= 2
    return lengths
