"""Figure: seconds and memory of `understudy transfer` on 2,000 synthetic against 2,000 real conversations."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.corpora import load, markdown
from bench.speed import timed
from understudy.conversations.splitting import split_corpus
from understudy.conversations.writing import write_corpus

TASKS = ("acts", "topic", "next_response")


def run(data: Path, out: Path) -> str:
    """Two halves of SGD: 13 turns a conversation and some 180 act labels make it one of the heavier corpora."""
    halves = split_corpus(load(data, "sgd_sim"), (0.5, 0.5), seed=0)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("synthetic.jsonl", "real.jsonl")]
        for half, file in zip(halves, files, strict=True):
            write_corpus(file, half)
        asked = [word for task in TASKS for word in ("--task", task)]
        sizes = " × ".join(f"{len(half):,}" for half in halves)
        for options in ((), ("--curve", "--growth")):
            seconds, memory = timed("transfer", files[0], "--real", files[1], *asked, *options)
            rows.append([sizes, ", ".join(TASKS), " ".join(options) or "–", f"{seconds:.0f} s", f"{memory:.1f} GB"])
    return markdown(["conversations", "tasks", "besides", "time (wanted: ≤ 300 s)", "peak memory"], rows)
