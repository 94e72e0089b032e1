"""The prompted users of a plan: its scenarios as profiles, played by a language model turn by turn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property

import msgspec
import numpy as np

from understudy.models.model import LanguageModel, close_model
from understudy.models.reasoning import Noted, ReasoningApart
from understudy.scenarios.preparation import Prepared, prepare
from understudy.scenarios.rendering import told_lines, turns_wanted
from understudy.scenarios.scenario import Scenario, profile_of
from understudy.seeds import stream
from understudy.users.intents import NONE
from understudy.users.profile import Profile
from understudy.users.prompted import PromptedSimulator, Sampling
from understudy.users.simulator import UserSimulator
from understudy.users.turn_latents import DefaultLatents, FittedLatents, TurnLatents

_LONGEST = 60
_HALVINGS = 40


class PlannedUsers:
    """A population whose profiles are the scenarios of a plan, with a language model to speak for them.

    Draws go through the plan's scenarios in an order of their own, all of them before any comes again (then with
    other words: the rollout's seed differs). Intents and the hazard of leaving are fitted to the plan's reference,
    stated where there is none; `patience` is set so that a user says about as many turns as its scenario wants.
    """

    def __init__(self, model: LanguageModel, prepared: Prepared) -> None:
        self._model = ReasoningApart(model)
        self._structured = bool(getattr(model, "structured", True))
        self._prepared = prepared
        material = prepared.material
        self._latents: TurnLatents = DefaultLatents()
        self._opens = 1.0
        self._patience: dict[int, float] = {}
        if material is not None and len(material.corpus):
            self._latents = FittedLatents(material.corpus, seed=prepared.seed)
            firsts = [talk.turns[0].role for talk in material.corpus if talk.turns]
            self._opens = sum(role == "user" for role in firsts) / len(material.corpus)
        digest = hashlib.blake2b(msgspec.json.encode([s.id for s in prepared.scenarios]), digest_size=8)
        digest.update(msgspec.json.encode(prepared.plan.writing))
        self.identity = f"planned:{digest.hexdigest()}:{model.identity}"

    @property
    def n_sessions(self) -> int:
        return len(self._prepared.scenarios)

    def draw(self, k: int, *, seed: int) -> Profile:
        """The k-th profile."""
        count = self.n_sessions
        order = stream(seed, "planned users", k // count).permutation(count)
        return self.profile(self._prepared.scenarios[int(order[k % count])])

    def profile(self, scenario: Scenario) -> Profile:
        """Who plays `scenario`: its persona, told of the setting too, and patient enough for its length."""
        prepared = self._prepared
        wanted = turns_wanted(scenario, prepared.cuts)
        if wanted not in self._patience:
            self._patience[wanted] = patience_for(self._latents, wanted / 2)
        beliefs = prepared.plan.personas.partner_belief or {"unknown": 1.0}
        weights = np.array(list(beliefs.values())) / sum(beliefs.values())
        believed = int(stream(scenario.seed, "partner belief").choice(len(beliefs), p=weights))
        facts = (*scenario.persona.facts, *told_lines(scenario.context, prepared.plan.writing))
        return msgspec.structs.replace(
            profile_of(scenario),
            persona=msgspec.structs.replace(scenario.persona, facts=facts),
            patience=self._patience[wanted],
            opens=bool(stream(scenario.seed, "opens").random() < self._opens),
            partner_belief=list(beliefs)[believed],
        )

    @cached_property
    def prompted(self) -> PromptedSimulator:
        """The simulator without the notes on its reasoning."""
        writing = self._prepared.plan.writing
        sampling = Sampling(writing.temperature, None, writing.max_tokens, structured=self._structured)
        return PromptedSimulator(self._model, intents=self._latents, sampling=sampling)

    def simulator(self) -> UserSimulator:
        """The simulator; a model's reasoning is kept beside the turn that it was for."""
        return Noted(self.prompted)

    async def aclose(self) -> None:
        """Close the model."""
        await close_model(self._model)


def open_planned(path: str, *, models: Callable[[str], LanguageModel], model: str, seed: int) -> PlannedUsers:
    """The users of the plan at `path`, its reference read, spoken for by the model that the URI `model` names.

    No model is asked for subtopics here, so that the same command has the same users: a topic that lists none is
    taken whole, or divided as the reference is.
    """
    from understudy.conversations.reading import read_corpus
    from understudy.scenarios.plan import load_plan

    plan = load_plan(path)
    reference = read_corpus(plan.reference).corpus if plan.reference else None
    test = read_corpus(plan.test).corpus if plan.test else None
    return PlannedUsers(models(model), prepare(plan, reference=reference, test=test, seed=seed))


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
