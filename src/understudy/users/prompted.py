"""The prompted user: a language model plays the person, turn by turn; its length, aims and knowledge are not its own.

u_t ~ P(. | h_t, v, v_t): v is the profile, v_t the intent drawn for this turn and whether the user leaves with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from understudy.conversations import Conversation, Ending, Turn
from understudy.conversations.lineage import Speaker
from understudy.errors import UnderstudyError
from understudy.models.model import Completion, LanguageModel, Message, Request
from understudy.models.parsing import UnparsableError, parse_object
from understudy.seeds import derive_seed
from understudy.users.briefing import Briefing, brief, impressed, prompt_version, render
from understudy.users.intents import NONE
from understudy.users.partner_acts import language_of
from understudy.users.partner_model import View, usual_model
from understudy.users.profile import Profile
from understudy.users.simulator import UserTurn
from understudy.users.simulator_faults import flips_role, front_loads, recital
from understudy.users.turn_latents import DefaultLatents, TurnLatents

BEGIN = "(The conversation begins. You speak first.)"
WITHHELD = "(They say something that you can make nothing of.)"
LONGEST = 60  # user turns at which any plan ends
ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "leaving": {"type": "boolean"}},
    "required": ["text", "leaving"],
    "additionalProperties": False,
}


class Sampling(NamedTuple):
    """How the model is asked. `structured`: for an object with a schema, else for the bare text."""

    temperature: float = 1.0
    top_p: float | None = None
    max_tokens: int = 300
    structured: bool = True


class _Answer(NamedTuple):
    text: str
    leaving: bool | None
    model: str


class _RejectedError(Exception):
    """An answer that must not be said; the message is why."""


class PromptedSimulator:
    """A user simulator behind which a language model speaks.

    - The model sees a `Briefing` and the turns by `Conversation.view_for`, in which it is the assistant. Entities of
      the kinds `unknown` (say, the title of the film that is looked for) are cut out before anything is rendered.
    - `intents` says what each turn is for and when the user leaves. Without it, `DefaultLatents`: stated, not fitted.
    - Leaving is decided by its hazard, `Profile.patience` multiplying the odds of staying; the model is told. What
      the model says about leaving is kept (`asked_to_leave`) and not obeyed, so that nothing the partner writes can
      end a conversation.
    - An answer that does not parse, flips the role or recites the briefing is never said. It is asked for once
      more with the partner's last words withheld (`withheld`); a second one like it is a fault of the user.
    - A turn depends on `(profile, seed, history)` alone: the model's seed is derived from seed and turn.

    >>> import asyncio
    >>> from understudy.models.scripted import Scripted
    >>> from understudy.users import Goal, Persona
    >>> model = Scripted(['{"text": "Any westerns on?", "leaving": false}'])
    >>> profile = Profile(id="p", user_id="u", persona=Persona("u"), goal=Goal("film"))
    >>> said = asyncio.run(PromptedSimulator(model).start(profile, seed=1).reply(()))
    >>> said.text, said.intent, said.meta["realised"], said.ending
    ('Any westerns on?', 'tell', 'ask', None)
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        intents: TurnLatents | None = None,
        unknown: Iterable[str] = (),
        sampling: Sampling | None = None,
    ) -> None:
        self.model = model
        self.intents: TurnLatents = DefaultLatents() if intents is None else intents
        self.unknown = tuple(sorted(set(unknown)))
        self.sampling = sampling or Sampling()
        shown = f":unknown={','.join(self.unknown)}" if self.unknown else ""
        asked = ",".join(f"{v}" for v in self.sampling)
        self.identity = f"prompted/1:{model.identity}:{prompt_version()}:{self.intents.identity}:{asked}{shown}"
        self.hand = Speaker(model.identity, prompt_version(), self.sampling._asdict())

    def start(self, profile: Profile, *, seed: int) -> PromptedSession:
        return PromptedSession(self, profile, seed=seed)


