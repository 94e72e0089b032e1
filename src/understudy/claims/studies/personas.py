"""Studies of personas: trained to stay themselves, and aligned to the people whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from understudy.claims.beside import above, each, untested
from understudy.claims.evidence import Evidence, Named
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Conversation, Corpus
from understudy.conversations.splitting import split_corpus
from understudy.conversations.text import tokens
from understudy.measures.consistency.personas import persona_of
from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.measures.resampling import Floats
from understudy.seeds import derive_seed, stream

if TYPE_CHECKING:
    from understudy.training.lessons import Lessons
    from understudy.users.neural.decoder import Weights

MOST_TALKS, MOST_PIECES = 500, 2000
FEWEST_PEOPLE, TESTED = 12, 60
FACTS, FACT_WORDS = 5, 4
STEPS = 16
ELSEWHERE = 0.05  # a line that the judge puts this much nearer to other personas is somebody else's
SESSIONS = 4  # of a user, for personas from two halves of them

FALL = MeasureSpec(
    name="consistency.fall",
    question="real",
    asks="Of the lines that are somebody else's, or take something back, what share does training remove?",
    unit="1 - rate after / rate before, by another judge than the rewarding one",
    range=(None, 1.0),
    better="higher",
    source="arXiv:2511.00222, by a held-out judge; bootstrap over people",
)
FOUND = MeasureSpec(
    name="personas.twins",
    question="real",
    asks="Do personas aligned to two halves of a person's sessions find each other?",
    unit="top-1 accuracy above chance",
    range=(-1.0, 1.0),
    better="higher",
    source="arXiv:2506.06254 made countable: nearest twin among all users, t interval over users",
)


def trained(claim: Claim, evidence: Evidence) -> Finding:
    """Does reinforcement for consistency cut what is inconsistent, by a judge that did not reward, for people unknown?

    A small decoder learns from people's turns, and goes on from rollouts rewarded by one judge of lines. Both speak for
    people it never met; the effect is the fall of the share of lines that another judge finds somebody else's or taken
    back. Where no persona is told, what a person said in one session stands for it in their others.
    """
    told = {people.name: any(persona_of(talk, "user") for talk in people.corpus) for people in evidence.real}
    if any(told.values()):
        evidence = evidence._replace(real=tuple(people for people in evidence.real if told[people.name]))

    def rows_of(people: Named) -> Iterator[Row]:
        corpus = evidence.fewer(with_personas(people.corpus), MOST_TALKS)
        if corpus.n_units < 3 * FEWEST_PEOPLE:
            why = f"needs {3 * FEWEST_PEOPLE} people or more with personas, or (user_id) who talk twice"
            yield untested(people.name, FALL.name, why)
            return
        train, test = split_corpus(corpus, (0.7, 0.3), seed=derive_seed(evidence.seed, "personas"))
        rates, lengths = _rates(train, test, derive_seed(evidence.seed, "personas", people.name), evidence)
        asks = f"words a line {lengths[0]:.1f}, then {lengths[1]:.1f}; fall of inconsistent lines"
        found = _fall(rates, stream(evidence.seed, "fall", people.name))
        yield (
            judge(found, people.name, claimed=0.55, asks=asks)
            if found
            else untested(people.name, FALL.name, "no line was inconsistent before")
        )

    return combine(each(evidence, FALL.name, rows_of), missing="needs people with personas, or who talk twice")


def with_personas(corpus: Corpus) -> Corpus:
    """The conversations whose user has a persona; where none is told, a first session is it, for a person's others."""
    told = [talk for talk in corpus if persona_of(talk, "user")]
    if told:
        return Corpus(told, corpus.card)
    first: dict[str, list[str]] = {}
    kept: list[Conversation] = []
    for talk, unit in zip(corpus, corpus.unit_ids.tolist(), strict=True):
        if unit in first:
            kept.append(msgspec.structs.replace(talk, meta={**talk.meta, "persona": first[unit]}))
            continue
        lines = [turn.text for turn in talk.turns if turn.role == "user" and len(tokens(turn.text)) >= FACT_WORDS]
        if lines:
            first[unit] = lines[:FACTS]
    return Corpus(kept, corpus.card)


