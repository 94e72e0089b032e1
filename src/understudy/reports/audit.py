"""The audit: run the measures on two corpora, correct for how many there are, and write down what was done."""

from __future__ import annotations

import importlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.errors import MeasureError, UsageError
from understudy.measures.matching import TopicMatch, describe_topics, match_topics
from understudy.measures.measurement import Estimate, Measure, Measurement, flatten
from understudy.measures.multiplicity import benjamini_hochberg, holm
from understudy.measures.overlap import Copies, copies, same_units
from understudy.reports.report import Example, Report, make_report
from understudy.reports.sections import (
    Section,
    besides_section,
    panel_section,
    provenance_of,
    rank_section,
    train_section,
)
from understudy.reports.wording import as_sentence
from understudy.seeds import stream
from understudy.users.origins import contamination

if TYPE_CHECKING:
    from understudy.measures.consistency.line_judge import LineJudge
    from understudy.measures.raters.records import PanelRecord
    from understudy.transfer.scores import Scores
    from understudy.transfer.task import Task

# Where each default measure lives; modules are imported when an audit runs.
DEFAULT_MEASURES = {
    "realism.discriminator": "understudy.measures.realism.discriminator:discriminator",
    "realism.messiness": "understudy.measures.realism.messiness:messiness",
    "realism.ensemble": "understudy.measures.realism.ensemble:ensemble",
    "realism.conditional": "understudy.measures.realism.conditional:conditional",
    "realism.coverage": "understudy.measures.realism.coverage:coverage",
    "realism.diversity": "understudy.measures.realism.diversity:diversity",
    "separability.icc": "understudy.measures.separability.icc:icc",
    "separability.identification": "understudy.measures.separability.identification:identification",
    "separability.dispersion": "understudy.measures.separability.dispersion:dispersion",
}
EXAMPLES_PER_SIDE = 12
Progress = Callable[[str, int, int], None]


def load_measure(name: str) -> Measure:
    """The declared measure called `name`."""
    if name not in DEFAULT_MEASURES:
        raise UsageError(
            f"no measure is called {name!r}",
            why="an audit can only run measures that exist",
            fix=f"choose among {', '.join(DEFAULT_MEASURES)}",
        )
    module, attribute = DEFAULT_MEASURES[name].split(":")
    declared: Measure = getattr(importlib.import_module(module), attribute)
    return declared


def with_ceiling(measurement: Measurement, other: Measurement, note: str) -> Measurement:
    """Attach what the same measure says of another real corpus, part by part."""
    by_name = {m.name: m for m in flatten([other])}

    def attach(m: Measurement) -> Measurement:
        reference = by_name.get(m.name)
        ceiling = None
        if reference is not None and reference.value is not None:
            ceiling = Estimate(reference.value, reference.interval, note)
        return msgspec.structs.replace(m, ceiling=ceiling, parts=tuple(attach(p) for p in m.parts))

    return attach(measurement)


