"""The structured user: goal -> attribute tokens. The negative control of every study, bad on purpose."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b

import msgspec

from understudy.conversations import Conversation, Corpus, Ending, Turn
from understudy.conversations.text import tokens
from understudy.errors import UsageError
from understudy.seeds import derive_seed
from understudy.users.material import satisfaction_of
from understudy.users.profile import Goal, Persona, Profile
from understudy.users.simulator import UserTurn

GOODBYE = "Thank you, goodbye."
KEYWORDS = 4
_LONGEST_VALUE = 80


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the corpus labelled the turn in which a user said something."""

    acts: tuple[str, ...] = ()
    satisfaction: float | None = None


class GoalOf(msgspec.Struct, frozen=True):
    """A goal and whose it is. `user` numbers the users of the source: one user's sessions stay together.

    `labels`: of the turns in which the attributes were said, in their order, and of the last turn; none where the
    source has no labels.
    """

    goal: Goal
    user: int
    opens: bool = True
    labels: tuple[Label, ...] = ()


def attributes(goal: Goal) -> tuple[tuple[str, str], ...]:
    """What a structured user says, in order: the entities of its goal, else its text, else its topic.

    >>> attributes(Goal(topic="hotel", entities=(("area", "north"), ("stars", "4"))))
    (('area', 'north'), ('stars', '4'))
    >>> attributes(Goal(topic="hotel"))
    (('topic', 'hotel'),)
    """
    said = tuple(dict.fromkeys((kind.strip(), value.strip()) for kind, value in goal.entities if value.strip()))
    if said:
        return said
    if goal.text.strip():
        return (("goal", " ".join(goal.text.split())[: 4 * _LONGEST_VALUE]),)
    return (("topic", (goal.topic or "").strip() or "help"),)


class StructuredSession:
    """Says one attribute a turn whatever the partner says, then thanks and leaves."""

    def __init__(self, profile: Profile, labels: Sequence[Label] = ()) -> None:
        self._attributes = attributes(profile.goal)
        self._labels = labels

    async def reply(self, history: Sequence[Turn]) -> UserTurn:
        said = min(sum(turn.role == "user" for turn in history), len(self._attributes))
        label = self._labels[said] if said < len(self._labels) else Label()
        state = {} if label.satisfaction is None else {"satisfaction": label.satisfaction}
        if said == len(self._attributes):
            return UserTurn(GOODBYE, "thank", state, Ending("user", "goal said"), acts=label.acts)
        kind, value = self._attributes[said]
        return UserTurn(f"{kind}: {value}", "inform", state, meta={"entities": [[kind, value]]}, acts=label.acts)


class StructuredSimulator:
    """Goal -> attribute tokens: always truthful, on topic, patient, complete and in order.

    This user is bad on purpose. It never asks, hesitates, mistypes, changes its mind, ignores a question or loses
    patience, and every turn has one form, `type: value`. Simulators that swap structured entities report progress
    that real users do not feel; a study whose measures cannot tell this user from people measures nothing. Do not
    test or train a system on it.

    >>> import asyncio
    >>> profile = Profile(id="p", user_id="u", persona=Persona("u"), goal=Goal(entities=(("area", "north"),)))
    >>> session = StructuredSimulator().start(profile, seed=0)
    >>> asyncio.run(session.reply(())).text
    'area: north'
    >>> asyncio.run(session.reply((Turn("user", "area: north"), Turn("assistant", "No.")))).ending
    Ending(by='user', reason='goal said')
    """

    identity = "structured/1"
    embedded = True  # it only computes: a lost reply costs nothing but time

    def __init__(self, labels: Mapping[Goal, Sequence[Label]] | None = None) -> None:
        self._labels = labels or {}

    def start(self, profile: Profile, *, seed: int) -> StructuredSession:
        return StructuredSession(profile, self._labels.get(profile.goal, ()))


