"""Is a synthetic set nearer to the people it was learned from than to people it never saw?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from understudy.conversations import Corpus
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure, unscored
from understudy.measures.privacy.spans import Said, per_unit, said
from understudy.measures.privacy.standing_out import Lead, lead_of_own, leads
from understudy.measures.resampling import Floats, Ints, permutation_p

CHANCE = 2  # a lead of two spans and less is anybody's
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
    minimum_units=FEWEST_UNITS,
)


class Compared(NamedTuple):
    """Two gaps, train minus held-out, with one-sided p: [mean weight, share of users singled out]; and null sd."""

    gap: Floats
    p_value: Floats
    spread: Floats


def weights(owner: Ints, lead: Floats, users: int) -> Floats:
    """What the synthetic turns give away of each user: (users, 2), the root of the summed leads beyond chance, and
    whether there is any. The root, so that one user copied whole does not hide the rest."""
    mine = owner >= 0
    beyond = np.maximum(lead[mine] - CHANCE, 0.0)
    total = np.bincount(owner[mine], beyond, minlength=users)
    return np.stack([np.sqrt(total), (total > 0).astype(np.float64)], axis=1)


def gaps(value: Floats, is_train: Floats) -> Floats:
    """Mean of `value` (users, K) over train users minus that over the others, for each column of labels: (B, K)."""
    train, all_sums = is_train.sum(axis=0)[:, None], value.sum(axis=0)
    sums = is_train.T @ value
    gap: Floats = sums / train - (all_sums - sums) / (len(value) - train)
    return gap


def compare(value: Floats, observed: Floats, labels: Floats) -> Compared:
    """The observed labels of users (users,) against permuted ones (users, B)."""
    gap, null = gaps(value, observed[:, None])[0], gaps(value, labels)
    return Compared(gap, permutation_p(gap, null, two_sided=False), null.std(axis=0))


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
    with any other; phrases of many people give no lead. Leads beyond two spans are added up for the user who is
    singled out. Had the generator never seen the train users, they would be exchangeable with the held-out ones.

    Value: share of train users singled out by a synthetic turn minus that of held-out users, Welch t interval over
    users. p: labels of users permuted, one-sided, on the mean root of a user's leads, which weighs how much is
    given away. Evidence: `minimum_detectable` is the smallest share of synthetic turns which, replaced by random
    train turns word for word, is found in 80 % of 40 plantings; None where no share up to 10 % is.

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
    train, others, ours = said(real), said(holdout), said(synthetic)
    if not len(others.code):
        return unscored(SPEC, real, synthetic, "the held-out users say nothing")
    users = train.units + others.units
    found = leads(ours, train, others)
    value = weights(found.owner, found.lead, users)
    observed = (np.arange(users) < train.units).astype(np.float64)
    labels = permuted(observed, rng, permutations)
    result = compare(value, observed, labels)
    singled = value[:, 1]
    least = minimum_detectable(found, train, others, observed, labels, rng=rng, alpha=alpha)
    return Measurement(
        name=SPEC.name,
        value=float(result.gap[1]),
        status="scored",
        n=counts(real, synthetic),
        spec=SPEC,
        interval=welch(singled[: train.units], singled[train.units :]),
        p_value=float(result.p_value[0]),
        evidence={
            "alpha": alpha,
            "holdout": {"users": others.units, "conversations": len(holdout), "turns": len(others.length)},
            "train": float(singled[: train.units].mean()),
            "held_out": float(singled[train.units :].mean()),
            "minimum_detectable": least,
            "exchangeable_p": exchangeable(train, others, observed, labels),
            "permutations": permutations,
        },
    )


def minimum_detectable(
    found: Lead,
    train: Said,
    others: Said,
    observed: Floats,
    labels: Floats,
    *,
    rng: np.random.Generator,
    alpha: float,
) -> float | None:
    """The smallest planted share of verbatim train turns that is found in 80 % of plantings; None where none is.

    Plantings start from a set that repeats both sides alike: what was found is first shuffled over users.
    """
    own = np.maximum(lead_of_own(train, others) - CHANCE, 0.0)
    null, users, turns = labels[:, :199], len(observed), len(own)
    for share in PLANTED:
        count = min(round(share * len(found.owner)), turns)
        hits = 0
        for _ in range(PLANTINGS if count else 0):
            shuffled = rng.permutation(users)
            owner = np.where(found.owner >= 0, shuffled[np.maximum(found.owner, 0)], -1)
            chosen = rng.choice(turns, count, replace=False)
            planted = np.concatenate([owner, train.unit[chosen]])
            lead = np.concatenate([found.lead, own[chosen] + CHANCE])
            hits += bool(compare(weights(planted, lead, users), observed, null).p_value[0] <= alpha)
        if hits >= POWER * PLANTINGS:
            return share
    return None


def exchangeable(train: Said, others: Said, observed: Floats, labels: Floats) -> float:
    """Do both real sides say as much, in turns as long? A two-sided permutation p over users."""
    users = len(observed)
    unit = np.concatenate([train.unit, others.unit + train.units])
    length = np.log1p(np.concatenate([train.length, others.length]).astype(np.float64))
    own = np.concatenate([lead_of_own(train, others), lead_of_own(others, train)])
    table = np.stack(
        [np.log1p(np.bincount(unit, minlength=users)), *(per_unit(unit, x, users) for x in (length, np.sqrt(own)))],
        axis=1,
    )
    table = np.nan_to_num(table)
    gap, null = np.abs(gaps(table, observed[:, None])[0]), np.abs(gaps(table, labels))
    spread = np.maximum(null.std(axis=0), 1e-12)
    highest = (null / spread).max(axis=1, keepdims=True)
    return float(permutation_p(np.array([(gap / spread).max()]), highest, two_sided=False)[0])


def welch(first: Floats, second: Floats) -> tuple[float, float] | None:
    """95 % interval of the difference of two means over users; None where nothing varies."""
    spread = [side.var(ddof=1) / len(side) for side in (first, second)]
    if sum(spread) < 1e-15:
        return None
    freedom = sum(spread) ** 2 / sum(v**2 / (len(side) - 1) for v, side in zip(spread, (first, second), strict=True))
    gap, reach = first.mean() - second.mean(), stats.t.ppf(0.975, freedom) * np.sqrt(sum(spread))
    return float(gap - reach), float(gap + reach)
