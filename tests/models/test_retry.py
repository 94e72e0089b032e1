"""What is tried again, how often, and how long it waits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.making import Playing, ask, busy, limited
from tests.models.virtual_time import run_virtually
from understudy.models.breaker import Breaker
from understudy.models.model import (
    Completion,
    ModelFault,
    RateLimitFault,
    RefusalFault,
    TerminalFault,
    TransientFault,
    TruncatedFault,
)
from understudy.models.retry import Retrying
from understudy.models.retry_after import parse_retry_after, retry_after


def attempt(playing: Playing, **options) -> tuple[Completion | ModelFault, float]:
    async def main() -> tuple[Completion | ModelFault, float]:
        model = Retrying(playing, **options)
        try:
            result: Completion | ModelFault = await model.complete(ask())
        except ModelFault as fault:
            result = fault
        return result, asyncio.get_running_loop().time()

    return run_virtually(main())


def test_transient_faults_are_tried_again_with_growing_waits() -> None:
    result, waited = attempt(Playing(busy(), busy(), "yes"), first_wait_s=1.0)
    assert result.text == "yes"
    assert 1.5 <= waited <= 3.0


def test_attempts_are_bounded() -> None:
    playing = Playing(busy())
    result, _ = attempt(playing, attempts=3)
    assert isinstance(result, TransientFault)
    assert result.attempts == len(playing.requests) == 3


@pytest.mark.parametrize("kind", [TerminalFault, RefusalFault, TruncatedFault])
def test_others_are_not_tried_again(kind) -> None:
    playing = Playing(kind("code", "what", why="why", fix="fix"))
    result, waited = attempt(playing)
    assert isinstance(result, kind)
    assert (len(playing.requests), waited) == (1, 0.0)


def test_rate_limits_use_no_attempts_but_the_waits_are_bounded() -> None:
    result, waited = attempt(Playing(*[limited(10.0)] * 20, "yes"), attempts=1)
    assert result.text == "yes"
    assert 200 <= waited <= 220.5
    result, waited = attempt(Playing(limited(300.0)), longest_wait_s=900.0)
    assert isinstance(result, RateLimitFault)
    assert result.code == "waited_too_long"
    assert result.attempts == 3
    assert waited <= 900


def test_a_run_that_nobody_can_serve_stops() -> None:
    playing = Playing(TerminalFault("unauthorized", "HTTP 401", why="key", fix="set it", stops_run=True), "never said")
    model = Breaker(playing)

    async def main() -> list[object]:
        return await asyncio.gather(*(model.complete(ask()) for _ in range(10)), return_exceptions=True)

    results = run_virtually(main())
    assert len(playing.requests) == 1
    assert {r.code for r in results} == {"unauthorized"}
    assert model.fault is results[0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0), (" 3 ", 3.0), ("0.5", 0.5), ("1m30s", 90.0), ("500ms", 0.5), ("1h", 3600.0), ("1.5s", 1.5),
        ("Sun, 09 Sep 2001 01:46:50 GMT", 10.0), ("2001-09-09T01:46:45Z", 5.0), ("2001-09-09T03:46:45+02:00", 5.0),
        ("1000000007", 7.0), ("-3", None), ("0", None), ("0s", None), ("soon", None), ("", None), ("nan", None),
        ("inf", None), ("1e9", None), ("Sun, 09 Sep 2001 01:46:30 GMT", None), ("5 apples", None), ("9" * 50, None),
    ],
)  # fmt: skip
def test_retry_after_forms(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, now=1_000_000_000.0) == seconds


@given(st.text(max_size=60))
def test_any_header_is_a_positive_wait_or_none(value: str) -> None:
    wait = parse_retry_after(value, now=1_000_000_000.0)
    assert wait is None or 0 < wait < float("inf")


def test_which_header_counts() -> None:
    assert retry_after({"Retry-After-Ms": "250", "Retry-After": "9"}, now=0) == 0.25
    assert retry_after({"Retry-After": "soon", "X-RateLimit-Reset-Tokens": "6s"}, now=0) == 6.0
    resets = {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "1m"}
    assert retry_after(resets, now=0) == 60.0
    assert retry_after({}, now=0) is None


def nobody() -> TransientFault:
    return TransientFault("unreachable", "no connection", why="the answer did not come", fix="try again")


def test_an_endpoint_where_nobody_ever_answers_stops_the_run_within_three_calls() -> None:
    playing = Playing(nobody())
    result, waited = attempt(Breaker(playing))
    assert result.stops_run
    assert "URL" in result.fix
    assert len(playing.requests) == 3
    assert waited < 3


def test_an_endpoint_that_goes_away_stops_the_run_when_a_request_has_tried_enough() -> None:
    playing = Playing("yes", nobody(), nobody(), nobody(), nobody(), "back", nobody())
    model = Retrying(Breaker(playing))

    async def main() -> list[object]:
        return [(await asyncio.gather(model.complete(ask()), return_exceptions=True))[0] for _ in range(3)]

    first, second, third = run_virtually(main())
    assert (first.text, second.text) == ("yes", "back")
    assert third.stops_run
    assert third.attempts == 5


def test_a_server_that_answers_with_faults_is_somebody() -> None:
    playing = Playing(nobody(), nobody(), busy(), nobody(), "yes")
    result, _ = attempt(Breaker(playing))
    assert result.text == "yes"
