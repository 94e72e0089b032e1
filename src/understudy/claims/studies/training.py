"""Studies of training: false progress, layers, mixtures, repair guided by a discriminator."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from understudy.claims.beside import each, fitted_users, structured_users, turned, untested
from understudy.claims.evidence import Evidence, Named
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Corpus
from understudy.conversations.splitting import split_corpus
from understudy.measures.measurement import Measurement
from understudy.seeds import derive_seed
from understudy.transfer.task import Task, open_task

LABELLED = ("genre", "acts", "topic")
CONVERSATIONS = 400
A_CELL = 80
FEWEST = 100
NOTHING = 1e-9


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
    from understudy.transfer.false_progress import false_progress

    def rows_of(people: Named) -> Iterator[Row]:
        train, test = evidence.halves(people.corpus, "training", share=0.6)
        task = task_of(train)
        if task is None:
            why = f"needs {FEWEST} examples with two labels or more of one of: {', '.join(LABELLED)}"
            yield untested(people.name, "transfer.false_progress", why)
            return
        seed = derive_seed(evidence.seed, "entity swap", people.name)
        made = structured_users(train, CONVERSATIONS, seed)
        halves = split_corpus(made, (0.5, 0.5), seed=seed)
        found = false_progress(task, halves[0], halves[1], test, seed=seed)
        yield judge(found, people.name, asks="slopes part by")

    return combine(each(evidence, "transfer.false_progress", rows_of))


def layers(claim: Claim, evidence: Evidence) -> Finding:
    """Do subtopic, persona and context multiply each other's effect on what is learned?

    The effect is the sum of their interactions in a full factorial, in gap closed: above 0 is more than the sum.
    """
    from understudy.transfer.ablation import ablate
    from understudy.transfer.layers import LayeredUsers

    def rows_of(people: Named) -> Iterator[Row]:
        train, test = evidence.halves(people.corpus, "training", share=0.6)
        task = task_of(train, ("acts", "topic"))
        if task is None:
            yield untested(people.name, "transfer.ablation", f"needs {FEWEST} examples with topics or acts")
            return
        seed = derive_seed(evidence.seed, "layers", people.name)
        users = LayeredUsers(train, seed=seed)
        found = ablate(task, train, test, users, n=A_CELL, seed=seed, on_progress=evidence.on_progress)
        told = found.evidence.get("verdict", "")
        yield judge(_synergy(found), people.name, asks=f"synergy in {task.name} ({told})")

    return combine(each(evidence, "transfer.ablation", rows_of))


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

    def rows_of(people: Named) -> Iterator[Row]:
        learn, test = evidence.halves(people.corpus, "beside people")
        fit, held_out = split_corpus(test, (0.5, 0.5), seed=derive_seed(evidence.seed, "mixture", people.name))
        if min(fit.n_units, held_out.n_units) < 10:
            yield untested(people.name, "transfer.mixture", "needs 40 people or more")
            return
        seed = derive_seed(evidence.seed, "beside people")
        members = {made.name: evidence.fewer(made.corpus, 400) for made in people.synthetic}
        if len(members) < 2:
            members |= {
                "fitted users": fitted_users(learn, len(test), seed),
                "structured users": structured_users(learn, len(test), seed),
            }
        mixed = mix_corpora(members, fit, held_out, families=families, select=select, seed=seed)
        for one in mixed.measurement.parts:
            family = one.name.rpartition(".")[2]
            corpus, asks = f"{people.name}: {family}", f"{family}, nearer than the nearest of {len(members)}"
            if one.interval is not None and max(map(abs, one.interval)) < NOTHING:
                why = f"{asks}: the mixture is one member alone"
                yield Row(corpus=corpus, measure=one.name, outcome="inconclusive", why=why)
            else:
                yield judge(turned(one, -1.0), corpus, asks=asks)

    return combine(each(evidence, "transfer.mixture", rows_of))
