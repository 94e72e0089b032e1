"""Arms: the same learner trained on nothing, on real and on synthetic conversations, scored on real held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.errors import MeasureError, UsageError
from understudy.transfer.checked_task import checked
from understudy.transfer.matching_arms import Matching, match
from understudy.transfer.scoring import BASELINE, IN_DOMAIN, Arms, Job, score_jobs
from understudy.transfer.task import Floats, Ints, Task

__all__ = [
    "BASELINE",
    "IN_DOMAIN",
    "ArmScores",
    "Arms",
    "Estimated",
    "arm_means",
    "estimate",
    "prepare_arms",
    "resample",
    "run_arms",
    "score_arms",
]
REDRAWS = 8
FEWEST_REDRAWS = 5
RESAMPLES = 9999

Means = Mapping[str, Floats]
# Arm -> its mean score in each resample, to one number a resample.
Statistic = Callable[[Means], Floats]
OnProgress = Callable[[str, int, int], None]


class ArmScores(NamedTuple):
    """What each arm got on each test example.

    `units` (n,) numbers the unit of each test example. `scores` gives an (redraws, n) array for each arm:
    `baseline`, `in_domain`, and one for each synthetic corpus. `share` is the part of its pool that one redraw of an
    arm takes. `size` is the number of examples in a training set.
    """

    task: str
    metric: str
    units: Ints
    scores: Mapping[str, Floats]
    size: int
    share: Mapping[str, float]
    matching: Matching


class Estimated(NamedTuple):
    """A number with its interval, and its value in each resample."""

    value: float
    low: float
    high: float
    replicates: Floats


def prepare_arms(
    task: Task,
    real_train: Corpus,
    real_test: Corpus,
    synthetic: Mapping[str, Corpus],
    *,
    seed: int,
    size: int | None = None,
) -> Arms:
    """The examples of all corpora under one label space, class balance and size.

    A synthetic corpus with nothing to learn from has no pool; `matching.missing` says why. Raises `UsageError` where a
    user is in both real parts or an arm takes a reserved name, `MeasureError` where nothing comparable is left.
    """
    task = checked(task)
    _refuse_leak(real_train, real_test)
    if taken := {BASELINE, IN_DOMAIN} & set(synthetic):
        raise UsageError(
            f"an arm cannot be called {taken.pop()!r}", why="that is one of the real arms", fix="rename the file"
        )
    corpora = {IN_DOMAIN: real_train, **synthetic}
    pools = {name: task.examples(corpus) for name, corpus in corpora.items()}
    alike = {name: same_words(corpus) for name, corpus in corpora.items()}
    kept, test, matching = match(
        pools, task.examples(real_test), labelled=task.labelled, alike=alike, size=size, needs=task.needs
    )
    return Arms(task, test, dict(kept), matching, seed)


def same_words(corpus: Corpus) -> Ints:
    """The number of each conversation, the same for those in which the same is said.

    >>> from understudy.conversations import Conversation, Turn
    >>> hi, bye = (Conversation(text, (Turn("user", text),)) for text in ("hi", "bye"))
    >>> same_words(Corpus([hi, bye, Conversation("3", (Turn("user", "Hi "),))])).tolist()
    [0, 1, 0]
    """
    number: dict[tuple[str, ...], int] = {}
    said = (tuple(" ".join(turn.text.lower().split()) for turn in talk.turns) for talk in corpus)
    return np.array([number.setdefault(words, len(number)) for words in said], dtype=np.int64)


def _refuse_leak(train: Corpus, test: Corpus) -> None:
    """The same user, or the same conversation, in both real parts. Equal ids alone may be two files' own counting."""
    people = {talk.user_id for talk in train} & {talk.user_id for talk in test} - {None}
    texts = {talk.id: [turn.text for turn in talk.turns] for talk in train}
    same = sum(texts.get(talk.id) == [turn.text for turn in talk.turns] for talk in test)
    if people or same:
        raise UsageError(
            f"{len(people):,} user(s) and {same:,} conversation(s) are in both real parts, training and test",
            why="what is learned in one part would be known in the other",
            fix="divide them with `understudy split`",
        )


