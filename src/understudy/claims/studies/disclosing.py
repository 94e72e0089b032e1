"""Studies of privacy: what distance hides, what a planted sentence shows, and what fidelity costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from understudy.claims.beside import above, difference, each, untested
from understudy.claims.evidence import Evidence, Named
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Corpus, Turn
from understudy.conversations.splitting import split_corpus
from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.seeds import derive_seed, stream

COPIED = 0.05
PLANTED, UNSEEN = 40, 160
FEWEST = 40  # users

CANARIES = MeasureSpec(
    name="privacy.canaries",
    question="carry",
    asks="Are planted sentences told from others by the synthetic text alone?",
    unit="AUC above .5",
    range=(-0.5, 0.5),
    better="lower",
    source="canaries in synthetic text, arXiv:2502.14921",
)


def copied(base: Corpus, source: Corpus, share: float, rng: np.random.Generator) -> Corpus:
    """`base` with a share of its user turns replaced by turns of `source`, word for word."""
    pool = [turn.text for talk in source for turn in talk.turns if turn.role == "user"]

    def said(turn: Turn) -> Turn:
        return Turn("user", pool[rng.integers(len(pool))]) if turn.role == "user" and rng.random() < share else turn

    return Corpus([msgspec.structs.replace(talk, turns=tuple(map(said, talk.turns))) for talk in base])


def distance_is_blind(claim: Claim, evidence: Evidence) -> Finding:
    """Does the distance to the closest training turn stay as it was where people's turns are copied?

    Real strangers to the training users stand for a private set; with one turn in twenty replaced by a training turn
    it is one that discloses. `privacy.disclosure` tells how much more users are pointed at; the effect is that, in
    the set that copies. Where it is above 0 while the mean distance moves by less than a tenth, distance was blind.
    """
    from understudy.measures.privacy.disclosure import disclosure
    from understudy.measures.privacy.nearest_distance import nearest_distance

    def rows_of(people: Named) -> Iterator[Row]:
        corpus = evidence.fewer(people.corpus)
        if corpus.n_units < FEWEST:
            yield untested(people.name, "privacy.disclosure", f"needs {FEWEST} users; these are {corpus.n_units}")
            return
        train, holdout, strangers = split_corpus(
            corpus, (1 / 3, 1 / 3, 1 / 3), seed=derive_seed(evidence.seed, "thirds")
        )
        rng = stream(evidence.seed, "distance", people.name)
        copies = copied(strangers, train, COPIED, rng)
        given = disclosure(train, copies, holdout=holdout, rng=rng, permutations=199)
        far = [nearest_distance(train, made, rng=rng).value or 0.0 for made in (strangers, copies)]
        moved = abs(far[1] - far[0]) / max(far[0], 1e-9)
        row = judge(given, people.name, asks=f"distance moves by {moved:.1%}; users pointed at, train minus held-out")
        if row.outcome == "held" and moved >= 0.1:
            row = msgspec.structs.replace(row, outcome="weakened")
        yield row

    return combine(each(evidence, "privacy.disclosure", rows_of))


def told_from_text(claim: Claim, evidence: Evidence) -> Finding:
    """Are sentences planted once in the training data told from unplanted ones by what unguarded users say?"""
    from understudy.measures.privacy.canaries import exposed, make_canaries, plant
    from understudy.rollouts.simulate import simulate
    from understudy.users.population import fit_population

    def rows_of(people: Named) -> Iterator[Row]:
        corpus = evidence.fewer(people.corpus, 400)
        seed = derive_seed(evidence.seed, "canaries", people.name)
        made = make_canaries(corpus, planted=PLANTED, unseen=UNSEEN, repeats=1, seed=seed)
        users = fit_population(plant(corpus, made, seed=seed), copy_guard="free", seed=seed)
        found = exposed(made, Corpus(simulate(users, users.partner(), n=len(corpus), seed=seed).conversations))
        n = {"real": Counts(corpus.n_units, len(corpus), 0)}
        measured = Measurement(
            name=CANARIES.name, value=found.auc, status="scored", n=n, spec=CANARIES, interval=found.interval
        )
        yield judge(above(measured, 0.5), people.name, asks=f"AUC {found.auc:.2f}; above .5")

    return combine(each(evidence, CANARIES.name, rows_of))


def fidelity_leaks(claim: Claim, evidence: Evidence) -> Finding:
    """Is more given away by users that are harder to tell from people?

    Users fitted to the same people, unguarded and strictly guarded. The effect is what is given away by the first
    more than by the second, where the discriminator of words says that the first are nearer to held-out people.
    """
    from understudy.measures.privacy.disclosure import disclosure
    from understudy.measures.realism.discriminator import discriminator
    from understudy.rollouts.simulate import simulate
    from understudy.users.population import fit_population

    def rows_of(people: Named) -> Iterator[Row]:
        corpus = evidence.fewer(people.corpus, 600)
        if corpus.n_units < FEWEST // 2:
            yield untested(people.name, "privacy.disclosure", f"needs {FEWEST // 2} users; these are {corpus.n_units}")
            return
        seed = derive_seed(evidence.seed, "fidelity", people.name)
        train, holdout = split_corpus(corpus, (0.5, 0.5), seed=seed)
        users = fit_population(train, seed=seed)
        given: list[Measurement] = []
        auc: list[float] = []
        settings: tuple[Literal["free", "strict"], ...] = ("free", "strict")
        for guard in settings:
            guarded = users.with_guard(guard)
            said = Corpus(simulate(guarded, users.partner(), n=len(train), seed=seed).conversations)
            rng = np.random.default_rng(seed)
            told = disclosure(train, said, holdout=holdout, rng=rng, permutations=99)
            # No interval where all users are alike: then nothing varies.
            alike = None if told.value is None else (told.value, told.value)
            given.append(msgspec.structs.replace(told, interval=told.interval or alike))
            auc.append(discriminator(holdout, said, rng=rng, permutations=19).value or 0.5)
        row = judge(
            difference(*given),
            people.name,
            asks=f"AUC {auc[0]:.2f}, {auc[1]:.2f} (free, strict); given away, free more",
        )
        yield row if auc[0] < auc[1] else msgspec.structs.replace(row, outcome="inconclusive")

    return combine(each(evidence, "privacy.disclosure", rows_of))
