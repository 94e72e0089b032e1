"""Do replies take up what was just said, as among people?"""

from __future__ import annotations

import warnings

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.scorer import fits
from understudy.measures.resampling import Floats

SPEC = MeasureSpec(
    name="relational.uptake",
    question="real",
    asks="Do users take up what the partner just said as much as people do?",
    unit="nats a reply, synthetic minus real pJSD; 0 = as people",
    range=(None, None),
    better="match",
    source="uptake as pointwise Jensen-Shannon divergence, arXiv:2106.03873",
)


def _log_sigmoid(x: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # a shuffle that is not there is nan, and stays it
        value: Floats = -np.logaddexp(0.0, -x)
    return value


def _mean(x: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows without a shuffle stay nan, as they should
        mean: Floats = np.nanmean(x, axis=1)
    return mean


def pointwise_jsd(own: Floats, shuffled: Floats) -> Floats:
    """`log 2 + [log p(true) + mean_k log(1 - p_k)] / 2` of each reply, p the logistic of the scores.

    >>> pointwise_jsd(np.array([0.0]), np.array([[0.0, 0.0]])).round(6)
    array([0.])
    """
    divergence: Floats = np.log(2) + 0.5 * _log_sigmoid(own) + 0.5 * _mean(_log_sigmoid(-shuffled))
    return divergence


@measure(SPEC)
def uptake(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do users take up what the partner just said as much as people do?

    With the scorer of `fits` looking at the last turn alone, of a reply u to a turn s and matched others s_k,

        pJSD = log 2 + [log p(1 | s, u) + mean_k log(1 - p(1 | s_k, u))] / 2     at most log 2

    Value: synthetic minus real mean over user replies. A part `overlap` is the plain share of the turn's content
    words said back, which experts' judgements follow no worse than a small model's pJSD (compare both);
    `overlap_gain` the same less its mean over the matched others, which is 0 for unrelated replies; `partner` and
    `partner_overlap_gain` are for the partner's replies to the user.

    >>> from understudy.testing.relations import exchanges
    >>> real, torn = exchanges(60, seed=0), exchanges(60, seed=1, related=0.0)
    >>> m = uptake(real, torn, rng=np.random.default_rng(0), permutations=99)
    >>> gain = next(p for p in m.parts if p.name.endswith(".overlap_gain"))
    >>> bool(m.value < -0.3), m.p_value, abs(gain.evidence["synthetic"]) < 0.1
    (True, 0.01, True)

    Source: Demszky et al. (2021), arXiv:2106.03873. Differences: (1) a linear scorer, trained on this corpus's
    people; (2) the expectation is over other turns for the same reply, matched on role, place, length and topic,
    not over other replies; (3) no turn is left out for being short.
    """
    found = fits(real, synthetic)
    if isinstance(found, str):
        return unscored(SPEC, real, synthetic, found)
    t = found.threads
    sheet = Sheet(SPEC, real, synthetic)

    def add(name: str, says: str, value: Floats, user: bool, unit: str, chance: float | None = None) -> None:
        bounds = (None, None) if unit.startswith("nats") else (-2.0, 2.0)
        sheet.ratio(
            name,
            says,
            t.conversation,
            np.where(t.by_user == user, value, np.nan),
            unit=unit,
            bounds=bounds,
            chance=chance,
        )

    pjsd = pointwise_jsd(found.own[:, 0], found.shuffled[:, 0])
    gain = found.taken - _mean(found.shuffled_taken)
    share = "share of the content words of the turn"
    add("", "pJSD of user replies", pjsd, True, "nats a reply")
    add("overlap", f"{share} that the user says back", found.taken, True, share)
    add("overlap_gain", f"{share} that the user says back, beyond those of matched turns", gain, True, share, 0.0)
    add("partner", "pJSD of the partner's replies", pjsd, False, "nats a reply")
    says = f"{share} that the partner says back, beyond those of matched turns"
    add("partner_overlap_gain", says, gain, False, share, 0.0)
    return sheet.measured(rng, permutations, {"trained_on_replies": found.trained_on})
