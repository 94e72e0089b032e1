"""Do words narrow what comes after and before them, as among people?"""

from __future__ import annotations

from typing import Any

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.distributions import Labels
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.scorer import FEWEST_TRAINED
from understudy.measures.relational.threads import FOLDS, Flags, threads
from understudy.measures.resampling import Floats
from understudy.measures.turn_words import Singles, turn_space, unit_rows

SPEC = MeasureSpec(
    name="relational.expected_context",
    question="real",
    asks="Do the user's words narrow what the partner says next as much as people's do?",
    unit="cosine, synthetic minus real; 0 = as people",
    range=(-4.0, 4.0),
    better="match",
    source="expected conversational context, arXiv:2005.04245",
)


def expectations(rare: Any, said: Labels, context: Singles) -> Singles:
    """What stands beside each word: unit vectors `(words, dimensions)` from turns `said` and the turns beside them."""
    return unit_rows(np.asarray(rare[said].T @ context, dtype=np.float32))


def nearness(rare: Any, terms: Singles, said: Labels, context: Singles) -> Floats:
    """Cosine of what the words of each turn lead one to expect and what stands there, in [-1, 1]; nan where none of
    the words is known.
    """
    expected = unit_rows(np.asarray(rare[said] @ terms, dtype=np.float32))
    known = np.einsum("ij,ij->i", expected, expected) > 0.5
    return np.where(known, np.einsum("ij,ij->i", expected, context).astype(np.float64), np.nan)


def _mean_by(entry: Labels, value: Floats, entries: int) -> Floats:
    """Mean of the known values of each entry; nan where there is none."""
    known = ~np.isnan(value)
    total = np.bincount(entry[known], value[known], minlength=entries)
    size = np.bincount(entry[known], minlength=entries)
    mean: Floats = np.divide(total, size, out=np.full(entries, np.nan), where=size > 0)
    return mean


@measure(SPEC)
def expected_context(
    real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999
) -> Measurement:
    """Do the user's words narrow what the partner says next as much as people's do?

    Each word has an expected context: the mean direction of the turns that follow (forward) or precede (backward) the
    turns with it, learned from real turns of other people. A turn expects what its words expect, weighted by idf. Gain:
    the cosine of that with the turn that is there, less its mean with the matched turns of other conversations
    (`threads`); 0 where turns are exchanged. Level: forward gain of user turns; value: synthetic minus real. Parts:
    `backward`, how far the user's words tell what they answer; `orientation`, backward minus forward: above 0 looks
    back, below 0 leads on; `partner`, the forward gain of the partner's turns.

    >>> from understudy.testing.relations import exchanges
    >>> real, torn = exchanges(60, seed=0), exchanges(60, seed=1, related=0.0)
    >>> m = expected_context(real, torn, rng=np.random.default_rng(0), permutations=99)
    >>> next(p.value for p in m.parts if p.name.endswith(".backward")) < -0.3
    True

    Source: Zhang & Danescu-Niculescu-Mizil (2020), arXiv:2005.04245. Differences: (1) the narrowing of single contexts
    beyond matched ones, not the spread of a word's contexts, so that lengths, topics and frequencies cancel and
    unrelated turns give 0; (2) learned from people only and applied out of fold.
    """
    t = threads(real, synthetic)
    if not len(t.row):
        return unscored(SPEC, real, synthetic, "no turn replies to another")
    space = turn_space(real, synthetic)
    meaning = space.meaning
    before = t.history[:, 0]
    forward, backward = np.full(len(t.row), np.nan), np.full(len(t.row), np.nan)
    learned = 0
    for by_user in (False, True):
        for fold in range(FOLDS):
            mine = np.flatnonzero((t.by_user == by_user) & (t.fold == fold) & (t.others >= 0).any(axis=1))
            learn = np.flatnonzero((t.by_user == by_user) & (t.fold != fold) & ~t.is_synthetic)
            if len(learn) < FEWEST_TRAINED or not len(mine):
                continue
            learned += len(learn)
            ahead = expectations(space.rare, before[learn], meaning[t.row[learn]])
            back = expectations(space.rare, t.row[learn], meaning[before[learn]])
            at, column = np.nonzero(t.others[mine] >= 0)
            own, heard = mine[at], before[t.others[mine[at], column]]
            matched = nearness(space.rare, ahead, heard, meaning[t.row[own]])
            forward[mine] = nearness(space.rare, ahead, before[mine], meaning[t.row[mine]])
            forward[mine] -= _mean_by(at, matched, len(mine))
            matched = nearness(space.rare, back, t.row[own], meaning[heard])
            backward[mine] = nearness(space.rare, back, t.row[mine], meaning[before[mine]])
            backward[mine] -= _mean_by(at, matched, len(mine))
    if not learned:
        return unscored(SPEC, real, synthetic, f"fewer than {FEWEST_TRAINED} real replies of a role to learn from")
    sheet = Sheet(SPEC, real, synthetic)

    def add(name: str, says: str, value: Floats, chosen: Flags) -> None:
        chance = None if name == "orientation" else 0.0
        value, talk = value[chosen], t.conversation[chosen]
        sheet.ratio(name, says, talk, value, unit="cosine", bounds=(-4.0, 4.0), chance=chance)

    # An entry is a reply: what precedes a partner reply is a user turn, whose forward context the reply is.
    add("", "what the user's words tell of the partner's next turn", forward, ~t.by_user)
    add("backward", "what the user's words tell of the turn that they answer", backward, t.by_user)
    answer = np.full(int(max(t.row.max(), before.max())) + 1, -1)
    answer[before] = np.arange(len(t.row))
    after = answer[t.row]  # the entry that replies to this one
    leaning = np.where(after >= 0, backward - forward[after], np.nan)
    add("orientation", "backward less forward gain of user turns that answer and are answered", leaning, t.by_user)
    add("partner", "what the partner's words tell of the user's next turn", forward, t.by_user)
    return sheet.measured(rng, permutations, {"learned_from_replies": learned // FOLDS})
