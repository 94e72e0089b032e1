"""Writing corpora: whole or not at all, in the container that the file's suffix names."""

from __future__ import annotations

import contextlib
import csv
import errno
import gzip
import io
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from understudy.conversations.containers import SUFFIXES, suffix_of
from understudy.conversations.problems import shown
from understudy.conversations.records import SCHEMA, Conversation, Turn
from understudy.conversations.strict_json import scrub_surrogates
from understudy.errors import CorpusError

if TYPE_CHECKING:
    import polars as pl

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_COLUMNS = (
    "conversation_id",
    "position",
    "role",
    "text",
    "intent",
    "acts",
    "turn_meta",
    "user_id",
    "topic",
    "profile",
    "ending",
    "provenance",
    "conversation_meta",
)
_BATCH_BYTES = 1 << 20


def write_corpus(path: str | os.PathLike[str], conversations: Iterable[Conversation]) -> int:
    """Write conversations and say how many.

    The suffix decides: `.jsonl` (the project's own rows), `.json` (an array of `messages`), `.csv`, `.tsv` (a
    row a turn), each also with `.gz` or `.zst`; `.parquet` (a row a conversation). What was written is read back
    equal by `read_corpus`, except that None and "" are one in the id, topic and intent columns of a table.

    All but Parquet are written as the conversations come. The file appears under its name only when it is complete
    and on disk; until then, and when anything fails, what stood there before stays. Lone surrogates, which no
    UTF-8 file can hold, become U+FFFD; NaN in `meta` becomes null. In CSV an apostrophe goes before cells that a
    spreadsheet would run as a formula, and reading takes it off again.

    Raises `CorpusError` for an unknown suffix, for equal ids in a table, and for what the operating system refuses
    (disk full, no permission).

    >>> import tempfile, pathlib
    >>> from understudy.conversations import Turn
    >>> write_corpus(pathlib.Path(tempfile.mkdtemp(), "a.jsonl.zst"), [Conversation("a", (Turn("user", "hi"),))])
    1
    """
    target = Path(path)
    suffix = suffix_of(target)
    writers: dict[str, Callable[[IO[bytes], Iterable[Conversation]], int]] = {
        ".jsonl": _write_lines,
        ".ndjson": _write_lines,
        ".json": _write_messages,
        ".csv": _write_table,
        ".tsv": lambda file, talks: _write_table(file, talks, delimiter="\t"),
        ".parquet": _write_parquet,
    }
    if suffix not in writers:
        raise CorpusError(
            f"{target.name!r} does not say in which format to write",
            why=f"the suffix decides; known are {', '.join(SUFFIXES)} (text also with .gz or .zst)",
            fix=f"write to {target.name}.jsonl",
        )
    with atomically(target) as file, _compressed(file, target) as packed:
        return writers[suffix](packed, conversations)


def write_rows(path: str | os.PathLike[str], rows: Iterable[Any]) -> int:
    """Write rows of plain data as JSON and say how many: an array in `.json`, else a row a line, with `.gz` or `.zst`
    compressed. Whole or not at all, like `write_corpus`."""
    target = Path(path)
    with atomically(target) as file, _compressed(file, target) as packed:
        if suffix_of(target) == ".json":
            return _write_array(packed, rows)
        count = 0
        for row in rows:
            packed.write(encoded(row) + b"\n")
            count += 1
        return count


