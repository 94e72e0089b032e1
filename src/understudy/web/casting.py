"""Who answers a request: a user of the population and a random stream, both from what the request says."""

from __future__ import annotations

from typing import NamedTuple

from understudy.seeds import derive_seed
from understudy.users.calling import conversation_seed, user_seed
from understudy.web.refusals import RefusedError
from understudy.web.wire import ChatRequest

POPULATION = "users"


class Cast(NamedTuple):
    """The k-th draw of the population, and the seed of its session."""

    k: int
    seed: int


def cast(asked: ChatRequest, *, session: str, instruction: str, seed: int, size: int, choice: int = 0) -> Cast:
    """Who answers `asked`, and with which stream. The same request is answered by the same user in the same way.

    `users/K` is the k-th draw with the server's seed, and without session, seed and instruction it says what the
    user of the k-th conversation of `simulate` with that seed would say. For `users` the session (without one, the
    instruction; then the request's seed) decides which of the first `size` draws answers.

    >>> who = ChatRequest("users/3", [])
    >>> cast(who, session="", instruction="", seed=1, size=9).k
    3
    >>> whoever = ChatRequest("users", [], seed=5)
    >>> cast(whoever, session="a", instruction="x", seed=1, size=9) == cast(
    ...     whoever, session="a", instruction="y", seed=1, size=9
    ... )
    True
    """
    named = [f"session {session}"] if session else [f"instruction {instruction}"] if instruction else []
    named += [f"seed {asked.seed}"] if asked.seed is not None else []
    number = _number(asked)
    k = derive_seed(seed, "served", *named) % size if number is None else number
    stream = user_seed(conversation_seed(k, seed=seed))
    if choice:
        named.append(f"choice {choice}")
    return Cast(k, derive_seed(stream, *named) if named else stream)


def _number(asked: ChatRequest) -> int | None:
    """The number that a request names, in its metadata or as `users/NUMBER`; None where it names the population."""
    if asked.metadata is not None and asked.metadata.user is not None:
        return int(asked.metadata.user)
    return number_of(asked.model)


def number_of(model: str) -> int | None:
    """The user that a model name means: None for the whole population.

    >>> number_of("users"), number_of("users/12")
    (None, 12)
    >>> number_of("gpt-5")
    Traceback (most recent call last):
    understudy.web.refusals.RefusedError: there is no model 'gpt-5' here
      why: the model of a request names who of the simulated users answers
      fix: give "users", or one of them: "users/0", "users/1", ...
    """
    head, slash, tail = model.partition("/")
    if head == POPULATION and not slash:
        return None
    if head == POPULATION and tail.isascii() and tail.isdecimal() and len(tail) <= 9:
        return int(tail)
    shown = model if len(model) <= 60 else f"{model[:60]}…"
    raise RefusedError(
        404,
        "model_not_found",
        f"there is no model {shown!r} here",
        why="the model of a request names who of the simulated users answers",
        fix='give "users", or one of them: "users/0", "users/1", ...',
        param="model",
    )
