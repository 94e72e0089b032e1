"""What makes arms comparable: the same label space, the same class balance and the same size, or words that say not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.errors import MeasureError
from understudy.transfer.task import Examples, Floats, Ints

# A label counts as taught by an arm from this many examples on.
FEWEST_OF_A_LABEL = 5
# An arm that teaches less of the test than this, or shares less of the balance, does not bind the others.
LEAST_COVERED = 0.8
LEAST_OVERLAP = 0.25
FEWEST_EXAMPLES = 20
# Below this many users in a pool, and from this share of copies on, the notes say so.
FEWEST_UNITS = 5
MANY_COPIES = 0.1
# From this share of the test left out on, what is measured is measured on another test.
MUCH_LEFT_OUT = 0.2
LABELS_NAMED = 4
# A redraw takes half of its pool: what the redraws then differ by tells how much another pool would.
DRAWN = 0.5
MOST_DRAWN = 0.8


class Matching(msgspec.Struct, frozen=True):
    """What was made equal between the training arms, and what was not.

    `labels` is the label space (empty where the task has no classes) and `balance` the examples of each label in a
    training set, both shared by all arms but those in `apart`. `missing` are arms with nothing to learn from. `pool`
    is what each arm could draw from, `size` what a training set holds, `sizes` the same where an arm had less, and
    `share` the part of its pool that one redraw takes. `test_kept` is the share of test examples that have a label of
    the space. `notes` says all of it in words; `asides` are those notes that put no number in doubt: fewer test
    examples left out than `MUCH_LEFT_OUT`, fewer examples to be had than were asked for.
    """

    labels: tuple[str, ...]
    balance: Mapping[str, int]
    size: int
    sizes: Mapping[str, int]
    pool: Mapping[str, int]
    share: Mapping[str, float]
    apart: Mapping[str, str]
    missing: Mapping[str, str]
    test_kept: float
    notes: tuple[str, ...]
    asides: tuple[str, ...] = ()

    @property
    def matched(self) -> bool:
        """Whether label space, class balance and size are the same in every arm."""
        return not self.apart and not self.missing


class Pool(NamedTuple):
    """An arm's examples within the label space, the class of each, and how many of each class a training set has."""

    examples: Examples
    strata: Ints
    quotas: Ints

    def draw(self, size: int, rng: np.random.Generator) -> Examples:
        """`size` examples, unit by unit in random order, in the proportions of `quotas`; smaller sizes are nested."""
        units, member = np.unique(self.examples.units, return_inverse=True)
        rank = rng.permutation(len(units))[member]
        order = np.lexsort((rng.random(len(member)), rank))
        strata = self.strata[order]
        within = np.empty(len(order), dtype=np.int64)
        for stratum in range(len(self.quotas)):
            here = strata == stratum
            within[here] = np.arange(int(here.sum()))
        return self.examples.take(np.sort(order[within < scaled(self.quotas, size)[strata]]))


def scaled(quotas: Ints, size: int) -> Ints:
    """`quotas` brought down to add up to `size`, proportions kept as far as whole numbers allow.

    >>> scaled(np.array([60, 30, 10]), 20).tolist()
    [12, 6, 2]
    """
    total = int(quotas.sum())
    if size >= total:
        return quotas
    edges = np.concatenate([[0], np.round(np.cumsum(quotas) * (size / total))]).astype(np.int64)
    return np.diff(edges)


