"""HTTP statuses as faults: which go away by themselves, which stop the run, and what to do about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from understudy.models.model import (
    NOTHING_USED,
    ModelFault,
    RateLimitFault,
    RefusalFault,
    TerminalFault,
    TransientFault,
)
from understudy.models.retry_after import retry_after

_SHOWN = 200
_QUOTA = {
    "insufficient_quota", "quota_exceeded", "billing_hard_limit_reached", "billing_not_active",
    "insufficient_balance", "insufficient_credits", "credit_balance_too_low",
}  # fmt: skip
_QUOTA_WORDS = (
    "exceeded your current quota",
    "insufficient quota",
    "insufficient balance",
    "credit balance is too low",
)
_TOO_LONG = {"context_length_exceeded", "string_above_max_length"}
_TOO_LONG_WORDS = ("maximum context length", "context window", "prompt is too long")
_FILTERED = {"content_filter", "content_policy_violation", "responsible_ai_policy_violation"}

# status: (code, why, fix), all of which stop the run: nothing but a person can mend them.
_STOPS: Mapping[int, tuple[str, str, str]] = {
    401: (
        "unauthorized",
        "the endpoint does not know the API key",
        "set OPENAI_API_KEY to a valid key of this endpoint, or pass api_key=",
    ),
    402: ("quota", "the account has no credit left", "top up the account or raise its limit, then resume"),
    403: (
        "forbidden",
        "the API key may not use this model or endpoint",
        "check the key's project and permissions, or choose another model",
    ),
    404: (
        "not_found",
        "the endpoint has no such model, or the URL is not the base of its API",
        "check the model's name, and that the base URL ends where /chat/completions goes on (often in /v1)",
    ),
    410: ("gone", "the model or endpoint has been withdrawn", "choose another model"),
    501: ("not_implemented", "the endpoint does not offer chat completions", "check the base URL"),
}
# Only this request is at fault.
_REJECTS: Mapping[int, tuple[str, str, str]] = {
    400: ("bad_request", "the endpoint rejects the request as it is", "see the endpoint's message above"),
    413: ("too_large", "the request is larger than the endpoint takes", "shorten the history or the prompt"),
    422: ("unprocessable", "the endpoint rejects a field of the request", "see the endpoint's message above"),
}
_PASSES = {408, 409, 425}


def status_fault(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float, scrub: Callable[[str], str]
) -> ModelFault:
    """The fault that a response other than 200 amounts to. `scrub` takes secrets out of the endpoint's words.

    >>> status_fault(503, {"Retry-After": "2"}, b"busy", now=0.0, scrub=str).reason
    'transient: http_503: HTTP 503: busy'
    >>> status_fault(401, {}, b'{"error": {"message": "bad key"}}', now=0.0, scrub=str).stops_run
    True
    """
    error, message = error_message(body)
    what = f"HTTP {status}" + (f": {scrub(message)}" if message else "")
    if 300 <= status < 400:
        return TerminalFault(
            "redirect",
            what,
            why="the endpoint redirects elsewhere, and the key goes to the configured URL only",
            fix="give the URL that it redirects to as the base URL, if you trust it",
            usage=NOTHING_USED,
            stops_run=True,
        )
    return error_fault(status, error, what, wait=retry_after(headers, now=now))


def error_fault(status: int, error: Mapping[str, Any], what: str, *, wait: float | None = None) -> ModelFault:
    """The fault behind an error object, from a response or from inside a stream."""
    names = {str(error.get("code", "")).lower(), str(error.get("type", "")).lower()}
    words = str(error.get("message", "")).lower()
    if names & _QUOTA or (status in (403, 429) and any(w in words for w in _QUOTA_WORDS)):
        code, why, fix = _STOPS[402]
        return TerminalFault(code, what, why=why, fix=fix, usage=NOTHING_USED, stops_run=True)
    if status == 429:
        return RateLimitFault(
            "rate_limited",
            what,
            why="the endpoint takes fewer calls than it was sent",
            fix="wait, or lower --concurrency",
            usage=NOTHING_USED,
            retry_after=wait,
        )
    if status in (400, 403) and names & _FILTERED:
        return RefusalFault(
            "content_filter",
            what,
            why="the endpoint's filter rejects the prompt",
            fix="change the scenario, or use a model without this filter",
            usage=NOTHING_USED,
        )
    if status in (400, 413, 422) and (names & _TOO_LONG or any(w in words for w in _TOO_LONG_WORDS)):
        return TerminalFault(
            "context_length",
            what,
            why="history, prompt and answer together exceed the model's context",
            fix="shorten the dialogue, lower max_tokens, or choose a model with a longer context",
            usage=NOTHING_USED,
        )
    if status in _STOPS:
        code, why, fix = _STOPS[status]
        return TerminalFault(code, what, why=why, fix=fix, usage=NOTHING_USED, stops_run=True)
    if status >= 500 or status in _PASSES:
        return TransientFault(
            f"http_{status}",
            what,
            why="the endpoint could not answer this time",
            fix="it is tried again; if it stays so, look at the endpoint's own log",
            retry_after=wait,
        )
    code, why, fix = _REJECTS.get(status, (f"http_{status}", "the endpoint does not answer with 200", "check the URL"))
    return TerminalFault(code, what, why=why, fix=fix, usage=NOTHING_USED)


def error_message(body: bytes) -> tuple[Mapping[str, Any], str]:
    """The error object in a body, if there is one, and its message or the body's first words."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}, _line(body[: 4 * _SHOWN].decode("utf-8", "replace"))
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        return error, _line(str(error.get("message") or error.get("detail") or ""))
    return {}, _line(str(error))


def _line(text: str) -> str:
    line = " ".join(text[: 8 * _SHOWN].split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
