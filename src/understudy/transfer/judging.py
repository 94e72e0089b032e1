"""Is a mixed corpus closer to held-out real users than each of its members, on families it was not fitted on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.errors import MeasureError
from understudy.measures.comparison import Distances, difference, distances
from understudy.measures.measurement import Counts, Measurement, MeasureSpec, counts, unscored
from understudy.measures.sampling import unit_order
from understudy.seeds import derive_seed, stream
from understudy.transfer.families import Judge

MOST_JUDGED = 1000
FEWEST_JUDGED = 40

SPEC = MeasureSpec(
    name="transfer.mixture",
    question="train",
    asks="Is the mixed corpus closer to held-out real users than its best member, on measures it was not fitted on?",
    unit="distance of the mix minus distance of the nearest member",
    range=(-1.0, 1.0),
    better="lower",
    source="paired delete-a-group jackknife, doi:10.1214/aos/1176347263; mixtures of simulators, arXiv:2605.07847",
    headline=True,
)


def judge_mixture(
    held_out: Corpus,
    mixed: Corpus,
    members: Mapping[str, Corpus],
    judges: Sequence[Judge],
    *,
    controls: Mapping[str, Corpus] | None = None,
    evidence: Mapping[str, Any] | None = None,
    seed: int,
) -> Measurement:
    """How much closer is the mix than its nearest member, to real users that nobody fitted on?

    For every judge, `d(mix) - d(member)` over sets of equal size, d the size of the judge's distance: below 0 the
    mix is closer. The value is the difference to the nearest member by the first judge that could be scored; parts
    `transfer.mixture.<judge>` hold each. Intervals are paired: a delete-a-group jackknife takes the same real units
    out of all distances, and a synthetic unit out of every set that has it. `evidence["better"]` is true only where
    the interval against *every* member excludes 0. `controls` are compared in the same way and decide nothing: a
    corpus of all members alike, one selected by shuffled weights.

    Unscored below ten units a side. Members of fewer than 40 conversations are left out, and named.
    """
    told = dict(evidence or {})
    small = [name for name, corpus in members.items() if len(corpus) < FEWEST_JUDGED]
    used = {name: corpus for name, corpus in members.items() if name not in small}
    told["members_too_small_to_judge"] = small
    told["families_held_out"] = [judge.name for judge in judges]
    if not used or not judges or len(mixed) < FEWEST_JUDGED:
        reason = (
            "every family that could judge was fitted on" if not judges
            else f"the mix has {len(mixed)} conversations and {len(used)} members have {FEWEST_JUDGED} or more"
        )  # fmt: skip
        return msgspec.structs.replace(unscored(SPEC, held_out, mixed, reason), evidence=told)
    rivals = {**used, **(controls or {})}
    size = min(len(mixed), MOST_JUDGED, *(len(corpus) for corpus in rivals.values()))
    real = _some(held_out, MOST_JUDGED, derive_seed(seed, "judge", "real"))
    sets = {name: _some(c, size, derive_seed(seed, "judge", name)) for name, c in {"": mixed, **rivals}.items()}
    told["conversations_judged"] = {"real": len(real), "each set": size}
    n = counts(real, sets[""])
    parts = tuple(_part(judge, real, sets, list(used), n, seed) for judge in judges)
    first = next((part for part in parts if part.value is not None), None)
    if first is None:
        whole = unscored(SPEC, real, sets[""], "; ".join(f"{p.name}: {p.reason}" for p in parts))
        return msgspec.structs.replace(whole, evidence=told, parts=parts)
    return Measurement(
        name=SPEC.name,
        value=first.value,
        status="scored",
        n=n,
        spec=SPEC,
        interval=first.interval,
        evidence={**told, **first.evidence, "judge": first.name.rpartition(".")[2]},
        parts=parts,
    )


def _some(corpus: Corpus, most: int, seed: int) -> Corpus:
    """At most `most` conversations, units in random order, in the order of the corpus."""
    if len(corpus) <= most:
        return corpus
    return corpus.subset(np.sort(unit_order(corpus, np.random.default_rng(seed))[:most]))


def _part(
    judge: Judge, real: Corpus, sets: Mapping[str, Corpus], members: list[str], n: Mapping[str, Counts], seed: int
) -> Measurement:
    spec = msgspec.structs.replace(
        SPEC, name=f"{SPEC.name}.{judge.name}", asks=f"{SPEC.asks} By {judge.says}.", headline=False
    )
    try:
        found = distances(real, list(sets.values()), build=judge.build, rng=stream(seed, "judge", judge.name))
    except MeasureError as error:
        reason = f"{error.what}: {error.why}"
        return Measurement(name=spec.name, value=None, status="unscored", n=n, spec=spec, reason=reason)
    against = {name: _against(found, k) for k, name in enumerate(sets) if name}
    nearest = min(members, key=lambda name: against[name]["distance"])
    return Measurement(
        name=spec.name,
        value=against[nearest]["difference"],
        status="scored",
        n=n,
        spec=spec,
        interval=(against[nearest]["low"], against[nearest]["high"]),
        evidence={
            "distance": abs(float(found.value[0])),
            "nearest_member": nearest,
            "against": {name: against[name] for name in members},
            "controls": {name: row for name, row in against.items() if name not in members},
            "better": all(against[name]["high"] < 0 for name in members),
        },
    )


def _against(found: Distances, k: int) -> dict[str, float]:
    value, (low, high) = difference(float(found.value[0]), float(found.value[k]), found.left_out[0], found.left_out[k])
    return {"distance": abs(float(found.value[k])), "difference": value, "low": low, "high": high}
