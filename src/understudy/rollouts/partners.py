"""Opening PARTNER as the command line names it: `fitted:REAL`, a model, `module:function`, and arms behind it."""

from __future__ import annotations

import asyncio
import difflib
import importlib.util
import inspect
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from understudy.conversations import Turn
from understudy.errors import CorpusError, UsageError
from understudy.models.model import LanguageModel
from understudy.models.opening import open_model
from understudy.models.reasoning import Noted, ReasoningApart
from understudy.rollouts.arms import ARMS, with_arm
from understudy.rollouts.importing import import_object, is_import_path
from understudy.rollouts.model_partner import ModelPartner
from understudy.rollouts.partner import Partner, PartnerSession, PartnerTurn

Function = Callable[[Sequence[Turn]], Any]
_ARM_TAIL = re.compile(r"\+([a-z]+)$")
_MODELS = ("openai", "hf", "scripted")
_WHAT = (
    "a partner is fitted:REAL, openai:MODEL[@URL] or module:function, with an arm (+good, +bad, +rude, +slow, "
    "+hallucinating) behind it"
)


def open_partner(
    uri: str,
    *,
    seed: int = 0,
    models: Callable[[str], LanguageModel] = open_model,
    system: str | None = None,
) -> Partner:
    """The partner that `uri` names.

    - `fitted:REAL`: the embedded engine fitted to the assistant turns of the corpus REAL with `seed`, or a
      folder made by `understudy fit`;
    - `openai:MODEL[@URL]`, `hf:NAME_OR_PATH`, `scripted:FILE`: a language model, opened by `models` (which has its
      key, policies and budget), told `system` (see `ModelPartner`); its reasoning is kept beside its turns;
    - `module:function`: `function(history) -> str`, plain or async, or an object with `start(topic=...,
      seed=...)`, imported from the path of Python or from the working folder;
    - behind any of them, the arms `+good`, `+bad`, `+rude`, `+slow`, `+hallucinating`, applied from left to right.

    Raises `UsageError` (with the nearest name) where there is no such partner, `CorpusError` where REAL cannot
    be read.

    >>> open_partner("os.path:basenam")
    Traceback (most recent call last):
    understudy.errors.UsageError: partner 'os.path:basenam': module os.path has no 'basenam'
      why: it would be called for every reply; did you mean 'basename'?
      fix: give module:function as in `from module import function`
    """
    base, arms = split_arms(uri)
    scheme = base.partition(":")[0]
    if scheme in _MODELS:
        partner: Partner = Noted(ModelPartner(ReasoningApart(models(base)), system=system))
    else:
        partner = _open_base(base, seed)
    for arm in arms:
        partner = with_arm(partner, arm)
    return partner


def split_arms(uri: str) -> tuple[str, tuple[str, ...]]:
    """The partner without its arms, and the arms in order.

    >>> split_arms("fitted:data/a+b.jsonl+rude+slow")
    ('fitted:data/a+b.jsonl', ('rude', 'slow'))
    """
    base, arms = uri, list[str]()
    while match := _ARM_TAIL.search(base):
        name = match.group(1)
        if name not in ARMS:
            if Path(base.partition(":")[2]).exists():
                break
            near = difflib.get_close_matches(name, ARMS, n=1)
            hint = f"; did you mean '+{near[0]}'?" if near else ""
            raise UsageError(
                f"partner {uri!r}: no arm is named '+{name}'",
                why=f"an arm makes a partner worse in a known way{hint}",
                fix=f"use one of {', '.join('+' + known for known in ARMS)}, or none",
            )
        arms.insert(0, name)
        base = base[: match.start()]
    return base, tuple(arms)


def _open_base(base: str, seed: int) -> Partner:
    scheme, colon, rest = base.partition(":")
    if colon and scheme == "fitted":
        return _open_fitted(rest, seed)
    if base and Path(base).exists():
        raise UsageError(f"partner {base!r} is a path without a scheme", why=_WHAT, fix=f"did you mean fitted:{base}?")
    near = difflib.get_close_matches(scheme, ["fitted", *_MODELS], n=1) if colon else []
    if is_import_path(base) and not (near and importlib.util.find_spec(scheme) is None):
        return _import(base)
    hint = f"; did you mean '{near[0]}:'?" if near else ""
    raise UsageError(f"there is no partner {base!r}", why=_WHAT + hint, fix="give, for example, fitted:real.jsonl")


