"""Conversations made with known truth, for the tests of the realism measures."""

from __future__ import annotations

import numpy as np

from understudy.conversations import Conversation, Corpus, Ending, Turn

THINGS = (
    "pizza", "hotel", "museum", "train", "taxi", "garden", "cinema", "college", "hospital", "bakery", "market",
    "library", "theatre", "bridge", "castle", "beach",
)  # fmt: skip
ASKS = ("Would you like the {}?", "How about the {} then?", "The {} is open today.", "Sorry, the {} is closed.")
FIRM = (
    "I want the {} for two people.",
    "Book the {} please.",
    "What is the address of the {}?",
    "Is the {} cheap?",
)
VAGUE = ("maybe the {}", "ok the {} thanks", "not the {} again", "hmm I guess the {} is fine")


def say(rng, line, thing):
    return str(rng.choice(line)).format(thing)


def people(
    n, *, seed, users=None, hedge=0.3, leave=0.3, uptake=0.7, prefix="r", turns=(2, 9), voice=None, strength=0.8
):
    """`n` conversations: each user turn is vague with its user's own probability around `hedge`, takes up what the
    partner named with probability `uptake`, and is the last with probability `leave`."""
    rng = np.random.default_rng(seed)
    users = users or n
    own = np.clip(rng.beta(2, 2, users) * strength + hedge - strength / 2, 0.02, 0.95)
    talks = []
    for i in range(n):
        user = i % users
        lines = []
        for k in range(turns[1]):
            named = str(rng.choice(THINGS))
            lines.append(Turn("assistant", say(rng, ASKS, named)))
            thing = named if rng.random() < uptake else str(rng.choice(THINGS))
            lines.append(Turn("user", say(rng, voice or (VAGUE if rng.random() < own[user] else FIRM), thing)))
            if k + 1 >= turns[0] and rng.random() < leave:
                break
        talks.append(Conversation(f"{prefix}{i}", tuple(lines), user_id=f"{prefix}{user}" if users < n else None))
    return Corpus(talks)


def rewritten(corpus, change):
    """User turns replaced by `change(conversation, texts) -> texts`."""
    talks = []
    for c in corpus:
        texts = iter(change(c, [t.text for t in c.turns if t.role == "user"]))
        turns = tuple(Turn("user", next(texts)) if t.role == "user" else t for t in c.turns)
        talks.append(Conversation(c.id, turns, user_id=c.user_id))
    return Corpus(talks)


def others_replies(corpus, *, seed):
    """Every user turn exchanged for one of another conversation at the same place: all marginals stay."""
    rng = np.random.default_rng(seed)
    columns = {}
    for c in corpus:
        for k, t in enumerate(t for t in c.turns if t.role == "user"):
            columns.setdefault(k, []).append(t.text)
    for texts in columns.values():
        rng.shuffle(texts)
    return rewritten(corpus, lambda _, texts: [columns[k].pop() for k in range(len(texts))])


def halves(corpus, *, seed):
    """Two random halves of the units."""
    rng = np.random.default_rng(seed)
    units = rng.permutation(np.unique(corpus.unit_ids))
    first = np.isin(corpus.unit_ids, units[: len(units) // 2])
    return corpus.subset(np.flatnonzero(first)), corpus.subset(np.flatnonzero(~first))


def part(measurement, name):
    """The part called `<measure>.<name>`."""
    return next(p for p in measurement.parts if p.name == f"{measurement.name}.{name}")


def cut_off(corpus, after):
    """Conversations stopped by a limit after `after` user turns."""
    talks = []
    for c in corpus:
        turns = c.turns[: 2 * after]
        ending = Ending("limit", "turns") if len(turns) < len(c.turns) else None
        talks.append(Conversation(c.id, turns, user_id=c.user_id, ending=ending))
    return Corpus(talks)
