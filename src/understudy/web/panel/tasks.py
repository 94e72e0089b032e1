"""What raters are shown: pairs of a real and a synthetic conversation of like topic and length, checks, dialogues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, Role
from understudy.conversations.strict_json import scrub_surrogates
from understudy.conversations.text import tokens
from understudy.errors import UsageError
from understudy.seeds import stream

MOST_TURNS = 20
LONGEST_TURN = 1200
MOST_CANDIDATES = 4000
# Words of a scrambled conversation at the least, where one has so many: "hm ok yes" reads well in any order.
SCRAMBLED_WORDS = 40
_UNSPACED = 15  # characters a word from which a text is taken to be written without spaces


class Excerpt(msgspec.Struct, frozen=True):
    """What is shown of a conversation: who said what, and whether it goes on."""

    turns: tuple[tuple[Role, str], ...]
    goes_on: bool = False


class Pair(msgspec.Struct, frozen=True):
    """Names of two excerpts: the real one, and the synthetic (in a catch trial the scrambled) one; whose they are."""

    name: str
    real: str
    other: str
    units: tuple[str, str]


class Wanted(msgspec.Struct, frozen=True):
    """What one rater is asked: pairs, catch trials, dialogues to rate; and pairs and dialogues (a side) in all."""

    pairs: int = 12
    catches: int = 3
    ratings: int = 4
    pool: int = 60
    rated_pool: int = 12


class Stimuli(msgspec.Struct, frozen=True):
    """Everything that any rater can be shown. Excerpts bear the names `real:ID`, `synthetic:ID`, `scrambled:ID`."""

    excerpts: dict[str, Excerpt]
    pairs: tuple[Pair, ...]
    catches: tuple[Pair, ...]
    rated: tuple[Pair, ...]
    matching: str


def excerpt_of(talk: Conversation) -> Excerpt:
    """The first turns with text; of each, the first characters."""
    said = [(t.role, scrub_surrogates(t.text).strip()) for t in talk.turns if t.text.strip()]
    kept = tuple((role, text if len(text) <= LONGEST_TURN else f"{text[:LONGEST_TURN]} …") for role, text in said)
    return Excerpt(kept[:MOST_TURNS], len(said) > MOST_TURNS)


class _Candidate(NamedTuple):
    name: str
    unit: str
    topic: str | None
    excerpt: Excerpt
    size: tuple[float, float]


def make_stimuli(real: Corpus, synthetic: Corpus, wanted: Wanted, *, seed: int) -> Stimuli:
    """Draw what is shown: real conversations, on topics that both sides have if there are enough, of every user one
    before of any a second; to each the nearest synthetic one that is left.

    Nearest: of the same topic where both sides name it and one is left, then by the logarithms of turns and of user
    words (of the excerpts). Pairs, rated dialogues and checks share no conversation. Where the corpora are small, fewer
    pairs than wanted are drawn, never fewer than one rater judges. Raises UsageError where that cannot be.
    """
    simulated = _candidates(synthetic, "synthetic", seed)
    topics = {c.topic for c in simulated} - {None}
    # Those with a topic that both sides have come first: beside another topic, the topic itself may be what is judged.
    people = sorted(_candidates(real, "real", seed), key=lambda c: c.topic not in topics)
    checks = 2 * wanted.catches
    sizes = _sizes(len(people) - checks, len(simulated), wanted)
    people, checked = _set_apart(people, checks)
    matched = _matched(people[: sizes.pairs + sizes.dialogues], simulated)
    pairs, rated = matched.pairs[: sizes.pairs], matched.pairs[sizes.pairs :]
    catches, excerpts = _catches(checked, seed)
    known = {c.name: c.excerpt for c in (*people, *simulated, *checked)}
    for pair in (*matched.pairs, *catches):
        excerpts |= {name: known[name] for name in (pair.real, pair.other) if name in known}
    return Stimuli(
        excerpts,
        pairs,
        catches,
        rated,
        matched.told(sizes.pairs),
    )


class _Sizes(NamedTuple):
    pairs: int
    dialogues: int


def _sizes(people: int, simulated: int, wanted: Wanted) -> _Sizes:
    """How many pairs and dialogues a side: multiples of what one rater is given, so that all are shown as often."""
    room = min(people, simulated)
    a_side = wanted.ratings // 2
    least = wanted.pairs + a_side
    if room < least:
        raise UsageError(
            f"{max(people, 0)} real and {simulated} synthetic conversations can be shown, besides "
            f"{2 * wanted.catches} real ones for the checks",
            why=f"one rater judges {wanted.pairs} pairs and rates {wanted.ratings} conversations, none of them twice",
            fix="give more conversations (by more users), or lower --pairs and --ratings",
        )
    dialogues = min(max(wanted.rated_pool, a_side), room - wanted.pairs) if a_side else 0
    dialogues -= dialogues % a_side if a_side else 0
    pairs = min(max(wanted.pool, wanted.pairs), room - dialogues)
    return _Sizes(pairs - pairs % wanted.pairs if wanted.pairs else 0, dialogues)


def _candidates(corpus: Corpus, side: str, seed: int) -> list[_Candidate]:
    """Conversations that can be shown, in random order: of every unit one, then of every unit a second, and so on."""
    units = corpus.unit_ids
    seen: Counter[str] = Counter()
    found = []
    for row in stream(seed, "panel", side).permutation(len(corpus)):
        talk, unit = corpus[int(row)], scrub_surrogates(str(units[int(row)]))
        excerpt = excerpt_of(talk)
        words = sum(len(tokens(text)) for role, text in excerpt.turns if role == "user")
        if len(excerpt.turns) < 2 or not words:
            continue
        size = (float(np.log1p(len(excerpt.turns))), float(np.log1p(words)))
        # Ids may come twice in a corpus; rows do not.
        name = f"{side}:{int(row)}:{scrub_surrogates(talk.id)}"
        found.append((seen[unit], _Candidate(name, unit, talk.topic, excerpt, size)))
        seen[unit] += 1
        if len(found) == MOST_CANDIDATES:
            break
    return [candidate for _, candidate in sorted(found, key=lambda one: one[0])]


def _set_apart(people: list[_Candidate], count: int) -> tuple[list[_Candidate], list[_Candidate]]:
    """The candidates for pairs, and `count` with words enough to be scrambled."""
    wordy = sorted(people[:200], key=lambda c: min(np.expm1(c.size[1]), SCRAMBLED_WORDS), reverse=True)[:count]
    names = {c.name for c in wordy}
    return [c for c in people if c.name not in names], wordy


class _Matched(NamedTuple):
    pairs: tuple[Pair, ...]
    same_topic: tuple[bool, ...]
    gaps: tuple[tuple[int, int], ...]

    def told(self, count: int) -> str:
        """How like each other the two sides of the first `count` pairs are, in words."""
        if not count:
            return ""
        turns, words = (float(np.median([gap[k] for gap in self.gaps[:count]])) for k in (0, 1))
        topic = f"{sum(self.same_topic[:count])} of {count} pairs are of one topic"
        return f"{topic}; half of them differ by at most {turns:g} turns, half by at most {words:g} user words"


def _matched(people: Sequence[_Candidate], simulated: Sequence[_Candidate]) -> _Matched:
    free = dict.fromkeys(range(len(simulated)))
    sizes = np.array([c.size for c in simulated]).reshape(-1, 2)
    pairs, same_topic, gaps = [], [], []
    for number, person in enumerate(people):
        rows = [k for k in free if person.topic is not None and simulated[k].topic == person.topic]
        same_topic.append(bool(rows))
        rows = rows or list(free)
        nearest = rows[int(((sizes[rows] - person.size) ** 2).sum(axis=1).argmin())]
        del free[nearest]
        pairs.append(
            Pair(f"pair-{number}", person.name, simulated[nearest].name, (person.unit, simulated[nearest].unit))
        )
        apart = np.abs(np.expm1(sizes[nearest]) - np.expm1(person.size)).round()
        gaps.append((int(apart[0]), int(apart[1])))
    return _Matched(tuple(pairs), tuple(same_topic), tuple(gaps))


def _catches(checked: Sequence[_Candidate], seed: int) -> tuple[tuple[Pair, ...], dict[str, Excerpt]]:
    """Catch trials: every second candidate is scrambled and stands beside the one before it."""
    pairs, excerpts = [], {}
    for number, (whole, source) in enumerate(zip(checked[::2], checked[1::2], strict=True)):
        name = source.name.replace("real:", "scrambled:", 1)
        excerpts[name] = scrambled(source.excerpt, stream(seed, "panel", "scrambled", number))
        pairs.append(Pair(f"catch-{number}", whole.name, name, (whole.unit, source.unit)))
    return tuple(pairs), excerpts


def scrambled(excerpt: Excerpt, rng: np.random.Generator) -> Excerpt:
    """The same turns with all their words (characters, where words are not set apart) dealt out anew.

    >>> one = Excerpt((("user", "where is the sea"), ("assistant", "over there")))
    >>> scrambled(one, np.random.default_rng(0)).turns
    (('user', 'sea the there over'), ('assistant', 'where is'))
    """
    texts = [text for _, text in excerpt.turns]
    spaced = sum(map(len, texts)) <= _UNSPACED * sum(len(text.split()) for text in texts)
    pieces = [text.split() if spaced else list(text) for text in texts]
    words: list[Any] = [word for piece in pieces for word in piece]
    dealt = iter([words[int(k)] for k in rng.permutation(len(words))])
    glue = " " if spaced else ""
    turns = [
        (role, glue.join(next(dealt) for _ in piece)) for (role, _), piece in zip(excerpt.turns, pieces, strict=True)
    ]
    return Excerpt(tuple(turns), excerpt.goes_on)
