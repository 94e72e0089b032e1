"""The rollout loop: a simulated user and a partner talk until an ending. Endings and faults are data."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from understudy.conversations import Conversation, Ending, Role, Turn
from understudy.models.model import ModelFault
from understudy.rollouts.faults import Fault, Side, from_exception, printable, text_fault
from understudy.rollouts.partner import Partner, PartnerSession, PartnerTurn
from understudy.users import Profile, UserSession, UserSimulator, UserTurn
from understudy.users.calling import partner_seed, user_seed

MAX_TURNS = 60
_REPLY_FIELDS = PartnerTurn.__struct_fields__


class Rollout(msgspec.Struct, frozen=True, omit_defaults=True):
    """One planned conversation as it came out. With a `fault`, the conversation holds what was said until then."""

    conversation: Conversation
    fault: Fault | None = None


class TurnLog(Protocol):
    """Where the turns of one rollout are kept as they come: what was said before a run broke off, and what is new.

    `add` returns when the turn is safe. A turn that comes with an ending is not added: it belongs to the finished
    rollout.
    """

    @property
    def said(self) -> tuple[Turn, ...]: ...
    async def add(self, position: int, turn: Turn) -> None: ...


class _Broken(Exception):
    """Carries a fault from where it was seen to the end of the rollout."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


async def roll_out(
    simulator: UserSimulator,
    profile: Profile,
    partner: Partner,
    *,
    seed: int,
    max_turns: int = MAX_TURNS,
    id: str | None = None,
    provenance: Mapping[str, Any] | None = None,
    reply_timeout_s: float | None = None,
    log: TurnLog | None = None,
) -> Rollout:
    """Let one simulated user talk to `partner`, at most `max_turns` turns of both sides together.

    The conversation ends when a side returns an `Ending`, at the limit, or by a fault; no word in a text ever ends
    it. The partner gets the topic, a seed of its own and the turns: of the user's turns role and text alone, never
    the profile, the planned intent or the user's state. Both sides get tuples. Transcripts are never edited.
    `reply_timeout_s` bounds each reply of each side. An exception of either side is recorded as its fault;
    `KeyboardInterrupt`, cancellation and a model's fault that stops the run pass. Turns that `log` holds are not
    asked for again: both sides go on from the history, which with their seed decides what they say.

    >>> import asyncio
    >>> from understudy.rollouts.partners import function_partner
    >>> from understudy.users.structured import StructuredSimulator
    >>> from understudy.users import Goal, Persona
    >>> profile = Profile(id="p", user_id="u", persona=Persona("u"), goal=Goal(entities=(("area", "north"),)))
    >>> partner = function_partner(lambda history: "Which area?")
    >>> done = asyncio.run(roll_out(StructuredSimulator(), profile, partner, seed=1, max_turns=10))
    >>> [turn.text for turn in done.conversation.turns]
    ['area: north', 'Which area?', 'Thank you, goodbye.']
    >>> done.conversation.ending, done.fault
    (Ending(by='user', reason='goal said'), None)
    """
    turns: list[Turn] = []
    fault: Fault | None = None
    plain_profile: Mapping[str, Any] | None = None
    try:
        plain_profile = _plain("user", profile)
        limits = (max_turns, reply_timeout_s)
        ending = await _talk(simulator, profile, partner, seed, limits, turns, log)
    except _Broken as broken:
        fault = broken.fault
        ending = Ending("fault", fault.reason)
    known = plain_profile is not None
    return Rollout(
        Conversation(
            id=profile.id if id is None else id,
            turns=tuple(turns),
            user_id=profile.user_id if known else None,
            topic=profile.goal.topic if known else None,
            profile=plain_profile,
            ending=ending,
            provenance=provenance
            or {"simulator": simulator.identity, "partner": partner.identity, "seed": seed, "profile": profile.id},
        ),
        fault,
    )


async def _talk(
    simulator: UserSimulator,
    profile: Profile,
    partner: Partner,
    seed: int,
    limits: tuple[int, float | None],
    turns: list[Turn],
    log: TurnLog | None,
) -> Ending:
    max_turns, limit_s = limits
    user, system = _start(simulator, profile, partner, seed)
    turns.extend(log.said if log is not None else ())
    for_partner = [Turn("user", turn.text) if turn.role == "user" else turn for turn in turns]
    users_turn = turns[-1].role == "assistant" if turns else profile.opens
    while len(turns) < max_turns:
        if users_turn:
            said, ending = _user_turn(await _reply("user", user, turns, limit_s), bool(turns))
            plain = None if said is None else Turn("user", said.text)
        else:
            said, ending = _partner_turn(await _reply("partner", system, for_partner, limit_s))
            plain = said
        if said is not None and plain is not None:
            turns.append(said)
            for_partner.append(plain)
        if ending is not None:
            return ending
        if log is not None and said is not None:
            await log.add(len(turns) - 1, said)
        users_turn = not users_turn
    return Ending("limit", f"{max_turns} turns")


