"""Gap closed: of the distance from no data to in-domain data, the share that synthetic conversations make up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.errors import MeasureError
from understudy.measures.measurement import Measurement, MeasureSpec, counts
from understudy.seeds import stream
from understudy.transfer.arms import (
    REDRAWS,
    ArmScores,
    OnProgress,
    arm_means,
    estimate,
    prepare_arms,
    resample,
    score_arms,
)
from understudy.transfer.learning_curves import learning_curve
from understudy.transfer.scoring import BASELINE, IN_DOMAIN
from understudy.transfer.task import Floats, Task
from understudy.users.copy_guard import verbatim_rate
from understudy.users.origins import contamination

CEILING = 0.98
FEWEST_UNITS = 10
# On real corpora, users fitted to the test conversations or to more than them repeat six words 16 to 80 points more
# often than people of the training half do; users fitted to others, and sets by language models, at most 8.
OFTENER = 0.15
FEWEST_LONG = 50
SOURCE = "Suresh et al. (2025), arXiv:2409.19020, whose coverage S/I this replaces; see docs/transfer.md"


class Gap(NamedTuple):
    """(S-B)/(I-B) with its interval, and why it is not to be had where `value` is None. `flags` are sentences."""

    value: float | None
    interval: tuple[float, float] | None
    flags: tuple[str, ...]
    reason: str


def ratio_interval(numerator: Floats, denominator: Floats, *, level: float = 0.95) -> tuple[float, float] | None:
    """All ratios g that the resamples do not reject: 0 lies in the central `level` of numerator - g denominator.

    Fieller's interval by resampling. None where the denominator itself may be 0 at that level: then no ratio can be
    excluded, and the set has no end. For a denominator far from 0 it is the percentile interval of the ratios.
    Fieller (1954), doi:10.1111/j.2517-6161.1954.tb00159.x.

    >>> rng = np.random.default_rng(0)
    >>> n, d = rng.normal(1, 0.1, 9999), rng.normal(2, 0.1, 9999)
    >>> low, high = ratio_interval(n, d)
    >>> round(low, 2), round(high, 2)
    (0.39, 0.62)
    >>> ratio_interval(n, rng.normal(0.1, 0.1, 9999)) is None
    True
    """
    tail = 0.5 - level / 2
    below = denominator <= 0
    if below.mean() > tail:
        return None
    safe = np.where(denominator == 0, np.finfo(np.float64).tiny, denominator)
    ratios = numerator / safe
    order = np.argsort(ratios)
    # P(numerator - g denominator <= 0) as g grows: a positive denominator enters at its ratio, a negative one leaves.
    mass = (below.sum() + np.cumsum(np.where(below, -1.0, 1.0)[order])) / len(ratios)
    inside = np.flatnonzero((mass >= tail) & (mass <= 1 - tail))
    if not len(inside):
        return None
    return float(ratios[order][inside[0]]), float(ratios[order][inside[-1]])


def gap_of(scores: ArmScores, arm: str, *, rng: np.random.Generator, level: float = 0.95) -> Gap:
    """(S-B)/(I-B) of `arm` over test units and training sets, or why there is none.

    Saturated (B or I at .98 or more), inverted (I <= B) and uninformative (the scores do not differ, or I-B is not
    told from 0) are flagged by rule; the last two leave nothing to divide by, and the gap is not scored.
    """
    b, i, s = (float(scores.scores[name].mean()) for name in (BASELINE, IN_DOMAIN, arm))
    whole = estimate(scores, lambda means: means[IN_DOMAIN] - means[BASELINE], rng=rng, level=level)
    flags = []
    if max(b, i) >= CEILING:
        which = "the baseline" if b >= CEILING else "in-domain training"
        flags.append(f"saturated: {which} is at {max(b, i):.3f} of 1; the task leaves no room to differ")
    flags += [note for note in scores.matching.notes[1:] if note not in scores.matching.asides]
    if all(float(np.ptp(rows)) == 0.0 for rows in scores.scores.values()):
        reason = f"uninformative: every test example scores the same ({i:.3f}) in every arm"
    elif i <= b:
        reason = f"inverted: in-domain training ({i:.3f}) does not beat the baseline ({b:.3f})"
    elif whole.low <= 0:
        told = f"I - B is {i - b:.3f} [{whole.low:.3f}, {whole.high:.3f}]"
        reason = f"uninformative: in-domain training is not told from the baseline; {told}"
    else:
        value = (s - b) / (i - b)
        # Linear in the means, and 0 where the ratio is `value`: what Fieller's interval is made of.
        _, means = resample(scores, lambda m: (m[arm] - m[BASELINE]) - value * (m[IN_DOMAIN] - m[BASELINE]), rng=rng)
        interval = ratio_interval(means[arm] - means[BASELINE], means[IN_DOMAIN] - means[BASELINE], level=level)
        if interval is not None:
            return Gap(value, interval, tuple(flags), "")
        reason = "uninformative: the gap cannot be bounded"
    return Gap(None, None, (reason, *flags), reason)


def copies_of(test: Corpus, train: Corpus, synthetic: Corpus) -> str:
    """A sentence where the synthetic turns repeat the test conversations as only their own people could; else none.

    Held against the real training conversations, which are by other people: turns with eight words on end of a test
    turn more than twice as often and by ten points, or with six words by `OFTENER`. Users fitted to a part of the test
    conversations, or to more than them, are found so, under the copy guard as well.
    """
    for span, word in ((8, "eight"), (6, "six")):
        own, others = (verbatim_rate(corpus, test, size=span) or 0.0 for corpus in (synthetic, train))
        few = min(_long_turns(corpus, span) for corpus in (synthetic, train)) < FEWEST_LONG
        bound = max(2 * others, others + 0.1) if span == 8 else 1.0 if few else others + OFTENER
        if own > bound:
            return (
                f"{own:.0%} of the long synthetic turns repeat {word} words of a test turn, {others:.0%} of the real"
                " training turns do: were the users fitted to the test conversations? Then the gap closed is too high"
            )
    return ""


def _long_turns(corpus: Corpus, span: int) -> int:
    said = (turn.text for talk in corpus for turn in talk.turns if turn.role == "user")
    return sum(len(tokens(text)) >= span for text in said)


def gap_closed(
    real_train: Corpus,
    real_test: Corpus,
    synthetic: Corpus,
    *,
    task: Task,
    seed: int,
    size: int | None = None,
    redraws: int = REDRAWS,
    curve: bool = False,
    workers: int = 1,
    whole: Corpus | None = None,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """Does a model trained on these synthetic conversations work on real ones?

    `(S-B)/(I-B)`: S the score of a model trained on `synthetic`, I of one trained on as many examples of
    `real_train`, B of one that no conversation taught; all on `real_test`. 1: as good as real conversations; 0: as
    good as none; below 0: worse than none. Label space, class balance and size are the same in the arms, or the flags
    say what is not. The interval is over test units and training sets (see `arms.resample`), the simulator as given.
    `curve` adds scores at smaller sizes; `workers` processes change no number. Unscored, with the arms in evidence,
    where the ratio cannot be bounded.

    Source: Suresh et al. (2025), arXiv:2409.19020. Differences from it: 1. the share of the gap in place of S/I, which
    untrained models nearly reach there; 2. an interval; 3. labels and balance matched, not only size.
    Raises `UsageError` where a user is in both real parts, or for fewer than five redraws.
    """
    (found,) = gaps_closed(
        real_train,
        real_test,
        {"synthetic": synthetic},
        task=task,
        seed=seed,
        size=size,
        redraws=redraws,
        curve=curve,
        workers=workers,
        whole=whole,
        on_progress=on_progress,
    )
    return found


def gaps_closed(
    real_train: Corpus,
    real_test: Corpus,
    synthetic: Mapping[str, Corpus],
    *,
    task: Task,
    seed: int,
    size: int | None = None,
    redraws: int = REDRAWS,
    curve: bool = False,
    workers: int = 1,
    whole: Corpus | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Measurement, ...]:
    """`gap_closed` of several synthetic corpora side by side: one test set, one label space, one size.

    A corpus that does not share enough labels with the others is compared with in-domain training by itself, on the
    labels that those two share. `whole` is what both real parts were drawn from, if from one: users fitted to it know
    the people that test. The measurements come in the order of `synthetic` and are named
    `transfer.gap_closed.<task>`, with the corpus behind it where there are several.
    """
    specs = {arm: _spec(task, arm if len(synthetic) > 1 else "") for arm in synthetic}
    found: dict[str, Measurement] = {}
    groups = [list(synthetic)]
    while groups:
        corpora = {arm: synthetic[arm] for arm in groups.pop(0)}
        try:
            arms = prepare_arms(task, real_train, real_test, corpora, seed=seed, size=size)
        except MeasureError as error:
            if len(corpora) > 1:
                # Which of them it is shows where each stands by itself; the others are compared without it.
                faulty = [arm for arm in corpora if not _alone(task, real_train, real_test, corpora[arm], seed, size)]
                together = [arm for arm in corpora if arm not in faulty] if faulty else []
                groups += [*([together] if together else []), *([arm] for arm in corpora if arm not in together)]
                continue
            found |= {arm: _unscored(specs[arm], arm, real_test, corpora[arm], error.what) for arm in corpora}
            continue
        missing = arms.matching.missing
        if len(corpora) == 1 and missing:
            found |= {arm: _unscored(specs[arm], arm, real_test, corpora[arm], missing[arm]) for arm in missing}
            continue
        if apart := [arm for arm in corpora if arm in missing or arm in arms.matching.apart]:
            together = [arm for arm in corpora if arm not in apart]
            groups += [*([together] if together else []), *([arm] for arm in apart)]
            continue
        scores = score_arms(arms, redraws=redraws, workers=workers, on_progress=on_progress)
        for arm, corpus in corpora.items():
            evidence = _evidence(scores, arm, seed)
            if curve:
                rng = stream(seed, "curve", arm)
                evidence["learning_curve"] = learning_curve(
                    arms, scores, arm, rng=rng, workers=workers, on_progress=on_progress
                )
            fitted = contamination(corpus, [real_test, *([whole] if whole is not None else [])])
            evidence["contaminated"] = bool(fitted)
            evidence["flags"] = [flag for flag in (fitted, copies_of(real_test, real_train, corpus)) if flag]
            found[arm] = _measurement(scores, arm, specs[arm], real_test, corpus, evidence, seed)
    return tuple(found[arm] for arm in synthetic)


def _alone(task: Task, real_train: Corpus, real_test: Corpus, synthetic: Corpus, seed: int, size: int | None) -> bool:
    """Whether one synthetic corpus can be compared with in-domain training."""
    try:
        prepare_arms(task, real_train, real_test, {"synthetic": synthetic}, seed=seed, size=size)
    except MeasureError:
        return False
    return True


def _spec(task: Task, arm: str) -> MeasureSpec:
    return MeasureSpec(
        name=f"transfer.gap_closed.{task.name}" + (f".{arm}" if arm else ""),
        question="train",
        asks=f"Does a model trained on them for {task.name} work on real conversations?",
        unit=f"share of the gap in {task.metric}",
        range=(None, None),
        better="higher",
        source=SOURCE,
        headline=True,
        minimum_units=FEWEST_UNITS,
    )


def _measurement(
    scores: ArmScores,
    arm: str,
    spec: MeasureSpec,
    real_test: Corpus,
    synthetic: Corpus,
    evidence: dict[str, Any],
    seed: int,
) -> Measurement:
    units = len(np.unique(scores.units))
    if units < FEWEST_UNITS:
        reason = f"the test examples are of {units} unit(s); at least {FEWEST_UNITS} are needed"
        gap = Gap(None, None, (reason,), reason)
    else:
        gap = gap_of(scores, arm, rng=stream(seed, "gap", arm))
    return Measurement(
        name=spec.name,
        value=gap.value,
        status="unscored" if gap.value is None else "scored",
        reason=gap.reason,
        interval=gap.interval,
        n=counts(real_test, synthetic),
        spec=spec,
        evidence={**evidence, "flags": [*evidence["flags"], *gap.flags]},
        provenance={"redraws": len(scores.scores[arm]), "seed": seed},
    )


def _unscored(spec: MeasureSpec, arm: str, real_test: Corpus, synthetic: Corpus, reason: str) -> Measurement:
    evidence = {"arm": arm, "flags": [reason]}
    n = counts(real_test, synthetic)
    return Measurement(name=spec.name, value=None, status="unscored", reason=reason, n=n, spec=spec, evidence=evidence)


def _evidence(scores: ArmScores, arm: str, seed: int) -> dict[str, Any]:
    """The arms with their intervals; S/I never without B/I; what was matched."""
    means = arm_means(scores, rng=stream(seed, "means"))
    top = means[IN_DOMAIN].value
    evidence: dict[str, Any] = {
        "metric": scores.metric,
        "arms": {
            "arm": list(means),
            "score": [m.value for m in means.values()],
            "low": [m.low for m in means.values()],
            "high": [m.high for m in means.values()],
        },
        "arm": arm,
        "matching": msgspec.to_builtins(scores.matching),
        "notes": list(scores.matching.asides),
        "size": scores.size,
        "test": {"examples": len(scores.units), "units": len(np.unique(scores.units))},
    }
    if top > 0:
        evidence |= {"b_over_i": means[BASELINE].value / top, "s_over_i": means[arm].value / top}
    return evidence
