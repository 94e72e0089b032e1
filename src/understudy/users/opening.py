"""Opening USERS as the command line names them: a fitted folder, or `structured:GOALS`."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from understudy.errors import UsageError
from understudy.users.partner_model import prior
from understudy.users.profile import Goal, Profile
from understudy.users.simulator import UserSimulator
from understudy.users.structured import StructuredPopulation

_SCHEMES = ("structured", "prompted")
_BELIEF = "?belief="
_CORPUS_KEYS = ("turns", "messages", "conversations", "dialog", "log")


@runtime_checkable
class SimulatedUsers(Protocol):
    """A population together with the simulator that speaks for its profiles."""

    @property
    def identity(self) -> str: ...
    @property
    def n_sessions(self) -> int:
        """How many draws stand for the whole population: one a session, scenario or profile that it was made from."""
        ...

    def draw(self, k: int, *, seed: int) -> Profile: ...
    def simulator(self) -> UserSimulator: ...


def open_users(users: str | os.PathLike[str]) -> SimulatedUsers:
    """The simulated users that `users` names: a folder written by `fit` or `train`, or `structured:GOALS`.

    `FOLDER?belief=ai` gives them a view of their partner, which starts as that of one who takes it for an AI
    (`believing`).

    GOALS is a JSON file (a list of goals) or JSONL file (a goal a line) of `{"topic": ..., "entities": [[type,
    value], ...], "text": ...}`, or any corpus file to read goals off. Raises `UsageError` where it is neither.

    >>> open_users("structurd:goals.json")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    understudy.errors.UsageError: 'structurd:goals.json' names no simulated users
      why: users are a folder made by `understudy fit`, ...; did you mean 'structured:'?
      fix: run `understudy fit REAL --out users/`, then give users/
    """
    name, belief = split_belief(os.fspath(users))
    return _open(name) if belief is None else believing(_open(name), belief)


def _open(text: str) -> SimulatedUsers:
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "structured":
        return open_structured(rest)
    if colon and scheme == "prompted":
        raise UsageError(
            f"{text!r}: prompted users need a language model",
            why="it speaks for them, turn by turn",
            fix="name one with --model; in Python use `understudy.scenarios.people.open_planned`",
        )
    path = Path(text)
    if path.is_dir():
        from understudy.users.adapted import is_adapted, load_adapted
        from understudy.users.aligned import load_aligned
        from understudy.users.neural.population import is_neural, load_neural
        from understudy.users.personas import FILE
        from understudy.users.population import load_population

        if is_adapted(path):
            return load_adapted(path)
        if is_neural(path):
            return load_neural(path)
        population = load_population(path)
        return load_aligned(path, population) if (path / FILE).exists() else population
    why = "users are a folder made by `understudy fit`, structured:GOALS, or prompted:PLAN.toml"
    if path.is_file():
        why = f"{text} is a file; {why}"
        fix = f"run `understudy fit {text} --out users/`, then give users/; or give structured:{text}"
        raise UsageError(f"{text!r} names no simulated users", why=why, fix=fix)
    near = difflib.get_close_matches(scheme, _SCHEMES, n=1) if colon else []
    if not near and path.parent.is_dir():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir() if p.is_dir()], n=1)
        hint = f"; did you mean {str(path.parent / near[0])!r}?" if near else ""
    else:
        hint = f"; did you mean '{near[0]}:'?" if near else ""
    raise UsageError(
        f"{text!r} names no simulated users",
        why=why + hint,
        fix="run `understudy fit REAL --out users/`, then give users/",
    )


def split_belief(users: str) -> tuple[str, str | None]:
    """USERS without a belief behind it, and that belief.

    >>> split_belief("users/?belief=ai"), split_belief("users/")
    (('users/', 'ai'), ('users/', None))
    """
    name, mark, belief = users.rpartition(_BELIEF)
    return (name, belief) if mark else (users, None)


def with_belief(users: str, belief: str | None) -> str:
    """USERS with a belief behind it.

    >>> with_belief("users/", "ai")
    'users/?belief=ai'
    """
    return users if belief is None else f"{split_belief(users)[0]}{_BELIEF}{belief}"


class BelievingUsers:
    """Users who take their partner for something and hold a view of it from then on."""

    def __init__(self, users: SimulatedUsers, belief: str) -> None:
        self._users, self._belief = users, belief
        self.identity = f"{users.identity}:belief={belief}"

    @property
    def n_sessions(self) -> int:
        """How many draws stand for all of them."""
        return self._users.n_sessions

    def draw(self, k: int, *, seed: int) -> Profile:
        """The k-th profile, with the belief."""
        return msgspec.structs.replace(self._users.draw(k, seed=seed), partner_belief=self._belief)

    def simulator(self) -> UserSimulator:
        """What speaks for them."""
        return self._users.simulator()

    async def aclose(self) -> None:
        """Close the users, if they hold anything."""
        close = getattr(self._users, "aclose", None)
        if close is not None:
            await close()


def believing(users: SimulatedUsers, belief: str) -> BelievingUsers:
    """`users` who take their partner for the `usual` one, a `human`, an `ai`, or `new` to them (`partner_model.prior`).

    Raises `UsageError` for another belief, and for structured users, who have no view of anything.
    """
    prior(belief)
    if isinstance(users, StructuredPopulation):
        raise UsageError(
            "a partner belief for structured users",
            why="they say their goal whatever the partner does: that is what they are there for",
            fix="leave it out, or give fitted or prompted users",
        )
    return BelievingUsers(users, belief)


def open_structured(path: str) -> StructuredPopulation:
    """Structured users over the goals in the file `path`, or read off the corpus `path`."""
    if not path:
        raise UsageError(
            "structured: without a file",
            why="a structured user says nothing but its goal",
            fix="give structured:GOALS.json, or structured:REAL to take the goals of a corpus",
        )
    goals = _goals_in(Path(path))
    if goals is not None:
        return StructuredPopulation(goals)
    from understudy.conversations.reading import read_corpus

    return StructuredPopulation.from_corpus(read_corpus(path).corpus)


def _goals_in(path: Path) -> list[Goal] | None:
    """The goals of a goals file; None where `path` is something else, to be read as a corpus."""
    if path.suffix not in (".json", ".jsonl") or not path.is_file():
        return None
    try:
        rows = _rows(path)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return None  # The corpus reader says what is wrong with it, by line.
    goal_keys = set(Goal.__struct_fields__)
    if not rows or not all(isinstance(row, dict) and row and set(row) <= goal_keys for row in rows):
        if rows and isinstance(rows[0], dict) and goal_keys & set(rows[0]) and not set(rows[0]) & {*_CORPUS_KEYS}:
            number = next((n for n, r in enumerate(rows, 1) if not isinstance(r, dict) or not set(r) <= goal_keys), 1)
            raise _bad_goal(path, number, f"its keys are not among {', '.join(sorted(goal_keys))}")
        return None
    goals = []
    for number, row in enumerate(rows, 1):
        try:
            goals.append(msgspec.convert(row, Goal))
        except msgspec.ValidationError as error:
            raise _bad_goal(path, number, str(error)) from error
    return goals


def _rows(path: Path) -> list[Any]:
    if path.suffix == ".json":
        data = msgspec.json.decode(path.read_bytes())
        return data if isinstance(data, list) else []
    with path.open("rb") as file:
        first = file.readline(1 << 20)
        row = msgspec.json.decode(first)
        if not isinstance(row, dict) or set(row) & {*_CORPUS_KEYS}:
            return []  # A corpus may be large: it is not read twice.
        return [row, *(msgspec.json.decode(line) for line in file if line.strip())]


def _bad_goal(path: Path, number: int, reason: str) -> UsageError:
    return UsageError(
        f"{path}: goal {number} cannot be read: {reason}",
        why="a structured user says the entities of its goal",
        fix='write each goal as {"topic": "hotel", "entities": [["area", "north"]], "text": ""}',
    )
