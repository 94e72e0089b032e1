"""The prompted user of a plan, turn by turn, and a language model as its partner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from understudy.cli.generating import Turns
from understudy.conversations import Conversation, Turn
from understudy.models.model import LanguageModel, Message, Request
from understudy.rollouts.partner import Partner, PartnerSession, PartnerTurn
from understudy.scenarios.generation import Task
from understudy.scenarios.reasoning import ReasoningApart
from understudy.scenarios.rendering import prompt, told_lines, turns_wanted
from understudy.scenarios.scenario import profile_of
from understudy.seeds import derive_seed, stream
from understudy.users.intents import NONE
from understudy.users.profile import Profile
from understudy.users.prompted import PromptedSimulator, Sampling
from understudy.users.turn_latents import DefaultLatents, FittedLatents, TurnLatents

if TYPE_CHECKING:
    from understudy.scenarios.plan import WritingPlan
    from understudy.scenarios.preparation import Prepared

_LONGEST = 60
_HALVINGS = 40


def prompted_speakers(model: LanguageModel, partner: str | None, prepared: Prepared) -> Turns:
    """A prompted user whose intents are fitted to the reference (stated, where there is none), and its partner.

    The partner is what `partner` names, else the same model as an assistant that sees the turns and the topic.
    """
    from understudy.rollouts.partners import open_partner

    apart = ReasoningApart(model)
    writing, material = prepared.plan.writing, prepared.material
    fitted = material is not None and len(material.corpus) > 0
    latents: Any = DefaultLatents()
    if fitted and material is not None:
        latents = FittedLatents(material.corpus, seed=prepared.seed)
    user = PromptedSimulator(
        apart, intents=latents, sampling=Sampling(temperature=writing.temperature, max_tokens=writing.max_tokens)
    )
    other: Partner = ModelPartner(apart, writing) if partner is None else open_partner(partner, seed=prepared.seed)
    opens = 1.0
    if fitted and material is not None:
        opens = sum(t.turns[0].role == "user" for t in material.corpus if t.turns) / len(material.corpus)

    def profile(task: Task) -> Profile:
        scenario = task.scenario
        base = profile_of(scenario)
        facts = (*scenario.persona.facts, *told_lines(scenario.context, writing))
        return msgspec.structs.replace(
            base,
            persona=msgspec.structs.replace(scenario.persona, facts=facts),
            patience=patience_for(latents, turns_wanted(scenario, prepared.cuts) / 2),
            opens=bool(stream(scenario.seed, "opens").random() < opens),
        )

    return Turns(user, other, prepared, profile)


def patience_for(latents: TurnLatents, user_turns: float) -> float:
    """The multiplier on the odds of staying at which a user says about `user_turns` turns, by halving.

    >>> 0.5 < patience_for(DefaultLatents(), 6.5) < 2 < patience_for(DefaultLatents(), 15)
    True
    """
    low, high = -5.0, 5.0  # logarithms
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if expected_turns(latents, 2.0**middle) < user_turns:
            low = middle
        else:
            high = middle
    return float(round(2.0 ** ((low + high) / 2), 4))


def expected_turns(latents: TurnLatents, patience: float) -> float:
    """How many turns a user says on average at that patience."""
    total, staying = 0.0, 1.0
    for said in range(1, _LONGEST + 1):
        total += staying
        chance = latents.hazard(said, NONE)
        odds = chance / max(1 - chance, 1e-9) / patience
        staying *= 1 - odds / (1 + odds)
    return total


class ModelPartner:
    """A language model as the system that the user talks to: it sees the turns and the topic, nothing else."""

    def __init__(self, model: LanguageModel, writing: WritingPlan) -> None:
        self.identity = f"assistant:{model.identity}"
        self._model, self._writing = model, writing

    def start(self, *, topic: str | None, seed: int) -> PartnerSession:
        """A session about `topic`."""
        return _ModelSession(self._model, self._writing, topic, seed)


class _ModelSession:
    def __init__(self, model: LanguageModel, writing: WritingPlan, topic: str | None, seed: int) -> None:
        self._model, self._writing, self._seed = model, writing, seed
        self._system = prompt("partner").format(topic=topic or "whatever the other person wants")

    async def reply(self, history: Sequence[Turn]) -> PartnerTurn:
        said = sum(turn.role == "assistant" for turn in history)
        view = Conversation("", tuple(history)).view_for("user")
        opening = [] if view else [Message("user", "(The conversation begins. You speak first.)")]
        answer = await self._model.complete(
            Request(
                (Message("system", self._system), *opening, *(Message(turn.role, turn.text) for turn in view)),
                temperature=self._writing.temperature,
                max_tokens=self._writing.max_tokens,
                seed=derive_seed(self._seed, "partner", said) % 2**31,
                purpose="partner",
            )
        )
        return PartnerTurn(answer.text.strip(), meta={"model": answer.model})
