"""Is a synthetic set nearer to the people it was learned from than to people it never saw?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.intervals import difference_of_shares
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure, unscored
from understudy.measures.privacy.copy_odds import CopyOdds, learn_odds
from understudy.measures.privacy.spans import Said, per_unit, said, together
from understudy.measures.privacy.standing_out import leads
from understudy.measures.resampling import Floats, Ints, permutation_p

SINGLED_OUT = 0.5  # expected copies of a user's turns, were one turn in a hundred a copy
FEWEST_UNITS = 10
PLANTINGS = 40
PLANTED = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
POWER = 0.8

SPEC = MeasureSpec(
    name="privacy.disclosure",
    question="carry",
    asks="Does it repeat the people it was learned from more than people it never saw?",
    unit="share of users singled out by a synthetic turn, train minus held-out",
    range=(-1.0, 1.0),
    better="lower",
    source="train/holdout disclosure test, arXiv:2606.16952",
    version=2,
    minimum_units=FEWEST_UNITS,
)


class Compared(NamedTuple):
    """Two gaps, train minus held-out, with one-sided p: [what is given away of a user, users singled out]."""

    gap: Floats
    p_value: Floats


class Sides(NamedTuple):
    """Train and held-out users as one list, who of them is which, and what is known of them without that."""

    real: Said
    is_train: Floats
    odds: CopyOdds
    usual: Floats  # (users, K): how much they say, and what strangers give away of them by talking alike

    def given_away(self, owner: Ints, chance: Floats) -> Floats:
        """What turns that point at users give away of each: (users, 2), beyond the usual, and whether at all."""
        mine = owner >= 0
        copies = np.bincount(owner[mine], chance[mine], minlength=self.real.units)
        beyond = np.sqrt(copies)
        beyond = beyond - self.usual @ np.linalg.lstsq(self.usual, beyond, rcond=None)[0]
        return np.stack([beyond, (copies >= SINGLED_OUT).astype(np.float64)], axis=1)


def learn_sides(real: Corpus, holdout: Corpus, *, rng: np.random.Generator) -> Sides:
    """What the test knows before it sees a synthetic turn; nothing of it depends on who was trained on."""
    train, others = said(real), said(holdout)
    both = together(train, others)
    odds = learn_odds(both, rng=rng)
    turns = np.bincount(both.unit, minlength=both.units).astype(np.float64)
    usual = np.stack([np.ones(both.units), turns, np.log1p(turns), np.sqrt(odds.drawn)], axis=1)
    return Sides(both, (np.arange(both.units) < train.units).astype(np.float64), odds, usual)


def gaps(value: Floats, is_train: Floats) -> Floats:
    """Mean of `value` (users, K) over train users minus that over the others, for each column of labels: (B, K)."""
    train, all_sums = is_train.sum(axis=0)[:, None], value.sum(axis=0)
    sums = is_train.T @ value
    gap: Floats = sums / train - (all_sums - sums) / (len(value) - train)
    return gap


def compare(value: Floats, observed: Floats, labels: Floats) -> Compared:
    """The observed labels of users (users,) against permuted ones (users, B)."""
    gap, null = gaps(value, observed[:, None])[0], gaps(value, labels)
    return Compared(gap, permutation_p(gap, null, two_sided=False))


def permuted(observed: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Labels of users drawn again, a column each."""
    return np.stack([rng.permutation(observed) for _ in range(count)], axis=1)


