"""Exit codes, and how every way of stopping becomes one of them. The only place that decides either."""

from __future__ import annotations

import errno
import logging
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType

import typer
from rich.text import Text

from understudy.cli.output import printable, stderr_console
from understudy.errors import UnderstudyError


class Exit(IntEnum):
    """What the process ends with; documented in docs/cli.md and held by tests/cli/test_exits.py."""

    OK = 0
    BUG = 1
    USAGE = 2
    INCOMPLETE = 3
    GATE = 4
    BUDGET = 5
    INTERRUPTED = 130
    TERMINATED = 143


# typer's usage errors share a base that it does not export; `BadParameter` is the exported leaf.
_UsageBase: type[Exception] = typer.BadParameter.__mro__[2]

_REMEDIES = {
    errno.ENOSPC: "free some space, or write to another disk with --out",
    errno.EDQUOT: "the quota is used up: free some space, or write elsewhere with --out",
    errno.EFBIG: "the file would pass the size limit of this system or shell (ulimit -f)",
    errno.EROFS: "the file system is read-only: write elsewhere with --out",
    errno.EACCES: "change the permissions, or choose a path that you may use",
    errno.EPERM: "change the permissions, or choose a path that you may use",
    errno.ENOENT: "check the path; folders on the way must exist",
    errno.EISDIR: "that is a folder: name a file in it",
    errno.ENOTDIR: "a file stands where a folder is needed: move it, or choose another path",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def report_failure(error: BaseException, *, debug: bool) -> Exit:
    """Say on stderr what stopped the run and what to do, in a few lines; return the exit code for it."""
    if debug and not isinstance(error, (KeyboardInterrupt, SystemExit)):
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, UnderstudyError):
        _tell("error", error.what, error.why, error.fix)
        return Exit(error.exit_code)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        _tell("stopped", "interrupted from the keyboard")
        return Exit.INTERRUPTED
    if isinstance(error, _UsageBase):
        _tell_usage(error)
        return Exit.USAGE
    if isinstance(error, MemoryError):
        _tell("error", "not enough memory", "the corpus does not fit", "use fewer conversations or a larger machine")
        return Exit.USAGE
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        fix = _REMEDIES.get(error.errno or 0, "check the path and the disk; --debug shows where it happened")
        _tell("error", f"{place}{error.strerror or error}", "the system refused to read or write", fix)
        return Exit.USAGE
    _tell_bug(error)
    return Exit.BUG


def _tell(label: str, what: str, why: str = "", fix: str = "") -> None:
    lines = [f"{label}: {printable(what)}"]
    lines += [f"  {name}: {printable(text)}" for name, text in (("why", why), ("fix", fix)) if text]
    console = stderr_console()
    console.print(Text.assemble((label, "bold red"), lines[0].removeprefix(label)))
    for line in lines[1:]:
        console.print(Text(line))


def _tell_usage(error: Exception) -> None:
    message = " ".join(getattr(error, "format_message", error.__str__)().split())
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "understudy"
    _tell("error", message, fix=f"see `{command} --help`")


def _tell_bug(error: BaseException) -> None:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "understudy" in f.filename]
    place = f" ({frames[-1].filename.rpartition('understudy/')[2]}:{frames[-1].lineno})" if frames else ""
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    _tell(
        "bug",
        f"{summary[:300]}{place}",
        "this is a fault in understudy, not in what you gave it",
        "run the same command with --debug and report its output, with `understudy doctor --json`",
    )


def _terminated(signum: int, frame: FrameType | None) -> None:
    # SystemExit, because asyncio lets it through where any other exception would be kept in the task; the task that
    # is cut off by it is no news, so asyncio must not print its traceback.
    logging.getLogger("asyncio").disabled = True
    raise SystemExit(Exit.TERMINATED)


@contextmanager
def termination() -> Iterator[None]:
    """SIGTERM unwinds the stack (temporary files go, locks open) and ends in 143 instead of killing outright."""
    try:
        previous = signal.signal(signal.SIGTERM, _terminated)
    except ValueError:  # not in the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def wants_debug(arguments: Sequence[str]) -> bool:
    """Read before parsing, because parsing itself may fail."""
    return "--debug" in arguments
