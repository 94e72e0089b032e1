"""The panel's file: one SQLite database in which every answer is on disk before the next page is shown."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from understudy.errors import JournalError
from understudy.measures.raters.records import ChatTurn
from understudy.web.panel.sessions import Design

APPLICATION = 0x554E4450  # "UNDP"
VERSION = 1
_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE raters (number INTEGER PRIMARY KEY, code TEXT UNIQUE, begun TEXT NOT NULL, withdrawn INTEGER NOT NULL);
CREATE TABLE shown (rater INTEGER NOT NULL, step INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (rater, step))
    WITHOUT ROWID;
CREATE TABLE answers (rater INTEGER NOT NULL, step INTEGER NOT NULL, answer BLOB NOT NULL, seconds REAL,
    PRIMARY KEY (rater, step)) WITHOUT ROWID;
CREATE TABLE chat (rater INTEGER NOT NULL, position INTEGER NOT NULL, role TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (rater, position)) WITHOUT ROWID;
"""
# An answer is given once: whoever comes second, from an old tab or by the back button, changes nothing. Nor does
# anybody who has withdrawn in the meantime.
_ANSWER = """INSERT OR IGNORE INTO answers SELECT ?1, ?2, ?3, ?4 - (SELECT at FROM shown WHERE rater = ?1 AND step = ?2)
WHERE EXISTS (SELECT 1 FROM raters WHERE number = ?1 AND NOT withdrawn)"""
_SAY = """INSERT OR IGNORE INTO chat SELECT ?1, ?2, ?3, ?4
WHERE EXISTS (SELECT 1 FROM raters WHERE number = ?1 AND NOT withdrawn)"""

_ENDING = "ending"


class Answered(NamedTuple):
    """What was answered, and the seconds since the page was first shown."""

    answer: Any
    seconds: float | None


class Chat(NamedTuple):
    """What was said, in order, and whether the partner has ended it."""

    turns: tuple[ChatTurn, ...]
    ended: bool


