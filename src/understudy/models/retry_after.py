"""How long a server asks to wait: every form that the header takes in the wild."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)"
_DURATION = re.compile(rf"(?:{_PART})+")
_PARTS = re.compile(_PART)
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_RESETS = (
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-reset",
    "x-ratelimit-reset",
)
# A bare reset number this large is a point in time, not a duration.
_EPOCH_FROM = 1_000_000_000.0


def parse_retry_after(value: str, *, now: float) -> float | None:
    """Seconds to wait from `now` (Unix time); None for what is negative, zero, past or no time at all.

    Forms: seconds, decimals, an HTTP date, a Go duration (`1m30s`, `500ms`), an ISO date and time.

    >>> [parse_retry_after(v, now=0.0) for v in ("3", "0.25", "1m30s", "500ms", "-1", "soon")]
    [3.0, 0.25, 90.0, 0.5, None, None]
    >>> parse_retry_after("Thu, 01 Jan 1970 00:00:09 GMT", now=2.0)
    7.0
    >>> parse_retry_after("1970-01-01T00:01:00Z", now=0.0)
    60.0
    """
    text = value.strip()[:100]
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return _positive(seconds - now if seconds >= _EPOCH_FROM else seconds)
    if _DURATION.fullmatch(text):
        return _positive(sum(float(n) * _UNITS[unit] for n, unit in _PARTS.findall(text)))
    moment = _moment(text)
    return None if moment is None else _positive(moment - now)


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """The wait that a response's headers (names in any case) ask for: `retry-after-ms`, `retry-after`, resets."""
    found = {name.lower(): value for name, value in headers.items()}
    milliseconds = found.get("retry-after-ms", "")
    if _NUMBER.fullmatch(milliseconds.strip()) and float(milliseconds) > 0:
        return float(milliseconds) / 1000
    if "retry-after" in found and (seconds := parse_retry_after(found["retry-after"], now=now)) is not None:
        return seconds
    resets = [parse_retry_after(found[name], now=now) for name in _RESETS if name in found]
    return max((seconds for seconds in resets if seconds is not None), default=None)


def _positive(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _moment(text: str) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None
