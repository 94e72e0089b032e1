"""The file of a journal: opened alone, checked whole, and every way it can fail told with its remedy."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from understudy.errors import JournalError
from understudy.rollouts.holder import Holder

SCHEMA_VERSION = 1
APPLICATION = 0x554E4453  # "UNDS": what `file` and SQLite see in the header


def connect(path: Path, holder: Holder, wait_s: float) -> sqlite3.Connection:
    """The one connection to the file. It is locked for as long as the connection lives, and by the system only, so
    that a process that was killed leaves no lock behind."""
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        connection.close()
        if "locked" in str(error):
            raise holder.in_use() from error
        raise refused(path, error) from error
    holder.claim()
    return connection


def check(path: Path, connection: sqlite3.Connection) -> None:
    """Raise `JournalError` where the file is not a whole journal of this version."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise broken(path, "it is no journal of understudy, or not all of it was written")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by another version of understudy (journal version {version})",
            why=f"this version reads journal version {SCHEMA_VERSION}",
            fix="go on with the version of understudy that began the run",
        )
    told = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)").fetchall()]
    if told != ["ok"]:
        raise broken(path, "; ".join(told))


def settings_in(connection: sqlite3.Connection) -> dict[str, Any]:
    """What the run was begun with."""
    found = connection.execute("SELECT value FROM settings WHERE name = 'settings'").fetchone()
    settings: dict[str, Any] = msgspec.json.decode(found[0])
    return settings


def broken(path: Path, what: str) -> JournalError:
    """The error of a file that is not as it was written."""
    return JournalError(
        f"{path} is damaged: {what}",
        why="what it held cannot be trusted, and nothing of it was changed or exported",
        fix=f"restore {path} from a copy, or remove it and begin the run again",
    )


def refused(path: Path, error: sqlite3.Error) -> JournalError:
    """What a refusal of SQLite means for whoever waits for the run."""
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return JournalError(
            f"{path} cannot be written: {text}",
            why="the disk is full or failing; everything that was reported as done is on it",
            fix="free some space, then go on with --resume",
        )
    if "readonly" in text or "unable to open" in text:
        return JournalError(
            f"{path} cannot be opened for writing: {text}",
            why="every turn is written there before the next one is asked for",
            fix="change the permissions, or write to another --out",
        )
    return broken(path, text)
