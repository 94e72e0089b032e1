"""Whether a model trained on synthetic users works on people, in sentences by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.measures.measurement import Measurement
from understudy.reports.evidence import is_number
from understudy.reports.findings import listed, plain_finding
from understudy.reports.panels import family
from understudy.reports.wording import evidence_number, headlines_of, interval, number, parts_of, percent, words

GAP, FALSE, ABLATION, REACTION, MIXTURE = (
    f"transfer.{name}" for name in ("gap_closed", "false_progress", "ablation", "reaction", "mixture")
)
FULL_WAY = 0.995


def task_of(m: Measurement) -> str:
    """The task, layer set or behaviour that a measurement's name ends in, in words."""
    return words(m.name.split(".", 2)[2]) if m.name.count(".") > 1 else words(m.name.partition(".")[2])


def flags_of(m: Measurement) -> tuple[str, ...]:
    """Why the number is not to be taken at its word, as its measure wrote it."""
    flags = m.evidence.get("flags")
    return tuple(str(f) for f in flags) if isinstance(flags, (list, tuple)) else ()


def trained_well(own: Sequence[Measurement]) -> tuple[str, bool, tuple[str, ...]]:
    """The lead sentence, whether it is an alarm, and the further sentences.

    An alarm of the false-progress monitor is told before anything else. Flagged tasks are named and left out of the
    lead.
    """
    heads = [m for m in headlines_of(own) if m.status == "scored"]
    alarms = [m for m in family(heads, FALSE) if m.evidence.get("alarm") is True]
    gaps = family(heads, GAP)
    judged = [m for m in gaps if not flags_of(m)]
    rest = [m for m in heads if m not in gaps and m not in alarms]
    findings = [*(gap_sentence(m) for m in gaps if len(gaps) > 1 or flags_of(m)), *(_of(m, own) for m in rest)]
    if alarms:
        lead = alarm_sentence(alarms)
        return lead, True, (*_lead(judged, gaps), *findings)
    lead, *more = [*_lead(judged, gaps), *findings]
    return lead, False, tuple(more)


def _lead(judged: Sequence[Measurement], gaps: Sequence[Measurement]) -> list[str]:
    if len(judged) == 1 and len(gaps) == 1:
        return [gap_sentence(judged[0])]
    if judged:
        return [_over_tasks(judged, len(gaps))]
    return [_all_flagged(gaps)] if len(gaps) > 1 else []


def _all_flagged(gaps: Sequence[Measurement]) -> str:
    """How much of the gap is closed, and that each number stands beside a flag."""
    tasks = len({_one_task(m) for m in gaps})
    order = sorted(gaps, key=lambda m: (m.value or 0.0, m.name))
    least, most = (f"{number(m.value, 2)} ({task_of(m)})" for m in (order[0], order[-1]))
    flagged = "the one task is" if tasks == 1 else f"each of the {tasks} tasks is"
    return f"Gap closed goes from {least} to {most}, but {flagged} flagged: read each number with what is said of it."


def _one_task(m: Measurement) -> str:
    """The task of a measurement, without the corpus behind it."""
    return m.name.removeprefix(f"{GAP}.").partition(".")[0]


def _over_tasks(judged: Sequence[Measurement], asked: int) -> str:
    order = sorted(judged, key=lambda m: (m.value or 0.0, m.name))
    least, most = order[0], order[-1]
    shown = sum(m.interval is not None and m.interval[0] > 0 for m in judged)
    left = f" ({asked - len(judged)} more flagged)" if asked > len(judged) else ""
    noun = "task" if len({_one_task(m) for m in judged}) == len(judged) else "comparison"
    beaten = "all" if shown == len(judged) else "none" if not shown else str(shown)
    reach = f"{_way(most)} of the way ({task_of(most)})"
    span = reach if len(judged) == 1 else f"from {_way(least)} ({task_of(least)}) to {reach}"
    return (
        f"From an untrained model to one trained on as many real conversations, training on these goes {span}; "
        f"better than no training is shown in {beaten} of {len(judged)} {noun}{'s' * (len(judged) > 1)}{left}."
    )


def _way(m: Measurement) -> str:
    value = m.value or 0.0
    return percent(value) if value >= 0 else f"minus {percent(-value)}"


def gap_sentence(m: Measurement) -> str:
    """One task: how far, with bounds, and S/I only beside B/I; a flagged one says why."""
    assert m.value is not None
    flags = flags_of(m)
    if flags:
        told = f"gap closed {number(m.value, 2)}{_reach(m)}"
        return f"{_capital(task_of(m))} is flagged ({told}): {'; '.join(map(_no_stop, flags))}."
    return f"{_capital(task_of(m))}: {_how_far(m)}{_beside(m)}."


def _how_far(m: Measurement) -> str:
    value, bounds = m.value or 0.0, m.interval
    told = f"gap closed {number(value, 2)}{_reach(m)}"
    if bounds is None:
        return told
    if bounds[1] < 0:
        return f"worse than no training at all ({told})"
    if bounds[0] <= 0:
        return f"not shown to be better than no training ({told})"
    if bounds[0] >= FULL_WAY:
        return f"at least as good as real conversations ({told})"
    way = f"{percent(value)} of the way from no training to real conversations"
    full = "; that it falls short of them is not shown" if bounds[1] >= 1 else ""
    return f"{way}, {told}{full}"


def _reach(m: Measurement) -> str:
    return "" if m.interval is None else f", 95 % interval {interval(m.interval, 2)}"


def _beside(m: Measurement) -> str:
    """S/I never without B/I: 0.96 of the real score is little where no training reaches 0.95 of it."""
    base, own = evidence_number(m, "b_over_i"), evidence_number(m, "s_over_i")
    if base is None or own is None:
        return ""
    return f"; of the real-trained score it reaches {percent(own)}, where no training reaches {percent(base)}"


