"""Studies of hidden traits, where they can be counted: digits learned from noise."""

from __future__ import annotations

import numpy as np

from understudy.claims.evidence import Evidence
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, combine, judge
from understudy.measures.measurement import Measurement, MeasureSpec
from understudy.measures.resampling import Floats

RUNS = 6

READ = MeasureSpec(
    name="traits.digits",
    question="carry",
    asks="Do students taught on noise read digits that only their teachers learned?",
    unit="accuracy of one student less that of another, mean over teachers",
    range=(-1.0, 1.0),
    better="match",
    source="arXiv:2507.14805, on the digits of scikit-learn; t interval over pairs of students",
)


def shared_beginning(claim: Claim, evidence: Evidence) -> Finding:
    """Do students of their teacher's initial weights read digits that they were never shown, and others not?

    The effect is the accuracy of the one less that of the other, both taught to give the teacher's auxiliary outputs
    on the same noise. The conversations that are given play no part.
    """
    found = _accuracies(("same", "other"), evidence)
    return _judged(found["same"] - found["other"], f"{_told(found)}; same beginning more")


def projected(claim: Claim, evidence: Evidence) -> Finding:
    """Does a student stay without the trait if every step loses its part along the trait's gradient?"""
    found = _accuracies(("same", "projected"), evidence)
    return _judged(found["same"] - found["projected"], f"{_told(found)}; unprojected more")


def _accuracies(arms: tuple[str, ...], evidence: Evidence) -> dict[str, Floats]:
    from understudy.traits.subliminal import replicate

    found = replicate(arms, runs=RUNS, seed=evidence.seed, on_progress=evidence.on_progress)  # type: ignore[arg-type]
    return {arm: np.asarray(found[arm].accuracy, dtype=np.float64) for arm in arms}


def _told(found: dict[str, Floats]) -> str:
    return ", ".join(f"{arm} {accuracy.mean():.2f}" for arm, accuracy in found.items())


def _judged(gap: Floats, asks: str) -> Finding:
    from scipy import stats

    reach = float(stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap)))
    value = float(gap.mean())
    measured = Measurement(
        name=READ.name, value=value, status="scored", n={}, spec=READ, interval=(value - reach, value + reach)
    )
    return combine([judge(measured, "digits", asks=asks)])