def match(
    pools: Mapping[str, Examples],
    test: Examples,
    *,
    labelled: bool,
    alike: Mapping[str, Ints] | None = None,
    size: int | None = None,
    needs: str = "",
) -> tuple[Mapping[str, Pool], Examples, Matching]:
    """Bring the training pools to one label space, class balance and size; and the test to that label space.

    The first pool is the in-domain one. The label space is what it, the test and the other arms share, where a label
    counts from five examples on; the balance takes of each class what the poorest arm has, and a training set is half
    of that. Where several arms stand beside the in-domain one, those that know less than 80 % of the test's labels, or
    would cost the others more than three quarters of their examples, bind nobody: they stand `apart`, keep their own
    balance, are scored on the whole space, and the notes say so. An arm without any example is `missing`. Raises
    `MeasureError` where nothing comparable is left.
    """
    first, *others = pools
    asks = f"; the task needs {needs}" if needs else ""
    for side, examples in (("training", pools[first]), ("test", test)):
        if not examples.size:
            raise _incomparable(f"the real {side} conversations hold no example{asks}")
    missing = {name: f"{name} holds no example{asks}" for name in others if not pools[name].size}
    pools = {name: examples for name, examples in pools.items() if name not in missing}
    space, apart = _label_space(pools, test) if labelled else ((), {})
    kept = {name: _within(examples, space) for name, examples in pools.items()} if labelled else dict(pools)
    test_kept = _within(test, space) if labelled else test
    for name in [name for name, examples in kept.items() if not examples.size]:
        missing[name] = f"{name} teaches no label that the real training and test conversations share"
        apart.pop(name, None)
        del kept[name]
    strata = {name: _strata(examples, space, kept) for name, examples in kept.items()}
    counts = {name: np.bincount(s, minlength=max(1, len(space))).astype(np.int64) for name, s in strata.items()}
    quotas, apart = _balance(counts, apart)
    matched = min(int(quotas.sum()), min(int(c.sum()) for name, c in counts.items() if name not in apart))
    chosen = max(1, int(matched * DRAWN)) if size is None else min(size, max(1, int(matched * MOST_DRAWN)))
    if chosen < FEWEST_EXAMPLES:
        bound = {name: int(count.sum()) for name, count in counts.items() if name not in apart}
        raise _too_small(chosen, matched, bound, DRAWN if size is None else MOST_DRAWN)
    common = scaled(quotas, chosen)
    drawn = {
        name: common if name not in apart else scaled(c, min(chosen, max(1, int(c.sum() * DRAWN))))
        for name, c in counts.items()
    }
    arms = {name: Pool(kept[name], strata[name], drawn[name]) for name in kept}
    share = {
        name: _share(pool, counts[name], _same(pool.examples, (alike or {}).get(name))) for name, pool in arms.items()
    }
    lost = 1 - test_kept.size / test.size
    notes, asides = _notes(arms, space, int(common.sum()), apart, missing, lost, size)
    notes += [note for name, pool in arms.items() for note in _of_one_pool(name, pool, (alike or {}).get(name))]
    notes += _spelt_otherwise(pools, test) if labelled else []
    matching = Matching(
        labels=space,
        balance=dict(zip(space, common.tolist(), strict=True)) if space else {},
        size=int(common.sum()),
        sizes={name: int(pool.quotas.sum()) for name, pool in arms.items()},
        pool={name: pool.examples.size for name, pool in arms.items()},
        share=share,
        apart=dict(apart),
        missing=dict(missing),
        test_kept=1 - lost,
        notes=tuple(notes),
        asides=tuple(asides),
    )
    return arms, test_kept, matching


def _label_space(pools: Mapping[str, Examples], test: Examples) -> tuple[tuple[str, ...], dict[str, str]]:
    """The labels that the in-domain arm, the test and all arms worth it share; and the arms that are not."""
    first, *others = pools
    asked = _label_counts(test)
    taught = {name: _teachable(examples) for name, examples in pools.items()}
    space = taught[first] & set(asked)
    whole = sum(asked[label] for label in space)
    apart: dict[str, str] = {}
    for name in others if len(others) > 1 else []:
        known = sum(asked[label] for label in space & taught[name])
        if known < LEAST_COVERED * whole:
            missing = sorted(space - taught[name])
            apart[name] = (
                f"{name} teaches {len(space) - len(missing)} of {len(space)} labels, {known / whole:.0%} of the test's:"
                " label space and class balance are not matched to the other arms"
            )
    for name in others:
        if name not in apart:
            space &= taught[name]
    if len(space) < 2:
        told = [
            f"{len(space)} label(s) are shared by {', '.join([*taught])} and the test{_some(sorted(space), ': ')},"
            f" where at least 2 are needed, each on {FEWEST_OF_A_LABEL} or more examples of every arm",
            *(f"{name} has {_some(sorted(own)) or 'none often enough'}" for name, own in taught.items()),
            f"the test has {_some(sorted(asked))}",
        ]
        raise _incomparable("; ".join([*told, *_spelt_otherwise(pools, test)]))
    return tuple(sorted(space)), apart


def _some(labels: list[str], before: str = "") -> str:
    """The first labels of a list, and how many more there are."""
    more = f" and {len(labels) - LABELS_NAMED} more" if len(labels) > LABELS_NAMED else ""
    return before + ", ".join(map(repr, labels[:LABELS_NAMED])) + more if labels else ""


def _label_counts(examples: Examples) -> dict[str, int]:
    counts: dict[str, int] = {}
    for labels in examples.labels:
        for label in labels:
            counts[label] = counts.get(label, 0) + 1
    return counts


def _teachable(examples: Examples) -> set[str]:
    return {label for label, count in _label_counts(examples).items() if count >= FEWEST_OF_A_LABEL}


def _within(examples: Examples, space: tuple[str, ...]) -> Examples:
    """The examples that have a label of the space, without their other labels."""
    known = set(space)
    labels = [tuple(label for label in own if label in known) for own in examples.labels]
    rows = np.array([row for row, own in enumerate(labels) if own], dtype=np.int64)
    return examples.take(rows)._replace(labels=[labels[row] for row in rows.tolist()])


def _strata(examples: Examples, space: tuple[str, ...], pools: Mapping[str, Examples]) -> Ints:
    """The class of each example: of several labels the one that is rarest in-domain, which is hardest to balance."""
    if not space:
        return np.zeros(examples.size, dtype=np.int64)
    common = _label_counts(next(iter(pools.values())))
    number = {label: k for k, label in enumerate(space)}
    return np.array([number[min(own, key=lambda x: (common.get(x, 0), x))] for own in examples.labels], dtype=np.int64)