def _rates(train: Corpus, test: Corpus, seed: int, evidence: Evidence) -> tuple[Floats, tuple[float, float]]:
    """`(people, 2, 2)`: lines and inconsistent ones of each person, after supervised training and after rollouts; and
    the mean length of a line in either."""
    from understudy.measures.consistency.embedded_judge import fit_judge
    from understudy.training.lessons import lessons
    from understudy.training.reinforcement import Reinforcement
    from understudy.training.supervised import Supervision, beginning, learn
    from understudy.training.train import composite, reinforce
    from understudy.users.neural.decoder import Shape, new_weights
    from understudy.users.neural.population import NeuralPopulation
    from understudy.users.population import fit_population

    fitted = fit_population(train, seed=seed)
    rewarding, other = (fit_judge([train], kind, seed=seed) for kind in ("words", "letters"))
    taught = lessons(train, fitted, most_pieces=MOST_PIECES)
    shape, how = Shape(len(taught.language.words)), Supervision(epochs=5)
    begun = beginning(new_weights(shape, seed=seed), how)
    taught_by_people = learn(taught, how, begun, seed=seed, on_progress=evidence.tell).best
    users = NeuralPopulation(taught.language, shape, taught_by_people, taught.profiles, corpus_digest="", seed=seed)
    reward, realism = composite(taught, rewarding, seed=seed)
    rolled, _, _ = reinforce(
        users, reward, realism, Reinforcement(steps=STEPS), fitted.partner(), seed=seed, on_progress=evidence.tell
    )
    both = [_tested(weights, taught, test, fitted.partner(), other, seed) for weights in (taught_by_people, rolled)]
    return np.stack([rates for rates, _ in both], axis=1), (both[0][1], both[1][1])


def _tested(
    weights: Weights, taught: Lessons, test: Corpus, partner: object, other: object, seed: int
) -> tuple[Floats, float]:
    """Let users with these weights speak for the people of `test`: lines and inconsistent ones each, words a line."""
    from understudy.training.rehearsal import rehearse
    from understudy.training.rewards import agreements, contrasts
    from understudy.users.neural.population import TOP_P
    from understudy.users.profile import Goal, Persona, Profile

    names, first = np.unique(test.unit_ids, return_index=True)
    talks = [test[int(row)] for row in first[:TESTED]]
    profiles = [
        Profile(
            id=str(name),
            user_id=str(name),
            persona=Persona(str(name), facts=persona_of(talk, "user")),
            goal=Goal(topic=talk.topic),
            opens=bool(talk.turns) and talk.turns[0].role == "user",
        )
        for name, talk in zip(names, talks, strict=False)
    ]
    seeds = [derive_seed(seed, "tested", profile.id) for profile in profiles]
    made = rehearse(weights, taught.language, profiles, partner, seeds, most_turns=16, top_p=TOP_P)  # type: ignore[arg-type]
    lines = [
        (k, s._replace(persona=profile.persona.facts))
        for k, (profile, talk) in enumerate(zip(profiles, made, strict=True))
        for s in talk.spoken
        if s.line
    ]
    every = [s for _, s in lines]
    personas = sorted({" ".join(profile.persona.facts) for profile in profiles})
    own, agree = contrasts(other, every, personas, seed=0), agreements(other, every)  # type: ignore[arg-type]
    rates = np.zeros((len(profiles), 2))
    for (k, _), contrast, kept in zip(lines, own, agree, strict=True):
        wrong = (contrast is not None and contrast < -ELSEWHERE) or (kept is not None and kept < 0.5)
        rates[k] += (1.0, float(wrong))
    return rates, float(np.mean([len(s.line.split()) for s in every])) if every else 0.0


