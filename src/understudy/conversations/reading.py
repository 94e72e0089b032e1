"""Reading corpora: any usual file or folder becomes conversations, and every row that cannot is told."""

from __future__ import annotations

import contextlib
import difflib
import gc
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from understudy._require import require
from understudy.conversations.casting import Casting
from understudy.conversations.containers import SUFFIXES, Row, plain, read_rows, stem_of, suffix_of
from understudy.conversations.corpus import Corpus, CorpusCard
from understudy.conversations.formats import convokit, detect, flat, is_flat, own
from understudy.conversations.formats.drafts import shown_keys
from understudy.conversations.problems import Broken, Notes, RowProblem, kind, shown
from understudy.conversations.records import Conversation
from understudy.conversations.roles import natural_key
from understudy.conversations.streams import DEFAULT_MAX_BYTES, unreadable
from understudy.errors import CorpusError

Origin = Literal["real", "synthetic", "mixed", "unknown"]


class Reading(NamedTuple):
    """What came out of a file or folder: the corpus, the rows that could not be read, and remarks."""

    corpus: Corpus
    problems: tuple[RowProblem, ...]
    format: str
    notes: tuple[str, ...]


def read_corpus(
    path: str | os.PathLike[str],
    *,
    user_role: str | None = None,
    origin: Origin = "unknown",
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Reading:
    """Read a file, a folder of files, a ConvoKit folder, or `hf:NAME[:SPLIT]` as one corpus.

    Containers: `.jsonl`, `.json`, `.csv`, `.tsv` (each also `.gz` or `.zst`), `.parquet`. Formats, told by
    content: the project's own, `messages`, `turns`, ShareGPT, ConvLab unified, agent trajectories, one row a
    turn. `user_role` names the speaker to take as the user; everybody else is then the assistant. `max_bytes`
    bounds each file, unpacked.

    A broken row becomes a `RowProblem` and reading goes on. Raises `CorpusError` where the path does not lead to a
    corpus, where nothing in it could be read, or where `user_role` names nobody. Conversations with an id that was
    already taken get a suffix (`#2`), and a note says so.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "talk.jsonl")
    >>> _ = file.write_text('{"id": "a", "messages": [{"role": "user", "content": "hi"}]}\\n{"id": "b"}\\n')
    >>> reading = read_corpus(file, origin="real")
    >>> len(reading.corpus), reading.format, [problem.line for problem in reading.problems]
    (1, 'messages', [2])
    """
    reader = _Reader(str(path), user_role, max_bytes, whole=True)
    talks: list[Conversation] = []
    problems: list[RowProblem] = []
    with _no_collection():
        for item in reader:
            if isinstance(item, RowProblem):
                problems.append(item)
            else:
                talks.append(item)
    reader.check_user_role()
    if not talks:
        raise _nothing(str(path), problems)
    talks = _with_unique_ids(talks, reader.notes)
    card = CorpusCard(origin=origin, source=Path(str(path)).name if not str(path).startswith("hf:") else str(path))
    return Reading(Corpus(talks, card), tuple(problems), reader.format, reader.notes.lines())


def iter_conversations(
    path: str | os.PathLike[str], *, user_role: str | None = None, max_bytes: int = DEFAULT_MAX_BYTES
) -> Iterator[Conversation | RowProblem]:
    """The same one at a time, in memory that does not grow with the rows (but a `.json` file is held whole).

    For that, ids are not compared, and rows of one turn each belong together only while they follow each other.
    """
    reader = _Reader(str(path), user_role, max_bytes, whole=False)
    yield from reader
    reader.check_user_role()


class _Reader:
    """One pass over a path. After it, `format`, `notes` and the names met say what was there."""

    def __init__(self, path: str, user_role: str | None, max_bytes: int, *, whole: bool) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.whole = whole
        self.notes = Notes()
        self.casting = Casting(user_role, self.notes)
        self._formats: dict[str, None] = {}

    @property
    def format(self) -> str:
        return "+".join(self._formats)

    def __iter__(self) -> Iterator[Conversation | RowProblem]:
        if self.path.startswith("hf:"):
            yield from self._rows(self.path, self.path[3:].replace("/", "-"), _hub_rows(self.path))
            return
        for path in _files(Path(self.path), self.notes):
            if path.is_dir():
                yield from self._convokit(path)
                continue
            try:
                rows = read_rows(path, max_bytes=self.max_bytes, notes=self.notes)
            except OSError as error:
                raise unreadable(path, error) from error
            yield from self._rows(str(path), stem_of(path), rows)

    def check_user_role(self) -> None:
        """Raise where a user role was asked for that no speaker has."""
        if self.casting.user_role is None or self.casting.found or not self.casting.names:
            return
        names = sorted(self.casting.names, key=natural_key)
        near = difflib.get_close_matches(self.casting.user_role, names, n=1)
        listed = ", ".join(shown(name) for name in names[:12]) + (", …" if len(names) > 12 else "")
        raise CorpusError(
            f"no speaker in {self.path} is called {self.casting.user_role!r}",
            why=f"--user-role must name one of the speakers there: {listed}",
            fix=f"did you mean --user-role {near[0]!r}?" if near else "give one of these names, or leave it out",
        )

    def _rows(self, path: str, stem: str, rows: Iterator[Row]) -> Iterator[Conversation | RowProblem]:
        turns = _Turns(self, path)
        for line, value in rows:
            try:
                if isinstance(value, Broken):
                    raise value
                if isinstance(value, list):
                    value = {"messages": value}
                form = detect(value)
                if form is None:
                    yield from turns.take(line, value)
                    continue
                self._formats[form.name] = None
                if form.name == own.NAME and self.casting.user_role is None:
                    yield own.read_directly(value)
                else:
                    yield self.casting.cast(form.parse(value), f"{stem}-{line}")
            except Broken as broken:
                yield RowProblem(path, line, broken.reason)
        yield from turns.flush()

    def _convokit(self, folder: Path) -> Iterator[Conversation | RowProblem]:
        self._formats[convokit.NAME] = None
        tables = convokit.read_tables(folder, max_bytes=self.max_bytes, notes=self.notes)
        path = str(folder / "utterances.jsonl")
        groups = _Groups(self.whole)
        for line, key, row in convokit.read_utterances(folder, max_bytes=self.max_bytes, notes=self.notes):
            if isinstance(row, Broken):
                yield RowProblem(path, line, row.reason)
                continue
            for done, rows, began in groups.add(key, row, line):
                yield self._made(path, began, lambda d=done, r=rows: convokit.parse(d, r, tables), done)
        for done, rows, began in groups.rest():
            yield self._made(path, began, lambda d=done, r=rows: convokit.parse(d, r, tables), done)

    def _made(self, path: str, line: int | None, draft: Any, fallback: str) -> Conversation | RowProblem:
        try:
            return self.casting.cast(draft(), fallback)
        except Broken as broken:
            return RowProblem(path, line, broken.reason)


class _Groups:
    """Rows gathered by conversation: all of them, or only while they follow each other."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole
        self._held: dict[str, tuple[list[Any], int | None]] = {}

    def add(self, key: str, row: Any, line: int | None) -> Iterator[tuple[str, list[Any], int | None]]:
        if key not in self._held:
            if not self.whole:
                yield from self.rest()
            self._held[key] = ([], line)
        self._held[key][0].append(row)

    def rest(self) -> Iterator[tuple[str, list[Any], int | None]]:
        held, self._held = self._held, {}
        yield from ((key, rows, line) for key, (rows, line) in held.items())


class _Turns:
    """Rows of one turn each, put together into conversations."""

    def __init__(self, reader: _Reader, path: str) -> None:
        self.reader = reader
        self.path = path
        self._groups = _Groups(reader.whole)
        self._columns: dict[tuple[str, ...], flat.Columns] = {}

    def take(self, line: int | None, value: Any) -> Iterator[Conversation | RowProblem]:
        if not isinstance(value, Mapping):
            raise Broken(f"the row is {kind(value)}, not an object")
        names = tuple(value)
        columns = self._columns.get(names)
        if columns is None:
            if not is_flat(value):
                raise Broken(f"no list of turns and no speaker with a text among its keys: {shown_keys(value)}")
            columns = flat.Columns(names)
            if len(self._columns) < 64:
                self._columns[names] = columns
        key = flat.key_of(value, columns)
        entry = flat.entry(value, columns)
        self.reader._formats[flat.NAME] = None
        for group in self._groups.add(key, entry, line):
            yield self._made(*group)

    def flush(self) -> Iterator[Conversation | RowProblem]:
        for group in self._groups.rest():
            yield self._made(*group)

    def _made(self, key: str, entries: list[Any], line: int | None) -> Conversation | RowProblem:
        return self.reader._made(self.path, line, lambda: flat.parse(key, entries), key)


def _files(path: Path, notes: Notes) -> Iterator[Path]:
    """The files that make up a corpus; a ConvoKit folder stands for itself."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise _missing(path, error) from error
    if stat.S_ISREG(mode):
        yield path
        return
    if not stat.S_ISDIR(mode):
        raise CorpusError(
            f"{path} is neither a file nor a folder",
            why="a pipe or device can be read only once and may never end",
            fix="save its content to a file first",
        )
    if convokit.matches(path):
        yield path
        return
    found: list[Path] = []
    ignored: list[Path] = []
    for folder, _, names in os.walk(path, followlinks=False):
        for name in names:
            file = Path(folder, name)
            if not name.startswith("."):
                (found if suffix_of(file) and file.is_file() else ignored).append(file)
    if not found:
        raise CorpusError(
            f"the folder {path} holds no corpus file",
            why=f"none of its files ends in {', '.join(SUFFIXES)} (or these with .gz, .zst)",
            fix="give the folder or file with the conversations",
        )
    if ignored:
        notes.add(f"{len(ignored)} files of other kinds in the folder were left alone, e.g. {ignored[0].name}")
    yield from sorted(found, key=lambda file: natural_key(str(file.relative_to(path))))


def _missing(path: Path, error: OSError | ValueError) -> CorpusError:
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return unreadable(path, error)
    try:
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
    except (OSError, ValueError):
        near = []
    return CorpusError(
        f"{shown(str(path), 200)} does not exist",
        why="a corpus is a file, a folder, or hf:NAME",
        fix=f"did you mean {path.parent / near[0]}?" if near else "check the path",
    )


def _hub_rows(name: str) -> Iterator[Row]:
    datasets = require("datasets", extra="hf", purpose=f"reading {name}")
    wanted, _, split = name[3:].partition(":")
    try:
        table = datasets.load_dataset(wanted, split=split or "train", streaming=True)
        for number, row in enumerate(table, start=1):
            yield Row(number, plain(row))
    except (OSError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"{name} cannot be read",
            why=shown(str(error), 200),
            fix="check the name and split (hf:OWNER/NAME:SPLIT) and the network; or download it and give the file",
        ) from error


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the cycle collector: rows are trees, and walking them again and again doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _nothing(path: str, problems: list[RowProblem]) -> CorpusError:
    if not problems:
        return CorpusError(f"{path} is empty", why="it holds no conversation", fix="give a file with conversations")
    first = "; ".join(str(problem) for problem in problems[:3])
    return CorpusError(
        f"no conversation in {path} could be read ({len(problems):,} broken rows)",
        why=f"{first}{'; …' if len(problems) > 3 else ''}",
        fix="give rows with a list of turns (speaker, text), or one turn a row with a conversation id",
    )


def _with_unique_ids(talks: list[Conversation], notes: Notes) -> list[Conversation]:
    taken = {talk.id for talk in talks}
    if len(taken) == len(talks):
        return talks
    met: dict[str, int] = {}
    unique: list[Conversation] = []
    for talk in talks:
        count = met[talk.id] = met.get(talk.id, 0) + 1
        if count > 1:
            while (name := f"{talk.id}#{count}") in taken:
                count += 1
            met[talk.id] = count
            taken.add(name)
            notes.add("a conversation id was already taken; a suffix (#2, #3, …) keeps them apart")
            talk = msgspec.structs.replace(talk, id=name)
        unique.append(talk)
    return unique
