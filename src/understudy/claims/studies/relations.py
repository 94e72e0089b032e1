"""Studies of relations: effects of what is said, dependence on the partner, and what people think of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.claims.beside import beside_people, each, untested
from understudy.claims.evidence import Evidence, Named
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Conversation, Corpus
from understudy.conversations.text import tokens
from understudy.measures.behaviour_lexicons import pattern
from understudy.measures.behaviours import writing
from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.measures.relational.grounding_lexicons import LISTS, listed
from understudy.measures.resampling import Floats
from understudy.seeds import stream
from understudy.transfer.tasks.satisfaction import satisfaction_of

FEWEST_RATED = 20


def event_residue(claim: Claim, evidence: Evidence) -> Finding:
    """Do people's words come back later in the talk more often than simulated users' words?

    The effect is the real share of the user's new words that the partner says later, beyond chance, minus the
    synthetic one. Without synthetic corpora the fitted users of half of the people stand for them.
    """
    from understudy.measures.relational.eventfulness import eventfulness

    return beside_people(evidence, eventfulness, sign=-1.0, asks="real minus synthetic", stand_in=True)


def uptake_excess(claim: Claim, evidence: Evidence) -> Finding:
    """Do simulated users take up the partner's last turn more than people, at matched length?"""
    from understudy.measures.relational.uptake import uptake

    return beside_people(evidence, uptake, asks="synthetic minus real")


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
    in the assistant's next turn, the number and length of turns held constant, by a bootstrap over users. Where nobody
    rated, reactions stand for ratings: the share of user turns that thank or agree less that of those that object, or
    ask for repair.
    """

    def rows_of(people: Named) -> Iterator[Row]:
        corpus = evidence.fewer(people.corpus)
        ratings, asks = [_rating(talk) for talk in corpus], "ratings"
        if sum(rating is not None for rating in ratings) < FEWEST_RATED:
            ratings, asks = _reactions(corpus), "reactions, for want of ratings,"
        shown = [
            (rating, *taken, unit)
            for rating, taken, unit in zip(ratings, map(_taken_up, corpus), corpus.unit_ids.tolist(), strict=True)
            if rating is not None and taken is not None
        ]
        table = np.array([row[:-1] for row in shown], dtype=np.float64)
        units = np.array([row[-1] for row in shown])
        if len(np.unique(units)) < FEWEST_RATED or not table[:, 0].std() or not table[:, 1].std():
            why = f"needs ratings (meta satisfaction), or reactions, of {FEWEST_RATED} users or more that differ"
            yield untested(people.name, SATISFACTION.name, why)
            return
        found = _partial(table, units, stream(evidence.seed, "satisfaction", people.name))
        yield judge(found, people.name, asks=f"{asks} with uptake by the system, partial rank correlation")

    return combine(each(evidence, SATISFACTION.name, rows_of))


def _rating(talk: Conversation) -> float | None:
    """The user's rating of the conversation, else the mean of their ratings of turns."""
    whole = satisfaction_of(talk.meta.get("overall_satisfaction", talk.meta.get("satisfaction")))
    if whole is not None:
        return whole
    given = [satisfaction_of(turn.meta.get("satisfaction")) for turn in talk.turns]
    ratings = [rating for rating in given if rating is not None]
    return float(np.mean(ratings)) if ratings else None


def _reactions(corpus: Corpus) -> list[float | None]:
    """Per conversation: turns after the system's that thank or agree, less those that object, as a share; by list."""
    language = writing(corpus).language
    if language not in LISTS:
        return [None] * len(corpus)
    pleased = [re.compile(body) for body in (pattern(language, "thanks"), listed(language, "agreement")) if body]
    not_so = [re.compile(listed(language, name)) for name in ("challenge", "open_request")]

    def one(talk: Conversation) -> float | None:
        said = [b.text.lower() for a, b in pairwise(talk.turns) if a.role == "assistant" and b.role == "user"]
        liked = [any(p.search(t) for p in pleased) - any(p.search(t) for p in not_so) for t in said]
        return float(np.mean(liked)) if liked else None

    return [one(talk) for talk in corpus]


def _taken_up(talk: Conversation) -> tuple[float, float, float] | None:
    """Mean uptake of the user's words by the system, log turns and log words a system turn."""
    shares, lengths = [], []
    for before, after in pairwise(talk.turns):
        if before.role == "user" and after.role == "assistant":
            asked, said = set(tokens(before.text)), tokens(after.text)
            if asked and said:
                shares.append(len(asked & set(said)) / len(asked))
                lengths.append(len(said))
    if not shares:
        return None
    return float(np.mean(shares)), float(np.log(len(talk.turns))), float(np.log(np.mean(lengths)))


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
