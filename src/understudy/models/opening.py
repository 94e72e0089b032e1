"""From a URI to a model with its policies: `openai:MODEL[@URL]`, `hf:NAME_OR_PATH`, `scripted:FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from understudy.errors import UsageError
from understudy.models.accounts import Timeouts
from understudy.models.breaker import Breaker
from understudy.models.budget import FREE, Budget, Budgeted, Price
from understudy.models.cache import Cached
from understudy.models.concurrency import MOST, Limited, Limiter, Throttle
from understudy.models.endpoint import Endpoint
from understudy.models.local import LocalModel
from understudy.models.model import Completion, LanguageModel, ModelFault, Request, close_model
from understudy.models.recording import Recording
from understudy.models.retry import ATTEMPTS, LONGEST_WAIT_S, Retrying
from understudy.models.scripted import Scripted

DEFAULT_URL = "https://api.openai.com/v1"


class Status(NamedTuple):
    """What a progress line shows of a model: faults met by code, requests waiting to retry, and the throttle."""

    faults: dict[str, int]
    retrying: int
    throttle: Throttle | None
    stopped: ModelFault | None


class OpenModel:
    """A model under its policies: recording, cache, retry, limiter, breaker, budget, the model itself."""

    def __init__(self, model: LanguageModel, retrying: Retrying, breaker: Breaker, limiter: Limiter | None) -> None:
        self.identity = model.identity
        self.structured = True  # whether it can keep to a response_schema
        self._model = model
        self._retrying = retrying
        self._breaker = breaker
        self._limiter = limiter

    async def complete(self, request: Request) -> Completion:
        """The finished answer, or the fault that remains when all policies have had their say."""
        return await self._model.complete(request)

    def status(self) -> Status:
        """Where the model stands now; inside a running loop."""
        throttle = None if self._limiter is None else self._limiter.throttle()
        return Status(dict(self._retrying.faults), self._retrying.waiting, throttle, self._breaker.fault)

    async def aclose(self) -> None:
        """Close connections and files."""
        await close_model(self._model)


def open_model(
    uri: str,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    stream: bool = False,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - immutable
    concurrency: int = MOST,
    attempts: int = ATTEMPTS,
    longest_wait_s: float = LONGEST_WAIT_S,
    budget: Budget | None = None,
    price: Price | None = None,
    cache: str | Path | None = None,
    record: str | Path | None = None,
    seed: int = 0,
) -> OpenModel:
    """The model that `uri` names, with retry, limiter, breaker, and where asked for budget, cache and recording.

    `base_url` is used where the URI names none; `concurrency` is the most calls at a time on the account,
    shared with other models on it. `price` is only needed for `openai:` under `--max-usd`.

    >>> open_model("openai:llama@http://127.0.0.1:8000/v1").identity
    'openai:llama@http://127.0.0.1:8000/v1'
    """
    if concurrency < 1 or attempts < 1:
        raise UsageError(
            f"concurrency={concurrency}, attempts={attempts}",
            why="fewer than one call at a time, or for a request, is none",
            fix="give 1 or more",
        )
    model, limiter = _bare(uri, api_key, base_url, stream, timeouts, seed)
    if limiter is None:
        price = price or FREE
    inner: LanguageModel = model
    if budget is not None:
        inner = Budgeted(inner, budget, price=price)
    inner = breaker = Breaker(inner)
    if limiter is not None:
        limiter.most = concurrency
        inner = Limited(inner, limiter)
    inner = retrying = Retrying(inner, attempts=attempts, longest_wait_s=longest_wait_s, seed=seed)
    if cache is not None:
        inner = Cached(inner, cache)
    if record is not None:
        inner = Recording(inner, record)
    opened = OpenModel(inner, retrying, breaker, limiter)
    opened.structured = getattr(model, "structured", True)
    return opened


def _refuse_bare_host(name: str) -> None:
    """`MODEL@127.0.0.1:8000` would be a model of that name at the default URL, which gets the key and the texts."""
    model, at, host = name.rpartition("@")
    if at and (":" in host or "/" in host or "." in host or host == "localhost"):
        raise UsageError(
            f"openai:{name}: a host without http:// or https://",
            why="it would be read as a part of the model's name, and another endpoint asked",
            fix=f"give openai:{model}@http://{host}",
        )


def _bare(
    uri: str, api_key: str | None, base_url: str | None, stream: bool, timeouts: Timeouts, seed: int
) -> tuple[LanguageModel, Limiter | None]:
    scheme, colon, rest = uri.partition(":")
    if colon and rest:
        if scheme == "openai":
            name, _, url = rest.partition("@http")
            _refuse_bare_host(name)
            url = "http" + url if url else base_url or DEFAULT_URL
            endpoint = Endpoint(name, base_url=url, api_key=api_key, stream=stream, timeouts=timeouts)
            return endpoint, endpoint.account.limiter
        if scheme == "hf":
            return LocalModel(rest, seed=seed), None
        if scheme == "scripted":
            return Scripted.from_file(rest), None
    if scheme == "embedded":
        raise UsageError(
            "embedded: is no language model by itself",
            why="it speaks through users fitted to a corpus, which stand above the models",
            fix="give it to `understudy generate --model embedded:`, or use fitted:REAL as users or partner",
        )
    raise UsageError(
        f"{uri[:100].rpartition('@')[2]!r} names no model",
        why="a model is named by where it runs",
        fix="give openai:MODEL, openai:MODEL@URL, hf:NAME_OR_PATH or scripted:FILE",
    )
