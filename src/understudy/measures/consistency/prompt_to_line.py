"""Is what the user says this persona's, and not anybody's?"""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.consistency.line_judge import LineJudge, calibration_note
from understudy.measures.consistency.lines import DECOYS, earned, lines_of
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet

NO_JUDGE = "no judge of lines was given: fit one with `understudy fit-judge`, or name a language model"
SPEC = MeasureSpec(
    name="consistency.prompt_to_line",
    question="real",
    asks="Are users' lines as much their persona's as people's are, against other personas?",
    unit="score of own persona above decoys, synthetic minus real; 0 = as people",
    range=(-2.0, 2.0),
    better="match",
    source="prompt-to-line consistency, arXiv:2511.00222, made contrastive",
)


@measure(SPEC)
def prompt_to_line(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    judge: LineJudge | None = None,
    permutations: int = 999,
) -> Measurement:
    """Are users' lines as much their persona's as people's are, against other personas?

    Level: mean over the user's lines of `s(P, line) - mean_k s(P_k, line)`, s the judge's score in [0, 1], P the own
    persona and P_k eight others of the corpora. What anybody might say earns 0, and so does a line from which nothing
    can be learned: blank, one word, a prompt, copied from the persona or said before (`personas.unscorable`).

    Value: synthetic minus real. Parts: `plain`, s(P, line) alone; `identified`, the share of lines whose own persona
    beats all eight; `coverage`, the share of lines that could be scored. `evidence["curve"]` has the level by quarter
    of the conversation, `evidence["unscorable"]` why lines could not be, `evidence["judge"]` who judged and whether
    200 human labels stand behind it. The target is the level of people, not 1: `floor` is people against people.

    Unscored without a judge, or where personas are unknown (metadata `persona`, `persona_1`, or a profile's facts).

    >>> from understudy.measures.consistency.embedded_judge import fit_judge
    >>> from understudy.testing.personas import persona_world
    >>> judge = fit_judge([persona_world(60, seed=9)], "words", seed=0)
    >>> people, drifts = persona_world(40, seed=0), persona_world(40, seed=1, drift_at=3)
    >>> m = prompt_to_line(people, drifts, rng=np.random.default_rng(0), judge=judge, permutations=99)
    >>> bool(m.value < -0.05), m.p_value
    (True, 0.01)

    Source: arXiv:2511.00222. Differences: (1) contrastive, so that a line that suits everybody earns nothing; (2) a
    judge's answer that cannot be read is no verdict, where the released code counts every answer without YES as
    consistent; (3) beside people, with an interval over users; (4) copies and repetitions earn nothing.
    """
    if judge is None:
        return unscored(SPEC, real, synthetic, NO_JUDGE)
    lines = lines_of(real, synthetic)
    found = earned(lines, judge, rng)
    if np.isnan(found.contrast).all():
        return unscored(SPEC, real, synthetic, "no persona is told beside the conversations, or one for all")
    sheet = Sheet(SPEC, real, synthetic)
    sheet.ratio("", SPEC.asks, lines.talk, found.contrast, unit=SPEC.unit, bounds=SPEC.range)
    sheet.ratio("plain", "score of the own persona", lines.talk, found.plain, unit="score", bounds=(-1.0, 1.0))
    says = f"lines whose own persona beats {DECOYS} others"
    sheet.ratio("identified", says, lines.talk, found.first, unit="share of lines", bounds=(-1.0, 1.0))
    covered = np.where(np.isnan(found.plain), np.nan, found.scorable)
    sheet.ratio(
        "coverage", "lines that could be scored", lines.talk, covered, unit="share of lines", bounds=(-1.0, 1.0)
    )
    side = (lines.talk >= len(real)).astype(np.int64)
    quarter = np.minimum(4 * lines.at // np.maximum(lines.of, 1), 3)
    evidence = {
        "curve": {
            name: _by_quarter(found.contrast, quarter, side == k) for k, name in enumerate(("real", "synthetic"))
        },
        "unscorable": {
            name: _reasons([why for why, s in zip(lines.why, side, strict=True) if s == k])
            for k, name in enumerate(("real", "synthetic"))
        },
        "judge": {"identity": judge.identity, "note": calibration_note(judge)},
    }
    return sheet.measured(rng, permutations, evidence)


def _by_quarter(values: np.ndarray, quarter: np.ndarray, mine: np.ndarray) -> list[float | None]:
    """The mean of each quarter of the conversation; None where nobody speaks."""
    out: list[float | None] = []
    for k in range(4):
        rows = values[mine & (quarter == k) & ~np.isnan(values)]
        out.append(float(rows.mean()) if len(rows) else None)
    return out


def _reasons(why: list[str]) -> dict[str, int]:
    return {reason: why.count(reason) for reason in ("blank", "short", "echo", "copy", "repeat") if reason in why}
