"""Can a reply's own history be told from others, as well as among people?"""

from __future__ import annotations

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.contingency import matching
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.scorer import SHARES, fits
from understudy.measures.resampling import Floats

TAKEN = (1e-6, 0.15, 0.3, 0.5, 0.75)  # bands of the share of the last turn's content words that the reply has
SPEC = MeasureSpec(
    name="relational.next_utterance",
    question="real",
    asks="Is the true history of a user reply told from matched ones as well as it is among people?",
    unit="difference of AUC, synthetic minus real; 0 = as people",
    range=(-1.0, 1.0),
    better="match",
    source="next-utterance classification, arXiv:1506.08909",
)


def placements(own: Floats, shuffled: Floats) -> Floats:
    """Share of the shuffles that score below the true history, ties half; nan where there is none.

    >>> placements(np.array([1.0]), np.array([[0.0, 1.0, 2.0, np.nan]]))
    array([0.5])
    """
    known = ~np.isnan(shuffled) & ~np.isnan(own)[:, None]
    size = known.sum(axis=1)
    with np.errstate(invalid="ignore"):
        won = ((own[:, None] > shuffled) + 0.5 * (own[:, None] == shuffled)) * known
    share: Floats = np.divide(won.sum(axis=1), size, out=np.full(len(own), np.nan), where=size > 0)
    return share


@measure(SPEC)
def next_utterance(
    real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999
) -> Measurement:
    """Is the true history of a user reply told from matched ones as well as it is among people?

    AUC within strata: the mean share of the eight matched shuffles (`threads`) of a reply that the scorer (`fits`,
    trained on other people) puts below its true history; .5 where replies have nothing to do with histories. Value:
    synthetic minus real AUC of user replies. `evidence["human_ratio"]` is `(AUC_synthetic - .5) / (AUC_real - .5)`.
    Parts: `first`, the share of replies whose true history beats all shuffles; `hard`, against those shuffles only
    whose last turn has as much of the reply's content words as the true one, and of whose words the reply has as many
    (bands of both shares), which repeating words cannot raise; `partner`, the partner's replies. Range of each AUC
    [0, 1].

    >>> from understudy.testing.relations import exchanges
    >>> real, torn = exchanges(60, seed=0), exchanges(60, seed=1, related=0.0)
    >>> m = next_utterance(real, torn, rng=np.random.default_rng(0), permutations=99)
    >>> m.evidence["real"] > 0.9, abs(m.evidence["synthetic"] - 0.5) < 0.08, m.p_value
    (True, True, 0.01)

    Source: Lowe et al. (2015), arXiv:1506.08909. Differences: (1) histories are exchanged, not replies, so nothing
    about the reply alone can help; (2) shuffles are matched; (3) trained on people only.
    """
    found = fits(real, synthetic)
    if isinstance(found, str):
        return unscored(SPEC, real, synthetic, found)
    t = found.threads
    sheet = Sheet(SPEC, real, synthetic)
    own, shuffled = found.own[:, -1], found.shuffled[:, -1]
    auc = placements(own, shuffled)
    known = ~np.isnan(shuffled)
    first = np.where(np.isnan(auc), np.nan, (auc == 1.0) * 1.0)
    chance = float(1 / (1 + known.sum(axis=1)[known.any(axis=1)].mean())) if known.any() else None
    level = np.searchsorted(SHARES, found.share, side="right")
    same = np.searchsorted(SHARES, found.shuffled_share, side="right") == level[:, None]
    taken = np.searchsorted(TAKEN, np.nan_to_num(found.taken), side="right")
    same &= np.searchsorted(TAKEN, np.nan_to_num(found.shuffled_taken), side="right") == taken[:, None]
    hard = placements(own, np.where(same, shuffled, np.nan))
    hardened = ~np.isnan(hard)

    def add(name: str, says: str, value: Floats, user: bool, level: float | None) -> None:
        unit = "share of replies" if name == "first" else "AUC"
        value = np.where(t.by_user == user, value, np.nan)
        sheet.ratio(name, says, t.conversation, value, unit=unit, bounds=(-1.0, 1.0), chance=level)

    add("", "AUC of true against matched histories, user replies", auc, True, 0.5)
    add("first", "share of user replies whose true history beats all shuffles", first, True, chance)
    add("hard", "AUC against histories that share as many words, user replies", hard, True, 0.5)
    add("partner", "AUC of true against matched histories, partner replies", auc, False, 0.5)
    kept = float(hardened[t.by_user].mean()) if t.by_user.any() else 0.0
    return sheet.measured(rng, permutations, {"matched_on": matching(found), "replies_with_hard_shuffles": kept})
