"""False progress: the score on simulated users rises, and the score on real ones does not keep up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.errors import MeasureError, UsageError
from understudy.measures.measurement import Counts, Measurement, MeasureSpec, counts
from understudy.seeds import derive_seed, stream
from understudy.transfer.checked_task import SEEDS
from understudy.transfer.looks import KEEPS_UP, Looks, Parting, Scale, Slope
from understudy.transfer.scoring import in_processes, one_thread
from understudy.transfer.task import Examples, Floats, Task

FEWEST_UNITS = 10
RUNS = 4
STEPS = 5
PUT_ASIDE = 0.3
ALPHA = 0.05
SOURCE = "Li et al. (2023), arXiv:2309.07682, on simulated entity exchange; see docs/transfer.md"
RULE = (
    "alarm where, over the whole run or its last 4, 8, 16 ... steps, the simulated score rises and the real slope is "
    f"below {KEEPS_UP:g} of the simulated one; at most {ALPHA:.0%} false alarms over all looks of a run"
)


class FalseProgressMonitor:
    """Does progress on simulated users reach real ones? For a training loop that looks as often as it likes.

    At each checkpoint (or size of the training set), score the same simulated test users and the same real held-out
    ones, unit by unit (a unit is a user, else a conversation), and `record` both. It answers whether the alarm is up:
    the simulated score rises and the real one gains less than `KEEPS_UP` of it (`Looks` has the rule and its error).
    `verdict` is the difference of the two slopes, per doubling of `step` or per step.

    The hold-out has to stay frozen: no training on it, and no checkpoint chosen by it. Scores are an array with a
    number a unit, or (runs, units) where several training runs go side by side; then how much runs differ counts
    too, else the alarm speaks of this run. `simulated_weights` and `held_out_weights` say how many examples stand
    behind each unit's score. The alarm is raised on at most `alpha` of the runs without false progress, however many
    looks (tests/transfer/test_false_progress.py).

    >>> rng = np.random.default_rng(0)
    >>> people, simulated = rng.normal(0.4, 0.1, 80), rng.normal(0.5, 0.1, 80)
    >>> monitor = FalseProgressMonitor("acts")
    >>> for doubling in range(5):
    ...     noise = rng.normal(0, 0.02, (2, 80))
    ...     up = monitor.record(
    ...         100 * 2**doubling, simulated=simulated + 0.05 * doubling + noise[0], held_out=people + noise[1]
    ...     )
    >>> up, monitor.alarm_at, round(monitor.verdict().value, 2)
    (True, 200.0, 0.05)
    """

    def __init__(
        self,
        task: str,
        *,
        metric: str = "score",
        per: Scale = "doubling",
        simulated_weights: npt.ArrayLike | None = None,
        held_out_weights: npt.ArrayLike | None = None,
        alpha: float = ALPHA,
        seed: int = 0,
    ) -> None:
        if not 0 < alpha < 1:
            raise UsageError(f"alpha is {alpha}", why="it is a chance of a false alarm", fix="use 0.05")
        self.task, self.metric, self.per = task, metric, per
        self.alarm_at: float | None = None
        self._since: float | None = None
        self._given = (simulated_weights, held_out_weights)
        self._alpha, self._seed = alpha, seed
        self._looks: Looks | None = None
        self._history: list[Parting] = []

    def record(self, step: float, *, simulated: npt.ArrayLike, held_out: npt.ArrayLike) -> bool:
        """Take the scores at `step` (examples seen, or training steps; growing) and say whether the alarm is up.

        Once up it stays up; `alarm_at` has the step. Raises `UsageError` for scores that are missing, not finite or
        not of the units of the step before.
        """
        pair = [_checked(side, scores) for side, scores in (("simulated", simulated), ("held_out", held_out))]
        if self._looks is None:
            weights = [_weights(given, scores) for given, scores in zip(self._given, pair, strict=True)]
            self._looks = Looks(weights[0], weights[1], per=self.per, alpha=self._alpha, seed=self._seed)
            self._shapes = [scores.shape for scores in pair]
        if [scores.shape for scores in pair] != self._shapes or pair[0].shape[0] != pair[1].shape[0]:
            raise UsageError(
                f"scores of shape {[s.shape for s in pair]} (runs, units), first {self._shapes}",
                why="the same runs and the same test units have to be scored at every step on both sides",
                fix="keep both test sets as they were at the first step",
            )
        found = self._looks.add(step, pair[0], pair[1])
        if found is not None:
            self._history.append(found)
            if found.parted and self.alarm_at is None:
                self.alarm_at, self._since = float(step), self._looks.steps[found.since]
        return self.alarm_at is not None

    def verdict(self, n: dict[str, Counts] | None = None) -> Measurement:
        """`transfer.false_progress.<task>`: the simulated slope minus the real one, over all steps so far.

        0: the real score moves as the simulated one does. The interval is by unit (and run), for the slopes over all
        steps at this look; `p_value` is that of a difference of 0, both sides. Whether the alarm was raised, when and
        on what window is in `evidence`, with both curves and their slopes.
        """
        looks = self._looks
        steps = 0 if looks is None else len(looks.steps)
        units = (0, 0) if looks is None else (looks.held_out.units, looks.simulated.units)
        seen = n or {side: Counts(k, k, 0) for side, k in zip(("real", "synthetic"), units, strict=True)}
        spec = _spec(self.task, self.metric, self.per)
        if looks is None or steps < 2:
            reason = f"{steps} step(s) recorded; a slope needs two"
            return Measurement(name=spec.name, value=None, status="unscored", reason=reason, n=seen, spec=spec)
        parting = looks.slope(1.0, -1.0)
        return Measurement(
            name=spec.name,
            value=parting.value,
            status="scored",
            interval=parting.interval(),
            p_value=parting.p_value,
            n=seen,
            spec=spec,
            evidence=self._evidence(looks),
            provenance={"seed": self._seed, "looks": len(self._history), "alpha": self._alpha},
        )

    def _evidence(self, looks: Looks) -> dict[str, Any]:
        slopes = {"simulated": looks.slope(1.0, 0.0), "held_out": looks.slope(0.0, 1.0)}
        last = self._history[-1]
        return {
            "step": list(looks.steps),
            "simulated": looks.simulated.means.tolist(),
            "held_out": looks.held_out.means.tolist(),
            "alarm": self.alarm_at is not None,
            "alarm_at": self.alarm_at,
            "alarm_since": self._since,
            "per": self.per,
            "metric": self.metric,
            "runs": len(looks.simulated.runs),
            "slopes": {side: _plain(slope) for side, slope in slopes.items()},
            "t": last.statistic,
            "threshold": last.threshold,
            "rule": RULE if self._alpha == ALPHA else RULE.replace(f"{ALPHA:.0%}", f"{self._alpha:.1%}"),
        }


def false_progress(
    task: Task,
    simulated_train: Corpus,
    simulated_test: Corpus | None,
    real_test: Corpus,
    *,
    sizes: Sequence[int] | None = None,
    seed: int,
    runs: int = RUNS,
    arm: str = "",
    workers: int = 1,
) -> Measurement:
    """As simulated training data grow, does the real score follow the simulated one?

    Trains `task` on growing, nested parts of `simulated_train` (`sizes` in examples; default `STEPS` doublings up to
    all of it), scores every model on `simulated_test` and on `real_test`, and gives the monitor's verdict. Without a
    `simulated_test`, `PUT_ASIDE` of the simulated users are kept for it. `runs` orders of the training units are grown
    side by side; at the full size they hold the same examples. Nothing is matched between the test sets: it is slopes
    that are compared. `arm` names the simulated users where there are several. Unscored where simulated and real share
    no label.

    Raises `UsageError` where a user is in training and in a test part, or the sizes are not two or more, growing,
    and at most the examples there are.
    """
    _refuse_overlap(simulated_train, {"simulated": simulated_test, "real": real_test})
    train, real = task.examples(simulated_train), task.examples(real_test)
    if simulated_test is None:
        train, simulated = _put_aside(train, stream(seed, "put aside"))
    else:
        simulated = task.examples(simulated_test)
    n = counts(real_test, simulated_train if simulated_test is None else simulated_test)
    name = f"{task.name}.{arm}" if arm else task.name
    if reason := _nothing_to_compare(task, train, simulated, real):
        spec = _spec(name, task.metric, "doubling")
        return Measurement(name=spec.name, value=None, status="unscored", reason=reason, n=n, spec=spec)
    grown = grow(task, train, simulated, real, sizes=sizes, seed=seed, runs=runs, name=name, workers=workers)
    return grown.verdict(n)


def _put_aside(examples: Examples, rng: np.random.Generator) -> tuple[Examples, Examples]:
    """The examples to train on, and those of `PUT_ASIDE` of the units."""
    names, member = np.unique(examples.units, return_inverse=True)
    aside = (rng.permutation(len(names)) < PUT_ASIDE * len(names))[member]
    return examples.take(np.flatnonzero(~aside)), examples.take(np.flatnonzero(aside))


def grow(
    task: Task,
    train: Examples,
    simulated: Examples,
    real: Examples,
    *,
    sizes: Sequence[int] | None = None,
    seed: int,
    runs: int = RUNS,
    name: str = "",
    workers: int = 1,
) -> FalseProgressMonitor:
    """Train on growing parts of `train`, score on both test sets, and record it: `false_progress` from examples on."""
    grown = _sizes(sizes, train.size)
    tests = (simulated, real)
    orders = [_by_unit(train, stream(seed, "order", run)) for run in range(runs)]
    units = [np.unique(test.units, return_inverse=True)[1] for test in tests]
    weights = [np.bincount(of).astype(np.float64) for of in units]
    monitor = FalseProgressMonitor(
        name or task.name,
        metric=task.metric,
        simulated_weights=weights[0],
        held_out_weights=weights[1],
        seed=derive_seed(seed, "false progress"),
    )

    def trained(job: tuple[int, int]) -> Floats:
        """The mean score of each simulated, then of each real test unit."""
        size, run = job
        with one_thread():
            predictor = task.fit(train.take(orders[run][:size]), seed=derive_seed(seed, "fit", run, size) % SEEDS)
            scores = [task.score(predictor, test) for test in tests]
        of_units = [np.bincount(units[side], scores[side]) / weights[side] for side in (0, 1)]
        return np.concatenate(of_units)

    jobs = [(size, run) for size in grown for run in range(runs)]
    rows = np.stack(list(in_processes(trained, jobs, workers=workers))).reshape(len(grown), runs, -1)
    for size, at in zip(grown, rows, strict=True):
        monitor.record(size, simulated=at[:, : len(weights[0])], held_out=at[:, len(weights[0]) :])
    return monitor


def _refuse_overlap(train: Corpus, tests: dict[str, Corpus | None]) -> None:
    known = set(train.unit_ids.tolist())
    for side, corpus in tests.items():
        if corpus is not None and (crossing := known & set(corpus.unit_ids.tolist())):
            raise UsageError(
                f"{len(crossing):,} user(s) or conversation(s) are in the training data and in the {side} test part",
                why="what is learned in one part would be known in the other",
                fix="simulate the test users apart, or divide with `understudy split`",
            )


def _nothing_to_compare(task: Task, train: Examples, simulated: Examples, real: Examples) -> str:
    for name, examples in (("simulated training", train), ("simulated test", simulated), ("real test", real)):
        if not examples.size:
            return f"the {name} part has nothing for {task.name}: it needs {getattr(task, 'needs', 'other data')}"
        units = len(np.unique(examples.units))
        if examples is not train and units < FEWEST_UNITS:
            return f"the {name} part has {units} unit(s) with examples; at least {FEWEST_UNITS} are needed"
    if train.size < 2:
        return "one simulated training example cannot grow"
    if task.labelled:
        known = {name for labels in train.labels for name in labels}
        if known.isdisjoint(name for labels in real.labels for name in labels):
            return "no label of the simulated training data occurs in the real test part"
    return ""


def _sizes(given: Sequence[int] | None, most: int) -> list[int]:
    if given is None:
        given = sorted({most // 2**k for k in range(STEPS)} - {0})
    sizes = [int(size) for size in given]
    if len(sizes) < 2 or sizes != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] > most:
        raise UsageError(
            f"sizes {sizes}, with {most:,} training examples",
            why="a slope is over two or more growing sizes, none larger than the data",
            fix="leave them out, or give growing numbers of examples",
        )
    return sizes


def _by_unit(train: Examples, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The rows in a random order of their units, whole units together."""
    names, member = np.unique(train.units, return_inverse=True)
    place = rng.permutation(len(names))
    order: npt.NDArray[np.int64] = np.argsort(place[member], kind="stable")
    return order


