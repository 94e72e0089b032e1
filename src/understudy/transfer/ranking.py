"""Do simulated users rank systems as real users do? All measurements of the question, from tables of scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from understudy.errors import MeasureError
from understudy.measures.measurement import Counts, Estimate, Measurement, MeasureSpec
from understudy.measures.score_bounds import scale_of
from understudy.seeds import stream
from understudy.transfer.decision_stability import Stability, decision_stability
from understudy.transfer.prediction_powered import PoweredScore, prediction_powered
from understudy.transfer.rank_agreement import pair_orders, rank_agreement
from understudy.transfer.rank_calibration import Calibration, calibration, difficulty_bins
from understudy.transfer.rank_evidence import (
    FEWEST_SYSTEMS,
    ceiling_evidence,
    columns_of,
    flags_of,
    purchases,
    reasons_of,
    systems_table,
    without_spoiled,
)
from understudy.transfer.scores import Compared, Scores, Tally, compared_systems, tally
from understudy.transfer.split_half import CORRELATIONS, Ceiling, Kind, human_ceiling, split_half_curve

Told = Callable[[str, int, int], None]

TAU = MeasureSpec(
    name="ranking.tau",
    question="rank",
    asks="Do simulated users put the systems in the order that real users put them in?",
    unit="Kendall's tau-b between mean scores",
    range=(-1.0, 1.0),
    better="higher",
    source="Kendall (1945), doi:10.1093/biomet/33.3.239; ceiling: split halves of the real users",
    headline=True,
)
SPEARMAN = MeasureSpec(
    name="ranking.spearman",
    question="rank",
    asks="Do the ranks of the systems go together, far moves counting for more?",
    unit="Spearman's rho between mean scores",
    range=(-1.0, 1.0),
    better="higher",
    source="Spearman (1904), doi:10.2307/1412159; ceiling: split halves of the real users",
)
CALIBRATION = MeasureSpec(
    name="ranking.calibration",
    question="rank",
    asks="Is the simulated score off by the same everywhere, or more for some systems, difficulties or users?",
    unit="mean absolute difference of simulated and real score over bins, in units of the score",
    range=(0.0, None),
    better="lower",
    source="expected calibration error with its sampling noise beside it; bins by column",
)
POWERED = MeasureSpec(
    name="ranking.prediction_powered",
    question="rank",
    asks="What are simulated scores worth beside the real ones?",
    unit="real episodes that would be needed without the simulator, for each that there is",
    range=(1.0, None),
    better="higher",
    source="PPI++, arXiv 2311.01453, by user",
)
POWERED_SYSTEM = MeasureSpec(
    name="ranking.prediction_powered",
    question="rank",
    asks="What do real users score this system, sharpened by simulated ones?",
    unit="units of the score",
    range=(None, None),
    better="higher",
    source="PPI++, arXiv 2311.01453, by user",
)
STABILITY = MeasureSpec(
    name="ranking.stability",
    question="rank",
    asks="Does the order stay when the simulator is swapped for another?",
    unit="Kendall's tau-b between the two simulators that agree least",
    range=(-1.0, 1.0),
    better="higher",
    source="Kendall (1945), doi:10.1093/biomet/33.3.239; the same systems under each simulator",
)
N = Mapping[str, Counts]


def rank(
    real: Scores,
    simulated: Mapping[str, Scores],
    *,
    seed: int,
    precision: float | None = None,
    budget: int | None = None,
    on_progress: Told | None = None,
) -> list[Measurement]:
    """Measure how well simulated scores stand for real ones: order, calibration, worth, and stability.

    `simulated` maps a simulator's name to its scores; the first is the one judged, the others show whether a
    decision hangs on it. `precision` is the half-width wanted of each system's 95 % interval (default: half of the
    median width now), `budget` a number of further real episodes to spread over the systems.
    Episodes that the simulator spoiled stay in, if they have a score (systems that make simulators fail would gain
    by leaving them out); what leaving them out changes is in the evidence.

    Raises MeasureError where fewer than two systems have scores on all sides.

    >>> rng = np.random.default_rng(0)
    >>> def study(fidelity):
    ...     quality = np.repeat(np.linspace(0, 2, 8), 40)
    ...     user = np.array([f"u{k}" for k in range(40)] * 8)
    ...     return Scores(np.repeat(list("abcdefgh"), 40), fidelity * quality + rng.normal(size=320), user)
    >>> found = {m.name: m for m in rank(study(1), {"sim": study(1)}, seed=0)}
    >>> round(found["ranking.tau"].value, 2), found["ranking.tau"].evidence["descriptive"]
    (0.86, False)
    >>> found["ranking.prediction_powered"].reason
    'the two sides name no item in common, so that no real score has a simulated one beside it'
    """
    if not simulated:
        raise MeasureError("no simulated scores", why="there is nothing to compare", fix="give at least one simulator")
    told = on_progress or (lambda stage, done, total: None)
    sides = {name: side.scored for name, side in simulated.items()}
    compared = compared_systems(real.scored, list(sides.values()))
    name, side = next(iter(sides.items()))
    people, machine = (_of(s, compared.systems) for s in (real, side))
    n = {"real": people.counts, "synthetic": machine.counts}
    tallies = {key: tally(s, compared.systems) for key, s in sides.items()}
    crowd = tally(people, compared.systems)
    told("order", 0, 4)
    powered = [prediction_powered(real, side, system) for system in compared.systems]
    orders = _orders(crowd, tallies[name], people, machine, simulated[name], compared, powered, n, seed=seed)
    told("calibration", 1, 4)
    found = [*orders, _calibrated(people, machine, n, seed=seed)]
    told("prediction-powered scores", 2, 4)
    found.append(_worth(powered, n, precision=precision, budget=budget))
    if len(sides) > 1:
        told("stability", 3, 4)
        stability = decision_stability(compared.systems, crowd, tallies, rng=stream(seed, "ranking", "stability"))
        found.append(_stable(stability, n))
    told("rank", 4, 4)
    return found


def _of(side: Scores, systems: Sequence[str]) -> Scores:
    """The scored episodes of the compared systems."""
    return side.take(np.isin(side.system, np.asarray(systems)) & np.isfinite(side.score))


def _orders(
    crowd: Tally,
    machine: Tally,
    people_rows: Scores,
    machine_rows: Scores,
    planned: Scores,
    compared: Compared,
    powered: Sequence[PoweredScore],
    n: N,
    *,
    seed: int,
) -> list[Measurement]:
    systems = compared.systems
    other = len(machine_rows) / len(people_rows)
    scales = scale_of(people_rows.score), scale_of(machine_rows.score)
    evidence = {
        "systems": systems_table(crowd, machine, scales, powered, systems),
        "p_order": columns_of([pair._asdict() for pair in pair_orders(systems, crowd, machine)]),
        "descriptive": len(systems) < FEWEST_SYSTEMS,
        "left_out": list(compared.left_out),
        "spoiled": without_spoiled(crowd, planned, machine, systems, seed=seed),
    }
    results = []
    kinds: tuple[tuple[MeasureSpec, Kind], ...] = ((TAU, "kendall"), (SPEARMAN, "spearman"))
    for spec, kind in kinds:
        rng = stream(seed, "ranking", kind)
        found = rank_agreement(crowd, machine, CORRELATIONS[kind], rng=rng)
        ceiling = human_ceiling(crowd, kind, rng=rng, other=other)
        curve = split_half_curve(crowd, kind, rng=rng)
        own = {
            "split_half": columns_of([point._asdict() for point in curve]),
            "ceiling": None if ceiling is None else ceiling_evidence(ceiling, other),
            "reachable": found.reachable,
            "flags": flags_of(found, ceiling, len(systems)),
        }
        if found.value is None:
            reason = "one side gives all systems the same score: there is no order"
            results.append(Measurement(name=spec.name, value=None, status="unscored", reason=reason, n=n, spec=spec))
            continue
        results.append(
            Measurement(
                name=spec.name,
                value=found.value,
                status="scored",
                n=n,
                spec=spec,
                interval=found.interval,
                ceiling=None if ceiling is None else Estimate(ceiling.value, ceiling.interval, _carried(ceiling)),
                evidence={**evidence, **own} if kind == "kendall" else {**own, "descriptive": evidence["descriptive"]},
            )
        )
    return results


def _carried(ceiling: Ceiling) -> str:
    return (
        f"other people in the simulator's place: measured between halves of {ceiling.half_units:,} users "
        f"({ceiling.half:.2f}), carried to the size of this study"
    )


def _calibrated(people: Scores, machine: Scores, n: N, *, seed: int) -> Measurement:
    """By system always; by difficulty and slice where both sides have the column. The first of those leads."""
    rng = stream(seed, "ranking", "calibration")
    ways = {}
    hard = difficulty_bins(people, machine)
    if hard is not None:
        ways["difficulty"] = hard
    for name in people.slices:
        if name in machine.slices:
            ways[name.removeprefix("meta.")] = (people.slices[name], machine.slices[name])
    ways["system"] = (people.system, machine.system)
    found = [calibration(by, people, machine, bins, rng=rng) for by, bins in ways.items()]
    scored = [c for c in found if c is not None]
    if not scored:
        reason = "no bin has ten users on both sides"
        return Measurement(
            name=CALIBRATION.name, value=None, status="unscored", reason=reason, n=n, spec=CALIBRATION
        )  # fmt: skip
    parts = tuple(_calibration(c, n, f"{CALIBRATION.name}.{c.by}") for c in scored)
    lead = _calibration(scored[0], n, CALIBRATION.name)
    dropped = [by for by, c in zip(ways, found, strict=True) if c is None]
    if dropped:
        flags = [f"not known by {by}: no bin has ten users on both sides" for by in dropped]
        lead = msgspec.structs.replace(lead, evidence={**lead.evidence, "flags": flags})
    return msgspec.structs.replace(lead, parts=parts)


def _calibration(c: Calibration, n: N, name: str) -> Measurement:
    return Measurement(
        name=name,
        value=c.error,
        status="scored",
        n=n,
        spec=CALIBRATION,
        interval=c.interval,
        p_value=c.p_value,
        floor=Estimate(c.noise, c.noise_range, "sampling noise alone, at these numbers of users"),
        evidence={
            "by": c.by,
            c.by: columns_of([b._asdict() for b in c.bins]),
            "corrected": c.corrected,
            "shift": c.shift,
            "uneven": c.uneven,
            "left_out": list(c.left_out),
        },
    )


def _worth(powered: Sequence[PoweredScore], n: N, *, precision: float | None, budget: int | None) -> Measurement:
    """A part a system; the headline is the whole: real episodes needed without the simulator, for each there is."""
    evidence = purchases(powered, precision, budget)
    wanted = evidence.get("buy", {}).get("systems", {"system": [], "buy": []})
    buy = dict(zip(wanted["system"], wanted["buy"], strict=True))
    parts = tuple(_powered(p, n, buy.get(p.system)) for p in powered)
    usable = [p for p in powered if p.weight != 0.0]
    if not usable:
        reason = reasons_of(powered)
        return Measurement(
            name=POWERED.name, value=None, status="unscored", reason=reason, n=n, spec=POWERED, parts=parts,
            evidence=evidence,
        )  # fmt: skip
    held, effective = sum(p.n for p in powered), sum(p.effective for p in powered)
    evidence.update(n=held, n_effective=effective)
    evidence["flags"] = [f"{p.system}: {p.reason}" for p in powered if p.reason]
    return Measurement(
        name=POWERED.name, value=effective / held, status="scored", n=n, spec=POWERED, parts=parts, evidence=evidence
    )


def _powered(p: PoweredScore, n: N, buy: int | None) -> Measurement:
    helped = p.weight != 0.0
    counts = {"real": Counts(p.users, p.n, 0), "synthetic": Counts(p.unlabelled, p.paired + p.unlabelled, 0)}
    return Measurement(
        name=f"{POWERED.name}.{p.system}",
        value=p.value if helped else None,
        status="scored" if helped else "unscored",
        reason="" if helped else p.reason or "the simulator explains nothing of the real scores",
        n=counts if helped else n,
        spec=POWERED_SYSTEM,
        interval=p.interval if helped else None,
        evidence={
            **p._asdict(),
            "human_low": p.human_interval[0] if p.human_interval else None,
            "human_high": p.human_interval[1] if p.human_interval else None,
            "n_effective": p.effective,
            "worth": p.worth,
            "buy": buy,
        },
    )


def _stable(stability: Stability, n: N) -> Measurement:
    evidence = {
        "decisions": columns_of([d._asdict() for d in stability.decisions]),
        "agreement": [
            {"first": a, "second": b, "tau": found.value, "interval": found.interval} for a, b, found in stability.pairs
        ],
        "flipped": [list(flip) for flip in stability.flipped],
    }
    least = stability.least
    if least is None or least[2].value is None:
        reason = "the simulators give all systems the same score"
        return Measurement(
            name=STABILITY.name, value=None, status="unscored", reason=reason, n=n, spec=STABILITY, evidence=evidence
        )  # fmt: skip
    found = least[2]
    return Measurement(
        name=STABILITY.name, value=found.value, status="scored", n=n, spec=STABILITY, interval=found.interval,
        evidence=evidence,
    )  # fmt: skip
