"""Everything that is fixed before the first conversation: scenarios, cuts, guards, targets, material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Conversation, Corpus
from understudy.errors import UsageError
from understudy.scenarios.calibration import Target, targets
from understudy.scenarios.casting import Material
from understudy.scenarios.coverage import Coverage, cover
from understudy.scenarios.design import Stratum, draw_scenarios
from understudy.scenarios.guards import Guards, train_side
from understudy.scenarios.joint import Joint, build_joint
from understudy.scenarios.personality import Personality, fitted, norms
from understudy.scenarios.plan import Plan, TopicPlan
from understudy.scenarios.readings import choose_cuts, fit_contexts, read_conversations
from understudy.scenarios.scenario import Scenario, with_id
from understudy.scenarios.subtopics import Subtopics
from understudy.scenarios.topics import InducedTopic, induce_topics
from understudy.seeds import derive_seed, stream


class Layers(NamedTuple):
    """Topics and subtopics with their shares; topics that came without subtopics, with the reason."""

    strata: tuple[Stratum, ...]
    topic_of: tuple[str | None, ...]  # a reference conversation each
    subtopic_of: tuple[str | None, ...]
    failed: Mapping[str, str]
    notes: tuple[str, ...]


class Prepared(NamedTuple):
    """A plan made ready: what `generate` carries out."""

    plan: Plan
    seed: int
    scenarios: tuple[Scenario, ...]
    layers: Layers
    joint: Joint
    personality: Personality
    cuts: Mapping[str, tuple[float, float]]
    guards: Guards
    targets: tuple[Target, ...]
    material: Material | None
    notes: tuple[str, ...]

    @property
    def coverage(self) -> Coverage:
        """The design against its declaration."""
        return cover(self.scenarios, self.layers.strata, self.joint, self.personality)

    def shown(self, scenario: Scenario) -> tuple[Conversation, ...]:
        """The exemplars of one scenario."""
        if self.material is None or not scenario.exemplars:
            return ()
        known = self.material.corpus.memo("scenarios.by_id", lambda corpus: {talk.id: talk for talk in corpus})
        return tuple(known[name] for name in scenario.exemplars)


def topics_to_name(plan: Plan) -> list[TopicPlan]:
    """Listed topics whose subtopics are left to a model."""
    return [topic for topic in plan.topic if not topic.subtopics]


def prepare(
    plan: Plan,
    *,
    reference: Corpus | None,
    test: Corpus | None = None,
    named: Mapping[str, Subtopics] | None = None,
    exemplars: bool = False,
    seed: int,
) -> Prepared:
    """Fix all of a plan before anything is generated; the same arguments give the same scenarios.

    `reference` is the real corpus; what `test` has too is left out of it. `named` holds the subtopics that a model
    gave; without it, topics without listed subtopics get those induced from the reference conversations of that
    topic. `exemplars`: draw for each scenario its own, from the reference.
    """
    notes: list[str] = []
    if reference is not None and test is not None:
        side = train_side(reference, test)
        if side.left_out:
            notes.append(f"{side.left_out:,} reference conversations are in the test set too and were left out")
            reference = reference.subset(side.rows)
    _needs_reference(plan, reference)
    read = None if reference is None else read_conversations(reference)
    cuts = choose_cuts(read, plan.contexts.cuts)
    fit = None
    if plan.contexts.fit and read is not None:
        fit = fit_contexts(read, plan.contexts.fit, cuts)
        lost = [name for name in plan.contexts.fit if fit is None or name not in fit.names]
        if lost:
            notes.append(f"contexts.fit: {', '.join(lost)} cannot be read in this language; the plan's tables stand")
    joint = build_joint(plan.contexts, fit)
    big_five = plan.personas.big_five
    z = None
    if big_five.fit and reference is not None:
        personality, z = fitted(reference, big_five.fit)
    else:
        personality = norms(big_five.mean, big_five.sd, big_five.correlation)
    layers = _layers(plan, reference, named, seed)
    scenarios = draw_scenarios(plan, layers.strata, joint, personality, seed=seed)
    material = None
    if reference is not None and read is not None:
        material = Material(reference, read, cuts, layers.topic_of, layers.subtopic_of, z)
        if exemplars and plan.writing.exemplars:
            scenarios = tuple(_with_exemplars(s, material, plan.writing.exemplars) for s in scenarios)
    wanted = targets(read, plan.calibration.rates) if plan.calibration.enabled else ()
    guards = Guards(reference, test, most_copied=plan.guards.most_copied)
    return Prepared(
        plan, seed, scenarios, layers, joint, personality, cuts, guards, wanted, material, (*notes, *layers.notes)
    )


def _needs_reference(plan: Plan, reference: Corpus | None) -> None:
    if reference is not None and len(reference):
        return
    wanting = [
        name
        for name, wanted in (
            ("topics.source", plan.topics.source == "reference"),
            ("contexts.fit", bool(plan.contexts.fit)),
            ("personas.big_five.fit", bool(plan.personas.big_five.fit)),
        )
        if wanted
    ]
    if wanting:
        raise UsageError(
            f"the plan takes {', '.join(wanting)} from a reference corpus, and there is none",
            why="it is measured on real conversations",
            fix='give --real REAL, or reference = "real.jsonl" in the plan',
        )


def _layers(plan: Plan, reference: Corpus | None, named: Mapping[str, Subtopics] | None, seed: int) -> Layers:
    n = 0 if reference is None else len(reference)
    topic_of: list[str | None] = [None] * n
    subtopic_of: list[str | None] = [None] * n

    def place(topic: InducedTopic) -> None:
        for row, part in zip(topic.rows.tolist(), topic.subtopic_of.tolist(), strict=True):
            topic_of[row], subtopic_of[row] = topic.name, topic.subtopics[part]

    strata: list[Stratum] = []
    failed: dict[str, str] = {}
    notes: list[str] = []
    if plan.topics.source == "reference" and reference is not None:
        for topic in induce_topics(reference, most=plan.topics.most, subtopics=plan.topics.subtopics, seed=seed):
            place(topic)
            sizes = np.bincount(topic.subtopic_of, minlength=len(topic.subtopics))
            strata += [
                Stratum(topic.name, name, float(size), tuple(plan.personas.goals))
                for name, size in zip(topic.subtopics, sizes, strict=True)
            ]
        return Layers(tuple(strata), tuple(topic_of), tuple(subtopic_of), {}, ())
    known = _labelled(plan, reference, seed)
    for listed in plan.topic:
        goals = tuple(listed.goals)
        names = list(listed.subtopics)
        found = (named or {}).get(listed.name)
        if names:
            if listed.name in known:
                for row in known[listed.name].rows.tolist():
                    topic_of[row] = listed.name
        elif found is not None:
            names = list(found.names)
            if not names:
                failed[listed.name] = f"subtopics: {found.faults[-1] if found.faults else 'none named'}"
            elif len(names) < plan.topics.subtopics:
                notes.append(f"{listed.name}: the model named {len(names)} of {plan.topics.subtopics} subtopics")
        elif listed.name in known:
            place(known[listed.name])
            names = list(known[listed.name].subtopics)
        names = names or [""]
        strata += [Stratum(listed.name, name, listed.weight / len(names), goals) for name in names]
    return Layers(tuple(strata), tuple(topic_of), tuple(subtopic_of), failed, tuple(notes))


def _labelled(plan: Plan, reference: Corpus | None, seed: int) -> dict[str, InducedTopic]:
    """The plan's topics that the reference has under the same name, with subtopics induced there."""
    wanted = {topic.name for topic in plan.topic}
    if reference is None or not wanted & set(reference.topics):
        return {}
    rows = np.flatnonzero([topic in wanted for topic in reference.topics])
    part = reference.subset(rows)
    induced = induce_topics(part, most=len(wanted), subtopics=plan.topics.subtopics, seed=seed)
    return {topic.name: topic._replace(rows=rows[topic.rows]) for topic in induced}