@contextlib.contextmanager
def atomically(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes `target`'s name when the block ends well, and vanishes when it does not."""
    draft = target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.part")
    try:
        file = draft.open("xb")
    except OSError as error:
        raise _refused(target, error) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _refused(target, error) from error
        if isinstance(error, RecursionError):
            raise CorpusError(
                f"{target} cannot be written: a conversation's meta is nested too deeply",
                why="JSON of that depth cannot be read back",
                fix="flatten the meta of the conversations",
            ) from error
        raise


def _refused(target: Path, error: OSError) -> CorpusError:
    fixes = {
        errno.ENOSPC: "free some space, or write to another disk",
        errno.EDQUOT: "free some of your quota, or write to another disk",
        errno.EACCES: "choose a folder that you may write to, or change its permissions",
        errno.EPERM: "choose a folder that you may write to, or change its permissions",
        errno.EROFS: "choose a folder on a disk that is not read-only",
        errno.ENOENT: f"create the folder first: mkdir -p {target.parent}",
        errno.ENOTDIR: f"{target.parent} is not a folder; choose another path",
        errno.EISDIR: "choose a file name; a folder of that name is there",
    }
    return CorpusError(
        f"{target} cannot be written: {error.strerror or error}",
        why="the operating system refused it; nothing was changed at that path",
        fix=fixes.get(error.errno or 0, "check the path and the disk"),
    )


@contextlib.contextmanager
def _compressed(file: IO[bytes], target: Path) -> Iterator[IO[bytes]]:
    name = target.name.lower()
    if suffix_of(target) == ".parquet":
        yield file
    elif name.endswith(".gz"):
        # Without a time stamp, equal corpora make equal files.
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
            yield packed  # type: ignore[misc]
    elif name.endswith((".zst", ".zstd")):
        import zstandard

        with zstandard.ZstdCompressor(level=6).stream_writer(file, closefd=False) as packed:
            yield packed
    else:
        yield file


def encoded(value: Any) -> bytes:
    """`value` as JSON; lone surrogates become U+FFFD."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(scrub_surrogates(msgspec.to_builtins(value)))


class _Row(Conversation, frozen=True, omit_defaults=True, tag_field="schema", tag=SCHEMA, gc=False):
    """A conversation that says its schema first."""


def _write_lines(file: IO[bytes], talks: Iterable[Conversation]) -> int:
    count = 0
    held = bytearray()
    for talk in talks:
        count += 1
        row = _Row(*(getattr(talk, name) for name in Conversation.__struct_fields__))
        held += encoded(row)
        held += b"\n"
        if len(held) > _BATCH_BYTES:
            file.write(held)
            held.clear()
    file.write(held)
    return count


def conversation_to_messages(conversation: Conversation) -> dict[str, Any]:
    """The conversation as an OpenAI/TRL row: `messages` with `role` and `content`, and all else beside them.

    A system prompt kept in `meta["system"]` becomes the first message again.

    >>> conversation_to_messages(Conversation("c1", (Turn("user", "hi"),), topic="films"))
    {'id': 'c1', 'messages': [{'role': 'user', 'content': 'hi'}], 'topic': 'films'}
    """
    row: dict[str, Any] = msgspec.to_builtins(conversation)
    meta = dict(row.pop("meta", {}))
    system = meta.pop("system") if isinstance(meta.get("system"), str) else None
    messages = [] if system is None else [{"role": "system", "content": system}]
    for turn in row.pop("turns"):
        role, text = turn.pop("role"), turn.pop("text")
        messages.append({"role": role, "content": text, **turn})
    made = {"id": row.pop("id"), "messages": messages, **row}
    return {**made, "meta": meta} if meta else made


def _write_messages(file: IO[bytes], talks: Iterable[Conversation]) -> int:
    return _write_array(file, map(conversation_to_messages, talks))


def _write_array(file: IO[bytes], rows: Iterable[Any]) -> int:
    file.write(b"[")
    count = 0
    for count, row in enumerate(rows, start=1):
        file.write((b"\n" if count == 1 else b",\n") + encoded(row))
    file.write(b"\n]\n")
    return count


def _write_table(file: IO[bytes], talks: Iterable[Conversation], delimiter: str = ",") -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="", write_through=False)
    # The line ending of RFC 4180, so that the csv module quotes both carriage returns and line feeds.
    sheet = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    sheet.writerow(_COLUMNS)
    names: set[str] = set()
    for talk in talks:
        if talk.id in names:
            raise CorpusError(
                f"two conversations have the id {shown(talk.id)}",
                why="in a table only the id says which rows belong together",
                fix="give them ids of their own, or write .jsonl",
            )
        names.add(talk.id)
        for cells in _table_rows(talk):
            sheet.writerow([f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells])
    text.flush()
    text.detach()
    return len(names)


def _table_rows(talk: Conversation) -> Iterator[list[str]]:
    fields = (talk.profile, talk.ending, talk.provenance, talk.meta or None)
    about = [talk.user_id or "", talk.topic or "", *("" if f is None else encoded(f).decode() for f in fields)]
    if not talk.turns:
        yield [_clean(cell) for cell in (talk.id, "", "", "", "", "", "", *about)]
    for position, turn in enumerate(talk.turns):
        acts = encoded(turn.acts).decode() if turn.acts else ""
        meta = encoded(turn.meta).decode() if turn.meta else ""
        told = about if position == 0 else [about[0], about[1], "", "", "", ""]
        cells = (talk.id, str(position), turn.role, turn.text, turn.intent or "", acts, meta, *told)
        yield [_clean(cell) for cell in cells]


def _clean(text: str) -> str:
    scrubbed: str = scrub_surrogates(text)
    return scrubbed


def _write_parquet(file: IO[bytes], talks: Iterable[Conversation]) -> int:
    frame = conversation_frame(talks)
    frame.write_parquet(file)
    return len(frame)


def conversation_frame(talks: Iterable[Conversation]) -> pl.DataFrame:
    """A row a conversation, as Parquet holds them: `messages` is a list of structs, what has no fixed form is JSON."""
    import polars as pl

    kept = list(talks)
    said = pl.Struct(
        {
            "role": pl.String,
            "content": pl.String,
            "intent": pl.String,
            "acts": pl.List(pl.String),
            "meta": pl.String,
        }
    )
    texts = {
        name: pl.Series([_cell(getattr(talk, name)) for talk in kept], dtype=pl.String)
        for name in ("profile", "ending", "provenance", "meta")
    }
    return pl.DataFrame(
        {
            "id": pl.Series([_clean(talk.id) for talk in kept], dtype=pl.String),
            "messages": pl.Series([[_message(turn) for turn in talk.turns] for talk in kept], dtype=pl.List(said)),
            "user_id": pl.Series([talk.user_id and _clean(talk.user_id) for talk in kept], dtype=pl.String),
            "topic": pl.Series([talk.topic and _clean(talk.topic) for talk in kept], dtype=pl.String),
            **texts,
        }
    )


def _cell(value: Any) -> str | None:
    return None if value is None else encoded(value).decode()


def _message(turn: Turn) -> dict[str, Any]:
    return {
        "role": turn.role,
        "content": _clean(turn.text),
        "intent": turn.intent and _clean(turn.intent),
        "acts": [_clean(act) for act in turn.acts],
        "meta": _cell(turn.meta or None),
    }
