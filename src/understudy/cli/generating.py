"""Carrying out a plan on this machine: who speaks, the journal of attempts, and what the progress line says."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from understudy import __version__
from understudy.conversations import Conversation, Ending
from understudy.conversations.lineage import KEY as LINEAGE
from understudy.conversations.lineage import Step, spoken_by
from understudy.errors import UsageError
from understudy.models.model import LanguageModel, ModelFault
from understudy.models.reasoning import REASONING, Noted
from understudy.rollouts.faults import Fault, from_exception
from understudy.rollouts.journal import Journal, UnitLog
from understudy.rollouts.loop import Rollout, roll_out
from understudy.rollouts.run import rare_collections
from understudy.scenarios.generation import Played, Task
from understudy.scenarios.plan import Plan, PricePlan
from understudy.scenarios.preparation import Prepared, attempt_seed, topics_to_name
from understudy.scenarios.rendering import prompts_digest
from understudy.scenarios.subtopics import Subtopics, ask_subtopics
from understudy.scenarios.whole import UnusableError, write_whole

if TYPE_CHECKING:
    from understudy.conversations import Corpus
    from understudy.rollouts.partner import Partner
    from understudy.users.profile import Profile
    from understudy.users.simulator import UserSimulator


class Speakers(Protocol):
    """Who lets a scenario happen. `identity` names all that decides what is said; `says` tells people."""

    identity: str
    says: str
    hands: tuple[dict[str, Any], ...]  # who writes, as steps of the lineage

    async def play(self, task: Task, name: str, log: UnitLog) -> Rollout: ...


class Embedded:
    """Fitted speakers on both sides: no language model takes part."""

    says = "fitted users and a fitted partner; no language model took part"

    def __init__(self, prepared: Prepared) -> None:
        from understudy.scenarios.casting import Casting
        from understudy.users.population import fit_population

        if prepared.material is None:
            raise UsageError(
                "embedded: needs real conversations",
                why="its speakers are fitted to them",
                fix='give --real REAL, or reference = "real.jsonl" in the plan; or name a --model',
            )
        people = fit_population(prepared.material.corpus, copy_guard="guarded", seed=prepared.seed)
        self.identity = f"embedded:{people.identity}"
        self._casting = Casting(people, prepared.material, enforce=prepared.plan.realisation.enforce)
        self._simulator, self._partner = people.simulator(), people.partner()
        self.hands: tuple[dict[str, Any], ...] = (
            spoken_by(self._simulator, "user"),
            spoken_by(self._partner, "assistant"),
        )
        self._max_turns = prepared.plan.writing.max_turns

    async def play(self, task: Task, name: str, log: UnitLog) -> Rollout:
        """Let the session that is nearest to the scenario speak. Cheap, so only the finished talk is journalled."""
        return await roll_out(
            self._simulator,
            self._casting.profile(task.scenario, task.attempt),
            self._partner,
            seed=attempt_seed(task.scenario, task.attempt),
            max_turns=self._max_turns,
            id=name,
        )


class Whole:
    """A language model writes both sides in one call."""

    def __init__(self, model: LanguageModel, prepared: Prepared) -> None:
        self.identity = f"whole:{model.identity}"
        self.says = f"{model.identity} wrote both sides, one call a conversation"
        asked = {"temperature": prepared.plan.writing.temperature, "max_tokens": prepared.plan.writing.max_tokens}
        step = Step("generate", self.identity, model=model.identity, prompt=prompts_digest(), sampler=asked)
        self.hands: tuple[dict[str, Any], ...] = (msgspec.to_builtins(step),)
        self._model, self._prepared = model, prepared

    async def play(self, task: Task, name: str, log: UnitLog) -> Rollout:
        """One call, read strictly; what is no conversation is a fault with its reason."""
        prepared = self._prepared
        shown = prepared.shown(task.scenario)
        try:
            talk = await write_whole(
                self._model, task.scenario, task.attempt, prepared.cuts, shown, prepared.plan.writing
            )
        except UnusableError as error:
            return _broken(name, Fault("user", error.kind, str(error)))
        except ModelFault as error:
            if error.stops_run:
                raise
            return _broken(name, from_exception("user", error))
        return Rollout(msgspec.structs.replace(talk, id=name))


class Turns:
    """A prompted user talks to a partner, turn by turn."""

    def __init__(
        self,
        simulator: UserSimulator,
        partner: Partner,
        prepared: Prepared,
        profile_of: Callable[[Task], Profile],
    ) -> None:
        self.identity = f"turns:{simulator.identity}|{partner.identity}"
        self.says = f"the user is {simulator.identity}, the partner {partner.identity}"
        self.hands: tuple[dict[str, Any], ...] = (spoken_by(simulator, "user"), spoken_by(partner, "assistant"))
        self._simulator, self._partner, self._profile_of = simulator, partner, profile_of
        self._max_turns = prepared.plan.writing.max_turns
        self.one_at_a_time = bool(getattr(partner, "one_at_a_time", False))

    async def play(self, task: Task, name: str, log: UnitLog) -> Rollout:
        """A rollout, every turn journalled, a model's reasoning with the turn that it was for."""
        return await roll_out(
            Noted(self._simulator),
            self._profile_of(task),
            Noted(self._partner),
            seed=attempt_seed(task.scenario, task.attempt),
            max_turns=self._max_turns,
            id=name,
            log=log,
        )


