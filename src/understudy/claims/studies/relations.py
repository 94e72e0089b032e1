"""Studies of relations: effects of what is said, dependence on the partner, and what people think of it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.claims.evidence import Evidence
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Conversation, Corpus, CorpusCard
from understudy.conversations.text import tokens
from understudy.measures.measurement import Counts, Measure, Measurement, MeasureSpec
from understudy.measures.resampling import Floats
from understudy.seeds import derive_seed, stream
from understudy.transfer.tasks.satisfaction import satisfaction_of

FEWEST_RATED = 20


def event_residue(claim: Claim, evidence: Evidence) -> Finding:
    """Do people's words come back later in the talk more often than simulated users' words?

    The effect is the real share of the user's new words that the partner says later, beyond chance, minus the
    synthetic one. Without synthetic corpora the fitted users of half of the people stand for them.
    """
    from understudy.measures.relational.eventfulness import eventfulness

    return _against_people(evidence, eventfulness, sign=-1.0, asks="real minus synthetic", stand_in=True)


def uptake_excess(claim: Claim, evidence: Evidence) -> Finding:
    """Do simulated users take up the partner's last turn more than people, at matched length?"""
    from understudy.measures.relational.uptake import uptake

    return _against_people(evidence, uptake, sign=1.0, asks="synthetic minus real")


def _against_people(evidence: Evidence, measure: Measure, *, sign: float, asks: str, stand_in: bool = False) -> Finding:
    """A row for each pair of people and synthetic corpus; with `stand_in`, fitted users where there is none."""
    rows = []
    for name, corpus, synthetic in evidence.real:
        train, test = evidence.halves(corpus, "relations", name)
        made = {each.name: evidence.fewer(each.corpus) for each in synthetic}
        if stand_in and not made:
            made = {"fitted users": _fitted(train, len(test), derive_seed(evidence.seed, "relations", name))}
        for source, theirs in made.items():
            both = f"{name} / {source}"
            found = measure(test, theirs, rng=stream(evidence.seed, "relations", both))
            if found.value is not None and found.interval is not None and sign < 0:
                low, high = found.interval
                found = msgspec.structs.replace(found, value=-found.value, interval=(-high, -low))
            rows.append(judge(found, both, asks=asks))
    return combine(rows, missing="needs synthetic counterparts (--real PEOPLE,SYN)")


def _fitted(train: Corpus, n: int, seed: int) -> Corpus:
    from understudy.rollouts.simulate import simulate
    from understudy.users.population import fit_population

    users = fit_population(train, seed=seed)
    done = simulate(users, users.partner(), n=max(n, 60), seed=seed)
    return Corpus(done.conversations, CorpusCard(origin="synthetic", source=users.identity))


SATISFACTION = MeasureSpec(
    name="relational.satisfaction",
    question="real",
    asks="Are conversations in which the system takes up the user's words rated higher, at equal length?",
    unit="partial rank correlation",
    range=(-1.0, 1.0),
    better="match",
    source="Spearman's rank correlation, length partialled out; bootstrap over users",
    minimum_units=FEWEST_RATED,
)


def satisfaction(claim: Claim, evidence: Evidence) -> Finding:
    """Do users rate conversations higher in which the system's turns take up what they said?

    The effect is the rank correlation of a conversation's mean satisfaction with the mean share of the user's words
    in the assistant's next turn, the number and length of turns held constant, by a bootstrap over users.
    """
    rows = []
    for name, corpus, _ in evidence.real:
        table = np.array([row for row in map(_rated, corpus) if row is not None], dtype=np.float64)
        units = np.array([u for u, talk in zip(corpus.unit_ids, corpus, strict=True) if _rated(talk) is not None])
        if len(np.unique(units)) < FEWEST_RATED or not table[:, 0].std() or not table[:, 1].std():
            why = "no ratings by users, or none that differ"
            rows.append(Row(corpus=name, measure=SATISFACTION.name, outcome="untested", why=why))
            continue
        found = _partial(table, units, stream(evidence.seed, "satisfaction", name))
        rows.append(judge(found, name, asks="partial rank correlation with uptake by the system"))
    return combine(rows)


def _rated(talk: Conversation) -> tuple[float, float, float, float] | None:
    """Mean rating, uptake by the assistant, log turns and log words an assistant turn, of a rated conversation."""
    given = [satisfaction_of(turn.meta.get("satisfaction")) for turn in talk.turns]
    ratings = [rating for rating in given if rating is not None]
    whole = satisfaction_of(talk.meta.get("overall_satisfaction", talk.meta.get("satisfaction")))
    if not ratings and whole is None:
        return None
    shares, lengths = [], []
    for before, after in zip(talk.turns, talk.turns[1:], strict=False):
        if before.role == "user" and after.role == "assistant":
            asked, said = set(tokens(before.text)), tokens(after.text)
            if asked and said:
                shares.append(len(asked & set(said)) / len(asked))
                lengths.append(len(said))
    if not shares:
        return None
    rating = float(np.mean(ratings)) if whole is None else whole
    return rating, float(np.mean(shares)), float(np.log(len(talk.turns))), float(np.log(np.mean(lengths)))


def _partial(table: Floats, units: npt.NDArray[Any], rng: np.random.Generator, resamples: int = 999) -> Measurement:
    """Rank correlation of the first two columns, the others held constant; percentile bootstrap over units."""
    from scipy.stats import rankdata

    names, member = np.unique(units, return_inverse=True)

    def correlation(weight: npt.NDArray[np.int64]) -> float:
        rows = np.repeat(np.arange(len(table)), weight[member])
        ranks = np.column_stack([rankdata(column) for column in table[rows].T])
        ranks = ranks - ranks.mean(axis=0)
        held = ranks[:, 2:]
        left = ranks[:, :2] - held @ np.linalg.lstsq(held, ranks[:, :2], rcond=None)[0]
        spread = np.sqrt((left**2).sum(axis=0))
        return float(left[:, 0] @ left[:, 1] / (spread[0] * spread[1])) if spread.all() else 0.0

    value = correlation(np.ones(len(names), dtype=np.int64))
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    low, high = np.quantile([correlation(draw) for draw in draws], [0.025, 0.975])
    n = {"real": Counts(len(names), len(table), 0)}
    bounds = (min(float(low), value), max(float(high), value))
    return Measurement(name=SATISFACTION.name, value=value, status="scored", n=n, spec=SATISFACTION, interval=bounds)