def adjust(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Holm over the measures of a question; within one Benjamini-Hochberg over its parts, never below the measure.

    Each question is a family of its own: what is asked besides leaves the headline tests of another as they are.
    A part is thereby claimed only where its measure is: under the global null the chance of any false claim about
    a question is that of its Holm family, at most the level. Benjamini & Bogomolov (2014),
    doi:10.1111/rssb.12028, for families tested only when selected.
    """
    by_name: dict[str, float] = {}
    for question in dict.fromkeys(m.spec.question for m in measurements):
        family = {m.name: m.p_value for m in measurements if m.spec.question == question and m.p_value is not None}
        by_name |= zip(family, holm(list(family.values())), strict=True)

    def parts_of(m: Measurement, gate: float) -> tuple[Measurement, ...]:
        p_values = [p.p_value for p in m.parts if p.p_value is not None]
        adjusted = iter(benjamini_hochberg(p_values))
        return tuple(
            p if p.p_value is None else msgspec.structs.replace(p, adjusted_p=max(gate, next(adjusted)))
            for p in m.parts
        )

    return [
        msgspec.structs.replace(m, adjusted_p=by_name.get(m.name), parts=parts_of(m, by_name.get(m.name, 1.0)))
        for m in measurements
    ]


def _examples(real: Corpus, synthetic: Corpus, seed: int) -> list[Example]:
    """A few conversations of each side, drawn at random, for the transcript viewer."""
    chosen = []
    sides: tuple[tuple[Literal["real", "synthetic"], Corpus], ...] = (("real", real), ("synthetic", synthetic))
    for side, corpus in sides:
        rows = np.sort(stream(seed, "examples", side).permutation(len(corpus))[:EXAMPLES_PER_SIDE])
        chosen += [Example(side=side, conversation=corpus[int(row)]) for row in rows]
    return chosen


def bounded(m: Measurement) -> Measurement:
    """Interval bounds cut at the ends of the measure's range: a distance is not below 0."""
    parts = tuple(bounded(p) for p in m.parts)
    if m.interval is None:
        return msgspec.structs.replace(m, parts=parts)
    low, high = (-np.inf if m.spec.range[0] is None else m.spec.range[0]), (m.spec.range[1] or np.inf)
    interval = (float(np.clip(m.interval[0], low, high)), float(np.clip(m.interval[1], low, high)))
    return msgspec.structs.replace(m, interval=interval, parts=parts)


def _provenance(
    match: TopicMatch, units: str, copied: Copies, seed: int, permutations: int, seconds: dict[str, float]
) -> dict[str, Any]:
    import understudy

    corpora = {"real": match.real, "synthetic": match.synthetic}
    return {
        "understudy": understudy.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "seed": seed,
        "permutations": permutations,
        "copies": copied._asdict(),
        "matching": {
            "units": units,
            "copies": copied.statement,
            "topic": match.statement,
            "length": (
                "Conversation length is controlled in discriminator.words and discriminator.function_words "
                "(rows of unit length) and in rates per turn; it was not controlled in discriminator.all."
            ),
        },
        "corpora": {
            side: {
                "source": corpus.card.source,
                "origin": corpus.card.origin,
                "digest": corpus.digest,
                "conversations": len(corpus),
                "users_known": corpus.has_users,
            }
            for side, corpus in corpora.items()
        },
        "seconds": seconds,
    }


def run_measures(
    real: Corpus,
    synthetic: Corpus,
    *,
    seed: int,
    measures: Sequence[str] | None = None,
    permutations: int = 999,
    on_progress: Progress | None = None,
) -> tuple[list[Measurement], dict[str, float]]:
    """Each measure with a random stream of its own, so that leaving one out changes no other; and its seconds."""
    names = list(DEFAULT_MEASURES if measures is None else measures)
    results: list[Measurement] = []
    seconds: dict[str, float] = {}
    for index, name in enumerate(names):
        if on_progress:
            on_progress(name, index, len(names))
        started = time.perf_counter()
        declared = load_measure(name)
        found = declared(real, synthetic, rng=stream(seed, "measure", name), permutations=permutations)
        results.append(bounded(found))
        seconds[name] = round(time.perf_counter() - started, 3)
    if on_progress:
        on_progress("done", len(names), len(names))
    return results, seconds


def _apart(section: Section, key: str, provenance: dict[str, Any]) -> list[Measurement]:
    """The measurements of a section that is a family of tests by itself, written into the provenance."""
    provenance_of(section, key, provenance)
    return adjust([bounded(m) for m in section.measurements])


def _check(real: Corpus, synthetic: Corpus, tests: int, permutations: int) -> None:
    """Refuse what nothing could be said of."""
    for side, corpus in (("real", real), ("synthetic", synthetic)):
        if not len(corpus):
            raise UsageError(
                f"the {side} corpus has no conversation",
                why="an audit compares two sets of conversations",
                fix=f"give a {side} corpus with at least ten users or conversations",
            )
    if permutations < 20 * tests - 1:
        raise MeasureError(
            f"{permutations} permutations for {tests} headline test(s)",
            why=f"after Holm's correction the smallest p-value would be {tests / (permutations + 1):.2f}: nothing "
            "could be told apart",
            fix=f"use at least {20 * tests - 1} (199, or 999 as by default), or name fewer measures",
        )


def audit(
    real: Corpus,
    synthetic: Corpus,
    *,
    other_real: Corpus | None = None,
    seed: int = 0,
    permutations: int = 999,
    measures: Sequence[str] | None = None,
    match_topic: bool = False,
    tasks: Sequence[Task | str] = (),
    scores: tuple[Scores, Mapping[str, Scores]] | None = None,
    besides: Sequence[str] = (),
    judge: LineJudge | None = None,
    panel: PanelRecord | None = None,
    on_progress: Progress | None = None,
) -> Report:
    """Do these synthetic users look like these real ones? Every number with interval, floor and control.

    With `tasks` (names of `open_task`, or tasks) it is asked too whether they train well: half of `real`, by user,
    trains the in-domain arm and the other half tests. With `scores`, of systems by real users and by each simulator,
    whether they rank right. `besides` adds families of measures: `consistency`, which needs a `judge` of lines,
    `relational` and `separability`. `panel` is what human raters answered (`read_panel`).
    Each question, and each of these, is corrected for its own tests: none changes the p-values of another.

    `other_real` is another real corpus of the domain: every measure is run on it too and is the ceiling.
    `match_topic` subsamples both sides to a common topic mix first. The same corpora and seed give the same
    report, timings apart. Where users repeat on one side only, one conversation of each is taken (`same_units`).
    Raises UsageError for a corpus without conversations; what cannot be measured is
    unscored.
    """
    _check(real, synthetic, len(DEFAULT_MEASURES if measures is None else measures), permutations)
    copied = copies(real, synthetic)
    units = same_units(real, synthetic, rng=stream(seed, "units"))
    match = describe_topics(units.real, units.synthetic)
    if match_topic:
        match = match_topics(units.real, units.synthetic, rng=stream(seed, "match"))
    results, seconds = run_measures(
        match.real,
        match.synthetic,
        seed=seed,
        measures=measures,
        permutations=permutations,
        on_progress=on_progress,
    )
    if other_real is not None:
        note = f"another real corpus: {other_real.card.source or 'unnamed'}"
        pair = same_units(match.real, other_real, rng=stream(seed, "units", "ceiling"))
        others, _ = run_measures(pair.real, pair.synthetic, seed=seed, measures=measures, permutations=19)
        results = [with_ceiling(m, o, note) for m, o in zip(results, others, strict=True)]
    provenance = _provenance(match, units.statement, copied, seed, permutations, seconds)
    if told := contamination(synthetic, [real], partners=False):
        provenance["contaminated"] = told
        provenance["matching"] = {"contaminated": as_sentence(told), **provenance["matching"]}
    if scores is not None:
        asked = {"ranking": rank_section(*scores, seed=seed, on_progress=on_progress)}
    else:
        asked = {}
    if tasks:
        asked["training"] = train_section(real, synthetic, tasks, seed=seed, on_progress=on_progress)
    for key, section in asked.items():
        results += [bounded(m) for m in section.measurements]
        provenance_of(section, key, provenance)
    results = adjust(results)
    for family in besides:
        more = besides_section(
            match.real, match.synthetic, family,
            judge=judge, seed=seed, permutations=permutations, on_progress=on_progress,
        )  # fmt: skip
        results += _apart(more, family, provenance)
    if panel is not None:
        results += _apart(panel_section(panel, seed=seed), "panel", provenance)
    return make_report(results, examples=_examples(match.real, match.synthetic, seed), provenance=provenance)
