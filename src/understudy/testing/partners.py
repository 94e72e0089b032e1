"""Partners whose relation to their user is known, and users to ask them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.rollouts.partner import PartnerTurn
from understudy.seeds import stream

PLACES = ("mill", "inn", "tower", "abbey", "harbour", "castle", "garden", "market")
LINES = ("the {} is by the river", "you find the {} in town", "the {} opens at nine", "take the tram to the {}")


class Rolling:
    """A partner whose replies vary by seed: about the place that was asked for (`listens`), or about any.

    Lines and places have the same frequencies in both: only who listens can be told by what was asked.

    >>> import asyncio
    >>> asked = (Turn("user", "where is the mill please"),)
    >>> "mill" in asyncio.run(Rolling(listens=True).start(topic=None, seed=1).reply(asked)).text
    True
    """

    embedded = True

    def __init__(self, *, listens: bool) -> None:
        self.listens = listens
        self.identity = f"rolling:{'listens' if listens else 'talks past'}"

    def start(self, *, topic: str | None, seed: int) -> RollingSession:
        return RollingSession(self.listens, seed)


class RollingSession:
    """One conversation with a `Rolling` partner."""

    def __init__(self, listens: bool, seed: int) -> None:
        self._listens, self._rng = listens, stream(seed, "rolling")

    async def reply(self, history: Sequence[Turn]) -> PartnerTurn:
        """A line about a place."""
        line, place = str(self._rng.choice(LINES)), str(self._rng.choice(PLACES))
        named = [word for word in re.findall(r"\w+", history[-1].text) if word in PLACES]
        return PartnerTurn(line.format(named[0] if self._listens and named else place))


def asking(n: int, *, seed: int, turns: int = 3) -> Corpus:
    """`n` conversations of users who ask for places.

    >>> [turn.role for turn in asking(1, seed=0, turns=1)[0].turns]
    ['user', 'assistant']
    """
    rng = np.random.default_rng(seed)
    talks = []
    for i in range(n):
        lines: list[Turn] = []
        for _ in range(turns):
            place = str(rng.choice(PLACES))
            lines += [Turn("user", f"where is the {place} please", acts=("ask",)), Turn("assistant", f"the {place}?")]
        talks.append(Conversation(str(i), tuple(lines)))
    return Corpus(talks)