def run_arms(
    task: Task,
    real_train: Corpus,
    real_test: Corpus,
    synthetic: Mapping[str, Corpus],
    *,
    seed: int,
    redraws: int = REDRAWS,
    size: int | None = None,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> ArmScores:
    """What does each training set teach, on real conversations that none of them holds?

    Arms: `baseline` (no training on conversations), `in_domain` (real training conversations) and one for each
    synthetic corpus. Label space, class balance and size are the same in all of them, or `matching.notes` says what
    is not; every training set is drawn again `redraws` times, by unit. `size` is the number of examples in a
    training set: by default half of what the poorest arm has. `workers` processes change no number.

    Raises as `prepare_arms`; `MeasureError` where a corpus has nothing to learn from; `UsageError` for fewer than
    five redraws.
    """
    arms = prepare_arms(task, real_train, real_test, synthetic, seed=seed, size=size)
    if arms.matching.missing:
        raise MeasureError(
            "; ".join(arms.matching.missing.values()),
            why="an arm that teaches nothing has no score",
            fix="leave it out, or give conversations with the labels that the task needs",
        )
    return score_arms(arms, redraws=redraws, workers=workers, on_progress=on_progress)


def score_arms(
    arms: Arms, *, redraws: int = REDRAWS, workers: int = 1, on_progress: OnProgress | None = None
) -> ArmScores:
    """Train and score every arm of `arms`, `redraws` times."""
    if redraws < FEWEST_REDRAWS:
        raise UsageError(
            f"{redraws} redraws are too few",
            why="the interval has to know how much another training set would change",
            fix=f"use {FEWEST_REDRAWS} or more",
        )
    tell = on_progress or (lambda stage, done, total: None)
    jobs = [Job(name, redraw) for redraw in range(redraws) for name in (*arms.pools, BASELINE)]
    rows: dict[str, list[Floats]] = {name: [] for name in (BASELINE, *arms.pools)}
    for done, (job, got) in enumerate(zip(jobs, score_jobs(arms, jobs, workers=workers), strict=True), 1):
        rows[job.arm].append(got)
        tell(f"{arms.task.name}: training", done, len(jobs))
    _, units = np.unique(arms.test.units, return_inverse=True)
    share = {BASELINE: arms.matching.share[IN_DOMAIN], **arms.matching.share}
    scores = {name: np.stack(got) for name, got in rows.items()}
    size = arms.matching.size
    return ArmScores(arms.task.name, arms.task.metric, units.astype(np.int64), scores, size, share, arms.matching)


def resample(
    scores: ArmScores, statistic: Statistic, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """The mean score of each arm as observed (1,), and in each of `resamples` resamples of test units and redraws.

    A resample moves all arms by one draw of the test units (they are paired) and each arm by a draw of its training
    sets, as normal multipliers on the observed deviations. The redraws of an arm, R of them, each a share f of its
    pool, stand for another pool as well: their mean gets the variance `s² (1/R + f/(1-f))`, after Nadeau & Bengio
    (2003), doi:10.1023/A:1024068626366. So that few units or few redraws widen what follows, the draws are those of
    Student's t, with the degrees of freedom that Satterthwaite (1946), doi:10.2307/3002019, gives for `statistic`.
    """
    names = list(scores.scores)
    means = np.array([scores.scores[name].mean() for name in names])
    sources = [_of_test_units(scores, rng, resamples)]
    for k, name in enumerate(names):
        if (variance := _of_training(scores, name)) > 0:
            moved = np.zeros((resamples, len(names)))
            moved[:, k] = np.sqrt(variance) * rng.standard_normal(resamples)
            sources.append((moved, len(scores.scores[name]) - 1))
    spreads = [float(np.var(statistic(_by_name(names, means + moved)))) for moved, _ in sources]
    total = sum(spreads)
    freedom = total**2 / sum(v**2 / df for v, (_, df) in zip(spreads, sources, strict=True)) if total > 0 else 1.0
    heavy = np.sqrt(freedom / rng.chisquare(freedom, resamples))[:, None]
    moved = means + heavy * np.sum([moved for moved, _ in sources], axis=0)
    return _by_name(names, means[None, :]), _by_name(names, moved)


def _by_name(names: list[str], columns: Floats) -> dict[str, Floats]:
    return {name: columns[:, k] for k, name in enumerate(names)}


def _of_test_units(scores: ArmScores, rng: np.random.Generator, resamples: int) -> tuple[Floats, int]:
    """How the arms' means move together with the test units (resamples, arms), and its degrees of freedom."""
    per_example = np.stack([rows.mean(axis=0) for rows in scores.scores.values()], axis=1)
    _, member = np.unique(scores.units, return_inverse=True)
    groups, examples = int(member.max()) + 1, len(member)
    if groups < 2:
        raise MeasureError(
            "the test examples are all of one unit",
            why="nothing says how much another user would change",
            fix="test on more users",
        )
    sums = np.stack([np.bincount(member, column, groups) for column in per_example.T], axis=1)
    residual = (sums - per_example.mean(axis=0) * np.bincount(member, minlength=groups)[:, None]) / examples
    spread, vectors = np.linalg.eigh(residual.T @ residual * (groups / (groups - 1)))
    draws = rng.standard_normal((resamples, len(spread))) * np.sqrt(np.maximum(spread, 0.0))
    return draws @ vectors.T, groups - 1


def _of_training(scores: ArmScores, name: str) -> float:
    """Variance of an arm's mean over training sets and the pools that they come from."""
    rows = scores.scores[name]
    if len(rows) < 2:
        return 0.0
    share = min(scores.share.get(name, 0.0), 0.95)
    return float(rows.mean(axis=1).var(ddof=1)) * (1 / len(rows) + share / (1 - share))


def estimate(
    scores: ArmScores,
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Estimated:
    """Any number computed from the arms' mean scores, with an interval over test units and training sets.

    `statistic` maps arm -> means (one a resample) to a number a resample. The interval is the central `level` of the
    statistic over `resample`. It covers for smooth statistics; for a ratio use `gap_closed.ratio_interval`, which
    knows a denominator near 0. Raises `MeasureError` where all test examples are of one unit.

    >>> from understudy.transfer.arms import ArmScores, estimate
    >>> rng = np.random.default_rng(0)
    >>> one, other = rng.binomial(1, 0.7, (5, 400)) * 1.0, rng.binomial(1, 0.5, (5, 400)) * 1.0
    >>> scores = ArmScores("t", "accuracy", np.arange(400), {"a": one, "b": other}, 100, {"a": 0.5, "b": 0.5}, None)
    >>> found = estimate(scores, lambda means: means["a"] - means["b"], rng=rng)
    >>> round(found.value, 1), bool(found.low < 0.2 < found.high)
    (0.2, True)
    """
    observed, replicates = resample(scores, statistic, rng=rng, resamples=resamples)
    values = statistic(replicates)
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return Estimated(float(statistic(observed)[0]), float(low), float(high), values)


def arm_means(scores: ArmScores, *, rng: np.random.Generator, level: float = 0.95) -> dict[str, Estimated]:
    """The mean score of each arm with its interval, within 0 and 1."""
    found = {}
    for name in scores.scores:
        one = scores._replace(scores={name: scores.scores[name]})
        value, low, high, replicates = estimate(one, itemgetter(name), rng=rng, level=level)
        found[name] = Estimated(value, max(0.0, low), min(1.0, high), replicates)
    return found
