"""Real rollouts in step: many simulated users talk to a partner at once, every user turn drawn in one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from understudy.conversations import Turn
from understudy.errors import SimulatorError
from understudy.rollouts.partner import Partner, PartnerSession
from understudy.seeds import derive_seed, stream
from understudy.training.rewards import Spoken
from understudy.users.neural.decoder import Scene, Weights
from understudy.users.neural.language import Language, Line
from understudy.users.neural.speaking import Asked, speak
from understudy.users.profile import Profile


class Rehearsal(NamedTuple):
    """One conversation of the user in training: its turns, and the user's as the numbers that were drawn."""

    profile: Profile
    turns: list[Turn]
    lines: list[Line]
    spoken: list[Spoken]
    last: Scene  # what the user has before them when it is over


class _Talk:
    """A conversation while it goes on."""

    def __init__(self, profile: Profile, told: list[int], session: PartnerSession, seed: int) -> None:
        self.profile, self.told, self.session, self.seed = profile, told, session, seed
        self.turns: list[Turn] = []
        self.lines: list[Line] = []
        self.spoken: list[Spoken] = []
        self.over = False


def rehearse(
    weights: Weights,
    language: Language,
    profiles: Sequence[Profile],
    partner: Partner,
    seeds: Sequence[int],
    *,
    most_turns: int,
    top_p: float = 1.0,
) -> list[Rehearsal]:
    """Let the users talk to `partner` until they leave, it ends, or there are `most_turns` turns of both sides.

    What a user draws depends on its seed and turn, what the partner says on the seed of the conversation. A partner
    that fails ends the training with its error: it is the environment, and nothing is learned from a broken one.
    """
    talks = [
        _Talk(p, language.told(p), partner.start(topic=p.goal.topic, seed=derive_seed(s, "partner")), s)
        for p, s in zip(profiles, seeds, strict=True)
    ]
    return asyncio.run(_talk(weights, language, talks, partner, most_turns, top_p))


async def _talk(
    weights: Weights, language: Language, talks: list[_Talk], partner: Partner, most_turns: int, top_p: float
) -> list[Rehearsal]:
    await _hear([talk for talk in talks if not talk.profile.opens], partner)
    while going := [talk for talk in talks if not talk.over and len(talk.turns) < most_turns]:
        asked = [
            Asked(language.scene(t.told, t.turns), stream(t.seed, "turn", len(t.turns)), bool(t.turns)) for t in going
        ]
        for talk, ask, chosen in zip(going, asked, speak(weights, language, asked, top_p=top_p), strict=True):
            text, intent, leaves = language.heard(chosen)
            talk.lines.append(Line(ask.scene, chosen))
            mine = tuple(t.text for t in talk.turns if t.role == "user")
            heard = talk.turns[-1].text if talk.turns else ""
            talk.spoken.append(Spoken(talk.profile.persona.facts, mine, heard, text))
            if text:
                talk.turns.append(Turn("user", text, intent))
            talk.over = leaves
        await _hear([talk for talk in going if not talk.over and len(talk.turns) < most_turns], partner)
    return [Rehearsal(t.profile, t.turns, t.lines, t.spoken, language.scene(t.told, t.turns)) for t in talks]


async def _hear(talks: list[_Talk], partner: Partner) -> None:
    """The partner's replies, all at once."""
    plain = [tuple(Turn(t.role, t.text) for t in talk.turns) for talk in talks]
    replies = await asyncio.gather(
        *(talk.session.reply(history) for talk, history in zip(talks, plain, strict=True)), return_exceptions=True
    )
    for talk, reply in zip(talks, replies, strict=True):
        if isinstance(reply, BaseException):
            if not isinstance(reply, Exception):
                raise reply
            raise SimulatorError(
                f"the partner {partner.identity} failed: {type(reply).__name__}: {reply}",
                why="users learn from talking to it",
                fix="mend the partner and go on with --resume, or give another with --partner",
            ) from reply
        if reply.text.strip():
            talk.turns.append(Turn("assistant", reply.text))
        talk.over = reply.ending is not None or not reply.text.strip()
