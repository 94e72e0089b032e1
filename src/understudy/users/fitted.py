"""Users fitted to real conversations, and the partner fitted the same way: sessions over a shared engine."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from understudy.conversations import Ending, Turn
from understudy.seeds import derive_seed, stream
from understudy.users.deeds import LEAVES
from understudy.users.entities import Filler
from understudy.users.frustration import NOTHING, Events, Said
from understudy.users.intents import NONE
from understudy.users.partner_model import PartnerState, View
from understudy.users.profile import Profile
from understudy.users.simulator import UserTurn
from understudy.users.speaker import Heard, Speaker, Thread

_ANCHORED = re.compile(r"-a(\d+)$")
_STAYS = -5.0  # log odds of leaving before the plan is through, at a neutral act of the partner
_LEAVES = 4.0


def _heard(speaker: Speaker, history: Sequence[Turn], other: str) -> Heard:
    last = history[-1] if history else None
    if last is None or last.role != other:
        return speaker.hear(None, ())
    return speaker.hear(last.text, last.acts)


class FittedUserSession:
    """One simulated user in one conversation. What it says depends on `(profile, seed, history)` alone: given a
    longer or another history than it has lived through, it first relives its own turns.

    A partner that repeats itself, answers beside the point or fails more than the real one did raises the user's
    `frustration` (see `Frustration`; 0 = no more than usual, kept in `UserTurn.state`): the user then says its request
    again or complains, without the plan going on, and is the likelier to leave. The ending's reason is `done` where
    the user's last turn closes, thanks or confirms, else `gave_up` where it left frustrated, else `left`.

    A profile that names a `partner_belief` gives the user a partner model (see `PartnerModel`): a state, kept in
    `UserTurn.state["partner_model"]`, that the partner's acts move and that moves patience, leaving, length, politeness
    and delegation as it does in the people of the corpus. Without one the user behaves as fitted.

    A persona with `slots` (see `SlotModel`) makes those turns likelier that a user with them would say: what it does,
    which item it names, whether it pushes back, how long it writes; and it leaves sooner or later.

    A turn carries the labels of the real turn in whose words it is said: its `acts`, `meta["entities"]` as they stand
    in the words now said, and its satisfaction, where turns were labelled with one, in `state`.
    """

    def __init__(self, speaker: Speaker, profile: Profile, *, seed: int, view: PartnerState | None = None) -> None:
        self._speaker, self._profile, self._seed, self._fixed = speaker, profile, seed, view
        self._anchor = _anchor_of(speaker, profile, seed)
        self._filler = Filler(profile.goal.entities)
        slots = profile.persona.slots
        self._lean = speaker.slots.lean(tuple(sorted(slots.items()))) if slots else None
        self._restart()

    def _restart(self) -> None:
        topics = self._speaker.turns.topics
        topic = self._profile.goal.topic
        number = topics.index(topic) if topic in topics else NONE
        self._thread = Thread(self._anchor, 0, 0, number, NONE, ())
        self._lived: list[str] = []
        self._told: list[Said] = []
        self._level = 0.0
        self._view = View(self._profile.partner_belief, self._fixed)
        self._over = False  # its plan is through, and it stayed for what it thinks of its partner

    async def reply(self, history: Sequence[Turn]) -> UserTurn:
        own = [k for k, turn in enumerate(history) if turn.role == "user"]
        if len(own) < len(self._lived):
            self._restart()
        while len(self._lived) < len(own):
            self._step(history[: own[len(self._lived)]])
        return self._step(history)

    def _step(self, history: Sequence[Turn]) -> UserTurn:
        speaker, thread = self._speaker, self._thread
        rng = stream(self._seed, "user turn", thread.said)
        heard = _heard(speaker, history, "assistant")
        events = self._take(heard)
        frustration = max(self._level - speaker.frustration.usual, 0.0)
        left = self._planned() - thread.said
        nudge = float(speaker.departures[heard.act + 1]) - math.log(max(self._profile.patience, 1e-3))
        nudge += self._profile.persona.slots.get(LEAVES, 0.0)
        speaks_last = bool(speaker.table.spoke_last[self._anchor])
        state: dict[str, Any] = {
            "turn": thread.said,
            "planned": self._planned(),
            "frustration": round(frustration, 4),
        }
        lean, sway = self._lean, 0.0
        if self._view.held:
            view = self._view.after(history, speaker.partner_model)
            moved = speaker.sway.lean(speaker.partner_model.wording(view))
            lean = moved if lean is None else lean + moved
            sway = speaker.partner_model.leaving(view)
            state["partner_model"] = view.rounded()
        patience = self._profile.patience * math.exp(-sway)
        leaves = self._leaving(self._stays(frustration, patience) if left > 0 else _LEAVES, nudge, sway)
        if thread.said and not speaks_last and rng.random() < leaves:
            self._lived.append("")
            said = next((turn.text for turn in reversed(history) if turn.role == "user"), "")
            return UserTurn("", intent="leave", state=state, ending=self._ending(said, thread.previous, frustration))
        closes = self._leaving(self._stays(frustration, patience) if left > 1 else _LEAVES, nudge, sway)
        closing = speaks_last and rng.random() < closes
        self._over = self._over or (self._view.held and not closing and left <= speaks_last)
        letdowns = speaker.frustration.letdowns(events, frustration)
        last = closing if speaks_last else None
        row, heard = speaker.choose(thread, heard, closing=last, rng=rng, letdowns=letdowns, lean=lean)
        line = speaker.say(row, thread, heard, self._filler, rng)
        after = followed(speaker, thread, row)
        # Unanswered, the step of the plan is still to do; the turns that the user has time for are spent all the same.
        self._thread = after if letdowns is None else after._replace(due=thread.due)
        self._lived.append(line.text)
        ending = self._ending(line.text, int(speaker.table.intent[row]), frustration) if closing else None
        if line.labels.satisfaction is not None:
            state["satisfaction"] = line.labels.satisfaction
        meta = {"source": [int(speaker.table.corpus_row[row])], "reworded": line.reworded, **line.labels.meta()}
        return UserTurn(line.text, line.intent, state, ending, meta, line.labels.acts)

    def _take(self, heard: Heard) -> Events:
        """Note what the partner has just done, and how the user takes it."""
        if not heard.text:
            return NOTHING
        speaker, row = self._speaker, self._thread.row
        asked = speaker.table.own[row] if row != NONE else None
        events, said = speaker.frustration.events(heard.text, heard.context, self._told, asked)
        self._told.append(said)
        self._level = speaker.frustration.level(self._level, events)
        return events

    def _leaving(self, base: float, nudge: float, sway: float) -> float:
        """The chance of leaving now: as the plan has it, moved by `sway` in log odds of the rate at which people leave
        at this turn.

        A plan says when its session ended, all but surely. So that over plans the odds are multiplied as they are in
        people, whoever is the likelier to leave leaves at times before its plan is through, and whoever is the less
        likely at times goes on after, and then leaves at the rate of those who are still there.
        """
        people = self._speaker.sway.leaving(self._thread.said) if sway or self._over else 0.0
        if self._over:
            return _chance(people + nudge + sway)
        chance = _chance(base + nudge)
        if not sway:
            return chance
        usual, moved = _chance(people), _chance(people + sway)
        return chance * moved / usual if sway < 0 else chance + (1 - chance) * (moved - usual) / (1 - usual)

    def _stays(self, frustration: float, patience: float) -> float:
        """Log odds of leaving before the plan is through. A frustrated user does not sit the plan out: it leaves at
        the rate of the corpus, multiplied by its frustration."""
        learned = self._speaker.frustration
        kept = 1 - min(frustration, 1.0)
        more = learned.log_odds_ratio(frustration) / max(patience, 1e-3)
        return kept * _STAYS + (1 - kept) * learned.hazard + more

    def _ending(self, said: str, intent: int, frustration: float) -> Ending:
        if self._speaker.frustration.closes(said, intent):
            return Ending("user", "done")
        return Ending("user", "gave_up" if frustration > 0 else "left")

    def _planned(self) -> int:
        first = self._speaker.table.first_row
        return max(int(first[self._anchor + 1] - first[self._anchor]), 1)


def _chance(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def followed(speaker: Speaker, thread: Thread, row: int) -> Thread:
    """The thread after saying `row`: a step of the plan is done, whichever turn it was done with."""
    t = speaker.table
    on_plan = int(t.talk[row]) == thread.talk
    due = int(t.position[row]) + 1 if on_plan else thread.due + 1
    return thread._replace(
        due=max(due, thread.due) if on_plan else due,
        said=thread.said + 1,
        previous=int(t.intent[row]),
        used=(*thread.used, int(t.text_key[row])),
        row=row,
    )


def _anchor_of(speaker: Speaker, profile: Profile, seed: int) -> int:
    """The session that this profile was drawn from; a profile from elsewhere gets one of its topic."""
    match = _ANCHORED.search(profile.id)
    turns = speaker.turns
    if match and int(match.group(1)) < turns.n_talks:
        return int(match.group(1))
    first = speaker.table.first_row
    able = np.flatnonzero(first[1:] > first[:-1])
    if profile.goal.topic in turns.topics:
        alike = able[turns.topic_of_talk[able] == turns.topics.index(profile.goal.topic)]
        able = alike if len(alike) else able
    return int(able[derive_seed(seed, "anchor", profile.user_id) % len(able)])


class FittedUser:
    """A user simulator whose turns are chosen among, and worded like, those of real users."""

    embedded = True

    def __init__(self, speaker: Speaker, identity: str, view: PartnerState | None = None) -> None:
        self._speaker, self.identity, self._view = speaker, identity, view

    def start(self, profile: Profile, *, seed: int) -> FittedUserSession:
        return FittedUserSession(self._speaker, profile, seed=seed, view=self._view)

    def prepare(self) -> None:
        """Work out now what the first replies would wait for."""
        self._speaker.prepare()

    def with_view(self, view: PartnerState) -> FittedUser:
        """The same users, whose view of their partner is set and stays, whatever it does: an intervention."""
        return FittedUser(self._speaker, f"{self.identity}:view={','.join(f'{x:g}' for x in view)}", view)


class FittedReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the fitted partner says next; it never closes a conversation, because whoever leaves is the user."""

    text: str
    acts: tuple[str, ...] = ()
    ending: Ending | None = None
    meta: Mapping[str, Any] = msgspec.field(default_factory=dict)


