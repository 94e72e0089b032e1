"""Conversations whose relations are known, and ways to cut relations while the turns stay what they were."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Role, Turn
from understudy.conversations.text import tokens
from understudy.measures.turn_words import turn_words
from understudy.seeds import stream

_THINGS = (
    "pizza", "hotel", "museum", "train", "taxi", "garden", "cinema", "college", "hospital", "bakery", "market",
    "library", "theatre", "bridge", "castle", "beach", "harbour", "stadium", "temple", "forest", "island", "tower",
    "station", "airport", "gallery", "kitchen", "balcony", "fountain", "palace", "village",
)  # fmt: skip
# What a partner asks, and what answers it: an act contingency that no shared word gives away.
_ASKED = (
    ("Which {} would you like?", ("the old {} please", "any {} is fine", "the {} nearby")),
    ("Is the {} open today?", ("yes it is open, the {}", "no, the {} is closed", "yes, the {} opens early")),
    ("Why not the {} then?", ("because the {} is far away", "because my brother dislikes the {}", "it costs too much")),
    ("How many people for the {}?", ("two for the {}", "four of us at the {}", "just one")),
)


def exchanges(n: int, *, seed: int, related: float = 1.0, turns: int = 5, acts: bool = True) -> Corpus:
    """`n` conversations in which the user answers what was asked, about the thing that was named, in a `related`
    share of the turns; else another question's answer about another thing. `acts=False` keeps the thing and loses
    the kind of answer.

    >>> [t.role for t in exchanges(1, seed=0, turns=1)[0].turns]
    ['assistant', 'user']
    """
    talks = []
    for i in range(n):
        rng = stream(seed, "exchanges", i)
        lines: list[Turn] = []
        for _ in range(turns):
            asked, thing = int(rng.integers(len(_ASKED))), str(rng.choice(_THINGS))
            lines.append(Turn("assistant", _ASKED[asked][0].format(thing), acts=(f"ask{asked}",)))
            fits = rng.random() < related
            kind = asked if fits and acts else int(rng.integers(len(_ASKED)))
            about = thing if fits else str(rng.choice(_THINGS))
            lines.append(Turn("user", str(rng.choice(_ASKED[kind][1])).format(about), acts=(f"answer{kind}",)))
        talks.append(Conversation(f"{seed}-{i}", tuple(lines)))
    return Corpus(talks)


# Names that nobody says by chance: 1,440 of them.
_STARTS = ("bel", "dor", "fen", "gal", "hal", "kor", "lum", "mar", "nor", "pel", "sol", "tav")
_MIDDLES = ("a", "e", "i", "o", "u", "an", "en", "il", "or", "ur")
_ENDS = ("bra", "dan", "fir", "gan", "lix", "mon", "net", "pos", "rin", "sta", "tel", "vix")


def _thing(rng: np.random.Generator) -> str:
    return f"{rng.choice(_STARTS)}{rng.choice(_MIDDLES)}{rng.choice(_ENDS)}"


def events(n: int, *, seed: int, shared: bool = True, episodes: int = 7) -> Corpus:
    """Conversations with requests, promises, corrections, apologies, clarifications and deliveries.

    The sequence of acts, the templates and the distribution of every name are the same with and without `shared`;
    only with it do the two speakers hold a state: things named stay the things talked about, promises are about
    what was asked for, and all are kept in the end. Without it, every name is drawn anew.

    >>> first, second = (events(1, seed=0, shared=s)[0].turns for s in (True, False))
    >>> [t.acts for t in first] == [t.acts for t in second]
    True
    """
    talks = []
    for i in range(n):
        script = stream(seed, "events", i)
        rng = stream(seed, "events", i, "names", shared)
        lines: list[Turn] = []
        asked, episode = _thing(rng), 0
        owed: list[str] = []
        while episode < episodes or owed:
            legal = ["inform", "promise", "correct", "clarify"] if episode else ["inform"]
            act = str(script.choice([*legal, "deliver"] if owed else legal)) if episode < episodes else "deliver"
            episode += 1
            # What is named in this episode by the user and by the partner, and what the user takes back.
            old, wanted = asked, _thing(rng) if act in ("inform", "correct") else asked
            if act == "promise":
                owed.append(wanted)
            heard = owed.pop(0) if act == "deliver" else wanted
            if not shared:
                old, wanted, heard = _thing(rng), _thing(rng), _thing(rng)
            asked = wanted
            lines += _episode(act, old, wanted, heard, (heard, heard) if shared else (_thing(rng), _thing(rng)))
        talks.append(Conversation(f"{seed}-{i}", tuple(lines)))
    return Corpus(talks)


def _episode(act: str, old: str, wanted: str, heard: str, again: tuple[str, str]) -> list[Turn]:
    lines = {
        "inform": (f"what i want is the {wanted}", f"i understand, the {heard} it is"),
        "promise": (f"is the {wanted} there for me?", f"i will ask for the {heard}"),
        "correct": (f"no, i meant the {wanted}, not the {old}", f"sorry, so it is the {heard}"),
        "deliver": ("what about the thing that you had for me?", f"it is done, you have the {heard}"),
        "clarify": ("i want to have it for my friend", f"do you mean the {heard}?"),
    }[act]
    turns = [Turn("user", lines[0], acts=(act,)), Turn("assistant", lines[1], acts=(f"{act}_back",))]
    if act == "clarify":
        turns += [
            Turn("user", f"yes, the {again[0]}", acts=("confirm",)),
            Turn("assistant", f"i see, the {again[1]}", acts=("note",)),
        ]
    return turns


def _bands(lengths: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Exact up to six words, then bands a quarter wide."""
    size = np.asarray(lengths, dtype=np.float64)
    return np.where(size <= 6, size, 7 + np.floor(np.log(np.maximum(size, 7) / 7) / np.log(1.25))).astype(np.int64)


