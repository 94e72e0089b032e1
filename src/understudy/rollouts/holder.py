"""Who works on a file right now: a note beside it with process and machine, for whoever finds it locked."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from understudy.errors import JournalError


class _Note(msgspec.Struct, frozen=True):
    pid: int
    host: str


class Holder:
    """The note `FILE.lock`. The lock is the operating system's, on the file itself; the note says whose.

    On the same machine a note that outlived its process is taken over. On another machine nobody can tell: the
    locks of a shared disk are not to be trusted, so a note from there stands until somebody removes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note = path.with_name(path.name + ".lock")
        self.notes: list[str] = []
        self._found = _read(self.note)
        self._kept = self._claimed = False

    @classmethod
    def of(cls, path: Path) -> Holder:
        """The note beside `path`; raises `JournalError` where a process on another machine holds it."""
        holder = cls(path)
        found = holder._found
        if found is not None and found.host != socket.gethostname():
            raise JournalError(
                f"{path} is in use by process {found.pid} on {found.host}",
                why="two processes that write one journal would repeat each other's calls",
                fix=f"wait for it; if that process is gone, remove {holder.note} and try again",
            )
        return holder

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept and self._claimed:
            self.release()

    def claim(self) -> None:
        """Write this process down; call it when the file is locked."""
        if self._found is not None and self._found.pid != os.getpid():
            self.notes.append(f"{self.path}: taken over from process {self._found.pid}, which is gone")
        data = msgspec.json.encode(_Note(os.getpid(), socket.gethostname()))
        draft = self.note.with_name(f"{self.note.name}.{os.getpid()}")
        draft.write_bytes(data)
        draft.replace(self.note)
        self._claimed = True

    def keep(self) -> None:
        """Leave the note when the `with` block ends."""
        self._kept = True

    def release(self) -> None:
        """Remove the note, unless another process wrote it."""
        found = _read(self.note)
        if found is not None and found.pid == os.getpid():
            self.note.unlink(missing_ok=True)

    def in_use(self) -> JournalError:
        """The error for a file that is locked."""
        found = _read(self.note)
        who = f"process {found.pid} on {found.host}" if found is not None else "another process"
        return JournalError(
            f"{self.path} is in use by {who}",
            why="two processes that write one journal would repeat each other's calls",
            fix="wait until it is done, or stop it; what it has done is kept",
        )


def _read(note: Path) -> _Note | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=_Note)
    except (OSError, msgspec.MsgspecError):
        return None  # No note, or half a note: the lock on the file itself decides.
