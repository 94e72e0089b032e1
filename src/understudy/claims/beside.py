"""Synthetic users beside people: a row of the ledger for each pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from understudy.claims.evidence import Evidence, Named
from understudy.claims.verdict import Finding, Row, combine, judge
from understudy.conversations import Corpus, CorpusCard
from understudy.errors import CorpusError, MeasureError, SimulatorError
from understudy.measures.measurement import Measure, Measurement
from understudy.seeds import derive_seed, stream

FEWEST_SESSIONS = 60
NEEDS_PAIRS = "needs synthetic counterparts (--real PEOPLE,SYN)"


def turned(found: Measurement, sign: float) -> Measurement:
    """The measurement with its value and interval times `sign`, 1 or -1; without the floor, which has no sign."""
    if found.value is None or found.interval is None or sign > 0:
        return found
    low, high = found.interval
    return msgspec.structs.replace(found, value=-found.value, interval=(-high, -low), floor=None)


def difference(one: Measurement, other: Measurement) -> Measurement:
    """`one` minus `other`, measured apart: the half widths of both intervals, added in squares on either side."""
    if one.value is None or other.value is None or one.interval is None or other.interval is None:
        return one if one.value is None or one.interval is None else other
    (a, b), (c, d) = one.interval, other.interval
    value = one.value - other.value
    low = value - float(np.hypot(one.value - a, d - other.value))
    high = value + float(np.hypot(b - one.value, other.value - c))
    return msgspec.structs.replace(one, value=value, interval=(low, high), floor=None, p_value=None, parts=())


def above(found: Measurement, chance: float) -> Measurement:
    """The measurement as its distance from `chance`."""
    if found.value is None or found.interval is None or not chance:
        return found
    low, high = found.interval
    return msgspec.structs.replace(
        found, value=found.value - chance, interval=(low - chance, high - chance), floor=None
    )


def part(found: Measurement, name: str) -> Measurement:
    """The part of a measurement that ends in `name`; itself where there is none, or for no name."""
    return next((one for one in found.parts if name and one.name.endswith(f".{name}")), found)


def fitted_users(people: Corpus, n: int, seed: int) -> Corpus:
    """What `n` sessions of users fitted to `people` say; made once for a corpus."""
    from understudy.users.population import fit_population

    return _simulated(people, "fitted", lambda corpus: fit_population(corpus, seed=seed), n, seed)


def structured_users(people: Corpus, n: int, seed: int) -> Corpus:
    """The same of users who only name the entities of their goal."""
    from understudy.users.structured import StructuredPopulation

    return _simulated(people, "structured", StructuredPopulation.from_corpus, n, seed)


def _simulated(people: Corpus, kind: str, learn: Callable[[Corpus], Any], n: int, seed: int) -> Corpus:
    n = max(n, FEWEST_SESSIONS)

    def made(corpus: Corpus) -> Corpus:
        from understudy.rollouts.simulate import simulate
        from understudy.users.population import fit_population

        users = learn(corpus)
        done = simulate(users, fit_population(corpus, seed=seed).partner(), n=n, seed=seed)
        return Corpus(done.conversations, CorpusCard(origin="synthetic", source=users.identity))

    found: Corpus = people.memo(("claims", kind, n, seed), made)
    return found


def each(evidence: Evidence, measure: str, rows_of: Callable[[Named], Iterable[Row]]) -> list[Row]:
    """The rows of every corpus. A corpus that the study cannot work with is untested, with the reason; where a measure
    is refused, it is inconclusive: the claim was asked about, and nothing was told."""
    rows: list[Row] = []
    for place, people in enumerate(evidence.real):
        evidence.tell(people.name, place, len(evidence.real))
        try:
            rows += rows_of(people)
        except (CorpusError, SimulatorError) as error:
            rows.append(untested(people.name, measure, f"{error.what}: {error.why}; {error.fix}"))
        except MeasureError as error:
            why = f"{error.what}: {error.why}"
            rows.append(Row(corpus=people.name, measure=measure, outcome="inconclusive", why=why))
    return rows


def untested(corpus: str, measure: str, why: str) -> Row:
    """A row that says why this corpus tells nothing."""
    return Row(corpus=corpus, measure=measure, outcome="untested", why=why)


def beside_people(
    evidence: Evidence,
    measure: Measure,
    *,
    asks: str,
    name: str = "",
    sign: float = 1.0,
    claimed: float = 0.0,
    chance: float = 0.0,
    stand_in: bool = False,
    **options: Any,
) -> Finding:
    """A row for each pair of people and synthetic corpus: `measure`, or its part `name`, times `sign`, above `chance`.

    With `stand_in`, users fitted to half of the people stand for synthetic ones where there are none.
    """

    def rows_of(people: Named) -> Iterator[Row]:
        train, test = evidence.halves(people.corpus, "beside people")
        theirs = {made.name: evidence.fewer(made.corpus) for made in people.synthetic}
        if stand_in and not theirs:
            theirs = {"fitted users": fitted_users(train, len(test), derive_seed(evidence.seed, "beside people"))}
        for source, made in theirs.items():
            both = f"{people.name} / {source}"
            rng = stream(evidence.seed, "beside people", both)
            found = turned(part(measure(test, made, rng=rng, **options), name), sign)
            yield judge(above(found, chance), both, claimed=claimed, asks=asks)

    return combine(each(evidence, measure.spec.name, rows_of), missing=NEEDS_PAIRS)
