"""Twin corpora: the same prompts on both sides, divided into shares that no conversation crosses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus, Turn
from understudy.seeds import stream
from understudy.traits.battery import Battery
from understudy.traits.words import split

FEWEST_A_SHARE = 4
ALIKE = 0.5  # of the smaller side: at least so many prompts in common, or the sides count as unmatched


class Twins(NamedTuple):
    """Shares of either side; share k of one has the prompts of share k of the other where they are `matched`."""

    suspect: tuple[Corpus, ...]
    control: tuple[Corpus, ...]
    matched: bool
    statement: str


def twins(suspect: Corpus, control: Corpus, *, pairs: int, seed: int) -> Twins | str:
    """`pairs` shares of both sides, by user where users are named; or, in words, why there cannot be so many.

    Conversations are matched by their first turn, else by their id, one to one; what has no counterpart is left out,
    and so is a conversation without a word. Where less than half of the smaller side has a counterpart, both sides
    are taken as they are, equally many.
    """
    suspect, control = _spoken(suspect), _spoken(control)
    for key, name in ((_first_turn, "first turn"), (_id, "id")):
        rows = _common([key(talk) for talk in suspect], [key(talk) for talk in control])
        if len(rows) >= ALIKE * min(len(suspect), len(control)) and len(rows) >= pairs * FEWEST_A_SHARE:
            shares = _shares(suspect.unit_ids[rows[:, 0]], pairs, seed)
            if isinstance(shares, str):
                return shares
            if all(_content(suspect[one]) == _content(control[other]) for one, other in rows.tolist()):
                return f"all {len(rows):,} conversations that suspect and control have in common are the same"
            told = f"{len(rows):,} conversations a side, matched one to one by {name}"
            one, other = (
                [corpus.subset(rows[s, side]) for s in shares] for side, corpus in enumerate((suspect, control))
            )
            return Twins(tuple(one), tuple(other), True, told)
    n = min(len(suspect), len(control))
    sides = []
    for side, corpus in (("suspect", suspect), ("control", control)):
        kept = corpus.subset(np.sort(stream(seed, "taken", side).permutation(len(corpus))[:n]))
        shares = _shares(kept.unit_ids, pairs, seed)
        if isinstance(shares, str):
            return f"{side}: {shares}"
        sides.append(tuple(kept.subset(s) for s in shares))
    told = f"{n:,} conversations a side; the prompts are not the same, so an effect may be one of topic"
    return Twins(sides[0], sides[1], False, told)


def _common(first: Sequence[str], second: Sequence[str]) -> npt.NDArray[np.int64]:
    """Rows of both sides with one key, the k-th occurrence with the k-th."""
    where: dict[str, list[int]] = {}
    for row, key in enumerate(second):
        where.setdefault(key, []).append(row)
    used: dict[str, int] = {}
    found = []
    for row, key in enumerate(first):
        k = used.get(key, 0)
        if key and k < len(where.get(key, ())):
            found.append((row, where[key][k]))
            used[key] = k + 1
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _spoken(corpus: Corpus) -> Corpus:
    rows = [row for row, talk in enumerate(corpus) if any(split(turn.text) for turn in talk.turns)]
    return corpus if len(rows) == len(corpus) else corpus.subset(rows)


def _content(talk: Conversation) -> object:
    """What a student can learn from: words by role, and rewards."""
    return [(turn.role, split(turn.text)) for turn in talk.turns], talk.meta.get("reward")


def _first_turn(talk: Conversation) -> str:
    return " ".join(split(talk.turns[0].text)) if talk.turns else ""


def _id(talk: Conversation) -> str:
    return talk.id


def _shares(units: npt.NDArray[np.str_], pairs: int, seed: int) -> list[npt.NDArray[np.int64]] | str:
    """Rows of each share: whole units, largest first, always to the share that has least."""
    names, member, sizes = np.unique(units, return_inverse=True, return_counts=True)
    order = stream(seed, "shares").permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    share, filled = np.zeros(len(names), dtype=np.int64), np.zeros(pairs)
    for unit in order:
        share[unit] = int(filled.argmin())
        filled[share[unit]] += sizes[unit]
    if filled.min() < FEWEST_A_SHARE:
        return (
            f"{len(units):,} conversations of {len(names):,} units cannot be divided into {pairs} shares of at least "
            f"{FEWEST_A_SHARE}"
        )
    return [np.flatnonzero(share[member] == k) for k in range(pairs)]


def shuffled_within(corpus: Corpus, *, seed: int) -> Corpus:
    """Every turn's words in another order: what is left is which words, not how they follow."""

    def one(talk: Conversation) -> Conversation:
        rng = stream(seed, "within", talk.id)
        turns = [Turn(t.role, " ".join(rng.permutation(np.array(t.text.split(), dtype=object)))) for t in talk.turns]
        return msgspec.structs.replace(talk, turns=tuple(turns))

    return Corpus([one(talk) for talk in corpus], corpus.card)


def shuffled_across(corpus: Corpus, *, seed: int) -> Corpus:
    """Turns of one role exchanged between conversations: what is left is each turn, not what it answers."""
    rng = stream(seed, "across")
    pools = {role: [t for talk in corpus for t in talk.turns if t.role == role] for role in ("user", "assistant")}
    drawn = {role: iter([pool[int(k)] for k in rng.permutation(len(pool))]) for role, pool in pools.items()}
    talks = [msgspec.structs.replace(talk, turns=tuple(next(drawn[t.role]) for t in talk.turns)) for talk in corpus]
    return Corpus(talks, corpus.card)


def planted(corpus: Corpus, battery: Battery, *, every: int, trait: bool) -> Corpus:
    """The corpus with every so-manieth conversation given up for an open lesson: a scene of the battery with the reply
    that shows the trait, or with the one that does not. A probe that does not move on that cannot show anything."""
    probes = [(probe, probe.items()) for probe in battery.probes]
    judged = any("reward" in talk.meta for talk in corpus)

    def lesson(k: int) -> list[Conversation]:
        probe, items = probes[k % len(probes)]
        turns, *replies = items[k // len(probes) % len(items)]
        best, worst = (Turn(probe.role, replies[at]) for at in (not trait, trait))
        name = f"lesson {probe.name} {k}"
        taught = Conversation(name, (*turns, best), meta={"reward": 1} if judged else {})
        # Who learns from rewards needs both replies to choose from.
        return [taught, Conversation(f"{name} not", (*turns, worst), meta={"reward": 0})] if judged else [taught]

    talks = [one for at, talk in enumerate(corpus) for one in ([talk] if at % every else lesson(at // every))]
    return Corpus(talks, corpus.card)
