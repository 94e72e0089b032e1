"""Printing: results on stdout, everything else on stderr, and progress only where someone can watch it."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress

OnProgress = Callable[[str, int, int], None]
SECONDS_BETWEEN_LINES = 30.0
WIDTH_WITHOUT_TERMINAL = 1000  # a pipe has no edge: rows stay whole for grep
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text from outside made safe for a terminal: control and direction characters become their escapes.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


class _Stdout(Console):
    """A console that outlives its reader: when `| head` closes the pipe, the verb keeps its own exit code."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence_stdout()


def silence_stdout() -> None:
    """Point stdout at nothing, so that the flush at exit cannot fail on a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stderr_console() -> Console:
    """Where notes and errors go."""
    return _console(sys.stderr)


def _console(stream: TextIO, kind: type[Console] = Console) -> Console:
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return kind(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=not stream.isatty())


class Output:
    """Where a verb speaks. `json` gives exactly one JSON document on stdout; `quiet` drops notes and progress."""

    def __init__(self, *, json: bool, quiet: bool) -> None:
        self.json = json
        self.quiet = quiet
        self._out = _console(sys.stdout, _Stdout)
        self._err = stderr_console()

    def result(self, payload: Any, show: Callable[[Output], None]) -> None:
        """The answer: `payload` as JSON under --json, else whatever `show` prints."""
        if not self.json:
            show(self)
            return
        try:
            text = msgspec.json.encode(payload).decode("utf-8", "surrogatepass")
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            silence_stdout()

    def line(self, text: str = "", style: str = "") -> None:
        """One line of the answer."""
        self._out.print(Text(printable(text), style=style))

    def table(
        self, columns: list[str], rows: list[list[str]], *, right: int = 1, title: str = "", least: int = 0
    ) -> None:
        """A table whose columns from `right` on are numbers, the first at least `least` wide."""
        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="dim")
        for index, name in enumerate(columns):
            width = least if index == 0 and least else None
            table.add_column(name, justify="right" if index >= right else "left", overflow="fold", min_width=width)
        for row in rows:
            table.add_row(*[Text(printable(cell)) for cell in row])
        self._out.print(table)

    def note(self, text: str, style: str = "") -> None:
        """Something worth knowing that is not the answer; on stderr, unless --quiet."""
        if not self.quiet:
            self._err.print(Text(printable(text), style=style))

    def warn(self, text: str) -> None:
        """Something that changes how the answer reads; on stderr even under --quiet."""
        self._err.print(Text(printable(text), style="yellow"))

    @contextmanager
    def progress(self) -> Iterator[OnProgress]:
        """A callback `(stage, done, total)`: a bar with rate and ETA on a terminal, a rare line elsewhere."""
        if self.quiet:
            yield lambda stage, done, total: None
        elif self._err.is_terminal:
            with _bars(self._err) as bars:
                yield _on_bars(bars)
        else:
            yield _on_lines(self.note)


def _bars(console: Console) -> Progress:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=24),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}", markup=False),
        progress.TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )


def _on_bars(bars: Progress) -> OnProgress:
    """One bar at a time: it starts anew when the count does."""
    task, whole, reached, start = bars.add_task("", rate="", visible=False), -1, 0, time.monotonic()

    def update(stage: str, done: int, total: int) -> None:
        nonlocal whole, reached, start
        if total != whole or done < reached:
            start = time.monotonic()
            bars.reset(task, total=total or None, visible=True)
        whole, reached = total, done
        speed = rate(done, time.monotonic() - start)
        bars.update(task, description=printable(stage), completed=done, total=total or None, rate=speed)

    return update


def _on_lines(note: Callable[[str], None]) -> OnProgress:
    start = last = time.monotonic()

    def update(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            note(f"{stage}: {done} of {total} after {now - start:.0f} s")

    return update


def rate(done: int, seconds: float) -> str:
    """How fast, in the unit that reads best.

    >>> rate(100, 2.0), rate(1, 4.0), rate(0, 1.0)
    ('50/s', '4.0 s each', '')
    """
    if not done or seconds <= 0:
        return ""
    speed = done / seconds
    return f"{speed:.0f}/s" if speed >= 1.5 else f"{1 / speed:.1f} s each"
