"""Figure: does the monitor see that ten times the entity-swap data teach nothing, and is it silent otherwise?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.corpora import load, markdown
from bench.entity_swap import entity_swap
from tests.transfer.known_progress import Growth, rising
from understudy.conversations import Conversation, Corpus
from understudy.conversations.splitting import split_corpus
from understudy.rollouts.simulate import simulate
from understudy.seeds import stream
from understudy.transfer.false_progress import FalseProgressMonitor, grow
from understudy.transfer.task import Examples, Task, open_task
from understudy.transfer.tasks.linear import LinearTextModel, class_indicator
from understudy.users.population import fit_population

SPLITS = 5
RUNS = 5
# Real against real: (corpus, task), chosen before any result was seen; examples of the largest training set.
SILENT = (
    ("redial_real", "genre"),
    ("multiwoz_real", "acts"),
    ("star_real", "topic"),
    ("uss_redial_real", "satisfaction"),
)
TRIALS = 100
MOST = 1600
WORLDS = {
    "real against real, both rise": Growth(rising(0.04, 5), rising(0.04, 5)),
    "neither rises": Growth(rising(0.0, 10), rising(0.0, 10)),
    "real rises half as fast (the limit)": Growth(rising(0.06, 5), rising(0.03, 5)),
    "the same, 30 looks": Growth(rising(0.012, 30), rising(0.006, 30)),
    "the same, 20 and 15 units, 20 looks": Growth(rising(0.02, 20), rising(0.01, 20), units=(20, 15)),
    "the same, 4 runs that differ": Growth(rising(0.06, 5), rising(0.03, 5), runs=4, own=0.02),
    "real stands still": Growth(rising(0.05, 6), rising(0.0, 6), units=(200, 200)),
    "real stands still, 80 and 60 units": Growth(rising(0.05, 6), rising(0.0, 6)),
    "real rises, then falls": Growth(rising(0.03, 12), [*rising(0.03, 5), *rising(-0.04, 7, 0.48)]),
}
WORLD_TRIALS = 400


def ranked(task: Task, model: LinearTextModel, test: Examples, classes: frozenset[str]) -> dict[str, float]:
    """Mean average precision by example, by class over `classes`, and how often the first class is right."""
    from sklearn.metrics import average_precision_score

    scores = model.scores(test.inputs)
    _, right = class_indicator(test.labels, model.classes)
    compared = [k for k, name in enumerate(model.classes) if name in classes and right[:, k].any()]
    return {
        "by_example": float(task.score(model, test).mean()),
        "by_class": float(np.mean([average_precision_score(right[:, k], scores[:, k]) for k in compared])),
        "first": float(right[np.arange(len(right)), scores.argmax(axis=1)].mean()),
    }


class Arm(NamedTuple):
    """Examples of simulated users: at several times the size of the real ones to train on, and others to test on."""

    name: str
    times: tuple[int, ...]
    train: Examples
    test: Examples


def simulated_arms(task: Task, train: Corpus, seed: int) -> Iterator[Arm]:
    """Entity-swap users; in the first division also fitted ones.

    Labels are induced from co-mentions: read from both parts together, so that they are the same in both.
    """
    n = len(train)
    more = entity_swap(train, 10 * n, seed=2 * seed, name="train")
    yield _arm(task, "entity-swap", (1, 2, 4, 10), [*more, *entity_swap(train, n, seed=2 * seed + 1, name="test")], n)
    if seed == 0:
        population = fit_population(train, copy_guard="guarded", seed=seed)
        talks = simulate(population, population.partner(), n=5 * n, seed=seed).conversations
        apart = [msgspec.structs.replace(talk, user_id=f"{k // n}-{talk.user_id}") for k, talk in enumerate(talks)]
        yield _arm(task, "fitted, guarded", (1, 2, 4), apart, n)


def _arm(task: Task, name: str, times: tuple[int, ...], talks: Sequence[Conversation], test: int) -> Arm:
    examples = task.examples(Corpus(talks))
    aside = examples.conversations >= len(talks) - test
    return Arm(name, times, examples.take(np.flatnonzero(~aside)), examples.take(np.flatnonzero(aside)))


def redial(job: tuple[Path, int]) -> list[dict[str, Any]]:
    """One division of the people of ReDial: each arm's data ×1 to ×10, on simulated and on held-out people."""
    data, seed = job
    task = open_task("genre")
    train, held_out = split_corpus(load(data, "redial_real"), (0.5, 0.5), seed=seed)
    test, real = task.examples(held_out), task.examples(train)
    arms = list(simulated_arms(task, train, seed))
    named = [{name for labels in some.labels for name in labels} for some in (test, real, *(arm.train for arm in arms))]
    classes = frozenset(set.intersection(*named))
    rows: list[dict[str, Any]] = []
    for name, model in (("nothing", task.baseline(real, seed=seed)), ("real", task.fit(real, seed=seed))):
        rows.append({"split": seed, "arm": name, "examples": real.size, "real": ranked(task, model, test, classes)})
    for arm in arms:
        sizes = [arm.train.size * times // arm.times[-1] for times in arm.times]
        found = grow(task, arm.train, arm.test, test, sizes=sizes, seed=seed, runs=RUNS).verdict()
        for times, size in ((arm.times[0], sizes[0]), (arm.times[-1], sizes[-1])):
            model = task.fit(arm.train.take(np.arange(size)), seed=seed)
            scores = {
                "simulated": ranked(task, model, arm.test, classes),
                "real": ranked(task, model, test, classes),
            }
            rows.append({"split": seed, "arm": f"{arm.name} ×{times}", "examples": size, **scores})
        rows.append(
            {"split": seed, "arm": arm.name, "classes": len(classes), "measurement": msgspec.to_builtins(found)}
        )
    return rows


def silent(job: tuple[Path, str, str]) -> dict[str, Any]:
    """`TRIALS` divisions of real people in three: train on one, watch the others as if one of them was simulated."""
    data, name, of = job
    task = open_task(of)
    examples = task.examples(load(data, name))
    units, member = np.unique(examples.units, return_inverse=True)
    alarms, covered, rise = 0, 0, []
    for trial in range(TRIALS):
        part = (stream(trial, "thirds", name).permutation(len(units)) % 3)[member]
        train, first, second = (examples.take(np.flatnonzero(part == k)) for k in range(3))
        most = min(train.size, MOST)
        sizes = [most // 2**k for k in (4, 3, 2, 1, 0)]
        found = grow(task, train, first, second, sizes=sizes, seed=trial, runs=1).verdict()
        assert found.interval is not None
        alarms += found.evidence["alarm"]
        covered += found.interval[0] <= 0 <= found.interval[1]
        rise.append(found.evidence["slopes"]["held_out"]["value"])
    return {
        "corpus": name, "task": of, "units": len(units), "alarms": alarms, "covered": covered,
        "slope": float(np.mean(rise)), "trials": TRIALS,
    }  # fmt: skip


def world(job: tuple[str, Growth]) -> dict[str, Any]:
    """`WORLD_TRIALS` runs of a world of known truth."""
    name, growth = job
    alarms = 0
    for trial in range(WORLD_TRIALS):
        simulated, real = growth.draw(stream(trial, "world", name))
        monitor = FalseProgressMonitor("known", seed=trial)
        for step in range(len(simulated)):
            monitor.record(2.0**step, simulated=simulated[step], held_out=real[step])
        alarms += monitor.alarm_at is not None
    return {"world": name, "alarms": alarms / WORLD_TRIALS, "trials": WORLD_TRIALS}


def mean_scores(rows: list[dict[str, Any]], side: str) -> list[str]:
    found = [row[side] for row in rows if side in row]
    return [
        f"{np.mean([one[key] for one in found]):.3f}" if found else "–" for key in ("by_example", "by_class", "first")
    ]


def tables(found: list[list[dict[str, Any]]], quiet: list[dict[str, Any]], worlds: list[dict[str, Any]]) -> str:
    rows = [row for part in found for row in part]
    arms = list(dict.fromkeys(row["arm"] for row in rows if "measurement" not in row))
    body: list[list[object]] = []
    for arm in arms:
        mine = [row for row in rows if row["arm"] == arm]
        size = f"{np.mean([row['examples'] for row in mine]):,.0f}"
        body.append([arm, size, *mean_scores(mine, "simulated"), *mean_scores(mine, "real")])
    sides = [f"{side}: {word}" for side in ("simulated", "real") for word in ("mAP by example", "mAP by class", "P@1")]
    verdicts: list[list[object]] = []
    for arm in dict.fromkeys(row["arm"] for row in rows if "measurement" in row):
        mine = [row["measurement"] for row in rows if row["arm"] == arm]
        slopes = [[m["evidence"]["slopes"][side]["value"] for m in mine] for side in ("simulated", "held_out")]
        first = mine[0]
        told = f"{first['value']:.4f} [{first['interval'][0]:.4f}, {first['interval'][1]:.4f}]"
        alarms = sum(m["evidence"]["alarm"] for m in mine)
        verdicts.append([arm, *(f"{np.mean(s):.4f}" for s in slopes), told, f"{alarms} of {len(mine)}"])
    header = ["users", "simulated slope", "real slope", "difference, split 0", "alarms"]
    silence = [
        [q["corpus"], q["task"], q["units"], f"{q['slope']:.3f}", f"{q['alarms']} of {q['trials']}",
         f"{q['covered']} of {q['trials']}"]
        for q in quiet
    ]  # fmt: skip
    known = [[w["world"], f"{w['alarms']:.1%}", w["trials"]] for w in worlds]
    return "\n\n".join(
        [
            f"ReDial, genre of the next offer, {SPLITS} divisions of its people in halves, means:",
            markdown(["trained on", "examples", *sides], body),
            f"The monitor on growing data (×1, ×2, ×4, ×10; {RUNS} orders), slopes in mAP by example per doubling:",
            markdown(header, verdicts),
            "Real against real: three parts of the same people, one to train on in five doublings, two to watch:",
            markdown(["corpus", "task", "units", "slope", "alarms", "interval holds 0"], silence),
            "Worlds of known truth:",
            markdown(["world", "alarms", "runs"], known),
        ]
    )


def run(data: Path, out: Path, workers: int = 2) -> str:
    with ProcessPoolExecutor(workers) as pool:
        found = list(pool.map(redial, [(data, seed) for seed in range(SPLITS)]))
        quiet = list(pool.map(silent, [(data, *pair) for pair in SILENT]))
        worlds = list(pool.map(world, WORLDS.items()))
    (out / "false_progress.json").write_text(json.dumps([found, quiet, worlds], default=float))
    return tables(found, quiet, worlds)
