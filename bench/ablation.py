"""Figure: what subtopics, personas, contexts and whole profiles add to transfer, and the dose of persona."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.corpora import load, markdown
from understudy.conversations import Corpus, split_corpus
from understudy.measures.measurement import Measurement
from understudy.seeds import stream
from understudy.transfer import open_task
from understudy.transfer.ablation import RULE, ablate
from understudy.transfer.dose import DOSES, dose_curve
from understudy.transfer.layers import LAYERS, LayeredUsers

CORPORA = {"multiwoz_real": ("topic", "acts"), "star_real": ("topic",)}
MOST = 2400  # conversations of a corpus
CONVERSATIONS = 200  # a cell
SEED = 0
DOSED = {"persona alone": ("persona",), "beside all other layers": LAYERS}


class _Once:
    """A generator that remembers what it made, so that two tasks learn from the same conversations."""

    def __init__(self, users: LayeredUsers) -> None:
        self._users, self._made = users, dict[tuple[Any, ...], Corpus]()

    def __call__(self, on: Collection[str], *, n: int, seed: int, attributes: int | None = None) -> Corpus:
        key = (frozenset(on), n, seed, attributes)
        if key not in self._made:
            self._made[key] = self._users(on, n=n, seed=seed, attributes=attributes)
        return self._made[key]


def one_corpus(job: tuple[Path, str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """The measurements of one corpus, a row a task."""
    data, name, tasks = job
    corpus = load(data, name)
    if len(corpus) > MOST:
        corpus = corpus.subset(np.sort(stream(SEED, "ablation", name).permutation(len(corpus))[:MOST]))
    train, test = split_corpus(corpus, (0.6, 0.4), seed=SEED)
    generate = _Once(LayeredUsers(train, seed=SEED))
    rows = []
    for name_of_task in tasks:
        task, started = open_task(name_of_task), time.perf_counter()
        doses = {}
        for title, on in DOSED.items():
            doses[title] = dose_curve(
                task,
                train,
                test,
                lambda attributes, *, n, seed, on=on: generate(on, n=n, seed=seed, attributes=attributes),
                n=CONVERSATIONS,
                seed=SEED,
                doses=DOSES,
            )
        found = ablate(task, train, test, generate, n=CONVERSATIONS, seed=SEED)
        seconds = time.perf_counter() - started
        rows.append({"corpus": name, "task": name_of_task, "found": found, "doses": doses, "seconds": seconds})
    return rows


def run(data: Path, out: Path, workers: int = 2) -> str:
    """Effects, verdicts, cells and doses by corpus and task."""
    with ProcessPoolExecutor(workers) as pool:
        rows = [row for part in pool.map(one_corpus, [(data, n, t) for n, t in CORPORA.items()]) for row in part]
    kept = [
        {
            **row,
            "found": row["found"].evidence,
            "doses": {title: [m.value, m.interval, m.evidence] for title, m in row["doses"].items()},
        }
        for row in rows
    ]
    (out / "ablation.json").write_text(json.dumps(kept, default=float))
    scored = [row for row in rows if row["found"].value is not None]
    parts = [
        f"{CONVERSATIONS} conversations a cell, three generation seeds, five redraws of every training set; fitted "
        "users and a fitted partner. Effects are in gap closed; a layer that is off is held at its commonest value.",
        _effects(rows),
        f"Verdict {RULE}.",
        "\n".join(f"- {row['corpus']}, {row['task']}: {row['found'].evidence['says']}" for row in scored),
        _cells(scored),
        _doses(rows),
    ]
    return "\n\n".join(parts)


def _effects(rows: list[dict[str, Any]]) -> str:
    names: list[str] = []
    for row in rows:
        names += [part.name for part in row["found"].parts]
    short = list(dict.fromkeys(name.split(".", 3)[3] for name in names))
    header = ["", *(f"{row['corpus']}, {row['task']}" for row in rows)]
    body: list[list[object]] = [["all layers on", *(_told(row["found"]) for row in rows)]]
    body.append(["verdict", *(row["found"].evidence.get("verdict", "unscored") for row in rows)])
    for key, title in (("joint", "all three on minus all off"), ("synergy", "sum of the pairs' interactions")):
        body.append([title, *(_interval(row["found"].evidence.get(key)) for row in rows)])
    for name in short:
        cells = []
        for row in rows:
            part = next((p for p in row["found"].parts if p.name.endswith(f".{name}")), None)
            cells.append("–" if part is None else _told(part) + (_star(part)))
        body.append([name.replace("_x_", " × "), *cells])
    return markdown(header, body) + "\n\n\\* told from 0 by Holm at 5 % over the effects of that column."


def _cells(rows: list[dict[str, Any]]) -> str:
    names = rows[0]["found"].evidence["cells"]["cell"] if rows else []
    body: list[list[object]] = []
    for k, name in enumerate(names):
        cells = [row["found"].evidence["cells"] for row in rows]
        body.append([name, *(f"{c['value'][k]:.2f} [{c['low'][k]:.2f}, {c['high'][k]:.2f}]" for c in cells)])
    return markdown(["layers on", *(f"gap closed, {row['corpus']}, {row['task']}" for row in rows)], body)


def _doses(rows: list[dict[str, Any]]) -> str:
    body: list[list[object]] = []
    for row in rows:
        for title, dose in row["doses"].items():
            curve = [f"{v:.2f}" for v in dose.evidence.get("value", [])] or ["–"] * len(DOSES)
            body.append([f"{row['corpus']}, {row['task']}, {title}", *curve, _told(dose)])
    return markdown(["attributes of a persona", *map(str, DOSES), "slope a doubling"], body)


def _star(part: Measurement) -> str:
    return " *" if part.adjusted_p is not None and part.adjusted_p < 0.05 else ""


def _told(found: Measurement) -> str:
    if found.value is None or found.interval is None:
        return f"unscored: {found.reason}"
    return f"{found.value:+.2f} [{found.interval[0]:+.2f}, {found.interval[1]:+.2f}]"


def _interval(effect: dict[str, Any] | None) -> str:
    return "–" if effect is None else f"{effect['value']:+.2f} [{effect['low']:+.2f}, {effect['high']:+.2f}]"
