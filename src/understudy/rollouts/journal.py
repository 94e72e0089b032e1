"""The journal of a run: one SQLite file that holds every turn as soon as it was said, so that no kill loses it."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from understudy.conversations import Conversation, Role, Turn
from understudy.errors import JournalError, UsageError
from understudy.rollouts.fingerprint import plain, refuse_changes
from understudy.rollouts.holder import Holder
from understudy.rollouts.journal_file import (
    APPLICATION,
    SCHEMA_VERSION,
    broken,
    check,
    connect,
    refused,
    settings_in,
)
from understudy.rollouts.loop import Rollout
from understudy.rollouts.write_ahead import damaged_bytes
from understudy.rollouts.writer import Rows, Writer

_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE units (unit INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE turns (unit INTEGER NOT NULL, position INTEGER NOT NULL, turn BLOB NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (unit, position)) WITHOUT ROWID;
CREATE TABLE finished (unit INTEGER PRIMARY KEY, outcome TEXT NOT NULL, turns INTEGER NOT NULL,
    record BLOB NOT NULL, sum INTEGER NOT NULL);
"""
# A unit that is finished takes no more turns: whoever comes second changes nothing.
_TURN = "INSERT OR IGNORE INTO turns SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM finished WHERE unit = ?1)"
_FINISHED = "INSERT OR IGNORE INTO finished VALUES (?, ?, ?, ?, ?)"
_BESIDE = "INSERT OR REPLACE INTO settings VALUES (?, ?)"
_FORGET = "DELETE FROM turns WHERE unit = ? AND unit NOT IN (SELECT unit FROM finished)"
ACCEPTED = "accepted"
_NONE: Mapping[int, Turn] = {}


class Finished(NamedTuple):
    """A finished unit, as it was recorded."""

    unit: int
    outcome: str
    rollout: Rollout