def _broken(name: str, fault: Fault) -> Rollout:
    return Rollout(Conversation(name, (), ending=Ending("fault", fault.reason)), fault)


class Progress(NamedTuple):
    """What the run has met so far."""

    done: int
    planned: int
    failed: int
    refused: int


class Run:
    """The attempts of one plan: journalled as they finish, read back instead of repeated where they did before."""

    def __init__(
        self,
        journal: Journal,
        plan: Plan,
        runner: asyncio.Runner,
        *,
        attempts: int,
        concurrency: int,
        on_attempt: Callable[[Progress], None] | None = None,
    ) -> None:
        self._journal, self._plan, self._runner = journal, plan, runner
        self._attempts, self._concurrency = attempts, concurrency
        self._tell = on_attempt or (lambda progress: None)
        self._kept = {entry.unit: entry.rollout for entry in journal.entries()}
        self._faults: Counter[str] = Counter()

    def subtopics(self, model: LanguageModel, *, seed: int) -> dict[str, Subtopics]:
        """The subtopics of every topic that lists none, by the model, each asked for once in a run's life."""
        found = {}
        for k, topic in enumerate(topics_to_name(self._plan)):
            kept = self._kept.get(k)
            if kept is None:
                named = self._runner.run(ask_subtopics(model, topic.name, self._plan.topics.subtopics, seed=seed))
                kept = Rollout(Conversation(self._journal.id_of(k), (), meta=msgspec.to_builtins(named)))
                self._runner.run(self._journal.finish(k, kept, outcome="subtopics"))
            found[topic.name] = msgspec.convert(dict(kept.conversation.meta), Subtopics)
        return found

    def play(self, speakers: Speakers, tasks: Sequence[Task], provenance: Mapping[str, Any]) -> list[Played]:
        """Let a round of tasks happen, in any order, and return them in theirs."""
        done: dict[int, Rollout] = {}
        waiting = iter(tasks)
        begun = set(self._journal.begun())

        async def work() -> None:
            for task in waiting:
                unit = self._unit(task)
                rollout = self._kept.get(unit)
                if rollout is None:
                    log = UnitLog(self._journal, unit, self._journal.said(unit) if unit in begun else ())
                    name = self._journal.id_of(unit)
                    rollout = _with_provenance(await speakers.play(task, name, log), task, provenance)
                    await self._journal.finish(unit, rollout)
                done[unit] = rollout
                if rollout.fault is not None:
                    self._faults[rollout.fault.kind] += 1
                refused = self._faults["refusal"] + self._faults["content_filter"]
                self._tell(Progress(len(done), len(tasks), self._faults.total(), refused))

        async def everyone() -> None:
            async with asyncio.TaskGroup() as group:
                most = 1 if getattr(speakers, "one_at_a_time", False) else self._concurrency
                for _ in range(min(most, len(tasks))):
                    group.create_task(work())

        try:
            with rare_collections():
                self._runner.run(everyone())
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        finally:
            self._journal.settle()
        return [_played(done[self._unit(task)]) for task in tasks]

    def _unit(self, task: Task) -> int:
        return len(topics_to_name(self._plan)) + task.scenario.index * self._attempts + task.attempt