class PanelStore:
    """Everything that raters said. WAL with `synchronous=FULL`: a method that writes returns when it is on disk.

    One connection, one thread at a time. The code that a rater goes on with is kept as a hash only.

    >>> import tempfile
    >>> from understudy.web.panel.tasks import Stimuli, Wanted
    >>> design = Design(0, Wanted(), Stimuli({}, (), (), (), ""), False, {})
    >>> with PanelStore.create(Path(tempfile.mkdtemp(), "panel.db"), design) as store:
    ...     rater, code = store.new_rater()
    ...     store.answer(rater, 1, "a"), store.answer(rater, 1, "b"), store.rater_of(code), store.answers(rater)
    (True, False, 0, {1: Answered(answer='a', seconds=None)})
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._lock = threading.Lock()
        self.design = msgspec.json.decode(self._setting("design"), type=Design)
        self.secret = self._setting("secret")

    @classmethod
    def create(cls, path: Path, design: Design) -> PanelStore:
        """Begin a panel in a new file, whole or not at all."""
        if path.with_name(f"{path.name}-wal").exists():
            raise JournalError(
                f"{path} is gone, but {path.name}-wal is still there",
                why="it holds the last answers of a panel that was stopped hard, and would be mixed into a new one",
                fix=f"put {path.name} back beside it, or remove {path.name}-wal if that panel is not wanted",
            )
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        try:
            db = sqlite3.connect(draft, isolation_level=None)
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            for statement in filter(None, map(str.strip, _TABLES.split(";"))):
                db.execute(statement)
            secret = secrets.token_hex(32)
            rows = (("design", msgspec.json.encode(design)), ("secret", secret.encode()))
            db.executemany("INSERT INTO settings VALUES (?, ?)", rows)
            db.execute(f"PRAGMA application_id={APPLICATION}")
            db.execute(f"PRAGMA user_version={VERSION}")
            db.execute("COMMIT")
            db.close()
        except sqlite3.Error as error:
            raise _refused(path, error) from error
        draft.replace(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> PanelStore:
        """Go on with a panel. Raises JournalError where the file is none, is damaged, or cannot be written."""
        try:
            db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=10, isolation_level=None, uri=True,
                                 check_same_thread=False)  # fmt: skip
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
                raise JournalError(
                    f"{path} is no panel of understudy",
                    why="it would be overwritten, or read as what it is not",
                    fix="name another file with --db",
                )
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA secure_delete=ON")
            told = [str(row[0]) for row in db.execute("PRAGMA quick_check(3)").fetchall()]
            if told != ["ok"]:
                raise sqlite3.DatabaseError("; ".join(told))
            return cls(path, db)
        except (sqlite3.Error, msgspec.MsgspecError, TypeError) as error:
            raise _refused(path, error) from error

    def __enter__(self) -> PanelStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def new_rater(self) -> tuple[int, str]:
        """A number, and the code with which the rater goes on."""
        code = secrets.token_hex(8)
        begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self._lock:
            row = self._db.execute(
                "INSERT INTO raters SELECT coalesce(max(number) + 1, 0), ?, ?, 0 FROM raters RETURNING number",
                (_hashed(code), begun),
            ).fetchone()
        return int(row[0]), code

    def rater_of(self, code: str) -> int | None:
        """The number behind a code, None where there is none or it was withdrawn."""
        found = self._rows("SELECT number FROM raters WHERE code = ? AND NOT withdrawn", _hashed(code))
        return int(found[0][0]) if found else None

    def show(self, rater: int, step: int) -> None:
        """Note when a page was first shown."""
        self._write("INSERT OR IGNORE INTO shown VALUES (?, ?, ?)", rater, step, time.time())

    def answer(self, rater: int, step: int, answer: object) -> bool:
        """Keep an answer; False where the step was answered before, which stands."""
        return self._write(_ANSWER, rater, step, msgspec.json.encode(answer), time.time()) == 1

    def answers(self, rater: int) -> dict[int, Answered]:
        """All answers of a rater, by step."""
        rows = self._rows("SELECT step, answer, seconds FROM answers WHERE rater = ?", rater)
        return {int(step): Answered(msgspec.json.decode(answer), seconds) for step, answer, seconds in rows}

    def say(self, rater: int, position: int, role: str, text: str) -> bool:
        """Keep a turn of the chat; False where there is one in that place."""
        return self._write(_SAY, rater, position, role, text) == 1

    def end_chat(self, rater: int, position: int) -> None:
        """Note that the partner has ended the chat."""
        self._write(_SAY, rater, position, _ENDING, "")

    def chat(self, rater: int) -> Chat:
        """The chat as far as it has come."""
        rows = self._rows("SELECT role, text FROM chat WHERE rater = ? ORDER BY position", rater)
        turns = tuple(ChatTurn(role, text) for role, text in rows if role != _ENDING)
        return Chat(turns, len(turns) < len(rows))

    def withdraw(self, rater: int) -> None:
        """Delete all that a rater said, overwrite it on disk, and keep only that somebody withdrew."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            for table in ("shown", "answers", "chat"):
                self._db.execute(f"DELETE FROM {table} WHERE rater = ?", (rater,))
            self._db.execute("UPDATE raters SET withdrawn = 1, code = NULL, begun = '' WHERE number = ?", (rater,))
            self._db.execute("COMMIT")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def raters(self) -> Mapping[int, bool]:
        """Every rater, and whether they withdrew."""
        return {int(n): bool(w) for n, w in self._rows("SELECT number, withdrawn FROM raters ORDER BY number")}

    def _setting(self, name: str) -> bytes:
        return bytes(self._rows("SELECT value FROM settings WHERE name = ?", name)[0][0])

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: object) -> int:
        with self._lock:
            return self._db.execute(statement, values).rowcount


def _hashed(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def _refused(path: Path, error: Exception) -> JournalError:
    return JournalError(
        f"{path} cannot be used: {error}",
        why="every answer is written there before the next page is shown",
        fix="free some space, change the permissions, or restore the file from a copy; --db names another",
    )
