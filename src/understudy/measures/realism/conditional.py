"""Do users react to their partner as people do: acts, lengths, echoes, uptake, and leaving?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.errors import MeasureError
from understudy.measures.behaviours import PARTNER_ACTS, writing
from understudy.measures.contingency import contingencies, replies
from understudy.measures.distributions import (
    Block,
    Labels,
    Table,
    WeightedSums,
    conditional_variation,
    omnibus_p,
    ratio,
    ratio_gap,
    ratio_level,
    shares,
    total_variation,
)
from understudy.measures.measurement import Counts, Measurement, MeasureSpec, counts, floor_of, measure
from understudy.measures.multiplicity import benjamini_hochberg
from understudy.measures.resampling import (
    Floats,
    Pool,
    Statistic,
    TwoSample,
    observed_weights,
    permutation_p,
    pool,
    two_sample,
)
from understudy.measures.speech_acts import user_acts

THIRDS = ("early", "middle", "late")
LONGEST = 20
WORDS = (3.5, 6.5, 10.5, 16.5, 30.5)
ECHOES = (1e-9, 0.1, 0.25, 0.5, 0.75)
UPTAKES = (-0.1, -1e-9, 1e-9, 0.1, 0.25, 0.5)
SUPPORT = 10
SHOWN = 12
SPEC = MeasureSpec(
    name="realism.conditional",
    question="real",
    asks="Do users react to what the partner just did as people do, and leave when people do?",
    unit="mean distance between conditional distributions",
    range=(0.0, 1.0),
    better="lower",
    source="adjacency pairs, doi:10.2307/412243; max-T, Westfall & Young (1993); hazards, Singer & Willett (1993)",
    headline=True,
)
ASKS = {
    "acts": "P(user act | partner act, third of the conversation)",
    "response_length": "P(length of the turn | whether the partner asked)",
    "echo": "P(share of the partner's words said back | partner act)",
    "leaving": "hazard of leaving after the k-th user turn",
    "uptake": "words shared with the partner turn just before, beyond those shared with its earlier turns",
    "uptake_meaning": "similarity in content to the partner turn just before, beyond that to its earlier turns",
}
UPTAKE_UNITS = {"uptake": "share of the turn's words", "uptake_meaning": "cosine"}


class _Aspect(NamedTuple):
    """One thing compared. `cells` > 0: labels within cells; `gap`: a signed mean besides its distribution."""

    name: str
    block: Block
    labels: tuple[str, ...]
    cells: tuple[str, ...]
    gap: Block | None


def _binned(value: Floats, edges: tuple[float, ...]) -> Labels:
    return np.where(np.isnan(value), -1, np.searchsorted(edges, value, side="right"))


def _within(cell: Labels, label: Labels, labels: int) -> Labels:
    return np.where((label < 0) | (cell < 0), -1, cell * labels + label)


def _supported(cell: Labels, conversation: Labels, unit: Labels) -> Labels:
    """Cells seen in at least ten units of both sides together; the others become -1."""
    pairs = np.unique(np.stack([cell, unit[conversation]]), axis=1)
    units = np.bincount(pairs[0][pairs[0] >= 0], minlength=int(cell.max(initial=0)) + 1)
    return np.where(units[cell] >= SUPPORT, cell, -1)


def _endings(real: Corpus, synthetic: Corpus, rows: Labels) -> tuple[Labels, npt.NDArray[np.bool_]]:
    """User turns of each conversation, and whether a limit or fault cut it off (its leaving is then not seen)."""
    talks = (*real, *synthetic)
    cut = np.array([c.ending is not None and c.ending.by in ("limit", "fault") for c in talks], dtype=bool)
    return np.bincount(rows, minlength=len(talks)), cut


def _hazard_labels(length: Labels, cut: npt.NDArray[np.bool_]) -> tuple[Labels, Labels]:
    """The number of user turns, capped, once for all conversations and once for those whose end was theirs."""
    capped = np.minimum(length, LONGEST + 1) - 1
    # Beyond the cap nobody is followed any further: at risk until then, not seen leaving.
    return capped, np.where(cut | (length > LONGEST), -1, capped)


def _hazards(reached: Floats, left: Floats) -> tuple[Floats, Floats]:
    """At risk after the k-th turn (reached it), and the share of them that leave there."""
    at_risk = np.cumsum(reached[:, ::-1], axis=1)[:, ::-1]
    return at_risk, ratio(left, at_risk)


def hazard_distance(real: tuple[Floats, Floats], synthetic: tuple[Floats, Floats]) -> Floats:
    """Mean absolute difference of leaving hazards over turns, weighted by `r_k s_k / (r_k + s_k)`.

    `r_k`, `s_k` are the sides' shares of conversations still going: a turn that only one side reaches weighs
    nothing. Each argument is (conversations by number of user turns, those of them that left), shape (B, turns).

    >>> counts = lambda *x: np.array([x], dtype=float)
    >>> hazard_distance((counts(5, 5), counts(5, 5)), (counts(1, 9), counts(1, 9))).round(3)
    array([0.243])
    """
    (risk_r, hazard_r), (risk_s, hazard_s) = (_hazards(*side) for side in (real, synthetic))
    r, s = ratio(risk_r, risk_r[:, :1] + 0 * risk_r), ratio(risk_s, risk_s[:, :1] + 0 * risk_s)
    weight = shares(np.divide(r * s, r + s, out=np.zeros_like(r), where=(r + s) > 0))
    distance: Floats = (weight * np.abs(hazard_r - hazard_s)).sum(axis=1)
    return distance


class _Built(NamedTuple):
    """The table, the aspects in it, the blocks of the hazard, and what is missing."""

    table: Table
    aspects: list[_Aspect]
    reached: Block
    left: Block
    missing: dict[str, str]
    acts: str
    cut: int


def _build(real: Corpus, synthetic: Corpus, unit: Labels) -> _Built:
    turns = replies(real, synthetic)
    a, b = writing(real), writing(synthetic)
    table = Table(len(real) + len(synthetic))
    missing: dict[str, str] = {}
    aspects: list[_Aspect] = []
    # Acts by position: a partner that other languages' lists cannot read would put all mass in two cells.
    partner = turns.partner if a.language == b.language else np.where(turns.partner == 3, 3, 6)
    acts = user_acts(real, synthetic)

    def add(name: str, cell: Labels, cells: tuple[str, ...], label: Labels, labels: tuple[str, ...]) -> None:
        flat = _within(_supported(cell, turns.conversation, unit), label, len(labels))
        block = table.add_labels(turns.conversation, flat, len(cells) * len(labels))
        aspects.append(_Aspect(name, block, labels, cells, None))

    stages = tuple(f"{act}, {third}" for act in PARTNER_ACTS for third in THIRDS)
    add("acts", partner * 3 + turns.third, stages, acts.label, acts.names)
    if a.spaced == b.spaced:
        sizes = ("1-3 words", "4-6", "7-10", "11-16", "17-30", "31+")
        asked = np.where(turns.asked < 0, -1, turns.partner == PARTNER_ACTS.index("question")).astype(np.int64)
        add("response_length", asked, ("not asked", "asked"), _binned(turns.words, WORDS), sizes)
        bins = ("none", "to 10 %", "to 25 %", "to 50 %", "to 75 %", "most")
        add("echo", partner, PARTNER_ACTS, _binned(turns.echo, ECHOES), bins)
    else:
        missing |= dict.fromkeys(("response_length", "echo"), "a word is not the same in the two scripts")
    first_synthetic = int(unit[: len(real)].max()) + 1  # units are numbered real first, within a side by name
    values = dict(zip(("uptake", "uptake_meaning"), contingencies(real, synthetic), strict=True))
    for name, value in values.items():
        known = np.unique(unit[turns.conversation[~np.isnan(value)]])
        side = [int((known < first_synthetic).sum()), int((known >= first_synthetic).sum())]
        if min(side) < SUPPORT:
            missing[name] = (
                f"turns after two partner turns or more, with content words: {side[0]} real and {side[1]} "
                f"synthetic unit(s); at least {SUPPORT} a side are needed"
            )
            continue
        label = _binned(value, UPTAKES)
        block = table.add_labels(turns.conversation, label, len(UPTAKES) + 1)
        gap = table.add_ratio(turns.conversation, value, np.ones_like(value), unit)
        aspects.append(_Aspect(name, block, (), (), gap))
    length, cut = _endings(real, synthetic, turns.conversation)
    reached, left = _hazard_labels(length, cut)
    conversations = np.arange(len(length))
    blocks = [table.add_labels(conversations, each, LONGEST + 1) for each in (reached, left)]
    return _Built(table, aspects, blocks[0], blocks[1], missing, acts.origin, int(cut.sum()))


def _distance(aspect: _Aspect, real: Floats, synthetic: Floats) -> Floats:
    r, s = aspect.block.of(real), aspect.block.of(synthetic)
    return conditional_variation(r, s, len(aspect.labels)) if aspect.cells else total_variation(shares(r), shares(s))


def _statistic(built: _Built, sums: WeightedSums) -> Statistic:
    """Columns: mean distance; distances of the aspects, then of leaving; gaps; studentised gaps."""
    signed = [aspect.gap for aspect in built.aspects if aspect.gap is not None]

    def statistic(left: Floats, right: Floats) -> Floats:
        r, s = sums(left, right)
        each = [_distance(aspect, r, s) for aspect in built.aspects]
        hazards = [(built.reached.of(x), built.left.of(x)) for x in (r, s)]
        each.append(hazard_distance(hazards[0], hazards[1]))
        gaps = [ratio_gap(block.of(r), block.of(s)) for block in signed]
        distances = np.stack(each, axis=1)
        return np.column_stack([distances.mean(axis=1), distances, *(g for g, _ in gaps), *(t for _, t in gaps)])

    return statistic


def prepare(real: Corpus, synthetic: Corpus, rng: np.random.Generator, *, part: str = "") -> tuple[Statistic, Pool]:
    """The statistic of one part (a signed gap for the uptakes, else a distance), or of the mean, for `closer`."""
    pooled = pool(real, synthetic)
    built = _build(real, synthetic, pooled.unit)
    names = [aspect.name for aspect in built.aspects]
    signed = [aspect.name for aspect in built.aspects if aspect.gap is not None]
    columns = {"": 0} | {name: k for k, name in enumerate([*names, "leaving"], 1)}
    columns |= {name: 2 + len(names) + k for k, name in enumerate(signed)}
    if part not in columns:
        raise MeasureError(
            f"{SPEC.name} has no part {part!r} for these two corpora",
            why=built.missing.get(part, "no such part"),
            fix=f"choose among {', '.join(name for name in columns if name)}",
        )
    every = _statistic(built, built.table.summed())
    return lambda r, s: every(r, s)[:, [columns[part]]], pooled


def _cells(aspect: _Aspect, real: Floats, synthetic: Floats) -> list[dict[str, Any]]:
    """What is done too often or too rarely after what: the largest differences, weighted as in the distance."""
    shape = (len(aspect.cells), len(aspect.labels))
    r, s = aspect.block.of(real)[0].reshape(shape), aspect.block.of(synthetic)[0].reshape(shape)
    in_r, in_s = shares(r.sum(axis=1)), shares(s.sum(axis=1))
    weight = np.divide(in_r * in_s, in_r + in_s, out=np.zeros_like(in_r), where=(in_r + in_s) > 0)
    p, q = shares(r), shares(s)
    order = np.argsort(-(weight[:, None] * np.abs(q - p)).ravel(), kind="stable")[:SHOWN]
    return [
        {
            "given": aspect.cells[i // shape[1]],
            "label": aspect.labels[i % shape[1]],
            "real": float(p.flat[i]),
            "synthetic": float(q.flat[i]),
            "real_turns": int(r[i // shape[1]].sum()),
            "synthetic_turns": int(s[i // shape[1]].sum()),
        }
        for i in order
        if weight[i // shape[1]] > 0
    ]


def _curves(built: _Built, sides: tuple[Floats, Floats]) -> dict[str, Any]:
    curves: dict[str, Any] = {
        "turn": list(range(1, LONGEST + 1)),
        "conversations_cut_by_limit_or_fault": built.cut,
    }
    for name, sums in zip(("real", "synthetic"), sides, strict=True):
        reached, left = built.reached.of(sums), built.left.of(sums)
        at_risk, hazard = _hazards(reached, left)
        curves[name] = hazard[0, :LONGEST].round(4).tolist()
        curves[f"{name}_at_risk"] = at_risk[0, :LONGEST].astype(int).tolist()
    ignoring = [(built.reached.of(s), built.reached.of(s)) for s in sides]
    curves["distance_with_cut_ones_as_leaving"] = float(hazard_distance(ignoring[0], ignoring[1])[0])
    return curves


def _part_spec(name: str) -> MeasureSpec:
    signed = name.startswith("uptake")
    return msgspec.structs.replace(
        SPEC,
        name=f"{SPEC.name}.{name}",
        asks=f"{'Synthetic minus real' if signed else 'Do both sides have the same'}: {ASKS[name]}",
        unit="signed gap of the mean"
        if signed
        else "weighted mean absolute difference"
        if name == "leaving"
        else "weighted mean total-variation distance",
        range=(-2.0, 2.0) if signed else (0.0, 1.0),
        better="match" if signed else "lower",
        headline=False,
    )


def _measured(name: str, run: TwoSample, column: int, score: int | None, n: Mapping[str, Counts]) -> Measurement:
    p = run.p_value[column]
    if score is not None:
        p = permutation_p(run.value[[score]], run.null[:, [score]], two_sided=True)[0]
    return Measurement(
        name=name,
        value=float(run.value[column]),
        status="scored",
        n=n,
        spec=SPEC if name == SPEC.name else _part_spec(name.removeprefix(f"{SPEC.name}.")),
        interval=None if run.interval is None else (float(run.interval[column, 0]), float(run.interval[column, 1])),
        p_value=float(p),
        floor=floor_of(run.floor[:, column]),
    )


def _parts(built: _Built, run: TwoSample, sides: tuple[Floats, Floats], n: Mapping[str, Counts]) -> list[Measurement]:
    """Columns of `run`: mean; distances of the aspects, then of leaving; gaps; studentised gaps."""
    signed = [a.name for a in built.aspects if a.gap is not None]
    gaps = 2 + len(built.aspects)
    parts = []
    for k, aspect in enumerate(built.aspects, 1):
        name = f"{SPEC.name}.{aspect.name}"
        if aspect.gap is None:
            part = _measured(name, run, k, None, n)
            evidence: dict[str, Any] = {"differences": _cells(aspect, *sides)}
            if aspect.name == "acts":
                evidence["acts_from"] = built.acts
        else:
            at = gaps + signed.index(aspect.name)
            part = _measured(name, run, at, at + len(signed), n)
            levels = [float(ratio_level(aspect.gap.of(side))[0][0]) for side in sides]
            evidence = {
                "real": levels[0],
                "synthetic": levels[1],
                "total_variation": float(run.value[k]),
                "unit": UPTAKE_UNITS[aspect.name],
            }
        parts.append(msgspec.structs.replace(part, evidence=evidence))
    leaving = _measured(f"{SPEC.name}.leaving", run, 1 + len(built.aspects), None, n)
    parts.append(msgspec.structs.replace(leaving, evidence={"hazard": _curves(built, sides)}))
    adjusted = benjamini_hochberg([p.p_value for p in parts if p.p_value is not None])
    return [msgspec.structs.replace(p, adjusted_p=a) for p, a in zip(parts, adjusted, strict=True)]


@measure(SPEC)
def conditional(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do users react to what the partner just did as people do, and leave when people do?

    Distances, each in [0, 1], lower better: `acts`, P(user act | partner act, third of the conversation);
    `response_length`, P(length | partner asked or not); `echo`, P(share of the partner's words said back | partner
    act), each

        sum_c w_c TV(P_real(. | c), P_synthetic(. | c)),   w_c proportional to r_c s_c / (r_c + s_c)

    over cells c seen in ten units; and `leaving`, the weighted mean difference of the hazard of leaving after the
    k-th user turn (`hazard_distance`; ended by a limit or fault: at risk, not leaving). `uptake` and
    `uptake_meaning` are signed gaps (synthetic - real) in `contingencies`: replies moved in from other
    conversations keep every marginal and fall to 0 there, a parrot is far above. The value is the mean of all
    distances (for uptake, the total variation of its binned values), beside its floor.

    p-value of the headline: the largest standardised distance or studentised uptake gap, the mean among them, over
    relabelled units (`omnibus_p`). Parts: permutation, two-sided for gaps, adjusted by Benjamini-Hochberg.

    >>> from understudy.conversations import Conversation, Turn
    >>> asks = ("Which food?", "Which area?", "What price?")
    >>> def side(answers, n=30):
    ...     turns = tuple(Turn(*t) for a, u in zip(asks, answers) for t in (("assistant", a), ("user", u)))
    ...     return Corpus([Conversation(str(i), turns) for i in range(n)])
    >>> people, shuffled = ("thai food", "central area", "low price"), ("low price", "thai food", "central area")
    >>> m = conditional(side(people), side(shuffled), rng=np.random.default_rng(0), permutations=99)
    >>> m.p_value, [round(p.value, 2) for p in m.parts if p.name == "realism.conditional.uptake"]
    (0.01, [-0.75])

    Source: adjacency pairs, doi:10.2307/412243; uptake as overlap beyond chance, after arXiv:2106.03873.
    Differences: (1) the reference for overlap is the same partner's earlier turns, so topic and style cancel; (2) no
    trained model; (3) tests by unit and a real-vs-real floor.
    """
    pooled = pool(real, synthetic)
    n = counts(real, synthetic)
    built = _build(real, synthetic, pooled.unit)
    sums = built.table.summed()
    run = two_sample(_statistic(built, sums), pooled, rng=rng, permutations=permutations)
    distances = 2 + len(built.aspects)
    signed = sum(aspect.gap is not None for aspect in built.aspects)
    tested = np.r_[0:distances, distances + signed : len(run.value)]
    lacking = tuple(
        Measurement(name=f"{SPEC.name}.{name}", value=None, status="unscored", reason=why, n=n, spec=_part_spec(name))
        for name, why in built.missing.items()
    )
    return msgspec.structs.replace(
        _measured(SPEC.name, run, 0, None, n),
        p_value=omnibus_p(run.value[tested], run.null[:, tested], tested >= distances),
        evidence={"mean_p": float(run.p_value[0]), "permutations": permutations},
        parts=(*_parts(built, run, sums(*observed_weights(pooled)), n), *lacking),
    )
