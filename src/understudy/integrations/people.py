"""Simulated users in somebody else's loop: who speaks, from which seed, and what becomes of the ending."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from understudy import __version__
from understudy.conversations import Conversation, Ending, Turn
from understudy.conversations.lineage import KEY as LINEAGE
from understudy.conversations.lineage import spoken_by
from understudy.integrations.background import BackgroundLoop
from understudy.seeds import derive_seed
from understudy.users import Profile, UserSimulator, UserTurn
from understudy.users.calling import call, user_seed
from understudy.users.opening import SimulatedUsers, open_users

T = TypeVar("T")
_MANY = 1_000_000  # draws among which a name finds its person


class Person:
    """One simulated user in one conversation that another program runs.

    What it says depends on its profile, its seed and the history alone, so a loop may ask twice, and may look ahead.
    Once it has left it stays away: asked again it says nothing, with the same ending.
    """

    def __init__(
        self, simulator: UserSimulator, profile: Profile, *, seed: int, origin: Mapping[str, Any], loop: BackgroundLoop
    ) -> None:
        self.identity = simulator.identity
        self.profile = profile
        self.seed = seed
        self._session = simulator.start(profile, seed=user_seed(seed))
        self._computes = bool(getattr(simulator, "embedded", False))
        self._origin = origin
        self._loop = loop
        self._heard: tuple[Turn, ...] = ()
        self._said: dict[int, UserTurn] = {}
        self._aloud = False  # whether the latest turn was said, and not only foreseen

    async def answer(self, history: Iterable[Turn]) -> UserTurn:
        """What the person says next, after `history`."""
        said = await self._next(tuple(history))
        self._aloud = True
        return said

    async def leaves_after(self, history: Iterable[Turn]) -> bool:
        """Whether there is nothing more to come: the person has left, or is about to without a word."""
        said = await self._next(tuple(history))
        return said.ending is not None and not said.text.strip()

    async def _next(self, heard: tuple[Turn, ...]) -> UserTurn:
        said = self._said.get(len(self._heard))
        if said is not None and heard == self._heard:
            return said
        if said is not None and self.ending is not None and heard[: len(self._heard)] == self._heard:
            return UserTurn("", ending=said.ending)
        # A simulator that calls a model keeps to one loop; who only computes may do so anywhere.
        reply = self._session.reply(heard)
        said = await (reply if self._computes else asyncio.wrap_future(self._loop.submit(reply)))
        self._heard, self._aloud = heard, False
        self._said = {at: turn for at, turn in self._said.items() if at < len(heard)} | {len(heard): said}
        return said

    def now(self, what: Callable[[Iterable[Turn]], Coroutine[Any, Any, T]], history: Iterable[Turn]) -> T:
        """`answer` or `leaves_after` for a loop that does not wait, whether or not an event loop runs around it."""
        return self._loop.submit(what(history)).result()

    @property
    def ending(self) -> Ending | None:
        """How the conversation ended, once the person has left."""
        said = self._said.get(len(self._heard))
        return said.ending if said is not None and (self._aloud or not said.text.strip()) else None

    def conversation(self) -> Conversation:
        """What was said up to the person's last turn, as `simulate` writes it. Without an ending, somebody else
        broke it off."""
        turns = list(self._heard)
        for at, said in self._said.items():
            if at == len(turns) and self._aloud and said.text.strip():
                turns.append(Turn("user", said.text))
            if at < len(turns) and turns[at] == Turn("user", said.text):
                meta = {**said.meta, **({"state": said.state} if said.state else {})}
                turns[at] = Turn("user", said.text, said.intent, said.acts, meta)
        return Conversation(
            id=f"{self.profile.id}-{self.seed:x}",
            turns=tuple(turns),
            user_id=self.profile.user_id,
            topic=self.profile.goal.topic,
            profile=msgspec.json.decode(msgspec.json.encode(self.profile)),
            ending=self.ending,
            provenance=self._origin,
        )


class People:
    """Simulated users, to be called one at a time, and what came of it.

    `users` is a population, or what `open_users` takes: a folder made by `understudy fit`, or `structured:GOALS`.

    >>> import asyncio
    >>> from understudy.users import Goal
    >>> from understudy.users.structured import StructuredPopulation
    >>> people = People(StructuredPopulation([Goal(entities=(("area", "north"),))]), seed=1)
    >>> person = people.person(0)
    >>> asyncio.run(person.answer([])).text
    'area: north'
    >>> [turn.text for talk in people.conversations() for turn in talk.turns]
    ['area: north']
    """

    def __init__(self, users: SimulatedUsers | str | os.PathLike[str], *, seed: int = 0) -> None:
        self.users = open_users(users) if isinstance(users, str | os.PathLike) else users
        self.seed = seed
        self.identity = self.users.identity
        self._simulator = self.users.simulator()
        self._origin = {
            "generator": f"understudy {__version__}",
            "users": self.identity,
            "simulator": self._simulator.identity,
            "seed": seed,
            LINEAGE: [spoken_by(self._simulator, "user", seed=seed)],
        }
        self._called: list[Person] = []
        self._loop = BackgroundLoop()

    def person(self, who: int | str, *, goal: str | None = None) -> Person:
        """The person `who`: the k-th that `understudy simulate` with this seed would call, or the one behind a name.

        The same name gives the same person with the same seed, in any order of calls and in any process. `goal`
        takes the place of the wording of the person's own goal: users that a language model speaks for follow it,
        fitted and structured ones keep to what they were made from.
        """
        k = who if isinstance(who, int) else derive_seed(self.seed, "who", who) % _MANY
        profile, seed = call(self.users, k, seed=self.seed)
        if goal is not None:
            profile = msgspec.structs.replace(profile, goal=msgspec.structs.replace(profile.goal, text=goal))
        person = Person(
            self._simulator,
            profile,
            seed=seed if isinstance(who, int) else derive_seed(self.seed, "named", who),
            origin={**self._origin, "who": who},
            loop=self._loop,
        )
        self._called.append(person)
        return person

    def conversations(self) -> list[Conversation]:
        """Every conversation that was held so far, ready for `write_corpus` and `understudy audit`."""
        return [talk for person in self._called if (talk := person.conversation()).turns]

    def close(self) -> None:
        """Close what the users hold (connections to a model); people of fitted or structured users hold nothing."""
        close = getattr(self.users, "aclose", None)
        if close is not None:
            self._loop.submit(close()).result()
        self._loop.close()

    def __enter__(self) -> People:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


Users = People | SimulatedUsers | str | os.PathLike[str]


def people_of(users: Users, seed: int) -> People:
    """`users` as `People`; those that are have their seed already."""
    return users if isinstance(users, People) else People(users, seed=seed)


def turns_from(messages: Iterable[Mapping[str, Any]]) -> tuple[Turn, ...]:
    """The turns of chat messages (`role`, `content`) in which the user is `user`; prompts, tools and blanks left out.

    >>> turns_from([{"role": "system", "content": "Help."}, {"role": "user", "content": [{"type": "text",
    ...     "text": "hi"}]}, {"role": "assistant", "content": None, "tool_calls": [{}]}])
    (Turn(role='user', text='hi', intent=None, acts=(), meta={}),)
    """
    turns = []
    for message in messages:
        role, text = message.get("role"), text_of(message.get("content"))
        if (role == "user" or role == "assistant") and text:
            turns.append(Turn(role, text))
    return tuple(turns)


def text_of(content: object) -> str:
    """The text of a message's content, which is a string, a list of parts, or nothing."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        known = (part for part in content if isinstance(part, str | dict))
        parts = [part if isinstance(part, str) else part.get("text") for part in known]
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def told(said: UserTurn) -> dict[str, Any]:
    """What goes beside a turn into a tool's metadata: the planned intent and, at the end, who ended it and why.

    >>> told(UserTurn("bye", intent="close", ending=Ending("user", "done")))
    {'intent': 'close', 'ending': {'by': 'user', 'reason': 'done'}}
    """
    ending = None if said.ending is None else msgspec.to_builtins(said.ending)
    return {key: value for key, value in (("intent", said.intent), ("ending", ending)) if value is not None}
