"""Figure: do models trained on fitted users work on held-out people? Gap closed, by task and corpus."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.corpora import load, markdown
from understudy.conversations import Corpus
from understudy.conversations.splitting import split_corpus
from understudy.rollouts.simulate import simulate
from understudy.transfer.gap_closed import gaps_closed
from understudy.transfer.task import open_task
from understudy.users.population import fit_population
from understudy.users.structured import StructuredPopulation


class Pair(NamedTuple):
    """A real corpus, what is learned from it, and others' synthetic counterpart of it."""

    corpus: str
    tasks: tuple[str, ...]
    counterpart: str = ""


# Labelled real corpora with both sides of the talk, and their tasks. Chosen after smaller runs on another split of
# multiwoz, star, persuasionforgood, redial and uss_redial; woz2 and recllmsim were added unseen.
PAIRS = (
    Pair("multiwoz_real", ("acts", "topic"), "ncuser_multiwoz_llm"),
    Pair("persuasionforgood_real", ("next_response", "acts")),
    Pair("redial_real", ("genre",)),
    Pair("star_real", ("topic",)),
    Pair("uss_redial_real", ("satisfaction",), "uss_sgd_m2m"),
    Pair("personachat_real", ("next_response",), "synthetic_persona_chat_llm"),
    Pair("woz2_real", ("acts",)),
    Pair("recllmsim_human_real", ("topic",)),
)
MOST = 600  # conversations a side
TALKATIVE = 2  # structured users say little: more conversations, so that they do not set the size of every arm


def one_pair(job: tuple[Path, Pair]) -> list[dict[str, Any]]:
    """Split by unit, fit to one half, let the users talk as often as its people, train on each, test on the other."""
    data, pair = job
    train, test = two_parts(in_any_order(load(data, pair.corpus)))
    arms = dict(simulated(train))
    if pair.counterpart:
        arms[pair.counterpart] = in_any_order(load(data, pair.counterpart))
    rows = []
    for name in pair.tasks:
        started = time.perf_counter()
        for m in gaps_closed(train, test, arms, task=open_task(name), seed=0):
            rows.append({"corpus": pair.corpus, "task": name, **msgspec.to_builtins(m)})
        rows[-1]["seconds"] = time.perf_counter() - started
    return rows


def two_parts(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """Train and test by unit, of at most `MOST` conversations each."""
    share = min(0.5, MOST / len(corpus))
    rest = (1 - 2 * share,) if share < 0.5 else ()
    train, test, *_ = split_corpus(corpus, (share, share, *rest), seed=0)
    return train, test


def in_any_order(corpus: Corpus) -> Corpus:
    """Topics such as `hotel+train` with their parts sorted: corpora name the same two in different orders."""
    replace = msgspec.structs.replace
    talks = [replace(talk, topic="+".join(sorted(talk.topic.split("+"))) if talk.topic else None) for talk in corpus]
    return Corpus(talks, corpus.card)


def simulated(train: Corpus) -> Iterator[tuple[str, Corpus]]:
    """Fitted users at both settings of the copy guard, as many conversations as `train`; the structured control."""
    for guard in ("free", "guarded"):
        population = fit_population(train, copy_guard=guard, seed=0)
        yield f"fitted {guard}", Corpus(simulate(population, population.partner(), n=len(train), seed=0).conversations)
    structured = StructuredPopulation.from_corpus(train)
    talks = simulate(structured, population.partner(), n=TALKATIVE * len(train), seed=0).conversations
    yield "structured", Corpus(talks)


def table(rows: list[dict[str, Any]]) -> str:
    """One row a corpus, task and arm; the arms' scores beside each other."""
    body: list[list[object]] = []
    for r in rows:
        evidence = r["evidence"]
        scores = (
            dict(zip(evidence["arms"]["arm"], evidence["arms"]["score"], strict=True)) if "arms" in evidence else {}
        )
        gap = "unscored" if r["value"] is None else f"{r['value']:.2f} [{r['interval'][0]:.2f}, {r['interval'][1]:.2f}]"
        arm = evidence.get("arm", r["name"].rpartition(".")[2])
        cells = [f"{scores[a]:.3f}" if a in scores else "–" for a in ("baseline", arm, "in_domain")]
        flags = "; ".join(flag for flag in evidence["flags"])
        body.append([r["corpus"], r["task"], arm, *cells, gap, evidence.get("size", "–"), flags or "–"])
    header = ["real corpus", "task", "trained on", "B", "S", "I", "gap closed", "examples", "flags"]
    return markdown(header, body)


def short(out: Path) -> str:
    """The gap closed by guarded fitted users and by the structured control, where the task is not saturated."""
    rows = json.loads((out / "transfer.json").read_text())
    body: dict[tuple[str, str], list[object]] = {}
    for r in rows:
        arm = r["evidence"].get("arm", r["name"].rpartition(".")[2])
        if arm in ("fitted guarded", "structured") and not any("saturated" in f for f in r["evidence"]["flags"]):
            gap = "{:.2f} [{:.2f}, {:.2f}]".format(r["value"], *r["interval"])
            body.setdefault((r["corpus"], r["task"]), [r["corpus"], r["task"]]).append(gap)
    return markdown(["real corpus", "task", "fitted, guarded", "structured"], list(body.values()))


def run(data: Path, out: Path, workers: int = 2) -> str:
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(workers) as pool:
        for part in pool.map(one_pair, [(data, pair) for pair in PAIRS]):
            rows += part
            (out / "transfer.json").write_text(json.dumps(rows, default=float))
    return table(rows)
