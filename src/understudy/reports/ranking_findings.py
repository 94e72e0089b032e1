"""Whether simulated users put systems in the order that people do, in sentences by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import is_number
from understudy.reports.findings import listed, plain_finding
from understudy.reports.panels import bounds_of, columns_in, family
from understudy.reports.transfer_findings import MIXTURE, REACTION, sentence
from understudy.reports.wording import evidence_number, headlines_of, interval, number, percent, words

TAU, SPEARMAN, CALIBRATION, POWERED, STABILITY = (
    f"ranking.{name}" for name in ("tau", "spearman", "calibration", "prediction_powered", "stability")
)
FEWEST_SYSTEMS = 8
DECIDED = 0.9  # of a probability; one between this and its complement leaves a pair of systems undecided
RELIABLE = 0.5  # of a correlation: three pairs of four in the same order
NAMES = {TAU: "Kendall's tau", SPEARMAN: "Spearman's rho"}


def systems_in(m: Measurement) -> list[dict[str, object]]:
    """The systems of an agreement, a row each."""
    return columns_in(m.evidence.get("systems"), "system", "real", "simulated") or []


def descriptive(m: Measurement) -> bool:
    """Whether there are too few systems for a claim about order."""
    told = m.evidence.get("descriptive")
    return told if isinstance(told, bool) else 0 < len(systems_in(m)) < FEWEST_SYSTEMS


def ranked_right(own: Sequence[Measurement]) -> tuple[str, bool, tuple[str, ...]]:
    """The lead sentence, whether it is descriptive only, and the further sentences."""
    heads = [m for m in headlines_of(own) if m.status == "scored"]
    agreement = next((m for name in (TAU, SPEARMAN) for m in heads if m.name == name), None)
    rest = [told(m) for m in heads if m is not agreement]
    if agreement is None:
        return rest[0], False, tuple(rest[1:])
    worth = _worth([m for m in heads if family([m], POWERED)])
    rest = [
        _beside(m) if m.name == SPEARMAN else told(m) for m in heads if m is not agreement and not family([m], POWERED)
    ]
    lead = agreement_sentence(agreement)
    return lead, descriptive(agreement), (*choices_and_pairs(agreement), *_spoiled(agreement), *worth, *rest)


def told(m: Measurement) -> str:
    """What one measurement of ranking found."""
    if m.name in NAMES:
        return agreement_sentence(m)
    if m.name == CALIBRATION:
        return calibration_sentence(m)
    if family([m], POWERED):
        return powered_sentence(m)
    if m.name == STABILITY:
        return stability_sentence(m)
    if family([m], REACTION) or family([m], MIXTURE):
        return sentence(m)
    return plain_finding(m)


def agreement_sentence(m: Measurement) -> str:
    """The correlation, beside what people agree among themselves, and what follows by rule."""
    count = len(systems_in(m))
    of = f" of {count} systems" if count else ""
    reach = "" if m.interval is None else f" ({interval(m.interval, 2)})"
    found = f"{NAMES.get(m.name, words(m.name))} {number(m.value, 2)}{reach}"
    few = f"Descriptive only, at {count} systems: the" if descriptive(m) else "The"
    start = f"{few} order{of} under simulated users against their order under people: {found}"
    ceiling = m.ceiling
    if ceiling is None:
        return f"{start}; how far people agree among themselves is not known here.{_by_rule(m)}"
    people = f"{number(ceiling.value, 2)}{'' if ceiling.interval is None else f' ({interval(ceiling.interval, 2)})'}"
    return f"{start}; people agree with other people at {people}.{_by_rule(m)}"


def _beside(m: Measurement) -> str:
    """The second correlation, in short: what follows was said of the first."""
    reach = "" if m.interval is None else f" ({interval(m.interval, 2)})"
    people = "" if m.ceiling is None else f"; people with other people {number(m.ceiling.value, 2)}"
    return f"By {NAMES[m.name]}: {number(m.value, 2)}{reach}{people}."


def unreliable(m: Measurement) -> bool:
    """Whether people do not agree on the order among themselves, so that agreeing with them shows little."""
    if m.ceiling is None:
        return False
    low = m.ceiling.value if m.ceiling.interval is None else m.ceiling.interval[0]
    return m.ceiling.value < RELIABLE or low <= 0


def _by_rule(m: Measurement) -> str:
    """What the intervals allow to be said; of the simulator nothing below eight systems."""
    doubt = (
        " But people do not order these systems reliably themselves: to agree with such an order shows little, "
        "and to depart from it shows little too."
        if unreliable(m)
        else ""
    )
    if descriptive(m) or m.interval is None:
        return doubt
    low, high = m.interval
    if high < 0:
        return f" The order is reversed.{doubt}"
    if low <= 0:
        return f" That it is better than no order at all is not shown.{doubt}"
    ceiling = m.ceiling.interval or (m.ceiling.value,) * 2 if m.ceiling is not None else None
    if ceiling is None:
        return ""
    if high < ceiling[0]:
        return f" It agrees with people less than people do.{doubt}"
    if doubt:
        return f" Better than no order is shown.{doubt}"
    if low > ceiling[0]:
        return " It agrees with people as far as people do."
    return " Better than no order is shown; whether it falls short of people is not."


def choices_and_pairs(m: Measurement) -> tuple[str, ...]:
    """The system that each side would choose, and what pairs are decided, with how sure each side is."""
    return (*_choice(m), *_pairs(m))


def _choice(m: Measurement) -> tuple[str, ...]:
    """The best system of either side, and whether the data decide between them."""
    rows = [r for r in systems_in(m) if is_number(r["real"]) and is_number(r["simulated"])]
    if not rows:
        return ()
    tops = []
    for side in ("real", "simulated"):
        best = max(float(r[side]) for r in rows)  # type: ignore[arg-type]
        tops.append([str(r["system"]) for r in rows if float(r[side]) == best])  # type: ignore[arg-type]
    both = sorted(set(tops[0]) & set(tops[1]))
    if both:
        return (
            f"{listed(both)} {'has' if len(both) == 1 else 'have'} the best score on both sides{_rivals(m, both)}.",
        )
    start = f"Best score from people: {listed(tops[0])}; from simulated users: {listed(tops[1])}"
    sure = _sure(m, tops[0][0], tops[1][0])
    if sure is None:
        return (f"{start}.",)
    told = f"probability that {tops[0][0]} is better: {number(sure[0], 2)} by people"
    told += f", {number(sure[1], 2)} by simulated users"
    decided = [max(p, 1 - p) > DECIDED for p in sure]
    end = "undecided by " + ("both" if not any(decided) else "people" if decided[1] else "simulated users")
    return (f"{start}. Which of the two is better is {'decided by both' if all(decided) else end} ({told}).",)


def _rivals(m: Measurement, best: Sequence[str]) -> str:
    """The systems that people may as well prefer to the best."""
    if len(best) > 1:
        return ""
    rivals = [str(r["system"]) for r in systems_in(m) if r["system"] != best[0]]
    known = [(sure[0], name) for name in rivals if (sure := _sure(m, best[0], name)) is not None and sure[0] <= DECIDED]
    if not known:
        return ""
    p, name = min(known)
    more = f" and {len(known) - 1} more" if len(known) > 1 else ""
    return f"; people have not decided between it and {name} (probability that it is better: {number(p, 2)}){more}"


def _sure(m: Measurement, a: str, b: str) -> tuple[float, float] | None:
    """How sure people, and simulated users, are that `a` is better than `b`."""
    for r in columns_in(m.evidence.get("p_order"), "first", "second", "p_real", "p_simulated") or ():
        p, q = r["p_real"], r["p_simulated"]
        if {r["first"], r["second"]} == {a, b} and is_number(p) and is_number(q):
            real, simulated = float(p), float(q)
            return (real, simulated) if r["first"] == a else (1 - real, 1 - simulated)
    return None


def _pairs(m: Measurement) -> tuple[str, ...]:
    """How many pairs are surely ordered as people order them, how many against that, and which."""
    rows = [
        r for r in columns_in(m.evidence.get("p_order"), "first", "second", "p_same") or () if is_number(r["p_same"])
    ]
    if not rows:
        return ()
    chance = [(float(r["p_same"]), f"{r['first']} and {r['second']}") for r in rows]
    alike = sum(p > DECIDED for p, _ in chance)
    against = sorted(c for c in chance if c[0] < 1 - DECIDED)
    open_ = len(chance) - alike - len(against)
    most = f"{alike} of {len(chance)} pairs in people's order, {len(against)} against it, {open_} undecided"
    scale = f"probability of one order above {DECIDED:g}, below {1 - DECIDED:.1g}, between"
    named = [f"{names} (probability of one order {number(p, 2)})" for p, names in against[:5]]
    more = f" and {len(against) - 5} more" if len(against) > 5 else ""
    return (f"{most} ({scale})." + (f" Against people's order: {', '.join(named)}{more}." if named else ""),)


def _spoiled(m: Measurement) -> tuple[str, ...]:
    """What leaving out the episodes that the simulator broke would change."""
    found = m.evidence.get("spoiled")
    if not isinstance(found, Mapping) or not is_number(found.get("share")) or not is_number(found.get("tau")):
        return ()
    same = found.get("best_with") == found.get("best_without")
    best = "the best system stays" if same else f"the best system would be {found.get('best_without')}"
    without = f"Without the {percent(found['share'])} of episodes that the simulator spoiled"
    return (f"{without}, the order agrees at {number(found['tau'], 2)}; {best}.",)


def stability_sentence(m: Measurement) -> str:
    """Whether a decision hangs on which simulator was taken."""
    reach = "" if m.interval is None else f" ({interval(m.interval, 2)})"
    least = f"Swapping the simulator: the two that agree least agree at {number(m.value, 2)}{reach}"
    flipped = m.evidence.get("flipped")
    pairs = len(flipped) if isinstance(flipped, (list, tuple)) else 0
    surely = (
        f"{pairs or 'no'} pair{'s' * (pairs > 1)} of systems {'are' if pairs > 1 else 'is'} surely ordered otherwise"
    )
    return f"{least}; {surely} by one than by another."


def _worth(powered: Sequence[Measurement]) -> tuple[str, ...]:
    """What the simulator is worth in people: over all systems where the measure says so, else from least to most."""
    known = []
    for m in powered:
        own, effective = evidence_number(m, "n_human", "human_n", "n"), evidence_number(m, "effective_n", "n_effective")
        if own and effective is not None:
            known.append((effective / own, m.name.removeprefix(f"{POWERED}.")))
    if not known:
        return tuple(powered_sentence(m) for m in powered[:1]) if len(powered) == 1 else ()
    least, most = min(known), max(known)
    if most[0] < 1.01:
        return ("Beside the human scores the simulator adds no precision: buy people.",)
    span = (
        f"{number(least[0], 2)} to {number(most[0], 2)} times" if least[0] < most[0] else f"{number(most[0], 2)} times"
    )
    return (f"With simulated scores beside them, the human ones are worth {span} as many (prediction-powered).",)


def powered_sentence(m: Measurement) -> str:
    """One system: the score with its interval, beside the human-only one, and how many people to buy."""
    system = m.name.removeprefix(f"{POWERED}.")
    reach = "" if m.interval is None else f" ({interval(m.interval, 2)})"
    alone, bounds = evidence_number(m, "human_only", "human", "real"), human_bounds(m)
    beside = "" if alone is None else f"; from people alone {number(alone, 2)}"
    beside += f" ({interval(bounds, 2)})" if alone is not None and bounds is not None else ""
    more = evidence_number(m, "buy", "buy_more", "more")
    buy = f"; {more:,.0f} more real episodes would bring the wanted precision" if more else ""
    return f"{system}: {number(m.value, 2)}{reach}{beside}{buy}."


def human_bounds(m: Measurement) -> tuple[float, float] | None:
    """The human-only interval, under any of the names it is written by."""
    return next((b for stem in ("human_only", "human", "real") if (b := bounds_of(m.evidence, stem)) is not None), None)


def calibration_sentence(m: Measurement) -> str:
    """Whether simulated scores mean what real scores mean: too kind or too hard, and unevenly so or not."""
    reach = "" if m.interval is None else f" ({interval(m.interval, 2)})"
    noise = "" if m.floor is None else f"; sampling noise alone gives {number(m.floor.value, 2)}"
    told = f"Calibration: simulated scores are off by {number(m.value, 2)} on average{reach}{noise}"
    shift, uneven = evidence_number(m, "shift"), evidence_number(m, "uneven")
    if shift is None or uneven is None:
        return f"{told}."
    kind = "too kind" if shift > 0 else "too hard"
    return f"{told}. All alike they are {kind} by {number(abs(shift), 2)}, and besides uneven by {number(uneven, 2)}."