def _with_exemplars(scenario: Scenario, material: Material, count: int) -> Scenario:
    """Exemplars of this scenario alone: of its subtopic where there are enough, else of its topic, else of all."""
    rng = stream(scenario.seed, "exemplars")
    corpus = material.corpus
    whole = np.arange(len(corpus))
    of_topic = np.array([topic == scenario.topic for topic in material.topic_of], dtype=bool)
    of_part = of_topic & np.array([part == scenario.subtopic for part in material.subtopic_of], dtype=bool)
    rows = next((r for r in (whole[of_part], whole[of_topic]) if len(r) >= 2 * count), whole)
    taken = rng.choice(rows, size=min(count, len(rows)), replace=False)
    names = tuple(corpus[int(row)].id for row in taken)
    return with_id(msgspec.structs.replace(scenario, exemplars=names))


def placeholders(plan: Plan) -> dict[str, Subtopics]:
    """Stand-ins for subtopics that a model would name, for a dry run."""
    return {
        topic.name: Subtopics(topic.name, tuple(f"subtopic {k + 1}" for k in range(plan.topics.subtopics)))
        for topic in topics_to_name(plan)
    }


def attempt_seed(scenario: Scenario, attempt: int) -> int:
    """The seed of one attempt at a scenario."""
    return derive_seed(scenario.seed, "attempt", attempt)


def attempts_of(prepared: Prepared) -> tuple[int, int]:
    """Attempts allowed for a scenario, and good candidates wanted of it."""
    wanted = prepared.plan.calibration.candidates if prepared.targets else 1
    return max(prepared.plan.realisation.attempts, wanted), wanted


def exemplar_names(scenarios: Sequence[Scenario]) -> set[tuple[str, ...]]:
    """The different sets of exemplars in a design."""
    return {scenario.exemplars for scenario in scenarios}