class StructuredPopulation:
    """Structured users over the goals of `goals`; the k-th draw depends only on `(seed, k)`, with replacement.

    The persona is the same for all: dispersion between users comes from their goals alone. `from_corpus` reads
    goals off finished conversations, which is fair for new conversations with new users and is look-ahead for
    anything compared with the very conversation that a goal came from. Turns then carry the labels (acts,
    satisfaction) of the turns in which their attributes were said, so that a study can train on them.

    >>> people = StructuredPopulation([Goal(topic="hotel", entities=(("area", "north"),))])
    >>> people.draw(3, seed=1).goal.entities
    (('area', 'north'),)
    """

    def __init__(self, goals: Iterable[Goal | GoalOf]) -> None:
        given = list(goals)
        self.goals = tuple(
            item if isinstance(item, GoalOf) else GoalOf(item, number) for number, item in enumerate(given)
        )
        if not self.goals:
            raise UsageError(
                "no goals for structured users",
                why="a structured user says nothing but its goal",
                fix="give a goals file with at least one goal, or a corpus with user turns",
            )

    @classmethod
    def from_corpus(cls, corpus: Corpus) -> StructuredPopulation:
        """The goals of `corpus`, one a conversation with user turns: see `goals_of`."""
        return cls(goals_of(corpus))

    @property
    def n_sessions(self) -> int:
        return len(self.goals)

    @cached_property
    def identity(self) -> str:
        digest = blake2b(msgspec.json.encode(self.goals), digest_size=6).hexdigest()
        return f"{StructuredSimulator.identity}:{digest}"

    def draw(self, k: int, *, seed: int) -> Profile:
        chosen = self.goals[derive_seed(seed, "structured", k) % len(self.goals)]
        return Profile(
            id=f"structured-{k:06d}",
            user_id=f"structured-user-{chosen.user:05d}",
            persona=Persona("structured"),
            goal=chosen.goal,
            opens=chosen.opens,
        )

    def simulator(self) -> StructuredSimulator:
        return StructuredSimulator({item.goal: item.labels for item in reversed(self.goals) if item.labels})


def goals_of(corpus: Corpus) -> list[GoalOf]:
    """A goal a conversation: its topic and the entities of its user's turns, else the user's salient words.

    Salient: the up to four words of the user with the highest `count * log(conversations / those with it)`, in the
    order in which they were said; pairs of characters where the script has no spaces.

    >>> talk = lambda id, text: Conversation(id, (Turn("user", text),))
    >>> corpus = Corpus([talk("a", "i want jazz"), talk("b", "i want opera"), talk("c", "i want tea")])
    >>> [goal.goal.entities for goal in goals_of(corpus)]
    [(('keyword', 'jazz'),), (('keyword', 'opera'),), (('keyword', 'tea'),)]
    """
    talks = [talk for talk in corpus if any(turn.role == "user" and turn.text.strip() for turn in talk.turns)]
    entities = [_entities(talk) for talk in talks]
    bare = [list(_words(talk)) if not found else [] for talk, found in zip(talks, entities, strict=True)]
    spread = Counter(word for words in bare for word in set(words))
    documents = sum(bool(words) for words in bare)
    numbers: dict[str, int] = {}
    goals = []
    for talk, found, words in zip(talks, entities, bare, strict=True):
        unit = talk.user_id if talk.user_id is not None else f"c:{talk.id}"
        number = numbers.setdefault(unit, len(numbers))
        said = found or tuple(("keyword", word) for word in _salient(words, spread, documents))
        goal = Goal(topic=talk.topic, entities=said)
        goals.append(GoalOf(goal, number, talk.turns[0].role == "user", _labels(talk, attributes(goal))))
    return goals


def _labels(talk: Conversation, said: Sequence[tuple[str, str]]) -> tuple[Label, ...]:
    """The label of the first turn that names each attribute (the first turn where none does), and of the last."""
    turns = [turn for turn in talk.turns if turn.role == "user" and turn.text.strip()]
    labels = [Label(turn.acts, satisfaction_of(turn.meta.get("satisfaction"))) for turn in turns]
    if all(label == Label() for label in labels):
        return ()
    texts = [" ".join(turn.text.lower().split()) for turn in turns]
    named = [[" ".join(value.lower().split()) for _, value in _pairs(turn)] for turn in turns]
    first = []
    for _, value in said:
        wanted = value.lower()
        at = next((k for k in range(len(turns)) if wanted in named[k]), None)
        first.append(next((k for k in range(len(turns)) if wanted in texts[k]), 0) if at is None else at)
    return (*(labels[k] for k in first), labels[-1])


def _entities(talk: Conversation) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys(pair for turn in talk.turns if turn.role == "user" for pair in _pairs(turn)))


def _pairs(turn: Turn) -> Iterator[tuple[str, str]]:
    pairs = turn.meta.get("entities") if turn.meta else None
    for pair in pairs if isinstance(pairs, list | tuple) else ():
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(x, str) for x in pair):
            kind, value = pair[0].strip(), " ".join(pair[1].split())[:_LONGEST_VALUE]
            if value:
                yield kind or "item", value


def _words(talk: Conversation) -> Iterator[str]:
    for turn in talk.turns:
        if turn.role != "user":
            continue
        previous = ""
        for word in tokens(turn.text):
            unspaced = len(word) == 1 and ord(word) >= 0x0E00
            if unspaced and previous:
                yield previous + word
            if not unspaced and len(word) > 1:
                yield word
            previous = word if unspaced else ""


def _salient(words: Sequence[str], spread: Counter[str], documents: int) -> list[str]:
    count = Counter(words)
    weight = {word: n * math.log(documents / spread[word]) for word, n in count.items()}
    ranked = sorted((word for word in weight if weight[word] > 0), key=lambda word: -weight[word])
    kept = set(ranked[:KEYWORDS])
    return [word for word in count if word in kept]
