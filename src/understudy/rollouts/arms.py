"""Arms: partners made better or worse in a known way, so that a study has systems whose order is known beforehand.

An arm wraps any partner and is itself one: `fitted:REAL+bad+slow`. What an arm adds in words is English. Its strength
scales the share of turns that it touches; the turns touched at a lower strength are among those at a higher one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from understudy.conversations import Turn
from understudy.conversations.text import tokens
from understudy.errors import UsageError
from understudy.measures.behaviour_lexicons import PARTNER, partner_pattern
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
WRONG_SHARE = 0.6
INVENTED = (
    "the Merrow House", "Castle Tarn", "the Pellgrove", "Dr. Ansgar Vell", "the Blue Lantern", "Port Quillan",
    "the Ostrava Room", "Marlow & Finch", "the Hazelmere Express", "Ida Corvane",
)  # fmt: skip
ASSERTED = (
    "I have already confirmed {name} for you.",
    "That is why I chose {name}, as you asked.",
    "{name} told me that you had changed your mind.",
    "You mentioned {name} before, so I went with it.",
)
CONTRADICTED = ("As you said, not {word}.", "So you do not want {word}; I have noted that.", "You ruled out {word}.")
_CANDIDATES = 3
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[\w,;] )(?:[A-Z][\w'’-]+)(?: [A-Z][\w'’-]+)*")
_TELLING = 5  # letters of a word that may say what somebody wants
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


class _BadSession:
    """Forgets: repeats itself, answers what was asked earlier, remembers only the last turn, or gives up."""

    def __init__(self, inner: PartnerSession, seed: int, strength: float) -> None:
        self._inner, self._seed, self._strength = inner, seed, strength

    async def reply(self, history: Sequence[Turn]) -> PartnerReply:
        rng = stream(self._seed, "bad", len(history))
        if rng.random() >= BAD_SHARE * self._strength:
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

    def __init__(self, inner: PartnerSession, seed: int, strength: float) -> None:
        self._inner, self._seed, self._strength = inner, seed, strength

    async def reply(self, history: Sequence[Turn]) -> PartnerReply:
        said = await self._inner.reply(history)
        if not isinstance(said.text, str) or not said.text.strip():
            return said
        if self._strength < 1 and stream(self._seed, "rude at all", len(history)).random() >= self._strength:
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

    def __init__(self, inner: PartnerSession, seed: int, strength: float) -> None:
        self._inner, self._seed, self._strength = inner, seed, strength

    async def reply(self, history: Sequence[Turn]) -> PartnerReply:
        rng = stream(self._seed, "slow", len(history))
        delay = {"latency_s": round(float(self._strength * SLOW_MEDIAN_S * rng.lognormal(0.0, SLOW_SPREAD)), 2)}
        fillers = [turn.text in FILLERS for turn in history if turn.role == "assistant"]
        if history and not (fillers and fillers[-1]) and rng.random() < FILLER_SHARE * self._strength:
            return PartnerTurn(FILLERS[int(rng.integers(len(FILLERS)))], meta={**delay, "arm": "filler"})
        return _with_meta(await self._inner.reply(history), delay)


class _HallucinatingSession:
    """Asserts what nobody said: other numbers and names than the wrapped partner gave, entities out of nowhere, the
    opposite of what the user wants. No language model takes part; names come from a fixed list of invented ones."""

    def __init__(self, inner: PartnerSession, seed: int, strength: float) -> None:
        self._inner, self._seed, self._strength = inner, seed, strength

    async def reply(self, history: Sequence[Turn]) -> PartnerReply:
        said = await self._inner.reply(history)
        rng = stream(self._seed, "hallucinating", len(history))
        if rng.random() >= WRONG_SHARE * self._strength or not isinstance(said.text, str) or not said.text.strip():
            return said
        told = " ".join(turn.text for turn in history) + " " + said.text
        names = [name for name in INVENTED if name not in told] or list(INVENTED)
        wanted = [word for turn in history if turn.role == "user" for word in tokens(turn.text) if _tells(word)]
        ways = ["assert"] + ["contradict"] * bool(wanted) + ["swap"] * bool(_NUMBER.search(said.text))
        ways += ["swap"] * bool(_NAME.search(said.text))
        way = ways[int(rng.integers(len(ways)))]
        if way == "swap":
            text = _NUMBER.sub(lambda found: _other_number(found[0], rng), said.text)
            text = _NAME.sub(lambda found: names[int(rng.integers(len(names)))], text)
        else:
            bank, value = (ASSERTED, names) if way == "assert" else (CONTRADICTED, wanted)
            given = value[int(rng.integers(len(value)))]
            more = bank[int(rng.integers(len(bank)))].format(name=given, word=given)
            text = f"{said.text.strip()} {more[:1].upper()}{more[1:]}"
        return PartnerTurn(text, tuple(said.acts), said.ending, {**said.meta, "arm": way})


class _GoodSession:
    """Of three replies that the wrapped partner might give, the one that serves best: no apology or failure, nothing
    that it has said before, and the most of what the user has just brought up."""

    def __init__(self, inner: Sequence[PartnerSession], seed: int, strength: float) -> None:
        self._inner, self._seed, self._strength = inner, seed, strength

    async def reply(self, history: Sequence[Turn]) -> PartnerReply:
        # All are asked each time: a session goes on from what it would have said.
        replies = [await session.reply(history) for session in self._inner]
        if stream(self._seed, "good", len(history)).random() >= self._strength:
            return replies[0]
        own = {_plain(turn.text) for turn in history if turn.role == "assistant"}
        asked = {word for turn in history[-1:] if turn.role == "user" for word in tokens(turn.text) if len(word) > 2}

        def faults(at: int) -> tuple[bool, bool, int, int]:
            text = replies[at].text if isinstance(replies[at].text, str) else ""
            words = tokens(text)
            return not words or _plain(text) in own, _fails(text), -len(asked & set(words)), at

        best = min(range(len(replies)), key=faults)
        return replies[best] if best == 0 else _with_meta(replies[best], {"arm": "good"})


class Arm:
    """A partner under one arm. Its random stream is its own; the wrapped partner gets the seed it gets alone.

    >>> import asyncio
    >>> from understudy.rollouts.partners import function_partner
    >>> rude = with_arm(function_partner(lambda history: "It leaves at nine."), "rude")
    >>> asyncio.run(rude.start(topic=None, seed=4).reply((Turn("user", "When?"),))).text
    'Look, It leaves at nine. Anything else, or are we done?'
    """

    def __init__(self, inner: Partner, name: str, strength: float = 1.0) -> None:
        self._inner, self._name, self._strength = inner, name, strength
        self.identity = f"{inner.identity}+{name}" + ("" if strength == 1 else f"@{strength:g}")
        self.hand = getattr(inner, "hand", None)

    @property
    def one_at_a_time(self) -> bool:
        return bool(getattr(self._inner, "one_at_a_time", False))

    @property
    def embedded(self) -> bool:
        return bool(getattr(self._inner, "embedded", False))

    async def aclose(self) -> None:
        """Close the wrapped partner, if it holds anything."""
        close = getattr(self._inner, "aclose", None)
        if close is not None:
            await close()

    def start(self, *, topic: str | None, seed: int) -> PartnerSession:
        own = derive_seed(seed, "arm", self._name)
        first = self._inner.start(topic=topic, seed=seed)
        if self._name != "good":
            return ARMS[self._name](first, own, self._strength)
        others = [self._inner.start(topic=topic, seed=derive_seed(own, k)) for k in range(1, _CANDIDATES)]
        return _GoodSession((first, *others), own, self._strength)


ARMS: dict[str, Callable[..., PartnerSession]] = {
    "bad": _BadSession,
    "rude": _RudeSession,
    "slow": _SlowSession,
    "hallucinating": _HallucinatingSession,
    "good": _GoodSession,
}


def with_arm(partner: Partner, name: str, *, strength: float = 1.0) -> Arm:
    """`partner` made `bad` (unhelpful: repeats, forgets, gives up), `rude` (curt, dismissive), `slow` (late, puts off),
    `hallucinating` (asserts what nobody said, contradicts the user's wish) or `good` (the best of three replies).

    `strength` from 0 (the wrapped partner; `good` still asks it three times) to 1 (the whole arm). Raises
    `UsageError` for an unknown arm or a strength out of range.
    """
    if name not in ARMS or not 0 <= strength <= 1:
        raise UsageError(
            f"there is no arm {name!r} of strength {strength!r}",
            why="an arm makes a partner better or worse in a known way, in a share of its turns",
            fix=f"use one of {', '.join(ARMS)}, with a strength from 0 to 1",
        )
    return Arm(partner, name, strength)


def _with_meta(said: PartnerReply, more: Mapping[str, object]) -> PartnerReply:
    if isinstance(said, PartnerTurn):
        return msgspec.structs.replace(said, meta={**said.meta, **more})
    return PartnerTurn(said.text, said.acts, said.ending, {**said.meta, **more})


def _plain(text: str) -> str:
    return "".join(tokens(text)) if isinstance(text, str) else ""


def _fails(text: str) -> bool:
    low = text.lower().replace("’", "'")
    bodies = [partner_pattern(language, "trouble") for language in PARTNER]
    return any(body is not None and re.search(body, low) is not None for body in bodies)


def _tells(word: str) -> bool:
    return word.isalpha() and len(word) >= _TELLING


def _other_number(digits: str, rng: np.random.Generator) -> str:
    """As many digits, another value."""
    span = int("9" * min(len(digits), 9))
    other = (int(digits[:9]) + 1 + int(rng.integers(span))) % (span + 1)
    return str(other).zfill(min(len(digits), 9)) + digits[9:]
