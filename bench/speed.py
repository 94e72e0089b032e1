"""Figure: speed of the verbs as whole processes, with peak memory, and how an audit's cost grows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from bench.corpora import load, markdown
from understudy.conversations import Conversation
from understudy.conversations.writing import write_corpus
from understudy.seeds import stream

SOURCES = ("multiwoz_real", "star_real", "sgd_sim", "babi6_dstc2_real", "redial_real", "persuasionforgood_real")
GROWTH = (1_000, 3_000, 10_000, 30_000, 100_000)


def drawn(data: Path, n: int, side: str) -> list[Conversation]:
    """`n` conversations drawn with replacement from all sources, each with an id of its own and no user."""
    talks = [c for name in SOURCES for c in load(data, name)]
    rows = stream(n, "speed", side).integers(0, len(talks), n)
    return [msgspec.structs.replace(talks[int(r)], id=f"{side}-{k}", user_id=None) for k, r in enumerate(rows)]


def timed(*arguments: str) -> tuple[float, float]:
    """Wall seconds and peak memory (GB) of one run of the command line in a process of its own."""
    command = [sys.executable, "-m", "understudy", *arguments, "--quiet"]
    # As a user would start it: with all cores for linear algebra, which the benchmarks' own workers do without.
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0:
        assert process.stderr is not None
        raise RuntimeError(f"{' '.join(command)}: {process.stderr.read()[-800:]}")
    return seconds, usage.ru_maxrss / 1e6


def help_seconds() -> float:
    """The best of five runs of `understudy --help`."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "understudy", "--help"], check=True, capture_output=True)
        best = min(best, time.perf_counter() - started)
    return best


def run(data: Path, out: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rows: list[list[object]] = [["`understudy --help`", f"{help_seconds():.2f} s", "", "≤ 0.5 s"]]
        growth: list[list[object]] = []
        for n in GROWTH:
            real, synthetic = home / f"real-{n}.jsonl", home / f"syn-{n}.jsonl"
            write_corpus(real, drawn(data, n // 2, "real"))
            write_corpus(synthetic, drawn(data, n // 2, "synthetic"))
            seconds, memory = timed("audit", str(synthetic), "--real", str(real), "--out", str(home / "report"))
            growth.append([n, f"{seconds:.1f} s", f"{memory:.2f} GB"])
        exponent = np.polyfit(np.log(GROWTH), np.log([float(str(g[1]).split()[0]) for g in growth]), 1)[0]
        growth.append(["growth exponent", f"{exponent:.2f}", ""])
        real, synthetic = home / "real.jsonl", home / "syn.jsonl"
        write_corpus(real, drawn(data, 10_000, "real"))
        write_corpus(synthetic, drawn(data, 10_000, "synthetic"))
        seconds, memory = timed("audit", str(synthetic), "--real", str(real), "--out", str(home / "report"))
        rows.append(["`audit`, 10,000 × 10,000", f"{seconds:.0f} s", f"{memory:.1f} GB", "≤ 90 s, ≤ 3 GB"])
        seconds, memory = timed("fit", str(real), "--out", str(home / "users"))
        rows.append(["`fit`, 10,000", f"{seconds:.0f} s", f"{memory:.1f} GB", "≤ 120 s"])
        redial = str(data / "redial_real.jsonl.zst")
        timed("fit", redial, "--out", str(home / "redial"))
        users, partner = str(home / "redial"), f"fitted:{home / 'redial'}"
        few, _ = timed("simulate", users, "--partner", partner, "-n", "100", "--out", str(home / "a.jsonl"))
        many, memory = timed("simulate", users, "--partner", partner, "-n", "2100", "--out", str(home / "b.jsonl"))
        rate = 2000 / (many - few)
        rows.append(["`simulate`, fitted users × fitted partner", f"{rate:.0f} / s", f"{memory:.1f} GB", "≥ 200 / s"])
    first = markdown(["verb", "measured", "peak memory", "wanted"], rows)
    second = markdown(["conversations audited", "seconds", "peak memory"], growth)
    return f"{first}\n\n{second}"