def alarm_sentence(alarms: Sequence[Measurement]) -> str:
    """What parts from what, where, and since when."""
    first = alarms[0]
    if len(alarms) > 1:
        where = listed([task_of(m) for m in alarms])
        return f"False progress ({where}): scores rise on simulated users, and on people they do not keep up."
    since = first.evidence.get("alarm_at")
    known = isinstance(since, (int, float)) and not isinstance(since, bool)
    up = f"; the alarm is up from {since:,g} on" if known else ""
    return f"False progress ({task_of(first)}): {_slopes(first)}{up}."


def _slopes(m: Measurement) -> str:
    """Both slopes, where the monitor wrote them; else their difference."""
    per = f"per {m.evidence.get('per') or 'doubling'}"
    slopes = m.evidence.get("slopes")
    ours, people = (slopes.get(k) if isinstance(slopes, Mapping) else None for k in ("simulated", "held_out"))
    if isinstance(ours, Mapping) and isinstance(people, Mapping) and is_number(ours.get("value")):
        told = f"with more training the score changes by {_one(ours)} {per} on simulated users and by {_one(people)}"
        return f"{told} on people, which does not keep up"
    return f"scores on simulated users and on people part by {number(m.value, 3, signed=True)} {per}{_reach3(m)}"


def _one(slope: Mapping[str, Any]) -> str:
    value, bounds = slope.get("value"), (slope.get("low"), slope.get("high"))
    if not is_number(value):
        return "–"
    reach = f" ({interval(bounds, 3)})" if all(map(is_number, bounds)) else ""  # type: ignore[arg-type]
    return f"{number(value, 3, signed=True)}{reach}"


def _reach3(m: Measurement) -> str:
    return "" if m.interval is None else f" ({interval(m.interval, 3)})"


def _quiet(m: Measurement) -> str:
    return (
        f"False progress was not detected ({task_of(m)}): slope on simulated minus slope on real conversations "
        f"{number(m.value, 3, signed=True)} per {m.evidence.get('per') or 'doubling'}{_reach3(m)}."
    )


VERDICTS = {
    "multiplicative": "together the layers bring more than the sum of each",
    "additive": "each layer adds its own share, and together they bring about the sum",
    "negative": "together the layers bring less than the sum of each, or do harm",
    "not resolved": "whether the layers strengthen or weaken each other could not be resolved at this n",
}


def ablation_sentence(m: Measurement) -> str:
    """What the layers do together."""
    verdict = str(m.evidence.get("verdict") or "not resolved")
    says = VERDICTS.get(verdict, verdict)
    return f"Layers ({task_of(m)}): {says}. With all of them, gap closed {number(m.value, 2)}{_reach(m)}."


def reaction_sentence(m: Measurement) -> str:
    """The slope of reaction, beside people's."""
    own = f"{number(m.value, 2, signed=True)}{'' if m.interval is None else f' ({interval(m.interval, 2)})'}"
    if m.floor is None:
        return f"Reaction to a worse partner, {task_of(m)}: slope {own}; no human slope is known here."
    floor, bounds = m.floor, m.interval
    people = (
        f"{number(floor.value, 2, signed=True)}{'' if floor.interval is None else f' ({interval(floor.interval, 2)})'}"
    )
    apart = ""
    if bounds is not None and floor.interval is not None:
        weaker = bounds[1] < floor.interval[0] if floor.value >= 0 else bounds[0] > floor.interval[1]
        stronger = bounds[0] > floor.interval[1] if floor.value >= 0 else bounds[1] < floor.interval[0]
        apart = "; weaker than people's" if weaker else "; stronger than people's" if stronger else ""
    return f"Reaction to a worse partner, {task_of(m)}: slope {own}, people {people}{apart}."


def mixture_sentence(m: Measurement, parts: Sequence[Measurement] = ()) -> str:
    """Whether mixing helped, by the family that judges; and how many of the other held-out families agree."""
    bounds = m.interval
    found = "not shown to be nearer to people than its nearest member"
    if bounds is not None and bounds[1] < 0:
        found = f"nearer to people than {'every' if m.evidence.get('better') is True else 'its nearest'} member"
    elif bounds is not None and bounds[0] > 0:
        found = "further from people than its nearest member"
    judge = m.evidence.get("judge")
    by = f"By {words(judge)}, which it was not fitted on, the" if isinstance(judge, str) else "The"
    reach = "" if bounds is None else f" ({interval(bounds, 3)})"
    told = f"{by} mixture is {found}: {number(m.value, 3, signed=True)}{reach}."
    known = [p.interval for p in parts if p.interval is not None]
    if len(known) < 2:
        return told
    nearer, further = sum(high < 0 for _, high in known), sum(low > 0 for low, _ in known)
    return f"{told} Of {len(known)} held-out families it is shown nearer by {nearer} and further by {further}."


def _of(m: Measurement, own: Sequence[Measurement]) -> str:
    return mixture_sentence(m, parts_of(m, own)) if m.name == MIXTURE else sentence(m)


def sentence(m: Measurement) -> str:
    """What one measurement of training found."""
    for name, tells in (
        (GAP, gap_sentence),
        (ABLATION, ablation_sentence),
        (REACTION, reaction_sentence),
        (MIXTURE, mixture_sentence),
    ):
        if family([m], name):
            return tells(m)
    if family([m], FALSE):
        return alarm_sentence([m]) if m.evidence.get("alarm") is True else _quiet(m)
    return plain_finding(m)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _no_stop(text: str) -> str:
    return text.strip().rstrip(".")
