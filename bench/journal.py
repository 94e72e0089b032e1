"""Figure: kill -9 at random times. Nothing that was finished may be lost, repeated or changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.corpora import markdown
from tests.rollouts.killing import kill_again_and_again, uninterrupted

CONVERSATIONS = 2000
KILLS = 20
LATENCY_S = 0.005


def run(data: Path, out: Path) -> str:
    """20 kills over 2,000 conversations of 4 turns, at three concurrencies, against one uninterrupted run."""
    room = out / "journal"
    shutil.rmtree(room, ignore_errors=True)
    whole = uninterrupted(room / "whole", CONVERSATIONS, 32, LATENCY_S)
    rows: list[list[object]] = []
    for concurrency in (32, 1, 8, 64):
        n, kills = (CONVERSATIONS, KILLS) if concurrency != 1 else (CONVERSATIONS // 10, KILLS // 4)
        toll, written = kill_again_and_again(
            room / f"c{concurrency}", n=n, concurrency=concurrency, kills=kills, latency_s=LATENCY_S, seed=concurrency
        )
        expected = b"".join(whole.splitlines(keepends=True)[:n]) if n < CONVERSATIONS else whole
        rows.append(
            [
                concurrency, n, toll.kills, toll.lost, toll.duplicated, toll.repeated, toll.most_repeated,
                toll.integrity, "yes" if written == expected else "NO", toll.seconds,
            ]
        )  # fmt: skip
    shutil.rmtree(room)
    head = ["concurrency", "conversations", "kills", "lost", "duplicated", "calls repeated", "most after one kill"]
    return markdown([*head, "integrity_check", "export byte-identical", "seconds"], rows)