def unit_names(plan: Plan, attempts: int) -> list[str]:
    """The units of a run in the journal: subtopics, then every attempt that may be made."""
    names = [f"subtopics-{k:03d}" for k in range(len(topics_to_name(plan)))]
    return names + [f"g{k:06d}-{attempt}" for k in range(plan.n) for attempt in range(attempts)]


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _with_provenance(rollout: Rollout, task: Task, provenance: Mapping[str, Any]) -> Rollout:
    origin = {**provenance, "scenario": task.scenario.id, "attempt": task.attempt}
    talk = msgspec.structs.replace(rollout.conversation, provenance=origin)
    return msgspec.structs.replace(rollout, conversation=talk)


def _played(rollout: Rollout) -> Played:
    """Reasoning leaves the turns for the conversation's meta: beside the dialogue, with the turn it was for."""
    talk = rollout.conversation
    notes = [{"turn": k, "text": text} for k, turn in enumerate(talk.turns) for text in turn.meta.get(REASONING, ())]
    if notes:
        bare = [
            msgspec.structs.replace(turn, meta={name: value for name, value in turn.meta.items() if name != REASONING})
            for turn in talk.turns
        ]
        talk = msgspec.structs.replace(talk, turns=tuple(bare), meta={**talk.meta, "reasoning": notes})
    return Played(talk, None if rollout.fault is None else rollout.fault.reason)


def origin_of(plan: Plan, speakers: str, *, seed: int, reference: Corpus | None, test: Corpus | None) -> dict[str, Any]:
    """What decides the result of a run; it stands in the journal, and differing from it is refused."""
    data = {name: value for name, value in msgspec.to_builtins(plan).items() if name not in ("price",)}
    return {
        "plan": data,
        "speakers": speakers,
        "prompts": prompts_digest(),
        "seed": seed,
        "reference": None if reference is None else reference.digest,
        "test": None if test is None else test.digest,
    }


def provenance_of(speakers: Speakers, plan: Plan, *, seed: int) -> dict[str, Any]:
    """Who generated a conversation, from which plan; the plan's guards choose what stays, which is a hand too."""
    unpriced = msgspec.structs.replace(plan, price=PricePlan())  # What it costs may change while it goes on.
    digest = hashlib.blake2b(msgspec.json.encode(unpriced, order="sorted"), digest_size=8).hexdigest()
    guards = msgspec.to_builtins(Step("filter", "understudy generate: guards of the plan", prompt=digest, seed=seed))
    return {
        "generator": f"understudy {__version__}",
        "speakers": speakers.says,
        "identity": speakers.identity,
        "plan": digest,
        "seed": seed,
        LINEAGE: [*({**hand, "seed": seed} for hand in speakers.hands), guards],
    }


def journal_for(out: Path, plan: Plan, settings: Mapping[str, Any], *, attempts: int, resume: bool) -> Journal:
    """The journal beside `out`: a new one, or with `resume` the one that was begun."""
    path = out.with_name(out.name + ".journal")
    if resume:
        return Journal.resume(path, settings=settings)
    return Journal.create(path, settings=settings, ids=unit_names(plan, attempts))