def _start(
    simulator: UserSimulator, profile: Profile, partner: Partner, seed: int
) -> tuple[UserSession, PartnerSession]:
    try:
        user = simulator.start(profile, seed=user_seed(seed))
    except Exception as error:  # third-party code: recorded as the user's fault
        raise _Broken(from_exception("user", error)) from error
    try:
        return user, partner.start(topic=profile.goal.topic, seed=partner_seed(seed))
    except Exception as error:  # third-party code: recorded as the partner's fault
        raise _Broken(from_exception("partner", error)) from error


async def _reply(by: Side, session: UserSession | PartnerSession, history: list[Turn], limit_s: float | None) -> Any:
    clock = None
    try:
        if limit_s is None:
            return await session.reply(tuple(history))
        async with asyncio.timeout(limit_s) as clock:
            return await session.reply(tuple(history))
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _Broken(Fault(by, "raised", "CancelledError: a task of its own was cancelled")) from error
    except Exception as error:  # third-party code: recorded as the fault of the side that spoke
        if isinstance(error, ModelFault) and error.stops_run:
            raise  # No further call can succeed until somebody mends something: nobody's fault, and no turn's.
        if clock is not None and clock.expired():
            raise _Broken(Fault(by, "timeout", f"no reply within {limit_s:g} s")) from error
        raise _Broken(from_exception(by, error)) from error


def _user_turn(reply: Any, anything_said: bool) -> tuple[Turn | None, Ending | None]:
    if not isinstance(reply, UserTurn):
        raise _Broken(Fault("user", "type", f"a {type(reply).__name__}, not a UserTurn"))
    ending = _checked_ending("user", "user", reply.ending)
    _check_text("user", "user", reply.text, ending)
    if not reply.text.strip():
        if not anything_said:
            raise _Broken(Fault("user", "empty", "left without a word before anything was said"))
        return None, ending
    meta = _plain("user", reply.meta)
    if reply.state:
        meta = {**meta, "state": _plain("user", reply.state)}
    return Turn("user", reply.text, _checked_label("user", reply.intent), _acts("user", reply.acts), meta), ending


def _partner_turn(reply: Any) -> tuple[Turn | None, Ending | None]:
    if not isinstance(reply, PartnerTurn) and not all(hasattr(reply, name) for name in _REPLY_FIELDS):
        raise _Broken(Fault("partner", "type", f"a {type(reply).__name__}, not a PartnerTurn"))
    ending = _checked_ending("partner", "assistant", reply.ending)
    _check_text("partner", "assistant", reply.text, ending)
    if not reply.text.strip():
        return None, ending
    return Turn("assistant", reply.text, acts=_acts("partner", reply.acts), meta=_plain("partner", reply.meta)), ending


def _acts(by: Side, acts: Any) -> tuple[str, ...]:
    if not isinstance(acts, tuple | list):
        raise _Broken(Fault(by, "meta", f"acts is a {type(acts).__name__}, not a tuple"))
    return tuple(_checked_label(by, act) or "" for act in acts)


def _check_text(by: Side, role: Role, text: Any, ending: Ending | None) -> None:
    fault = text_fault(by, text, ends=ending is not None, role=role)
    if fault is not None:
        raise _Broken(fault)


def _checked_ending(by: Side, role: Role, ending: Any) -> Ending | None:
    if ending is None:
        return None
    if not isinstance(ending, Ending) or ending.by != role:
        shown = f"by {ending.by!r}" if isinstance(ending, Ending) else f"a {type(ending).__name__}"
        raise _Broken(Fault(by, "ending", printable(f"it can only return an Ending by {role!r}, not {shown}")))
    return Ending(role, printable(str(ending.reason)))


def _checked_label(by: Side, label: Any) -> str | None:
    if label is not None and (not isinstance(label, str) or label != label.encode("utf-8", "ignore").decode("utf-8")):
        raise _Broken(Fault(by, "meta", "an intent or act that is no clean string"))
    clean: str | None = label
    return clean


def _plain(by: Side, data: Any) -> Mapping[str, Any]:
    """`data` as a JSON file holds it: the same object whether or not it crossed a process boundary."""
    if data is None or (isinstance(data, dict) and not data):
        return {}
    try:
        plain = msgspec.json.decode(msgspec.json.encode(data))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise _Broken(Fault(by, "meta", printable(f"beside the text there is no plain data: {error}"))) from error
    if not isinstance(plain, dict):
        raise _Broken(Fault(by, "meta", f"a {type(plain).__name__} came with the text, not a mapping"))
    return plain