def _checked(side: str, scores: npt.ArrayLike) -> Floats:
    array: Floats = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if array.ndim != 2 or array.shape[1] < FEWEST_UNITS or not np.isfinite(array).all():
        raise UsageError(
            f"{side} scores of shape {array.shape} hold fewer than {FEWEST_UNITS} units, or values that are no numbers",
            why="the alarm has to know how much units differ, and would stay silent whatever happened",
            fix="give one finite score for each unit (a user, else a conversation), or an array (runs, units)",
        )
    return array


def _weights(given: npt.ArrayLike | None, scores: Floats) -> Floats:
    weights: Floats = np.ones(scores.shape[1]) if given is None else np.asarray(given, dtype=np.float64)
    if weights.shape != scores.shape[1:] or not (weights > 0).all():
        raise MeasureError(
            f"weights of shape {weights.shape} for {scores.shape[1]} units",
            why="each unit has a number of examples above 0",
            fix="give one weight a unit, or none",
        )
    return weights


def _plain(slope: Slope) -> dict[str, float]:
    low, high = slope.interval()
    return {"value": slope.value, "low": low, "high": high}


def _spec(task: str, metric: str, per: Scale) -> MeasureSpec:
    return MeasureSpec(
        name=f"transfer.false_progress.{task}",
        question="train",
        asks=f"Does progress in {task} on simulated users reach real ones?",
        unit=f"{metric} per {per}",
        range=(None, None),
        better="lower",
        source=SOURCE,
        minimum_units=FEWEST_UNITS,
    )