class FittedPartnerSession:
    """The fitted partner in one conversation: it follows whichever real session the user's words lead it to."""

    def __init__(self, speaker: Speaker, topic: str | None, *, seed: int) -> None:
        self._speaker, self._seed = speaker, seed
        topics = speaker.turns.topics
        self._topic = topics.index(topic) if topic in topics else NONE
        self._filler = Filler(())
        self._restart()

    def _restart(self) -> None:
        self._thread = Thread(NONE, 0, 0, self._topic, NONE, ())

    async def reply(self, history: Sequence[Turn]) -> FittedReply:
        own = [k for k, turn in enumerate(history) if turn.role == "assistant"]
        if len(own) < self._thread.said:
            self._restart()
        while self._thread.said < len(own):
            self._step(history[: own[self._thread.said]])
        return self._step(history)

    def _step(self, history: Sequence[Turn]) -> FittedReply:
        speaker, thread = self._speaker, self._thread
        rng = stream(self._seed, "partner turn", thread.said)
        heard = _heard(speaker, history, "user")
        row, heard = speaker.choose(thread, heard, closing=None, rng=rng)
        line = speaker.say(row, thread, heard, self._filler, rng)
        after = followed(speaker, thread, row)
        talk = int(speaker.table.talk[row])
        self._thread = after._replace(talk=talk, due=int(speaker.table.position[row]) + 1)
        meta = {"source": [int(speaker.table.corpus_row[row])], **line.labels.meta()}
        if line.labels.satisfaction is not None:
            meta["satisfaction"] = line.labels.satisfaction
        return FittedReply(line.text, line.labels.acts, None, meta)


class FittedPartner:
    """A stand-in for the system that the real users talked to."""

    embedded = True

    def __init__(self, speaker: Speaker, identity: str) -> None:
        self._speaker, self.identity = speaker, identity

    def start(self, *, topic: str | None, seed: int) -> FittedPartnerSession:
        return FittedPartnerSession(self._speaker, topic, seed=seed)
