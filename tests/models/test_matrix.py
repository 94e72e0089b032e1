"""Under every fault at once, each dialogue comes to an end that can be told."""

from __future__ import annotations

import asyncio

import pytest

from tests.models.matrix import ATTEMPTS, Outcome, run_fatal, run_matrix


def check(outcome: Outcome, n: int) -> None:
    assert outcome.complete + sum(outcome.failed.values()) == n
    assert outcome.wrong == 0
    # 400, 413, 422, refusals and truncations end a dialogue at once; all else is mostly overcome.
    assert outcome.complete >= 0.6 * n
    lost = {"bad_request", "context_length", "too_large", "unprocessable", "length", "refused", "content_filter"}
    assert sum(outcome.failed[code] for code in lost) >= 0.8 * sum(outcome.failed.values())
    assert outcome.calls <= (1 + ATTEMPTS) * outcome.planned_calls


def test_every_dialogue_ends() -> None:
    outcome = asyncio.run(asyncio.wait_for(run_matrix(120, concurrency=32), 60))
    check(outcome, 120)


@pytest.mark.slow
def test_a_thousand_dialogues_and_every_kind_of_fault() -> None:
    outcome = asyncio.run(asyncio.wait_for(run_matrix(1000), 250))
    check(outcome, 1000)
    assert outcome.kinds_met >= 24


@pytest.mark.parametrize("fault", ["401", "402", "403", "404", "429_quota", "307"])
def test_a_run_that_cannot_go_on_stops_within_three_calls(fault: str) -> None:
    calls, ends, fix = asyncio.run(run_fatal(fault, n=200))
    assert calls <= 3
    assert len(ends) == 1
    assert sum(ends.values()) == 200
    assert "complete" not in ends
    words = {"401": "OPENAI_API_KEY", "402": "top up", "404": "model", "429_quota": "top up", "307": "URL"}
    assert words.get(fault, "permissions") in fix