def _fall(rates: Floats, rng: np.random.Generator, resamples: int = 999) -> Measurement | None:
    """The fall of the rate over `(people, 2, 2)`; percentile bootstrap over people."""

    def fall(some: Floats) -> float:
        lines, wrong = some.sum(axis=0).T
        before, after = wrong / np.maximum(lines, 1)
        return float(1 - after / before) if before > 0 else float("nan")

    value = fall(rates)
    if not np.isfinite(value):
        return None
    drawn = [fall(rates[rng.integers(0, len(rates), len(rates))]) for _ in range(resamples)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    bounds = (min(float(low), value), max(float(high), value))
    n = {"real": Counts(len(rates), len(rates), int(rates[:, 0, 0].sum()))}
    return Measurement(name=FALL.name, value=value, status="scored", n=n, spec=FALL, interval=bounds)


def aligned(claim: Claim, evidence: Evidence) -> Finding:
    """Do personas aligned to two halves of a person's sessions find each other, as before alignment none could?

    Users fitted to half of the people are aligned to the sessions of the other half, once to every second session and
    once to the rest. Before alignment all are one and find each other by chance; the effect is the share whose own
    twin is nearest, above chance. A persona that held-out sessions did not bear out stays as it was.
    """

    def rows_of(people: Named) -> Iterator[Row]:
        train, test = evidence.halves(people.corpus, "beside people")
        units, count = np.unique(test.unit_ids, return_counts=True)
        names = units[count >= SESSIONS][:TESTED]
        if not test.has_users or len(names) < FEWEST_PEOPLE:
            why = f"needs {FEWEST_PEOPLE} people or more (user_id) with {SESSIONS} sessions each in half of the corpus"
            yield untested(people.name, FOUND.name, why)
            return
        found, accepted = _twins(train, test.subset(np.flatnonzero(np.isin(test.unit_ids, names))), evidence)
        if found is None:
            why = "held-out sessions bore out no persona: nothing was changed"
            yield Row(corpus=people.name, measure=FOUND.name, outcome="inconclusive", why=why)
        else:
            asks = f"{accepted} of {2 * len(names)} personas changed; own twin nearest, above chance"
            yield judge(found, people.name, asks=asks)

    return combine(each(evidence, FOUND.name, rows_of))


def _twins(train: Corpus, test: Corpus, evidence: Evidence) -> tuple[Measurement | None, int]:
    from understudy.measures.separability.twins import find_twins
    from understudy.users.alignment import align
    from understudy.users.personas import digest_of
    from understudy.users.population import fit_population

    seed = derive_seed(evidence.seed, "beside people")
    users = fit_population(train, seed=seed)
    place = np.zeros(len(test), dtype=np.int64)
    for name in np.unique(test.unit_ids):
        own = np.flatnonzero(test.unit_ids == name)
        place[own] = np.arange(len(own)) % 2
    sources = [digest_of(str(name)) for name in np.unique(test.unit_ids)]
    vectors, accepted = [], 0
    for half in (0, 1):
        done = align(users, test.subset(np.flatnonzero(place == half)), seed=seed, on_progress=evidence.tell)
        accepted += done.counts["accepted"]
        slots = {p.source: p.slots for p in done.population.personas.personas}
        names = users.speaker.slots.names
        vectors.append([[slots[source].get(slot, 0.0) for slot in names] for source in sources])
    first, second = (np.array(side, dtype=np.float64) for side in vectors)
    if not first.any() or not second.any():
        return None, accepted
    moved = np.ptp(np.concatenate([first, second]), axis=0) > 0
    found = find_twins(first[:, moved], second[:, moved], rng=stream(seed, "twins"))
    measured = Measurement(
        name=FOUND.name,
        value=found.top1,
        status="scored",
        n={"real": Counts(len(sources), len(test), 0)},
        spec=FOUND,
        interval=(min(found.interval[0], found.top1), max(found.interval[1], found.top1)),
    )
    return above(measured, found.chance), accepted
