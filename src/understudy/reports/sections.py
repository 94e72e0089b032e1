"""What an audit can be asked besides looks: training and ranking, run on the same corpora and seed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from understudy.conversations import Corpus
from understudy.conversations.splitting import split_corpus
from understudy.errors import CorpusError
from understudy.measures.consistency.line_judge import LineJudge, calibration_note
from understudy.measures.measurement import Measurement
from understudy.seeds import derive_seed, stream

if TYPE_CHECKING:
    from understudy.measures.raters.records import PanelRecord
    from understudy.transfer.scores import Scores
    from understudy.transfer.task import Task

Progress = Callable[[str, int, int], None]


class Section(NamedTuple):
    """The measurements of one question, what was held equal in words, and the seconds of each."""

    measurements: list[Measurement]
    statement: str
    seconds: dict[str, float]


def train_section(
    real: Corpus, synthetic: Corpus, tasks: Sequence[Task | str], *, seed: int, on_progress: Progress | None = None
) -> Section:
    """Do they train well? Gap closed with learning curves and the false-progress monitor, task by task.

    `real` is divided in two by unit: one half trains the in-domain arm, the other tests every arm. For the monitor
    `synthetic` is divided in the same way. Raises CorpusError where a side has a single unit.
    """
    from understudy.transfer.false_progress import false_progress
    from understudy.transfer.gap_closed import gap_closed
    from understudy.transfer.scoring import processors
    from understudy.transfer.task import open_task

    train, test = split_corpus(real, (0.5, 0.5), seed=derive_seed(seed, "transfer", "real"))
    opened = [open_task(task) if isinstance(task, str) else task for task in tasks]
    found: list[Measurement] = []
    seconds: dict[str, float] = {}
    for task in opened:
        start = time.perf_counter()
        found.append(
            gap_closed(
                train,
                test,
                synthetic,
                task=task,
                seed=derive_seed(seed, "transfer", task.name),
                curve=True,
                workers=processors(),
                whole=real,
                on_progress=on_progress,
            )
        )
        seconds[found[-1].name] = round(time.perf_counter() - start, 3)
    try:
        own = split_corpus(named_apart(synthetic, test), (0.5, 0.5), seed=derive_seed(seed, "transfer", "synthetic"))
    except CorpusError:
        # A single synthetic unit: gap_closed has said why nothing can be learned from it.
        return Section(found, divided(train, test), seconds)
    for index, task in enumerate(opened):
        if on_progress:
            on_progress(f"{task.name}: false progress", index, len(opened))
        start = time.perf_counter()
        monitor = derive_seed(seed, "transfer", "false progress", task.name)
        found.append(false_progress(task, own[0], own[1], test, seed=monitor, workers=processors()))
        seconds[found[-1].name] = round(time.perf_counter() - start, 3)
    return Section(found, divided(train, test), seconds)


def named_apart(synthetic: Corpus, real: Corpus) -> Corpus:
    """`synthetic` with names of its own where it shares some with `real`: equal names are not one person here."""
    if not set(synthetic.unit_ids.tolist()) & set(real.unit_ids.tolist()):
        return synthetic
    renamed = [
        msgspec.structs.replace(
            c, id=f"synthetic {c.id}", user_id=None if c.user_id is None else f"synthetic {c.user_id}"
        )
        for c in synthetic
    ]
    return Corpus(renamed, synthetic.card)


def divided(train: Corpus, test: Corpus) -> str:
    """Which real conversations train and which test, in a sentence."""
    sizes = [f"{len(part):,} conversations of {part.n_units:,} units" for part in (train, test)]
    return (
        f"For training, the real conversations were divided at random by user, where users are named, and near-copies "
        f"kept together: {sizes[0]} train the in-domain arm, {sizes[1]} test every arm. Users fitted to the testing "
        f"half would know the answers: fit to other people (understudy split)."
    )


def rank_section(
    real: Scores, simulated: Mapping[str, Scores], *, seed: int, on_progress: Progress | None = None
) -> Section:
    """Do they rank right? Agreement, calibration and prediction-powered scores from tables of scores."""
    from understudy.transfer.ranking import rank

    start = time.perf_counter()
    found = rank(real, simulated, seed=derive_seed(seed, "ranking"), on_progress=on_progress)
    sides = [f"{len(real):,} real", *(f"{len(side):,} by {name}" for name, side in simulated.items())]
    statement = f"Systems are ranked on scores of episodes: {', '.join(sides)}."
    return Section(found, statement, {"ranking": round(time.perf_counter() - start, 3)})


# What an audit measures only where it is asked to, by family; each of them is a family of tests of its own.
BESIDES: dict[str, tuple[str, ...]] = {
    "consistency": ("prompt_to_line:prompt_to_line", "line_to_line:line_to_line", "drift:drift",
                    "recoverability:recoverability"),
    "relational": (
        "contingency:contingency", "next_utterance:next_utterance", "uptake:uptake", "coordination:coordination",
        "alignment:alignment", "act_contingency:act_contingency", "grounding:grounding", "repair:repair",
        "redirection:redirection", "expected_context:expected_context", "eventfulness:eventfulness",
        "format:format_gap", "latency:latency",
    ),
    "separability": ("twins:twins", "cross_prediction:prediction", "silhouette:silhouette"),
}  # fmt: skip


def besides_section(
    real: Corpus,
    synthetic: Corpus,
    family: str,
    *,
    judge: LineJudge | None = None,
    seed: int,
    permutations: int,
    on_progress: Progress | None = None,
) -> Section:
    """The measures of a family that the headline does not hold: consistency (by a judge of lines), relations, or
    how far users stand apart."""
    found, seconds = [], {}
    for index, home in enumerate(BESIDES[family]):
        file, name = home.split(":")
        declared = getattr(importlib.import_module(f"understudy.measures.{family}.{file}"), name)
        if on_progress:
            on_progress(declared.spec.name, index, len(BESIDES[family]))
        start = time.perf_counter()
        options = {"judge": judge} if family == "consistency" else {}
        rng = stream(seed, "measure", declared.spec.name)
        found.append(declared(real, synthetic, rng=rng, permutations=permutations, **options))
        seconds[declared.spec.name] = round(time.perf_counter() - start, 3)
    told = f"The {len(found)} measures of {family} were asked besides: they are corrected among themselves."
    if family == "consistency" and judge is not None:
        told += f" Judge: {judge.identity}. {calibration_note(judge).capitalize()}".rstrip()
        if {real.digest, synthetic.digest} & set(getattr(judge, "fitted_on", ())):
            told += " It was fitted on conversations that it judges here, and knows them better than any others."
    return Section(found, told, seconds)


def panel_section(panel: PanelRecord, *, seed: int) -> Section:
    """What human raters said: sensitivity, ratings, and what they take the partner for."""
    from understudy.measures.raters.panel import panel_measurements

    start = time.perf_counter()
    found = panel_measurements(panel, rng=stream(seed, "panel"))
    finished = sum(r.finished for r in panel.raters)
    told = (
        f"{len(panel.raters):,} people took part in a raters' panel; {finished:,} finished it and {panel.withdrawn:,} "
    )
    told += "more withdrew, whose answers are deleted."
    if matching := panel.settings.get("matching"):
        told += f" Pairs were matched: {matching}."
    return Section(found, told, {"panel": round(time.perf_counter() - start, 3)})


def provenance_of(section: Section, key: str, into: dict[str, Any]) -> None:
    """Write what was held equal and the seconds beside those of the other measures."""
    into["matching"] = {**into["matching"], key: section.statement}
    into["seconds"] = {**into["seconds"], **section.seconds}
