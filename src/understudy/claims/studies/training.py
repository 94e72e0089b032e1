"""Studies of training: false progress, layers, mixtures, repair guided by a discriminator."""

from __future__ import annotations

import msgspec

from understudy.claims.evidence import Evidence
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Corpus, CorpusCard
from understudy.conversations.splitting import split_corpus
from understudy.measures.measurement import Measurement
from understudy.seeds import derive_seed
from understudy.transfer.task import Task, open_task

LABELLED = ("genre", "acts", "topic")
CONVERSATIONS = 400
A_CELL = 80
FEWEST = 100


def _missing(corpus: str, measure: str, why: str) -> Row:
    return Row(corpus=corpus, measure=measure, outcome="untested", why=why)


def task_of(corpus: Corpus, names: tuple[str, ...] = LABELLED) -> Task | None:
    """The first of `names` that `corpus` has two classes and a hundred examples for."""
    for name in names:
        task = open_task(name)
        examples = task.examples(corpus)
        if examples.size >= FEWEST and len({label for labels in examples.labels for label in labels}) > 1:
            return task
    return None


def entity_swap(claim: Claim, evidence: Evidence) -> Finding:
    """Do scores on structured users rise, as their data grow, where those on people do not?

    Users that only name the entities of their goal are made from one half of the people, ever more of them train, and
    others of their kind and the other half of the people test. The effect is the difference of the two slopes for
    each doubling; above 0, progress on simulated users is not progress on people.
    """
    from understudy.rollouts.simulate import simulate
    from understudy.transfer.false_progress import false_progress
    from understudy.users.population import fit_population
    from understudy.users.structured import StructuredPopulation

    rows = []
    for k, (name, corpus, _) in enumerate(evidence.real):
        evidence.tell(name, k, len(evidence.real))
        train, test = evidence.halves(corpus, "entity swap", name, share=0.6)
        task = task_of(train)
        if task is None:
            rows.append(_missing(name, "transfer.false_progress", "no labels that structured users could carry"))
            continue
        seed = derive_seed(evidence.seed, "entity swap", name)
        users, partner = StructuredPopulation.from_corpus(train), fit_population(train, seed=seed).partner()
        done = simulate(users, partner, n=CONVERSATIONS, seed=seed)
        made = Corpus(done.conversations, CorpusCard(origin="synthetic", source=users.identity))
        halves = split_corpus(made, (0.5, 0.5), seed=seed)
        rows.append(judge(false_progress(task, halves[0], halves[1], test, seed=seed), name, asks="slopes part by"))
    return combine(rows)


def layers(claim: Claim, evidence: Evidence) -> Finding:
    """Do subtopic, persona and context multiply each other's effect on what is learned?

    The effect is the sum of their interactions in a full factorial, in gap closed: above 0 is more than the sum.
    """
    from understudy.transfer.ablation import ablate
    from understudy.transfer.layers import LayeredUsers

    rows = []
    for name, corpus, _ in evidence.real:
        train, test = evidence.halves(corpus, "layers", name, share=0.6)
        task = task_of(train, ("acts", "topic"))
        if task is None:
            rows.append(_missing(name, "transfer.ablation", "no topics and no acts to learn"))
            continue
        seed = derive_seed(evidence.seed, "layers", name)
        users = LayeredUsers(train, seed=seed)
        found = ablate(task, train, test, users, n=A_CELL, seed=seed, on_progress=evidence.on_progress)
        rows.append(judge(_synergy(found), name, asks=f"synergy in {task.name} ({found.evidence.get('verdict', '')})"))
    return combine(rows)


def _synergy(found: Measurement) -> Measurement:
    """The measurement of an ablation with the sum of interactions as its value."""
    if found.value is None:
        return found
    synergy = found.evidence["synergy"]
    value, low, high = (synergy[key] for key in ("value", "low", "high"))
    return msgspec.structs.replace(found, value=value, interval=(low, high), floor=None)


def mixtures(claim: Claim, evidence: Evidence) -> Finding:
    """Is a mixture of simulators nearer to held-out people than each of its members, by families not fitted on?"""
    return _mixed(evidence, families=("length", "punctuation", "behaviours"), select=False)


def guided_repair(claim: Claim, evidence: Evidence) -> Finding:
    """Does choosing simulated conversations by a discriminator of words move families that it never saw?"""
    return _mixed(evidence, families=("length", "words"), select=True)


def _mixed(evidence: Evidence, *, families: tuple[str, ...], select: bool) -> Finding:
    from understudy.transfer.mixing import mix_corpora

    rows: list[Row] = []
    for name, corpus, synthetic in evidence.real:
        if len(synthetic) < 2:
            continue
        members = {each.name: evidence.fewer(each.corpus, 400) for each in synthetic}
        fit, held_out = evidence.halves(corpus, "mixture", name, share=0.3)
        if min(fit.n_units, held_out.n_units) < 10:
            rows.append(_missing(name, "transfer.mixture", "too few people"))
            continue
        seed = derive_seed(evidence.seed, "mixture", name)
        mixed = mix_corpora(members, fit, held_out, families=families, select=select, seed=seed)
        rows += [judge(_closer(part), f"{name}: {part.name.rpartition('.')[2]}") for part in mixed.measurement.parts]
    return combine(rows, missing="needs people with two or more synthetic counterparts (--real PEOPLE,SYN,SYN)")


def _closer(part: Measurement) -> Measurement:
    """How much closer the mix is, above 0 where it is."""
    if part.value is None or part.interval is None:
        return part
    low, high = part.interval
    return msgspec.structs.replace(part, value=-part.value, interval=(-high, -low), floor=None)
