"""Every error a user can meet, by boundary: what happened, why it matters, what to do.

An `UnderstudyError` is something the user can mend: the command line prints it without a traceback and
exits with its `exit_code`. Anything else that escapes is a bug and keeps its traceback (exit code 1).
"""

from __future__ import annotations


class UnderstudyError(Exception):
    """Base of all errors that name their remedy.

    >>> print(UsageError("--n is -3", why="a run needs a positive count", fix="give --n 1 or more"))
    --n is -3
      why: a run needs a positive count
      fix: give --n 1 or more
    """

    exit_code = 2

    def __init__(self, what: str, *, why: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  why: {self.why}\n  fix: {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments: without this an error that crosses processes breaks the pool instead of telling.
        return _rebuilt, (type(self), self.__dict__, self.args)


def _rebuilt(kind: type[UnderstudyError], state: dict[str, object], args: tuple[object, ...]) -> UnderstudyError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(UnderstudyError):
    """An argument or option cannot be used as given."""


class CorpusError(UnderstudyError):
    """A corpus file cannot be found, recognised, read or written."""


class RowError(CorpusError):
    """One row of a corpus is broken; carries where it stands, so that a reader can report and go on."""

    def __init__(self, what: str, *, path: str, line: int | None, why: str, fix: str) -> None:
        super().__init__(what, why=why, fix=fix)
        self.path = path
        self.line = line


class MeasureError(UnderstudyError):
    """A measure is asked for something that it cannot mean (not: cannot compute; that is `unscored`)."""


class SimulatorError(UnderstudyError):
    """A users folder, a partner or a simulator cannot be loaded or breaks its contract."""


class MissingExtraError(UnderstudyError):
    """An optional dependency is needed and absent."""


class GateError(UnderstudyError):
    """A gate given on the command line was not met."""

    exit_code = 4


class JournalError(UnderstudyError):
    """The journal of a run is damaged, in use by another process, or belongs to a run with other settings."""


class IncompleteError(UnderstudyError):
    """A run stopped before its end and can be resumed."""

    exit_code = 3