class PromptedSession:
    """One prompted user in one conversation. Keeps nothing between turns but what it takes its partner for."""

    def __init__(self, simulator: PromptedSimulator, profile: Profile, *, seed: int) -> None:
        self._of, self._seed = simulator, seed
        self._profile = profile
        self._briefing = brief(profile, unknown=simulator.unknown)
        self._view = View(profile.partner_belief)
        self._speaks_last = bool(uniform(seed, "speaks last") < simulator.intents.speaks_last)

    async def reply(self, history: Sequence[Turn]) -> UserTurn:
        said = sum(turn.role == "user" for turn in history)
        latents = self._of.intents
        heard = history[-1] if history and history[-1].role == "assistant" else None
        act = NONE if heard is None else latents.act(heard.text, heard.acts)
        planned = self.planned
        state: dict[str, Any] = {"turn": said, "planned": planned}
        briefing, nudge = self._briefing, 0.0
        if self._view.held:
            model = usual_model(language_of([[(True, turn.text) for turn in history]]))
            view = self._view.after(history, model)
            state["partner_model"] = view.rounded()
            briefing, nudge = impressed(briefing, view), model.leaving(view)
        if said and not self._speaks_last and self._leaves(said, act, nudge):
            return UserTurn("", intent="leave", state=state, ending=Ending("user", "left"))
        closing = self._speaks_last and self._leaves(said + 1, act, nudge)
        previous = self._previous(history)
        share = latents.probabilities(previous, act, min(said / planned, 1.0))
        drawn = int(np.searchsorted(np.cumsum(share), uniform(self._seed, "intent", said), side="right"))
        intent = latents.names[min(drawn, len(latents.names) - 1)]
        answer, withheld = await self._answer(briefing, history, said, intent, closing=closing)
        meta: dict[str, Any] = {"realised": latents.realised(answer.text), "model": answer.model}
        if answer.leaving is not None:
            meta["asked_to_leave"] = answer.leaving
        if withheld:
            meta["withheld"] = withheld
        if said == 0 and front_loads(answer.text, self._profile.goal.entities):
            meta["faults"] = ["front_loading"]
        state |= {"previous": previous, "act": act, "closing": closing}
        ending = Ending("user", "done") if closing else None
        return UserTurn(answer.text, intent=intent, state=state, ending=ending, meta=meta)

    @cached_property
    def planned(self) -> int:
        """After how many turns this user leaves, if the partner does nothing to hurry or hold it."""
        return next((k for k in range(1, LONGEST) if self._leaves(k, NONE)), LONGEST)

    def _leaves(self, said: int, act: int, nudge: float = 0.0) -> bool:
        chance, patience = self._of.intents.hazard(said, act), max(self._profile.patience, 1e-3)
        odds = chance / max(1 - chance, 1e-9) / patience * math.exp(nudge)
        return said >= LONGEST or bool(uniform(self._seed, "leaves", said) < odds / (1 + odds))

    def _previous(self, history: Sequence[Turn]) -> str | None:
        own = next((turn for turn in reversed(history) if turn.role == "user"), None)
        if own is None:
            return None
        return own.intent if own.intent in self._of.intents.names else self._of.intents.realised(own.text)

    async def _answer(
        self, briefing: Briefing, history: Sequence[Turn], said: int, intent: str, *, closing: bool
    ) -> tuple[_Answer, str]:
        """The first answer that may be said, and why the partner's last words were withheld, if they were."""
        system = render(
            briefing,
            intent=self._of.intents.describe(intent),
            leaving=closing,
            structured=self._of.sampling.structured,
        )
        why = ""
        for attempt in (0, 1):
            request = self._request(system, _withheld(history) if attempt else history, said, attempt)
            completion = await self._of.model.complete(request)
            try:
                return self._read(completion, system), why
            except _RejectedError as error:
                why = str(error)
        raise UnusableAnswerError(why)

    def _request(self, system: str, history: Sequence[Turn], said: int, attempt: int) -> Request:
        s = self._of.sampling
        view = Conversation("", tuple(history)).view_for("assistant")
        opening = [] if view and view[0].role == "user" else [Message("user", BEGIN)]
        return Request(
            (Message("system", system), *opening, *(Message(turn.role, turn.text) for turn in view)),
            temperature=s.temperature,
            top_p=s.top_p,
            max_tokens=s.max_tokens,
            seed=derive_seed(self._seed, "model", said, attempt) % 2**31,
            response_schema=ANSWER_SCHEMA if s.structured else None,
            purpose="user",
        )

    def _read(self, completion: Completion, system: str) -> _Answer:
        text: Any = completion.text
        leaving: Any = None
        if self._of.sampling.structured:
            try:
                found = parse_object(completion.text)
            except UnparsableError as error:
                raise _RejectedError(f"unparsable: {error}") from error
            text, leaving = found.get("text"), found.get("leaving")
            if not isinstance(text, str) or not isinstance(leaving, bool):
                raise _RejectedError("unparsable: no text, or leaving is neither true nor false")
        text = text.strip()
        if not text:
            raise _RejectedError("empty")
        if flips_role(text):
            raise _RejectedError("role_flip: it spoke as the one who serves")
        if recital(text, [*self._briefing.private, *_said_to_it(system, self._briefing)]) is not None:
            raise _RejectedError("persona_recital: it gave its briefing away")
        return _Answer(text, leaving, completion.model)


class UnusableAnswerError(UnderstudyError):
    """A model's answers, twice, were none that a user may say. `code` is the reason: `unparsable`, `role_flip`, …"""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"twice {reason}",
            why="what is no turn of a person is never said",
            fix="use a model that follows the answer format, or Sampling(structured=False)",
        )
        self.code = reason.partition(":")[0]


def uniform(seed: int, *parts: object) -> float:
    """A number in [0, 1) for the item named by `parts`: one draw does not need a generator of its own."""
    return (derive_seed(seed, *parts) >> 10) / 2**53


def _said_to_it(system: str, briefing: Briefing) -> list[str]:
    """The lines of the instruction, without what the user wants: that it may say, bit by bit or at once."""
    wants = {f"- {' '.join(line.split())}" for line in briefing.wants}
    return [line for line in system.split("\n") if line not in wants]


def _withheld(history: Sequence[Turn]) -> tuple[Turn, ...]:
    if not history or history[-1].role != "assistant":
        return tuple(history)
    return (*history[:-1], Turn("assistant", WITHHELD))
