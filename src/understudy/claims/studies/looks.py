"""Studies of looks: who is told from people, who differs from whom, what simulated users do too much or too little."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from understudy.claims.beside import (
    beside_people,
    difference,
    each,
    fitted_users,
    part,
    structured_users,
    turned,
    untested,
)
from understudy.claims.evidence import Evidence, Named
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Corpus
from understudy.seeds import derive_seed, stream


def latent_users(claim: Claim, evidence: Evidence) -> Finding:
    """Are users with a fitted profile and intents harder to tell from people than users who recite their goal?

    The effect is the AUC of the word discriminator on structured users minus that on fitted ones, both made from one
    half of the people and held against the other half.
    """
    from understudy.measures.realism.discriminator import discriminator

    def rows_of(people: Named) -> Iterator[Row]:
        train, test = evidence.halves(people.corpus, "beside people")
        seed = derive_seed(evidence.seed, "beside people")
        found = [
            part(discriminator(test, made, rng=stream(seed, "discriminator")), "words")
            for made in (structured_users(train, len(test), seed), fitted_users(train, len(test), seed))
        ]
        told = ", ".join(f"{one.value:.2f}" for one in found if one.value is not None)
        floor = f"AUC of real against real {found[1].floor.value:.2f}" if found[1].floor else ""
        yield judge(difference(*found), people.name, floor=floor, asks=f"AUC {told} (structured, fitted); difference")

    return combine(each(evidence, "realism.discriminator", rows_of))


def told_apart(claim: Claim, evidence: Evidence) -> Finding:
    """Are language-model users told from people by their words, at an AUC of .8 or more?"""
    from understudy.measures.realism.discriminator import discriminator

    return beside_people(evidence, discriminator, name="words", chance=0.5, claimed=0.3, asks="AUC above .5")


def personas_differ(claim: Claim, evidence: Evidence) -> Finding:
    """Do prompted personas differ from each other less than people do?

    The effect is the real ICC minus the synthetic one, mean over style features: above 0, who speaks matters less to
    simulated users than to people.
    """
    from understudy.measures.separability.icc import icc

    def rows_of(people: Named) -> Iterator[Row]:
        for made in people.synthetic:
            sides = evidence.fewer(people.corpus), evidence.fewer(made.corpus)
            found = turned(icc(*sides, rng=stream(evidence.seed, "icc", people.name)), -1.0)
            both = f"{people.name} / {made.name}"
            scored = found.value is not None and found.interval is not None
            yield (
                judge(found, both, asks="real minus synthetic ICC")
                if scored
                else untested(both, found.name, f"needs users (user_id) who talk several times: {found.reason}")
            )

    missing = "needs synthetic users who talk more than once (--real PEOPLE,SYN)"
    return combine(each(evidence, "separability.icc", rows_of), missing=missing)


def average_users(claim: Claim, evidence: Evidence) -> Finding:
    """Do users who are all the average user pass where only means are compared?

    The conversations of half of the people are dealt out to users at random within topics: all means stay. The effect
    is how far their ICC falls below that of the people themselves; above 0, means do not see what was lost.
    """
    from understudy.measures.separability.icc import icc

    def rows_of(people: Named) -> Iterator[Row]:
        real, others = evidence.halves(people.corpus, "average users")
        dealt = averaged(others, stream(evidence.seed, "average users", people.name))
        found = turned(icc(real, dealt, rng=stream(evidence.seed, "icc", people.name)), -1.0)
        if found.value is None or found.interval is None:
            yield untested(people.name, found.name, f"needs people (user_id) who talk several times: {found.reason}")
        else:
            yield judge(found, people.name, asks="ICC lost, with every mean kept")

    return combine(each(evidence, "separability.icc", rows_of))


def averaged(corpus: Corpus, rng: np.random.Generator) -> Corpus:
    """The same conversations dealt out to users at random, within topics: every user becomes the average user."""
    owner: list[str | None] = [talk.user_id for talk in corpus]
    topics = np.array([topic or "" for topic in corpus.topics])
    for topic in np.unique(topics):
        rows = np.flatnonzero(topics == topic)
        for row, source in zip(rows.tolist(), rng.permutation(rows).tolist(), strict=True):
            owner[row] = corpus[source].user_id
    return Corpus([msgspec.structs.replace(talk, user_id=name) for talk, name in zip(corpus, owner, strict=True)])


def longer(claim: Claim, evidence: Evidence) -> Finding:
    """Do simulated users stay for more turns than people? Effect: user turns, synthetic minus real."""
    return _behaviour(evidence, "user_turns", 1.0, "user turns, synthetic minus real")


def all_at_once(claim: Claim, evidence: Evidence) -> Finding:
    """Do simulated users say more of what they have to say in their first turns than people do?"""
    return _behaviour(evidence, "front_loading", 1.0, "share of words in the first turns, synthetic minus real")


def too_tidy(claim: Claim, evidence: Evidence) -> Finding:
    """Do simulated users write fewer fragments than people? Effect: share of turns, real minus synthetic."""
    return _behaviour(evidence, "fragment", -1.0, "fragments, real minus synthetic")


def _behaviour(evidence: Evidence, name: str, sign: float, asks: str) -> Finding:
    from understudy.measures.realism.messiness import messiness

    return beside_people(evidence, messiness, name=name, sign=sign, asks=asks)


def too_alike(claim: Claim, evidence: Evidence) -> Finding:
    """Do the conversations of simulated users differ less from each other than people's?"""
    from understudy.measures.realism.diversity import diversity

    return beside_people(evidence, diversity, name="spread", sign=-1.0, asks="spread of content, minus the log ratio")


def turns_assistant(claim: Claim, evidence: Evidence) -> Finding:
    """Do simulated users speak as assistants do more often than people do?"""
    from understudy.measures.consistency.drift import drift

    asks = "lines that are an assistant's, synthetic minus real"
    return beside_people(evidence, drift, name="assistant_level", asks=asks)