def mixture(corpus: Corpus, share: float, *, rng: np.random.Generator, like_length: bool = True) -> Corpus:
    """A `share` of all turns replaced by turns of other units, of the same role and (`like_length`) about as long.

    Words, lengths, roles and numbers of turns stay what they are over the corpus; at `share` 1 no turn has anything
    to do with another.

    >>> talk = lambda i: Conversation(str(i), (Turn("assistant", f"which one {i}"), Turn("user", f"the {i}")))
    >>> mixed = mixture(Corpus([talk(i) for i in range(9)]), 1.0, rng=np.random.default_rng(0))
    >>> sorted(t.text for c in mixed for t in c.turns if t.role == "user")[:2], len(mixed[0].turns)
    (['the 0', 'the 1'], 2)
    """
    _, unit = np.unique(corpus.unit_ids, return_inverse=True)
    flat = [(row, turn) for row, talk in enumerate(corpus) for turn in talk.turns]
    owner = unit[[row for row, _ in flat]] if flat else np.zeros(0, dtype=np.int64)
    user = np.array([turn.role == "user" for _, turn in flat], dtype=np.int64)
    band = _bands([len(tokens(turn.text)) * like_length for _, turn in flat]) * 2 + user
    chosen = rng.random(len(flat)) < share
    source = np.arange(len(flat))
    for code in np.unique(band[chosen]):
        members = np.flatnonzero((band == code) & chosen)
        order = rng.permutation(members)
        for _ in range(20):  # an exchange within one unit is no exchange
            clash = np.flatnonzero(owner[order] == owner[members])
            if not len(clash):
                break
            other = rng.integers(0, len(order), len(clash))
            for a, b in zip(clash.tolist(), other.tolist(), strict=True):
                order[a], order[b] = order[b], order[a]
        source[members] = order
    turns = iter([flat[i][1] for i in source.tolist()])
    return _rebuilt(corpus, [[next(turns) for _ in talk.turns] for talk in corpus])


def exchanged_within_lengths(corpus: Corpus, *, rng: np.random.Generator, role: Role = "user") -> Corpus:
    """The replies of a role exchanged among replies about as long to turns about as long: who answers whom is
    random, and how long turns and replies go together stays.

    >>> talk = lambda i: Conversation(str(i), (Turn("assistant", f"which one {i}"), Turn("user", f"the {i}")))
    >>> mixed = exchanged_within_lengths(Corpus([talk(i) for i in range(9)]), rng=np.random.default_rng(0))
    >>> mixed[0].turns[0].text, sorted(c.turns[1].text for c in mixed)[:2]
    ('which one 0', ['the 0', 'the 1'])
    """
    flat = [(talk, i) for talk in corpus for i in range(len(talk.turns))]
    replies = np.array(
        [k for k, (c, i) in enumerate(flat) if i and c.turns[i].role == role != c.turns[i - 1].role], dtype=np.int64
    )
    size = _bands([len(tokens(c.turns[i].text)) for c, i in flat])
    code = size[replies - 1] * (int(size.max(initial=0)) + 1) + size[replies]
    source = np.arange(len(flat))
    for one in np.unique(code):
        members = replies[code == one]
        source[members] = rng.permutation(members)
    turns = iter([flat[k][0].turns[flat[k][1]] for k in source.tolist()])
    return _rebuilt(corpus, [[next(turns) for _ in talk.turns] for talk in corpus])


def stuffed(corpus: Corpus, *, rng: np.random.Generator, words: int = 2, role: Role = "user") -> Corpus:
    """Up to `words` content words of the turn just before put in front of every turn of a role: an adversary that
    shows overlap and understands nothing.

    >>> talk = Conversation("a", (Turn("assistant", "Which genre?"), Turn("user", "no idea")))
    >>> stuffed(Corpus([talk]), rng=np.random.default_rng(0))[0].turns[1].text
    'genre, no idea'
    """
    said: dict[int, list[str]] = {}
    for row, word in turn_words(corpus).sort("row", "word").iter_rows():
        said.setdefault(row, []).append(word)
    talks, row = [], 0
    for talk in corpus:
        turns: list[Turn] = []
        for i, turn in enumerate(talk.turns):
            heard = said.get(row - 1, []) if i and talk.turns[i - 1].role != turn.role else []
            if turn.role == role and heard:
                taken = rng.permutation(heard)[:words].tolist()
                turn = Turn(turn.role, f"{' '.join(taken)}, {turn.text}", acts=turn.acts)
            turns.append(turn)
            row += 1
        talks.append(turns)
    return _rebuilt(corpus, talks)


def shuffled_acts(corpus: Corpus, *, rng: np.random.Generator, role: Role = "user") -> Corpus:
    """The act labels of a role's turns exchanged at random over the corpus; not a word changes.

    >>> talk = Conversation("a", (Turn("user", "hi", acts=("greet",)), Turn("user", "bye", acts=("end",))))
    >>> sorted(t.acts for t in shuffled_acts(Corpus([talk]), rng=np.random.default_rng(1))[0].turns)
    [('end',), ('greet',)]
    """
    acts = [turn.acts for talk in corpus for turn in talk.turns if turn.role == role]
    order = iter(rng.permutation(len(acts)).tolist())
    return _rebuilt(
        corpus,
        [
            [msgspec.structs.replace(t, acts=acts[next(order)]) if t.role == role else t for t in talk.turns]
            for talk in corpus
        ],
    )


def _rebuilt(corpus: Corpus, turns: Sequence[Sequence[Turn]]) -> Corpus:
    talks = [msgspec.structs.replace(c, turns=tuple(own)) for c, own in zip(corpus, turns, strict=True)]
    return Corpus(talks, corpus.card)
