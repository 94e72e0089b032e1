"""Does a synthetic set repeat its training data word for word, or nearly?"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from understudy.conversations import Corpus
from understudy.measures.intervals import FEWEST_CLUSTERS, bounded_interval, cluster_t_interval
from understudy.measures.measurement import Measurement, MeasureSpec, counts, measure, unscored
from understudy.measures.privacy.near_turns import FEWEST_WORDS, nearest_turns
from understudy.measures.privacy.spans import Said, only, pairs, said, spans, within
from understudy.measures.resampling import Floats, Ints

LONGEST = 50  # words: one such span bars a release
OVERLAP = 13
NEAR = 0.8
GROUPS = 20
EXAMPLES = 5

SPEC = MeasureSpec(
    name="privacy.verbatim",
    question="carry",
    asks="Does it repeat long stretches of its training data word for word?",
    unit=f"synthetic conversations with a span of {LONGEST} words of a train conversation; 0 to release",
    range=(0.0, None),
    better="lower",
    source="verbatim memorisation, arXiv:2202.07646; 13-word overlap, arXiv:2005.14165",
    minimum_units=1,
)


class Overlap(NamedTuple):
    """Shares of synthetic spans found in as many train as held-out users, their difference and its interval."""

    train: float
    holdout: float
    difference: float
    interval: tuple[float, float] | None
    ratio: float | None
    users: int


@measure(SPEC)
def verbatim(
    real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, holdout: Corpus | None = None
) -> Measurement:
    """How much of the training data is repeated word for word, or nearly?

    Value: the number of synthetic conversations whose user turns, read in a row, hold 50 words in a row of a
    conversation of `real`, the training data. One bars a release (`evidence["release_barred"]`). Part `overlap`
    (with `holdout`): share of 13-word spans of the synthetic users that train users wrote, minus the share that
    as many held-out users wrote; interval by a delete-a-group jackknife over synthetic and over real users. Part
    `near_turns`: share of synthetic turns of five words or more within a word edit similarity of .8 of a train
    turn, minus the same for as many held-out users; its interval is over synthetic users alone, so that the test by
    user is `privacy.disclosure`.

    Where one real side has more users, its share is the expected one for a random choice of as many users as the
    other has: `1 - C(N - m, k) / C(N, k)` for a span of m of N users.

    In scripts without spaces a word is a character, so that these spans are shorter there. Eight words, as a guard
    against copying has them, are much too short a rule to say that nobody is copied: see `privacy.disclosure`.

    Source: verbatim memorisation by length of span, arXiv:2202.07646; 13-word overlap, arXiv:2005.14165. Different
    from them: (1) the unit is a conversation; (2) held-out users beside the training users, at equal numbers.

    >>> from understudy.conversations import Conversation, Turn
    >>> def talk(name, first): return Conversation(name, (Turn("user", " ".join(map(str, range(first, first + 60)))),))
    >>> m = verbatim(Corpus([talk("a", 0)]), Corpus([talk("b", 5), talk("c", 300)]), rng=np.random.default_rng(0))
    >>> m.value, m.evidence["release_barred"], m.evidence["longest"]
    (1.0, True, 55)
    """
    del rng
    train, ours = said(real), said(synthetic)
    copied = _talks_with(train, ours, LONGEST)
    longest = longest_common(train, ours)
    evidence: dict[str, Any] = {
        "release_barred": bool(len(copied)),
        "longest": longest,
        "conversations": [synthetic[int(row)].id for row in copied[:EXAMPLES]],
    }
    parts = []
    if holdout is not None and len(holdout):
        others = said(holdout)
        evidence["longest_in_holdout"] = longest_common(others, ours)
        parts.append(_overlap_part(real, synthetic, train, others, ours))
        parts.append(_near_part(real, synthetic, train, others, ours))
    return Measurement(
        name=SPEC.name,
        value=float(len(copied)),
        status="scored",
        n=counts(real, synthetic),
        spec=SPEC,
        evidence=evidence,
        parts=tuple(parts),
    )


def _talks_with(train: Said, ours: Said, size: int) -> Ints:
    found = spans(ours, size, over="talk")
    hit = within(found.key, np.unique(spans(train, size, over="talk").key))
    return np.unique(ours.talk[ours.turn[found.start[hit]]])


def longest_common(first: Said, second: Said, most: int = 4096) -> int:
    """The longest run of words that a conversation of each has in common, found by halving."""

    def common(size: int) -> bool:
        return bool(within(spans(second, size, over="talk").key, np.unique(spans(first, size, over="talk").key)).any())

    low, high = 0, 1
    while high <= most and common(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if common(middle) else (low, middle)
    return low


def expected_share(holders: Ints, users: int, drawn: int) -> Floats:
    """The chance that a random choice of `drawn` of `users` has one of the `holders`.

    >>> expected_share(np.array([0, 1, 4]), 4, 2).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    from scipy.special import gammaln

    left = users - np.asarray(holders)
    possible = left >= drawn
    room = np.where(possible, left, drawn)
    log = gammaln(room + 1) - gammaln(room - drawn + 1) - gammaln(users + 1) + gammaln(users - drawn + 1)
    share: Floats = np.where(np.asarray(holders) == 0, 0.0, np.where(possible, 1.0 - np.exp(log), 1.0))
    return share


