"""Does what is said next depend on what was said before, as much as among people?"""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.scorer import DEPTHS, Fits, fits
from understudy.measures.relational.threads import MATCHES
from understudy.measures.resampling import Floats

ROLES = ((True, "user"), (False, "partner"))
SPEC = MeasureSpec(
    name="relational.contingency",
    question="real",
    asks="Does what the user says depend on the conversation before it as much as what people say?",
    unit="nats a reply, synthetic minus real contingency gain; 0 = as people",
    range=(None, None),
    better="match",
    source="InfoNCE, arXiv:1807.03748; history shuffling after arXiv:1906.01603",
)


def information(own: Floats, shuffled: Floats) -> tuple[Floats, Floats]:
    """InfoNCE of each reply, `s0 - log mean(exp s0, exp s1, ..)`, and its mean with each history in turn as true.

    The second is what the first is worth, on average, for a reply that has nothing to do with its history. nan
    where a reply has no shuffle.

    >>> information(np.array([2.0]), np.array([[0.0, 0.0, 0.0]]))[0].round(2)
    array([1.05])
    """
    every = np.concatenate([own[:, None], shuffled], axis=1)
    known = ~np.isnan(every)
    size = known.sum(axis=1)
    top = np.where(known, every, -np.inf).max(axis=1, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    mean = np.where(known, np.exp(np.where(known, every, 0.0) - top[:, None]), 0.0).sum(axis=1) / np.maximum(size, 1)
    log_mean = top + np.log(np.maximum(mean, 1e-300))
    average = np.where(known, every, 0.0).sum(axis=1) / np.maximum(size, 1)
    usable = known[:, 0] & (size > 1)
    return np.where(usable, own - log_mean, np.nan), np.where(usable, average - log_mean, np.nan)


def matching(found: Fits) -> dict[str, float]:
    """How closely shuffles were matched: shares of the replies, for the evidence."""
    share = np.bincount(found.threads.match, minlength=len(MATCHES)) / max(1, len(found.threads.match))
    return {name: float(x) for name, x in zip(MATCHES, share, strict=True)}


@measure(SPEC)
def contingency(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Does what the user says depend on the conversation before it as much as what people say?

    Contingency gain of a reply u to its history h, against K = 8 histories h1 .. hK of other conversations matched
    on role, place, length of the reply and topic (`threads`), under a scorer s trained on other people (`fits`):

        CG = [s(h, u) - log mean_k exp s(h_k, u)]  less the same for a history drawn at random   (k = 0 .. K, h_0 = h)

    so that CG is 0 in expectation where replies have nothing to do with their histories; the first term alone
    bounds from below the information, at most log 9 nats, that history gives about reply within a stratum. Value:
    synthetic minus real mean CG of user replies. Both sides are scored by models of real folds that saw neither.
    Parts: `depth_1`, `depth_2` (the scorer sees the last one, two turns alone: a reactive user has all its gain at
    depth 1), `information` (the lower bound), `within` (the same speaker's earlier turn in place of its last, same
    conversation: topic and style cancel) and `partner` (the partner's replies).

    Interval: jackknife by unit; p: studentised permutation of units, two-sided; floor: real against real.

    >>> from understudy.testing.relations import exchanges
    >>> real, torn = exchanges(60, seed=0), exchanges(60, seed=1, related=0.0)
    >>> m = contingency(real, torn, rng=np.random.default_rng(0), permutations=99)
    >>> bool(m.value < -1), m.p_value, abs(m.evidence["synthetic"]) < 0.2
    (True, 0.01, True)

    Source: InfoNCE, van den Oord et al. (2018), arXiv:1807.03748; sensitivity to history, arXiv:1906.01603.
    Differences: (1) a small linear scorer instead of a neural one, trained on people and never on the synthetic
    side; (2) matched shuffles instead of a batch; (3) per reply, as length is matched; (4) the random level is
    taken off.
    """
    found = fits(real, synthetic)
    if isinstance(found, str):
        return unscored(SPEC, real, synthetic, found)
    t = found.threads
    sheet = Sheet(SPEC, real, synthetic)
    full = len(DEPTHS) - 1

    def add(name: str, says: str, value: Floats, user: bool) -> None:
        value = np.where(t.by_user == user, value, np.nan)
        chance = None if name == "information" else 0.0
        sheet.ratio(name, says, t.conversation, value, unit="nats a reply", chance=chance)

    gains = [information(found.own[:, d], found.shuffled[:, d]) for d in range(len(DEPTHS))]
    add("", "contingency gain of user replies", gains[full][0] - gains[full][1], True)
    for d, depth in enumerate(DEPTHS[:-1]):
        says = f"contingency gain of user replies given the last {depth} turn(s)"
        add(f"depth_{depth}", says, gains[d][0] - gains[d][1], True)
    add("information", "lower bound of the information that history gives about user replies", gains[full][0], True)
    within = found.own[:, 0] - found.earlier
    add("within", "gain of the turn replied to over the same speaker's turn before it", within, True)
    add("partner", "contingency gain of the partner's replies", gains[full][0] - gains[full][1], False)
    return sheet.measured(rng, permutations, {"matched_on": matching(found), "trained_on_replies": found.trained_on})
