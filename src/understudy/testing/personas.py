"""A world of people with known facts, who speak of themselves and sometimes turn into somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus, CorpusCard, Turn
from understudy.seeds import stream

_FACTS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "work": tuple(
        (f"I work as a {job}.", (*lines, f"being a {job} is hard", f"not every {job} gets paid"))
        for job, lines in {
            "nurse": ("the ward was full all night", "my patients kept me running", "the clinic needs more hands"),
            "baker": ("the ovens were hot since three", "we sold every loaf by noon", "my dough would not rise"),
            "teacher": ("my class had an exam today", "the pupils are restless", "so many essays to mark"),
            "sailor": ("we were at sea for weeks", "the harbour was quiet", "a storm tore the sails"),
            "farmer": ("the harvest was late", "my tractor broke again", "the fields are too dry"),
            "lawyer": ("the court hearing went on for ever", "my client lost the case", "another contract to read"),
            "cook": ("the kitchen was chaos", "we ran out of onions", "my menu changes every week"),
            "plumber": ("a pipe burst in a cellar", "the boiler was leaking", "taps and drains all day"),
        }.items()
    ),
    "pet": tuple(
        (f"I have two {pet}s.", (*lines, f"my {pet}s are loud", f"a {pet} costs a lot"))
        for pet, lines in {
            "dog": ("they want their walk twice a day", "one of them barks at the postman", "the leash broke"),
            "cat": ("they sleep on my keyboard", "the litter has to be changed", "one purrs all evening"),
            "horse": ("the stable was cold", "i ride before breakfast", "the saddle needs mending"),
            "parrot": ("one repeats all i say", "feathers everywhere", "the cage was open"),
            "rabbit": ("they dug up the lawn", "carrots are all they eat", "the hutch needs straw"),
            "goldfish": ("the tank is green again", "the filter hums all night", "i feed them flakes"),
        }.items()
    ),
    "joy": tuple(
        (f"I love {joy}.", (*lines, f"more {joy} this weekend", f"my sister hates {joy}"))
        for joy, lines in {
            "chess": ("i lost my queen in ten moves", "the endgame was close", "a tournament is on sunday"),
            "skiing": ("the slopes were icy", "fresh snow at last", "my boots are too tight"),
            "opera": ("the soprano was superb", "we had seats in the balcony", "three acts flew by"),
            "fishing": ("nothing would bite today", "the river was high", "i caught a trout"),
            "knitting": ("my scarf is half done", "the wool was cheap", "i dropped a stitch"),
            "running": ("ten miles in the rain", "my knees hurt", "a marathon in spring"),
        }.items()
    ),
}  # fmt: skip
_ANYBODY = (
    "that sounds good", "how are you today", "i see what you mean", "what about you", "it is nice to talk",
    "really, tell me more", "yes, that is true", "well, who knows", "i am a bit tired", "what a week",
)  # fmt: skip
_PARTNER = ("How was your day?", "I see.", "And what else?", "Tell me about yourself.", "Oh, nice!", "Why is that?")
GENERIC = 0.35


class Who(NamedTuple):
    """The facts of one person, and what they say because of them."""

    facts: tuple[str, ...]
    lines: tuple[str, ...]


def somebody(rng: np.random.Generator) -> Who:
    """A person with one fact of each kind."""
    chosen = [kind[int(rng.integers(len(kind)))] for kind in _FACTS.values()]
    return Who(tuple(fact for fact, _ in chosen), tuple(line for _, lines in chosen for line in lines))


def lines_by(who: Who, rng: np.random.Generator, *, generic: float = GENERIC) -> Iterator[str]:
    """What `who` says, without end: of themselves, or with probability `generic` what anybody says.

    Nothing is said again before all of its kind has been said.
    """
    decks: dict[bool, list[str]] = {True: [], False: []}
    while True:
        anybody = bool(rng.random() < generic)
        if not decks[anybody]:
            source = _ANYBODY if anybody else who.lines
            decks[anybody] = [source[k] for k in rng.permutation(len(source)).tolist()]
        yield decks[anybody].pop()


def persona_world(
    people: int, *, seed: int, turns: int = 8, sessions: int = 1, drift_at: int | None = None, generic: float = GENERIC
) -> Corpus:
    """Conversations of `people` users, `sessions` each; from own line `drift_at` on somebody else speaks for them.

    >>> talk = persona_world(1, seed=0)[0]
    >>> len(talk.meta["persona"]), len(talk.turns)
    (3, 16)
    """
    talks = []
    for k in range(people):
        rng = stream(seed, "persona world", k)
        who, other = somebody(rng), somebody(rng)
        for session in range(sessions):
            spoken = []
            mine, theirs = lines_by(who, rng, generic=generic), lines_by(other, rng, generic=generic)
            for at in range(turns):
                spoken.append(Turn("user", next(mine if drift_at is None or at < drift_at else theirs)))
                spoken.append(Turn("assistant", _PARTNER[int(rng.integers(len(_PARTNER)))]))
            meta = {"persona": list(who.facts)}
            talks.append(Conversation(f"w{seed}-{k}-{session}", tuple(spoken), user_id=f"w{seed}-{k}", meta=meta))
    return Corpus(talks, CorpusCard("synthetic", "persona world"))


def taking_back(corpus: Corpus, *, seed: int, share: float = 1.0) -> Corpus:
    """The same conversations in which a share of the users says a fact of theirs and, later, its contrary.

    The fact replaces the second own line, its contrary the last one.

    >>> talk = taking_back(persona_world(1, seed=0), seed=0)[0]
    >>> talk.turns[2].text in talk.meta["persona"]
    True
    """
    from understudy.measures.consistency.planting import contradict

    talks = []
    for k, talk in enumerate(corpus):
        rng = stream(seed, "taking back", k)
        facts = [str(fact) for fact in talk.meta["persona"]]
        fact = facts[int(rng.integers(len(facts)))]
        against = contradict(fact, rng)
        mine = [at for at, turn in enumerate(talk.turns) if turn.role == "user"]
        turns = list(talk.turns)
        if against and len(mine) > 2 and rng.random() < share:
            turns[mine[1]], turns[mine[-1]] = Turn("user", fact), Turn("user", against)
        talks.append(msgspec.structs.replace(talk, turns=tuple(turns)))
    return Corpus(talks, corpus.card)


_SERVICE = ("How can I help you today?", "Is there anything else you need?", "Feel free to ask me.", "Happy to help!")


def turning_assistant(corpus: Corpus, *, seed: int) -> Corpus:
    """The same conversations in which users speak as assistants the more often the longer they talk.

    >>> talk = turning_assistant(persona_world(1, seed=0), seed=0)[0]
    >>> sum(turn.text in _SERVICE for turn in talk.turns) > 0
    True
    """
    talks = []
    for k, talk in enumerate(corpus):
        rng = stream(seed, "turning assistant", k)
        size = len(talk.turns)
        turns = tuple(
            Turn("user", _SERVICE[int(rng.integers(len(_SERVICE)))])
            if turn.role == "user" and rng.random() < at / size
            else turn
            for at, turn in enumerate(talk.turns)
        )
        talks.append(msgspec.structs.replace(talk, turns=turns))
    return Corpus(talks, corpus.card)
