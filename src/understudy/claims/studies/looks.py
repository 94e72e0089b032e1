"""Studies of looks: latent-variable users before a discriminator, people who differ, replies that depend."""

from __future__ import annotations

import msgspec
import numpy as np

from understudy.claims.evidence import Evidence
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Corpus, CorpusCard
from understudy.measures.measurement import Measurement
from understudy.seeds import derive_seed, stream


def _difference(one: Measurement, other: Measurement) -> Measurement:
    """`one` minus `other`, measured apart: the half widths of both intervals, added in squares on either side."""
    if one.value is None or other.value is None or one.interval is None or other.interval is None:
        return one if one.value is None or one.interval is None else other
    (a, b), (c, d) = one.interval, other.interval
    value = one.value - other.value
    low = value - float(np.hypot(one.value - a, d - other.value))
    high = value + float(np.hypot(b - one.value, other.value - c))
    return msgspec.structs.replace(one, value=value, interval=(low, high), floor=None, p_value=None, parts=())


def latent_users(claim: Claim, evidence: Evidence) -> Finding:
    """Are users with a fitted profile and intents harder to tell from people than users who recite their goal?

    The effect is the AUC of the word discriminator on structured users minus that on fitted ones, both made from one
    half of the people and held against the other half.
    """
    from understudy.measures.realism.discriminator import discriminator
    from understudy.rollouts.simulate import simulate
    from understudy.users.population import fit_population
    from understudy.users.structured import StructuredPopulation

    rows = []
    for k, (name, corpus, _) in enumerate(evidence.real):
        evidence.tell(name, k, len(evidence.real))
        train, test = evidence.halves(corpus, "latent users", name)
        seed = derive_seed(evidence.seed, "latent users", name)
        fitted = fit_population(train, seed=seed)
        found = []
        for users in (StructuredPopulation.from_corpus(train), fitted):
            done = simulate(users, fitted.partner(), n=max(len(test), 60), seed=seed)
            made = Corpus(done.conversations, CorpusCard(origin="synthetic", source=users.identity))
            whole = discriminator(test, made, rng=stream(seed, "discriminator"))
            found.append(next((part for part in whole.parts if part.name.endswith(".words")), whole))
        told = ", ".join(f"{each.value:.2f}" for each in found if each.value is not None)
        floor = found[1].floor
        beside = f"AUC of real against real {floor.value:.2f}" if floor else ""
        rows.append(judge(_difference(*found), name, floor=beside, asks=f"AUC {told} (structured, fitted); difference"))
    return combine(rows)


def personas_differ(claim: Claim, evidence: Evidence) -> Finding:
    """Do prompted personas differ from each other less than people do?

    The effect is the real ICC minus the synthetic one, mean over style features: above 0, who speaks matters less to
    simulated users than to people.
    """
    from understudy.measures.separability.icc import icc

    rows: list[Row] = []
    for name, real, synthetic in evidence.real:
        for made in synthetic:
            found = icc(evidence.fewer(real), evidence.fewer(made.corpus), rng=stream(evidence.seed, "icc", name))
            both = f"{name} / {made.name}"
            if found.value is None or found.interval is None:
                rows.append(Row(corpus=both, measure=found.name, outcome="untested", why=found.reason))
                continue
            low, high = found.interval
            less = msgspec.structs.replace(found, value=-found.value, interval=(-high, -low))
            rows.append(judge(less, both, asks="real minus synthetic ICC"))
    return combine(rows, missing="needs synthetic users who talk more than once (--real PEOPLE,SYN)")