def _balance(counts: Mapping[str, Ints], apart: Mapping[str, str]) -> tuple[Ints, dict[str, str]]:
    """Of each class what the poorest arm has, without the arms that would cost the others too much."""
    first, *others = counts
    told = dict(apart)
    quotas = counts[first]
    for name in others:
        if name in told:
            continue
        least = np.minimum(counts[first], counts[name])
        reach = min(int(counts[first].sum()), int(counts[name].sum()))
        if len(others) > 1 and least.sum() < LEAST_OVERLAP * reach:
            told[name] = f"{name} has another class balance (overlap {least.sum() / reach:.0%}): it is not matched"
        else:
            quotas = np.minimum(quotas, least)
    return quotas, told


def _notes(
    arms: Mapping[str, Pool],
    space: tuple[str, ...],
    size: int,
    apart: Mapping[str, str],
    missing: Mapping[str, str],
    lost: float,
    asked: int | None,
) -> tuple[list[str], list[str]]:
    """What was made equal; then what was not; and again those notes that put no number in doubt."""
    alike = "label space, class balance and size are" if space else "size is"
    examples = f"{size:,} examples a training set"
    notes = [f"{alike} {'matched between the other arms' if apart else 'the same in all arms'}: {examples}"]
    notes += apart.values()
    for name, pool in arms.items():
        if int(pool.quotas.sum()) < size:
            notes.append(f"{name} has {int(pool.quotas.sum()):,} examples a training set: size is not matched")
    notes += missing.values()
    asides: list[str] = []
    if lost > 0:
        told = f"{_percent(lost)} of the test examples have no label that the arms share and are left out"
        (notes if lost >= MUCH_LEFT_OUT else asides).append(told)
    if asked is not None and asked > size:
        asides.append(f"{asked:,} examples were asked for; {size:,} can be matched")
    return [*notes, *asides], asides


def _of_one_pool(name: str, pool: Pool, alike: Ints | None) -> list[str]:
    """What makes a pool say less than its size."""
    notes = []
    if (units := len(np.unique(pool.examples.units))) < FEWEST_UNITS:
        notes.append(f"{name} is by {units} user(s): the interval does not say how much others would change")
    if alike is not None:
        rows = np.unique(pool.examples.conversations)
        if (copies := 1 - len(np.unique(alike[rows])) / len(rows)) >= MANY_COPIES:
            notes.append(f"{copies:.0%} of the conversations of {name} say word for word what another one says")
    return notes


def _spelt_otherwise(pools: Mapping[str, Examples], test: Examples) -> list[str]:
    """Labels of an arm that are the real ones but for case, marks or the order of their parts."""
    first, *others = pools
    real = set(_label_counts(pools[first])) | set(_label_counts(test))
    meant = {spelling: label for label in sorted(real) if (spelling := _spelling(label))}
    notes = []
    for name in others:
        own = set(_label_counts(pools[name]))
        pairs = [(label, meant[_spelling(label)]) for label in sorted(own - real) if _spelling(label) in meant]
        pairs = [(label, other) for label, other in pairs if other not in own]
        if pairs:
            told = ", ".join(f"{label!r} for {other!r}" for label, other in pairs[:3])
            notes.append(
                f"{len(pairs)} label(s) of {name} only differ in spelling from real ones ({told}): write them alike"
            )
    return notes


def _spelling(label: str) -> tuple[str, ...]:
    return tuple(sorted(re.findall(r"[^\W_]+", label.casefold())))


def _same(examples: Examples, alike: Ints | None) -> Ints:
    """A number for each example, the same for copies: examples at one place of conversations that say the same."""
    if alike is None:
        return np.arange(examples.size)
    _, first, member = np.unique(examples.conversations, return_index=True, return_inverse=True)
    place = np.arange(examples.size) - first[member]
    both = np.stack([alike[examples.conversations], place], axis=1)
    found: Ints = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
    return found


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1%"


def _share(pool: Pool, counts: Ints, same: Ints) -> float:
    """The part of what its pool holds that one redraw takes, averaged over what it takes; a copy holds nothing new."""
    part: Floats = pool.quotas / np.maximum(counts, 1)
    key = same * len(counts) + pool.strata
    _, at, copies = np.unique(key, return_index=True, return_counts=True)
    strata = pool.strata[at]
    taken = np.bincount(strata, 1 - (1 - part[strata]) ** copies, len(counts))
    part = taken / np.maximum(np.bincount(strata, minlength=len(counts)), 1)
    return float((pool.quotas * part).sum() / max(1, int(pool.quotas.sum())))


def _too_small(chosen: int, matched: int, bound: Mapping[str, int], part: float) -> MeasureError:
    """`part` of the `matched` examples that all arms have alike is too small a training set; `bound`: what each has."""
    poorest = min(bound, key=lambda name: bound[name])
    return _incomparable(
        f"a training set would hold {chosen} example(s); at least {FEWEST_EXAMPLES} are needed, drawn from"
        f" {math.ceil(FEWEST_EXAMPLES / part)} or more in every arm, alike by class: there are {matched}, and {poorest}"
        f" has {bound[poorest]} in all"
    )


def _incomparable(what: str) -> MeasureError:
    return MeasureError(
        what,
        why="arms that do not share labels and size are no comparison",
        fix="give more conversations, or a task that both corpora have labels for",
    )