class Journal:
    """Every planned unit of a run, its turns as they come, its ending or fault; at most one process writes it.

    A turn is on disk (WAL, `synchronous=FULL`) before `add_turn` returns, and a finished unit before `finish` does.
    What is waiting while one commit is under way goes into the next, so that many units at a time share its cost. A
    unit is finished once: a second record of it is ignored. Rows carry a checksum.

    >>> import asyncio, tempfile
    >>> from understudy.conversations import Ending
    >>> file = Path(tempfile.mkdtemp(), "run.journal")
    >>> with Journal.create(file, settings={"seed": 1}, ids=["a", "b"]) as journal:
    ...     asyncio.run(journal.add_turn(0, 0, Turn("user", "hi")))
    >>> with Journal.resume(file, settings={"seed": 1}) as journal:
    ...     journal.missing(), [turn.text for turn in journal.said(0)]
    ([0, 1], ['hi'])
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, holder: Holder, notes: Sequence[str]) -> None:
        self.path = path
        self.notes = tuple(notes)
        self._connection = connection
        self._holder = holder
        self._writer: Writer | None = None
        self._open = True
        self._beside: tuple[str, Callable[[], Any], Callable[[], None]] | None = None
        self._kept = ("", "")
        self._handed: dict[int, dict[int, Turn]] = {}  # of units under way: what the writer has already

    @classmethod
    def create(cls, path: Path, *, settings: Mapping[str, Any], ids: Iterable[str]) -> Journal:
        """Begin the journal of a run with all that is planned. Raises `UsageError` where there is one already."""
        if path.exists():
            raise UsageError(
                f"{path} holds a run already",
                why="what it holds would be lost",
                fix=f"add --resume to go on with it, or remove {path} to begin afresh",
            )
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                for statement in filter(None, map(str.strip, _TABLES.split(";"))):
                    connection.execute(statement)
                text = msgspec.json.encode(plain(settings)).decode()
                connection.execute("INSERT INTO settings VALUES ('settings', ?)", (text,))
                connection.executemany("INSERT INTO units VALUES (?, ?)", enumerate(ids))
                connection.execute(f"PRAGMA application_id={APPLICATION}")
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
                connection.execute("COMMIT")
            os.link(draft, path)  # Fails where a file of that name has come up in the meantime.
        except sqlite3.Error as error:
            raise refused(path, error) from error
        finally:
            draft.unlink(missing_ok=True)
        return cls.resume(path)

    @classmethod
    def resume(
        cls,
        path: Path,
        *,
        settings: Mapping[str, Any] | None = None,
        growing: Collection[str] = (),
        wait_s: float = 0.5,
    ) -> Journal:
        """Open the journal of a run that was begun, by whoever began it, and check that it is whole.

        Raises `JournalError` where another process holds it, where it is damaged, and where `settings` are given and
        differ from those it was begun with, naming each field; those in `growing` are counts that may be larger now
        (`grow` adds what that asks for). `wait_s`: how long for a process that may be ending.
        """
        if not path.is_file():
            raise UsageError(
                f"there is no journal {path}",
                why="only a run that was begun, and is not finished, can go on",
                fix="leave out --resume to begin it, or check --out",
            )
        with Holder.of(path) as holder:
            torn = damaged_bytes(path.with_name(path.name + "-wal"))
            connection = connect(path, holder, wait_s)
            try:
                check(path, connection)
                if settings is not None:
                    refuse_changes(settings_in(connection), settings, where=str(path), growing=growing)
            except BaseException as error:
                connection.close()
                if isinstance(error, sqlite3.Error):
                    raise refused(path, error) from error
                raise
            notes = list(holder.notes)
            if torn:
                notes.append(
                    f"{path}: the last {torn:,} bytes of its log are torn: the writes that were under way when it "
                    "stopped are made again"
                )
            holder.keep()
            return cls(path, connection, holder, notes)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is waiting, then let go of the file. A second time does nothing."""
        if not self._open:
            return
        self._open = False
        try:
            self.settle()
        finally:
            self._connection.close()
            self._holder.release()

    def settle(self) -> None:
        """Write what is waiting; what `add_turn` and `finish` were given is on disk, whoever waited or not."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if writer is None or writer.failure is None:
            self.keep_now()

    def remove(self) -> None:
        """Close, and delete the file: everything in it is elsewhere."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was begun with."""
        return settings_in(self._connection)

    def grow(self, ids: Iterable[str], *, settings: Mapping[str, Any]) -> None:
        """Plan more: units behind those that are planned, under the settings of the larger run."""
        more = list(enumerate(ids))[self.planned :]
        text = msgspec.json.encode(plain(settings)).decode()
        self._commit([(_BESIDE, ("settings", text)), *(("INSERT INTO units VALUES (?, ?)", pair) for pair in more)])

    def forget_failed(self) -> int:
        """Take faulted units for unfinished again, and say how many; each goes on from what was said in it."""
        faulted = [unit for unit, outcome, rollout in self.entries() if rollout.fault is not None]
        self._commit([("DELETE FROM finished WHERE unit = ?", (unit,)) for unit in faulted])
        return len(faulted)

    def keep_beside(self, name: str, read: Callable[[], Any], on_kept: Callable[[], None] = lambda: None) -> None:
        """From now on keep what `read()` returns, plain data, with every commit: always as new as the turns.

        It is called from the thread that commits, and `on_kept` after it, when what was read last is on disk.
        """
        self._beside = (name, read, on_kept)

    async def keep(self) -> None:
        """Keep it with the next commit; returns when it is on disk."""
        await self._writing().write([])

    def keep_now(self) -> None:
        """Keep it at once, if it has changed since the last commit. Not while `add_turn` may run."""
        before = self._kept
        if self._read_beside() != before:
            self._commit([])

    def beside(self, name: str) -> Any:
        """What was kept last under that name, None where nothing was."""
        rows = self._rows("SELECT value FROM settings WHERE name = ?", (name,))
        return msgspec.json.decode(rows[0][0]) if rows else None

    def _read_beside(self) -> tuple[str, str]:
        if self._beside is None:
            return self._kept
        name, read, _ = self._beside
        return name, msgspec.json.encode(read()).decode()

    @property
    def planned(self) -> int:
        return int(self._one("SELECT count(*) FROM units"))

    @property
    def finished(self) -> int:
        return int(self._one("SELECT count(*) FROM finished"))

    @property
    def outcomes(self) -> dict[str, int]:
        """Finished units by outcome, the commonest first: `accepted`, or the side and kind of the fault."""
        rows = self._rows("SELECT outcome, count(*) FROM finished GROUP BY outcome ORDER BY 2 DESC, 1")
        return {str(outcome): int(count) for outcome, count in rows}

    def missing(self) -> list[int]:
        """The units that are planned and not finished, in order."""
        query = "SELECT unit FROM units WHERE unit NOT IN (SELECT unit FROM finished) ORDER BY unit"
        return [int(unit) for (unit,) in self._rows(query)]

    def id_of(self, unit: int) -> str:
        return str(self._one("SELECT id FROM units WHERE unit = ?", (unit,)))

    def said(self, unit: int) -> tuple[Turn, ...]:
        """The turns of a unit that are on disk."""
        rows = self._rows("SELECT position, turn, sum FROM turns WHERE unit = ? ORDER BY position", (unit,))
        turns = []
        for position, (stored, turn, checksum) in enumerate(rows):
            if stored != position or zlib.crc32(turn) != checksum:
                raise self._damaged(f"turn {position} of unit {unit}")
            turns.append(msgspec.json.decode(turn, type=Turn))
        return tuple(turns)

    def begun(self) -> list[int]:
        """The units with turns that are not finished: where a run that was stopped goes on."""
        query = "SELECT DISTINCT unit FROM turns WHERE unit NOT IN (SELECT unit FROM finished) ORDER BY unit"
        return [int(unit) for (unit,) in self._rows(query)]

    async def add_turn(self, unit: int, position: int, turn: Turn) -> None:
        """Keep a turn; returns when it is on disk."""
        self._handed.setdefault(unit, {})[position] = turn
        await self._writing().write([(_TURN, _turn_row(unit, position, turn))])

    def add_turn_soon(self, unit: int, position: int, turn: Turn) -> None:
        """Keep a turn with the next commit, without waiting."""
        self._handed.setdefault(unit, {})[position] = turn
        self._writing().put_soon([(_TURN, _turn_row(unit, position, turn))])

    async def finish(self, unit: int, rollout: Rollout, *, outcome: str | None = None) -> None:
        """Keep a finished unit whole; returns when it is on disk. Turns that were kept before are not written again.

        `outcome` says what became of it where it is neither accepted nor a fault.
        """
        await self._writing().write(_finished_rows(unit, rollout, outcome, self._handed.pop(unit, {})))

    def finish_soon(self, unit: int, rollout: Rollout) -> None:
        """Keep a finished unit with the next commit, without waiting: for what only has to be computed again."""
        self._writing().put_soon([(_FORGET, (unit,)), *_finished_rows(unit, rollout, None)])

    def record(self, done: Iterable[tuple[int, Rollout]]) -> None:
        """Keep units that were begun and finished elsewhere, in one commit. Not while `add_turn` may run."""
        rows: Rows = []
        for unit, rollout in done:
            rows += [(_FORGET, (unit,)), *_finished_rows(unit, rollout, None)]
        self._commit(rows)

    def merge(self, other: Journal) -> None:
        """Take over, in one commit, what another journal of the same run holds.

        What is finished here stays as it is. Of a unit that neither has finished, the turns of `other` are taken
        where they go on from those here: turns of two attempts never mix.
        """
        rows: Rows = []
        for unit, outcome, rollout in other.entries():
            rows += [(_FORGET, (unit,)), *_finished_rows(unit, rollout, outcome)]
        finished = {unit for (unit,) in self._rows("SELECT unit FROM finished")}
        for unit in other.begun():
            here, there = self.said(unit), other.said(unit)
            if unit not in finished and there[: len(here)] == here:
                rows += [(_TURN, _turn_row(unit, k, turn)) for k, turn in enumerate(there)]
        self._commit(rows)

    def rollouts(self) -> Iterator[Rollout]:
        """The finished rollouts in the order of their ids, one at a time."""
        return (done.rollout for done in self.entries())

    def entries(self) -> Iterator[Finished]:
        """The finished units in the order of their ids, one at a time. Raises `JournalError` at a damaged row."""
        query = "SELECT f.* FROM units u JOIN finished f ON f.unit = u.unit ORDER BY u.id"
        with closing(self._connection.execute(query)) as cursor:
            for unit, outcome, length, record, checksum in cursor:
                turns = self.said(unit)
                if len(turns) != length or zlib.crc32(record) != checksum:
                    raise self._damaged(f"unit {unit}")
                bare = msgspec.json.decode(record, type=Rollout)
                whole = msgspec.structs.replace(bare.conversation, turns=turns)
                yield Finished(unit, outcome, msgspec.structs.replace(bare, conversation=whole))

    def _writing(self) -> Writer:
        if self._writer is None:
            self._writer = Writer(self._commit)
        if self._writer.failure is not None:
            raise self._writer.failure
        return self._writer

    def _commit(self, rows: Rows) -> None:
        beside = self._read_beside()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for statement, values in rows:
                self._connection.execute(statement, values)
            if beside != self._kept:
                self._connection.execute(_BESIDE, beside)
            self._connection.execute("COMMIT")
            self._kept = beside
            if self._beside is not None:
                self._beside[2]()
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise refused(self.path, error) from error

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def _one(self, query: str, values: Sequence[Any] = ()) -> Any:
        row = self._connection.execute(query, values).fetchone()
        if row is None:
            raise KeyError(values)
        return row[0]

    def _damaged(self, what: str) -> JournalError:
        return broken(self.path, f"{what} is not as it was written")