def _open_fitted(path: str, seed: int) -> Partner:
    if not path:
        raise UsageError("fitted: without a corpus", why=_WHAT, fix="give, for example, fitted:real.jsonl")
    if is_population(path):
        from understudy.users.population import load_population

        return load_population(Path(path)).partner()
    from understudy.conversations.reading import read_corpus

    try:
        corpus = read_corpus(path).corpus
    except CorpusError as error:
        raise CorpusError(f"partner fitted:{path}: {error.what}", why=error.why, fix=error.fix) from error
    from understudy.users.population import fit_population

    return fit_population(corpus, copy_guard="guarded", seed=seed).partner()


def is_population(path: str) -> bool:
    """Whether `path` is a folder made by `understudy fit`, not a corpus."""
    folder = Path(path)
    return folder.is_dir() and (folder / "population.json").is_file()


def _import(path: str) -> Partner:
    found = import_object(
        path,
        what="partner",
        used="called for every reply",
        give="module:function as in `from module import function`",
    )
    if isinstance(found, type) and hasattr(found, "start"):
        found = found()
    if hasattr(found, "start"):
        return _with_identity(found, path)
    if not callable(found):
        raise UsageError(
            f"partner {path!r} is a {type(found).__name__}",
            why="a partner is called with the turns so far and returns the reply",
            fix="point to a function(history) -> str, or to an object with start(topic=..., seed=...)",
        )
    return function_partner(found, identity=path)


class _Named:
    """A third-party partner that brought no identity, under the path it was imported from."""

    def __init__(self, inner: Any, identity: str) -> None:
        self._inner, self.identity = inner, identity

    def start(self, *, topic: str | None, seed: int) -> PartnerSession:
        session: PartnerSession = self._inner.start(topic=topic, seed=seed)
        return session


def _with_identity(found: Any, path: str) -> Partner:
    named = isinstance(getattr(found, "identity", None), str)
    partner: Partner = found if named else _Named(found, path)
    return partner


class _FunctionSession:
    def __init__(self, function: Function, waits: bool) -> None:
        self._function, self._waits = function, waits

    async def reply(self, history: Sequence[Turn]) -> PartnerTurn:
        said = self._function(history) if self._waits else await _in_thread(self._function, history)
        if inspect.isawaitable(said):
            said = await said
        return said if isinstance(said, PartnerTurn) else PartnerTurn(said)


class FunctionPartner:
    """A function of the turns so far as a partner. See `function_partner`."""

    def __init__(self, function: Function, identity: str) -> None:
        self._function, self.identity = function, identity
        self._waits = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - the method itself is asked, not whether it exists
        )

    @property
    def one_at_a_time(self) -> bool:
        return not self._waits

    def start(self, *, topic: str | None, seed: int) -> PartnerSession:
        return _FunctionSession(self._function, self._waits)


def function_partner(function: Function, *, identity: str | None = None) -> FunctionPartner:
    """`function(history) -> str` (or a `PartnerTurn`) as a partner; it must keep nothing between calls.

    A plain function runs in a thread and never twice at a time in one process, so that it need not be thread-safe
    and a reply limit can leave it behind; an `async def` overlaps with the other conversations.

    >>> import asyncio
    >>> partner = function_partner(lambda history: f"{len(history)} turns so far", identity="counter")
    >>> asyncio.run(partner.start(topic=None, seed=0).reply((Turn("user", "hi"),))).text
    '1 turns so far'
    """
    name = f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', type(function).__name__)}"
    return FunctionPartner(function, identity or name)


async def _in_thread(function: Function, history: Sequence[Turn]) -> Any:
    """`function(history)` in a daemon thread: one that hangs does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(value)
        else:
            # A future refuses StopIteration; as a fault it reads the same.
            answer.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)

    def work() -> None:
        value, error = None, None
        try:
            value = function(history)
        except BaseException as caught:  # noqa: BLE001 - handed to whoever awaits the reply
            error = caught
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=work, name="understudy-partner", daemon=True).start()
    return await answer