@measure(SPEC)
def disclosure(
    real: Corpus,
    synthetic: Corpus,
    *,
    rng: np.random.Generator,
    holdout: Corpus | None = None,
    permutations: int = 999,
    alpha: float = 0.05,
) -> Measurement:
    """Does a synthetic set repeat the users it was learned from more than users it never saw?

    `real` is what the generator learned from; `holdout` is other users of the same source, set aside at random
    before. Each synthetic turn is held against every real turn of both: the three-word spans (ends of the turn
    count as words) that both have. Its lead is the most that it shares with one user minus the most that it shares
    with any other; phrases of many people give no lead. From the lead and from how much of the turn it is follows
    the chance that the turn is a copy, if one in a hundred were: real turns, held against those of all other users,
    show how strangers are alike, and real turns repeated, whole or touched up, how copies are (`CopyOdds`). The
    chances are added up for the user who is singled out. Had the generator never seen the train users, they would
    be exchangeable with the held-out ones.

    Value: share of train users singled out (half a copy expected, or more) minus that of held-out users, with
    Newcombe's interval over users (`difference_of_shares`). p: labels of users permuted, one-sided, on the mean root
    of the copies expected of a user, less what a regression on how much the user says, and on what other real users
    give away of it, foretells; the regression does not know the labels, so that the permutation is exact. Evidence:
    `minimum_detectable` is the smallest share of synthetic turns which, replaced by random train turns word for word,
    is found in 80 % of 40 plantings; None where no share up to 10 % is.

    What it cannot see: meaning without wording (a paraphrase that keeps no three words), facts, and what train
    users share with others. It needs a split at random by user: `exchangeable_p` tests whether both real sides say
    as much and as much of their own; a small one says that they differ and that this test is void.

    >>> from understudy.conversations import Conversation, Turn
    >>> rng = np.random.default_rng(0)
    >>> def people(n, name):
    ...     words = rng.integers(0, 400, (n, 12))
    ...     return Corpus([Conversation(f"{name}{i}", (Turn("user", " ".join(f"w{w}" for w in line)),))
    ...                    for i, line in enumerate(words)])
    >>> train, other = people(60, "t"), people(60, "h")
    >>> copied = Corpus([*people(50, "s"), *train[:12]])
    >>> m = disclosure(train, copied, holdout=other, rng=rng, permutations=199)
    >>> round(m.value, 2), m.p_value, m.evidence["train"]
    (0.2, 0.005, 0.2)

    Source: the train/holdout partition with a hypothesis test of arXiv:2606.16952. Different from it: (1) the unit is
    the user; (2) leads over the next nearest user instead of distances or matches; (3) a minimum detectable share.
    """
    if holdout is None or holdout.n_units < FEWEST_UNITS:
        return unscored(SPEC, real, synthetic, f"{FEWEST_UNITS} held-out users are needed: pass holdout=")
    if not len(said(synthetic).code):
        return unscored(SPEC, real, synthetic, "the synthetic users say nothing")
    sides = learn_sides(real, holdout, rng=rng)
    found = leads(said(synthetic), sides.real)
    chance = sides.odds.of(found)
    labels = permuted(sides.is_train, rng, permutations)
    value = sides.given_away(found.owner, chance)
    result = compare(value, sides.is_train, labels)
    singled, known = value[:, 1], sides.is_train > 0
    return Measurement(
        name=SPEC.name,
        value=float(result.gap[1]),
        status="scored",
        n=counts(real, synthetic),
        spec=SPEC,
        interval=difference_of_shares(singled[known], singled[~known]),
        p_value=float(result.p_value[0]),
        evidence={
            "alpha": alpha,
            "holdout": {
                "users": int((~known).sum()),
                "conversations": len(holdout),
                "turns": len(said(holdout).length),
            },
            "train": float(singled[known].mean()),
            "held_out": float(singled[~known].mean()),
            "minimum_detectable": minimum_detectable(sides, found.owner, chance, labels, rng=rng, alpha=alpha),
            "exchangeable_p": exchangeable(sides, labels),
            "permutations": permutations,
        },
    )


def minimum_detectable(
    sides: Sides, owner: Ints, chance: Floats, labels: Floats, *, rng: np.random.Generator, alpha: float
) -> float | None:
    """The smallest planted share of verbatim train turns that is found in 80 % of plantings; None where none is.

    In a planting, users drawn at random are the train users, and turns of theirs are added to what was found.
    """
    null = labels[:, : min(199, labels.shape[1])]
    for share in PLANTED:
        count = min(round(share * len(owner)), len(sides.real.length))
        hits = 0
        for _ in range(PLANTINGS if count else 0):
            is_train = rng.permutation(sides.is_train)
            theirs = np.flatnonzero(is_train[sides.real.unit])
            chosen = rng.choice(theirs, min(count, len(theirs)), replace=False)
            both = np.concatenate([owner, sides.real.unit[chosen]]), np.concatenate([chance, sides.odds.own[chosen]])
            hits += bool(compare(sides.given_away(*both), is_train, null).p_value[0] <= alpha)
        if hits >= POWER * PLANTINGS:
            return share
    return None


def exchangeable(sides: Sides, labels: Floats) -> float:
    """Do both real sides say as much, in turns as long, as much their own? A two-sided permutation p over users."""
    real = sides.real
    length = np.log1p(real.length.astype(np.float64))
    table = np.stack(
        [
            np.log1p(np.bincount(real.unit, minlength=real.units)),
            per_unit(real.unit, length, real.units),
            per_unit(real.unit, sides.odds.own, real.units),
        ],
        axis=1,
    )
    table = np.nan_to_num(table)
    gap, null = np.abs(gaps(table, sides.is_train[:, None])[0]), np.abs(gaps(table, labels))
    spread = np.maximum(null.std(axis=0), 1e-12)
    highest = (null / spread).max(axis=1, keepdims=True)
    return float(permutation_p(np.array([(gap / spread).max()]), highest, two_sided=False)[0])
