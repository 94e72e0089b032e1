"""Counterfactual partners: the same simulated users meet another partner; what changes is their reaction to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.errors import MeasureError, UsageError
from understudy.measures.measurement import Counts, Estimate, Measurement, MeasureSpec, counts_of
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.rollouts.arms import ARMS, with_arm
from understudy.rollouts.loop import MAX_TURNS
from understudy.rollouts.partner import Partner
from understudy.rollouts.partners import open_partner
from understudy.rollouts.simulate import simulate
from understudy.transfer.behaviour_rates import BEHAVIOURS, FEWEST, Reaction, Tally, let_downs, tallies, weighed
from understudy.users.opening import SimulatedUsers, open_users

STRENGTHS = (0.5, 1.0)


def reactions(
    users: SimulatedUsers | str,
    partner: Partner | str,
    *,
    arms: Sequence[str] = ("bad", "rude", "slow", "hallucinating", "good"),
    n: int,
    seed: int,
    strengths: Sequence[float] = STRENGTHS,
    human: Mapping[str, Estimate] | None = None,
    max_turns: int = MAX_TURNS,
    workers: int = 1,
) -> list[Measurement]:
    """Do the users take notice of how their partner treats them, and which way?

    The same `n` users, with the same seeds, meet `partner` alone and under each of `arms`, at each of `strengths`
    (see `with_arm`). The reaction is the slope through the partner alone: with rates r(s) at strengths s,
    `sum s (r(s) - r(0)) / sum s^2`, in the behaviour's unit for the whole arm, with an interval over users. Returns
    one measurement a behaviour, `transfer.reaction.<behaviour>`: the value is the slope to the first arm, each arm
    is a part. `human` (see `human_reactions`) is the reference, stated as `floor` beside the first arm: a reaction
    of its own sign and size is human, a reaction of 0 is a user who does not notice. `adjusted_p` is by
    Benjamini-Hochberg over all arms and behaviours. Users with a fault on either side leave both.

    Raises `UsageError` for no arm, an unknown one, or a strength that is not above 0 and at most 1.
    """
    if not arms or set(arms) - set(ARMS) or not strengths or not all(0 < s <= 1 for s in strengths):
        raise UsageError(
            f"arms {list(arms)} at strengths {list(strengths)}",
            why="each reaction is a slope over the strengths of one arm",
            fix=f"choose among {', '.join(ARMS)}, with strengths above 0 and at most 1",
        )
    people = open_users(users) if isinstance(users, str) else users
    system = open_partner(partner, seed=seed) if isinstance(partner, str) else partner
    cells = [("", 0.0), *((arm, float(s)) for arm in arms for s in sorted(set(strengths)))]
    talks = []
    for arm, strength in cells:
        met = system if not arm else with_arm(system, arm, strength=strength)
        talks.append(simulate(people, met, n=n, seed=seed, max_turns=max_turns, workers=workers).rollouts)
    whole = np.array([[r.fault is None for r in side] for side in talks])
    corpora = [Corpus([r.conversation for r in side]) for side in talks]
    read = dict(zip(cells, tallies(corpora), strict=True))
    both = {cell: np.flatnonzero(ok & whole[0]) for cell, ok in zip(cells, whole, strict=True)}
    evidence: dict[str, Any] = {
        "users": people.identity,
        "partner": system.identity,
        "planned": n,
        "broken": {_named(*cell): int(n - ok.sum()) for cell, ok in zip(cells, whole, strict=True)},
        "let_downs": {_named(*cell): let_downs(side) for cell, side in zip(cells, corpora, strict=True)},
    }
    slopes = {
        (name, arm): _slope(read, both, name, arm, strengths) for name in BEHAVIOURS for arm in dict.fromkeys(arms)
    }
    adjusted = _adjusted(slopes)
    counts = {"synthetic": counts_of(corpora[0])}
    return [
        _measurement(name, {a: slopes[name, a] for a in dict.fromkeys(arms)}, adjusted, read, evidence, counts, human)
        for name in BEHAVIOURS
    ]


def judged_on_bad(
    users: SimulatedUsers, good: Partner, bad: Partner, *, human: Mapping[str, Estimate], n: int, seed: int
) -> list[Measurement]:
    """Users fitted to conversations with good partners: do they react to bad ones as real users did?

    The same `n` users meet `good` and `bad`; the value of `transfer.reaction.<behaviour>.unseen` is bad minus good,
    its `floor` what real users did (`human_reactions`). Fit `users` and `good` to good conversations and `bad` to
    bad ones, and take from `human` conversations that neither side of the users was fitted to. The evidence holds
    the difference from the human reaction with its interval (the two errors added in squares), and whether the
    reaction has the human sign.
    """
    sides = [simulate(users, partner, n=n, seed=seed).rollouts for partner in (good, bad)]
    kept = [k for k in range(n) if sides[0][k].fault is None and sides[1][k].fault is None]
    corpora = [Corpus([side[k].conversation for k in kept]) for side in sides]
    first, second = tallies(corpora)
    found = {name: weighed([(-1.0, first), (1.0, second)], name) for name in BEHAVIOURS}
    told = {"good": let_downs(corpora[0]), "bad": let_downs(corpora[1])}
    made = []
    for name, r in found.items():
        spec = _spec(name)
        counts = {"synthetic": counts_of(corpora[0])}
        full = f"{spec.name}.unseen"
        reference = human.get(name)
        if isinstance(r, str):
            made.append(Measurement(name=full, value=None, status="unscored", reason=r, n=counts, spec=spec))
            continue
        evidence: dict[str, Any] = {"let_downs": told, "planned": n, "broken": n - len(kept)}
        if reference is not None and reference.interval is not None:
            gap = r.value - reference.value
            low, high = reference.interval
            reach = float(np.hypot(r.high - r.low, high - low)) / 2
            evidence |= {
                "difference_from_human": [gap, gap - reach, gap + reach],
                "human_is_resolved": bool(low > 0 or high < 0),
                "same_sign": bool(r.value * reference.value > 0),
            }
        made.append(
            Measurement(
                name=full,
                value=r.value,
                interval=(r.low, r.high),
                p_value=r.p_value,
                status="scored",
                floor=reference,
                n=counts,
                spec=spec,
                evidence=evidence,
            )
        )
    return made


def _slope(
    read: Mapping[tuple[str, float], Tally],
    both: Mapping[tuple[str, float], npt.NDArray[np.integer[Any]]],
    behaviour: str,
    arm: str,
    strengths: Sequence[float],
) -> Reaction | str:
    doses = sorted({float(s) for s in strengths})
    scale = sum(s * s for s in doses)
    sides = []
    for s in doses:
        rows = both[arm, s]
        # The partner alone over the same users, so that whoever broke off on one side is on neither.
        sides += [(s / scale, read[arm, s].take(rows)), (-s / scale, read["", 0.0].take(rows))]
    return weighed(sides, behaviour)


def _adjusted(slopes: Mapping[tuple[str, str], Reaction | str]) -> dict[tuple[str, str], float]:
    scored = {key: r.p_value for key, r in slopes.items() if not isinstance(r, str)}
    return dict(zip(scored, benjamini_hochberg(list(scored.values())), strict=True))


def _measurement(
    behaviour: str,
    by_arm: Mapping[str, Reaction | str],
    adjusted: Mapping[tuple[str, str], float],
    read: Mapping[tuple[str, float], Tally],
    shared: Mapping[str, Any],
    counts: Mapping[str, Counts],
    human: Mapping[str, Estimate] | None,
) -> Measurement:
    spec = _spec(behaviour)
    parts = []
    for arm, r in by_arm.items():
        name = f"{spec.name}.{arm}"
        if isinstance(r, str):
            parts.append(Measurement(name=name, value=None, status="unscored", reason=r, n=counts, spec=spec))
            continue
        part = Measurement(
            name=name,
            value=r.value,
            interval=(r.low, r.high),
            p_value=r.p_value,
            adjusted_p=adjusted[behaviour, arm],
            status="scored",
            n=counts,
            spec=spec,
            evidence={"dose": _dose(read, behaviour, arm)},
        )
        parts.append(part)
    reference = None if human is None else human.get(behaviour)
    scored = [(arm, r) for arm, r in by_arm.items() if not isinstance(r, str)]
    evidence = {
        **shared,
        "arms": {
            "arm": [arm for arm, _ in scored],
            "slope": [r.value for _, r in scored],
            "low": [r.low for _, r in scored],
            "high": [r.high for _, r in scored],
            "adjusted_p": [adjusted[behaviour, arm] for arm, _ in scored],
        },
    }
    if reference is not None:
        low, high = reference.interval or (None, None)
        evidence["human"] = {"slope": reference.value, "low": low, "high": high}
    return msgspec.structs.replace(parts[0], name=spec.name, parts=tuple(parts), floor=reference, evidence=evidence)


def _dose(read: Mapping[tuple[str, float], Tally], behaviour: str, arm: str) -> dict[str, list[float]]:
    """The rate at each strength, the partner alone first."""
    k = list(BEHAVIOURS).index(behaviour)
    cells = {s: side for (name, s), side in read.items() if name in ("", arm)}
    rates = [float(np.nansum(side.top[:, k]) / max(float(side.bottom[:, k].sum()), 1e-9)) for side in cells.values()]
    return {"strength": list(cells), "rate": [round(rate, 5) for rate in rates]}


def _named(arm: str, strength: float) -> str:
    return f"{arm}@{strength:g}" if arm else "alone"


def _spec(behaviour: str) -> MeasureSpec:
    if behaviour not in BEHAVIOURS:
        raise MeasureError(f"no behaviour {behaviour!r}", why="reactions are read off these", fix=", ".join(BEHAVIOURS))
    unit, asks = BEHAVIOURS[behaviour]
    return MeasureSpec(
        name=f"transfer.reaction.{behaviour}",
        question="rank",
        asks=f"{asks[:-1]} when their partner treats them worse?",
        unit=f"{unit}, for the whole arm",
        range=(None, None),
        better="match",
        source="paired interventions on the partner; clustered errors as in doi:10.3368/jhr.50.2.317",
        minimum_units=FEWEST,
    )
