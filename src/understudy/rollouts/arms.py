"""Arms: partners made worse in a known way, so that a study has systems whose order is known beforehand.

An arm wraps any partner and is itself one: `fitted:REAL+bad+slow`. What an arm adds in words is English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from understudy.conversations import Turn
from understudy.rollouts.partner import Partner, PartnerReply, PartnerSession, PartnerTurn
from understudy.seeds import derive_seed, stream

BAD_SHARE = 0.6
UNHELPFUL = (
    "I am not sure about that.",
    "I can't help you with that.",
    "Could you say that again?",
    "That is not something I know.",
)
RUDE_BEFORE = ("Look, ", "As I said, ", "Obviously, ", "Whatever. ", "If you had read it: ")
RUDE_AFTER = (" Anything else, or are we done?", " Next.", " I don't have all day.", " It is not that hard.")
CURT_SHARE = 0.5
SLOW_MEDIAN_S = 20.0
SLOW_SPREAD = 0.8
FILLER_SHARE = 0.25
FILLERS = ("One moment please.", "Please hold on.", "Just a second, I am looking it up.")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


class _BadSession:
    """Forgets: repeats itself, answers what was asked earlier, remembers only the last turn, or gives up."""

    def __init__(self, inner: PartnerSession, seed: int) -> None:
        self._inner, self._seed = inner, seed

    async def reply(self, history: Sequence[Turn]) -> PartnerReply:
        rng = stream(self._seed, "bad", len(history))
        if rng.random() >= BAD_SHARE:
            return await self._inner.reply(history)
        own = [turn.text for turn in history if turn.role == "assistant"]
        heard = [at for at, turn in enumerate(history) if turn.role == "user"]
        ways = ["give up"] + ["repeat"] * bool(own) + ["earlier", "forget"] * (len(heard) > 1)
        way = ways[int(rng.integers(len(ways)))]
        if way == "repeat":
            return PartnerTurn(own[int(rng.integers(len(own)))], meta={"arm": way})
        if way == "give up":
            return PartnerTurn(UNHELPFUL[int(rng.integers(len(UNHELPFUL)))], meta={"arm": way})
        past = history[: heard[int(rng.integers(len(heard) - 1))] + 1] if way == "earlier" else history[heard[-1] :]
        return _with_meta(await self._inner.reply(tuple(past)), {"arm": way})


class _RudeSession:
    """Says what the wrapped partner says, curtly and with contempt; the content of the first sentence stays."""

    def __init__(self, inner: PartnerSession, seed: int) -> None:
        self._inner, self._seed = inner, seed

    async def reply(self, history: Sequence[Turn]) -> PartnerReply:
        said = await self._inner.reply(history)
        if not isinstance(said.text, str) or not said.text.strip():
            return said
        rng = stream(self._seed, "rude", len(history))
        sentences = _SENTENCE_END.split(said.text.strip())
        text = sentences[0] if rng.random() < CURT_SHARE else said.text.strip()
        before, after = (bank[int(rng.integers(len(bank)))] for bank in (RUDE_BEFORE, RUDE_AFTER))
        return PartnerTurn(f"{before}{text}{after}", tuple(said.acts), said.ending, {**said.meta, "arm": "rude"})


class _SlowSession:
    """Answers late, and sometimes asks for patience instead of answering.

    The delay is data (`meta["latency_s"]`, log-normal around 20 s); nothing waits.
    """

    def __init__(self, inner: PartnerSession, seed: int) -> None:
        self._inner, self._seed = inner, seed

    async def reply(self, history: Sequence[Turn]) -> PartnerReply:
        rng = stream(self._seed, "slow", len(history))
        delay = {"latency_s": round(float(SLOW_MEDIAN_S * rng.lognormal(0.0, SLOW_SPREAD)), 2)}
        fillers = [turn.text in FILLERS for turn in history if turn.role == "assistant"]
        if history and not (fillers and fillers[-1]) and rng.random() < FILLER_SHARE:
            return PartnerTurn(FILLERS[int(rng.integers(len(FILLERS)))], meta={**delay, "arm": "filler"})
        return _with_meta(await self._inner.reply(history), delay)


class Arm:
    """A partner under one arm. Its random stream is its own; the wrapped partner gets the seed it gets alone.

    >>> import asyncio
    >>> from understudy.rollouts.partners import function_partner
    >>> rude = with_arm(function_partner(lambda history: "It leaves at nine."), "rude")
    >>> asyncio.run(rude.start(topic=None, seed=4).reply((Turn("user", "When?"),))).text
    'Look, It leaves at nine. Anything else, or are we done?'
    """

    def __init__(self, inner: Partner, name: str) -> None:
        self._inner, self._name = inner, name
        self._session = ARMS[name]
        self.identity = f"{inner.identity}+{name}"

    @property
    def one_at_a_time(self) -> bool:
        return bool(getattr(self._inner, "one_at_a_time", False))

    @property
    def embedded(self) -> bool:
        return bool(getattr(self._inner, "embedded", False))

    def start(self, *, topic: str | None, seed: int) -> PartnerSession:
        return self._session(self._inner.start(topic=topic, seed=seed), derive_seed(seed, "arm", self._name))


ARMS: dict[str, Callable[[PartnerSession, int], PartnerSession]] = {
    "bad": _BadSession,
    "rude": _RudeSession,
    "slow": _SlowSession,
}


def with_arm(partner: Partner, name: str) -> Arm:
    """`partner` made `bad` (unhelpful: repeats, forgets, gives up), `rude` (curt, dismissive) or `slow`."""
    return Arm(partner, name)


def _with_meta(said: PartnerReply, more: Mapping[str, object]) -> PartnerReply:
    if isinstance(said, PartnerTurn):
        return msgspec.structs.replace(said, meta={**said.meta, **more})
    return PartnerTurn(said.text, said.acts, said.ending, {**said.meta, **more})
