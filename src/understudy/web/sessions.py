"""Simulated users in the middle of their conversations, and nothing that could pass from one to another."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from understudy.conversations import Turn
from understudy.users import UserSession, UserTurn
from understudy.users.calling import call
from understudy.users.opening import SimulatedUsers
from understudy.web.casting import Cast

MOST_KEPT = 2048
_LONGEST_KEPT = 65_536  # characters of a history; a few long ones must not fill the memory
_PROFILES_KEPT = 4096


class Place(NamedTuple):
    """Where a kept session stands: whose it is, and a digest of every turn up to its own last one."""

    cast: Cast
    digest: bytes


class Sessions:
    """Answers for the users of a population.

    What a user says depends on its profile, its seed and the history alone, and every request brings the whole
    history. A session that has lived through exactly that history is kept (the `most_kept` latest), so that it need
    not relive it at each turn; it is taken out while it answers, so no two requests ever share one. Whether it was
    kept changes how long an answer takes and never the answer.
    """

    def __init__(self, people: SimulatedUsers, *, seed: int, most_kept: int = MOST_KEPT) -> None:
        self._simulator = people.simulator()
        self._computes = bool(getattr(self._simulator, "embedded", False))
        self._kept: OrderedDict[Place, UserSession] = OrderedDict()
        self._most = most_kept
        self.profile = lru_cache(maxsize=_PROFILES_KEPT)(lambda k: call(people, k, seed=seed).profile)

    def __len__(self) -> int:
        return len(self._kept)

    async def warm(self) -> None:
        """Let a user speak once, so that what is worked out at the first reply is there before the first request."""
        if self._computes:
            getattr(self._simulator, "prepare", lambda: None)()
            who = Cast(0, 0)
            said = await self.reply(who, ())
            await self.reply(who, (Turn("user", said.text), Turn("assistant", "Hello, how can I help you?")))
            self._kept.clear()

    async def reply(self, who: Cast, history: Sequence[Turn]) -> UserTurn:
        """What the user says after `history`."""
        own = [at for at, turn in enumerate(history) if turn.role == "user"]
        lived = own[-1] + 1 if own else 0
        digest = blake2b(digest_size=16)
        _add(digest, history[:lived])
        session = self._kept.pop(Place(who, digest.digest()), None)
        if session is None:
            session = self._simulator.start(self.profile(who.k), seed=who.seed)
            if self._computes:
                await _relive(session, history, own)
        said = await session.reply(tuple(history))
        if said.ending is None and sum(len(turn.text) for turn in history) <= _LONGEST_KEPT:
            _add(digest, [*history[lived:], Turn("user", said.text)])
            self._kept[Place(who, digest.digest())] = session
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return said


async def _relive(session: UserSession, history: Sequence[Turn], own: Iterable[int]) -> None:
    """Live through the user's own turns one by one, letting other requests go between them."""
    for at in own:
        await session.reply(tuple(history[:at]))
        await asyncio.sleep(0)


def _add(digest: blake2b, turns: Iterable[Turn]) -> None:
    for turn in turns:
        text = turn.text.encode("utf-8", "surrogatepass")
        digest.update(b"%d %d " % (turn.role == "user", len(text)) + text)