def overlap(train: Said, others: Said, ours: Said, size: int = OVERLAP) -> Overlap | None:
    """Spans of `size` words shared with train and with held-out users, at an equal number of users."""
    key, start = spans(ours, size, over="talk")
    if not len(key):
        return None
    owner = ours.unit[ours.turn[start]]
    values, number = np.unique(key, return_inverse=True)
    sides = []
    for them in (train, others):
        found = spans(them, size, over="talk")
        held, unit = pairs(found.key, them.unit[them.turn[found.start]])
        hit = within(held, values)
        sides.append((np.searchsorted(values, held[hit]), unit[hit], them.units))
    drawn = min(train.units, others.units)

    def shares(left_out: int | None, weight: Floats) -> Floats:
        out = []
        for row, unit, users in sides:
            kept = np.ones(len(row), dtype=bool) if left_out is None else unit % GROUPS != left_out
            present = users if left_out is None else int((np.arange(users) % GROUPS != left_out).sum())
            holders = np.bincount(row[kept], minlength=len(values))
            share = expected_share(holders, present, min(drawn, present))
            out.append(float((share[number] * weight).sum() / max(weight.sum(), 1.0)))
        return np.array(out)

    whole = shares(None, np.ones(len(number)))
    gap = whole[0] - whole[1]
    interval = None
    if min(drawn, ours.units) >= GROUPS:
        real = np.array([shares(g, np.ones(len(number))) for g in range(GROUPS)])
        synthetic = np.array([shares(None, (owner % GROUPS != g).astype(np.float64)) for g in range(GROUPS)])
        variance = sum((GROUPS - 1) * np.var(part[:, 0] - part[:, 1]) for part in (real, synthetic))
        users = min(drawn, ours.units)
        interval = bounded_interval(float(gap), float(variance), users, within=(-1.0, 1.0), freedom=GROUPS - 1)
    ratio = float(whole[0] / whole[1]) if whole[1] > 0 else None
    return Overlap(float(whole[0]), float(whole[1]), float(gap), interval, ratio, drawn)


def _overlap_part(real: Corpus, synthetic: Corpus, train: Said, others: Said, ours: Said) -> Measurement:
    found = overlap(train, others, ours)
    if found is None:
        return unscored(SPEC, real, synthetic, f"no synthetic user has {OVERLAP} words", "overlap")
    spec = _part_spec("overlap", f"share of {OVERLAP}-word spans, train minus held-out users")
    return Measurement(
        name=spec.name,
        value=found.difference,
        status="scored",
        n=counts(real, synthetic),
        spec=spec,
        interval=found.interval,
        evidence=found._asdict(),
    )


def _part_spec(part: str, unit: str) -> MeasureSpec:
    return MeasureSpec(
        name=f"{SPEC.name}.{part}",
        question=SPEC.question,
        asks=SPEC.asks,
        unit=unit,
        range=(-1.0, 1.0),
        better="lower",
        source=SPEC.source,
        minimum_units=1,
    )


def _near_part(real: Corpus, synthetic: Corpus, train: Said, others: Said, ours: Said) -> Measurement:
    """Near copies of whole turns, of as many users on either side, drawn by their order."""
    long = ours.length >= FEWEST_WORDS
    if not long.any():
        return unscored(SPEC, real, synthetic, f"no synthetic turn has {FEWEST_WORDS} words", "near_turns")
    drawn = min(train.units, others.units)
    near = [nearest_turns(ours, _first_users(side, drawn)).similarity >= NEAR for side in (train, others)]
    gap = (near[0].astype(np.float64) - near[1])[long]
    interval = None
    if ours.units >= FEWEST_CLUSTERS and len(np.unique(ours.unit[long])) >= FEWEST_CLUSTERS:
        found = cluster_t_interval(gap, ours.unit[long])
        interval = bounded_interval(found.mean, found.standard_error**2, found.clusters, within=(-1.0, 1.0))
    spec = _part_spec("near_turns", f"share of turns within edit similarity {NEAR}, train minus held-out users")
    return Measurement(
        name=spec.name,
        value=float(gap.mean()),
        status="scored",
        n=counts(real, synthetic),
        spec=spec,
        interval=interval,
        evidence={"train": float(near[0][long].mean()), "holdout": float(near[1][long].mean()), "users": drawn},
    )


def _first_users(them: Said, users: int) -> Said:
    """The turns of every so-manieth user, so that `users` are left."""
    if users >= them.units:
        return them
    kept_users = np.zeros(them.units, dtype=bool)
    kept_users[np.linspace(0, them.units - 1, users).round().astype(np.int64)] = True
    return only(them, kept_users[them.unit])._replace(units=users)