class UnitLog(NamedTuple):
    """The `TurnLog` of one unit of a journal. For turns of the roles `computed` nobody waits: they cost no call."""

    journal: Journal
    unit: int
    said: tuple[Turn, ...]
    computed: frozenset[Role] = frozenset()

    async def add(self, position: int, turn: Turn) -> None:
        if turn.role in self.computed:
            self.journal.add_turn_soon(self.unit, position, turn)
        else:
            await self.journal.add_turn(self.unit, position, turn)


def outcome_of(rollout: Rollout) -> str:
    """`accepted`, or `side: kind` of the fault."""
    return ACCEPTED if rollout.fault is None else f"{rollout.fault.by}: {rollout.fault.kind}"


def _turn_row(unit: int, position: int, turn: Turn) -> tuple[Any, ...]:
    data = msgspec.json.encode(turn)
    return unit, position, data, zlib.crc32(data)


def _finished_rows(unit: int, rollout: Rollout, outcome: str | None, handed: Mapping[int, Turn] = _NONE) -> Rows:
    talk: Conversation = rollout.conversation
    bare = msgspec.structs.replace(rollout, conversation=msgspec.structs.replace(talk, turns=()))
    data = msgspec.json.encode(bare)
    row = (unit, outcome or outcome_of(rollout), len(talk.turns), data, zlib.crc32(data))
    new = [(_TURN, _turn_row(unit, k, turn)) for k, turn in enumerate(talk.turns) if handed.get(k) is not turn]
    return [*new, (_FINISHED, row)]
