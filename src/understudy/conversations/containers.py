"""Files as rows: JSON Lines, JSON, CSV and Parquet, told apart by content first and by suffix second."""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from understudy.conversations.formats import detect, is_flat
from understudy.conversations.formats.flat import Columns
from understudy.conversations.problems import Broken, Notes, shown
from understudy.conversations.streams import MAX_LINE_BYTES, read_lines, read_whole
from understudy.conversations.strict_json import decode_json
from understudy.errors import CorpusError

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_COMPRESSED = (".gz", ".zst", ".zstd")
_FORMULA = re.compile(r"'+[=+\-@\t\r]")
_BATCH_ROWS = 4096


class Row(NamedTuple):
    """One row: a JSON value (most often an object), or why it could not be read."""

    line: int | None
    value: Any


def suffix_of(path: Path) -> str:
    """The suffix that tells the container, without the one of a compression.

    >>> suffix_of(Path("real.jsonl.zst")), suffix_of(Path("real.CSV"))
    ('.jsonl', '.csv')
    """
    name = path.name.lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def stem_of(path: Path) -> str:
    """The file's name without its suffixes: what ids are made from where rows have none."""
    suffix = suffix_of(path)
    name = path.name
    cut = name.lower().rfind(suffix) if suffix else -1
    return name[:cut] if cut > 0 else name


def read_rows(path: Path, *, max_bytes: int, notes: Notes) -> Iterator[Row]:
    """The rows of one file."""
    with path.open("rb") as file:
        head = file.read(4)
    suffix = suffix_of(path)
    if head == b"PAR1":
        return _parquet_rows(path, max_bytes)
    if suffix == ".parquet":
        raise CorpusError(
            f"{path} is no Parquet file" if head else f"{path} is empty",
            why="a Parquet file begins with the four letters PAR1",
            fix="write it again, or give the file the suffix of what it holds",
        )
    lines = read_lines(path, max_bytes=max_bytes, notes=notes)
    first = next(lines, None)
    if first is None:
        return iter(())
    lines = itertools.chain([first], lines)
    if suffix in (".csv", ".tsv"):
        return _table_rows(lines, notes)
    if _is_document(first[1], suffix):
        return _document_rows(path, max_bytes, notes)
    return _json_rows(lines, notes)


def _is_document(first: bytes | Broken, suffix: str) -> bool:
    """Whether one JSON value fills the whole file, rather than one each line."""
    if isinstance(first, Broken):
        return False
    start = first.strip()
    if start in (b"[", b"{"):
        return True
    if suffix != ".json":
        return False
    try:
        value, _ = decode_json(start)
    except Broken:
        return True
    return not (isinstance(value, dict) and (detect(value) or is_flat(value)))


def _json_rows(lines: Iterator[tuple[int, bytes | Broken]], notes: Notes) -> Iterator[Row]:
    for line, data in lines:
        if isinstance(data, Broken):
            yield Row(line, data)
            continue
        try:
            value, replaced = decode_json(data)
        except Broken as broken:
            yield Row(line, broken)
            continue
        if replaced:
            notes.add("lone surrogates in a row were replaced by U+FFFD")
        yield Row(line, value)


def _document_rows(path: Path, max_bytes: int, notes: Notes) -> Iterator[Row]:
    try:
        data = read_whole(path, max_bytes=max_bytes, notes=notes)
        value, replaced = decode_json(data, per_item=data.lstrip()[:1] == b"[")
    except Broken as broken:
        yield Row(None, broken)
        return
    if replaced:
        notes.add("lone surrogates in a file were replaced by U+FFFD")
    for number, item in enumerate(_items(value), start=1):
        yield Row(number, item)


def _items(value: Any) -> list[Any]:
    """The rows inside a JSON document: an array, an object with a list inside, or conversations by their id."""
    if isinstance(value, list):
        sample = next((item for item in value if isinstance(item, dict)), None)
        if sample is not None and detect(sample) is None and is_flat(sample):
            return value if Columns(list(sample)).conversation is not None else [{"messages": value}]
        return value
    if not isinstance(value, dict) or detect(value) is not None:
        return [value]
    for inside in value.values():
        if isinstance(inside, list) and any(detect(item) is not None or is_flat(item) for item in inside[:20]):
            return inside
    by_id = [(key, item) for key, item in value.items() if isinstance(item, dict)]
    if by_id and any(detect(item) is not None for _, item in by_id[:20]):
        return [{"id": key, **item} for key, item in by_id]
    return [value]


def _table_rows(lines: Iterator[tuple[int, bytes | Broken]], notes: Notes) -> Iterator[Row]:
    """Rows of a CSV file as objects of texts. One apostrophe before a formula sign is taken off: it is what
    spreadsheet-safe writers (ours too) put there."""
    # Process-wide, and only ever raised: the default of 128 KiB is less than a long turn.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    feed = _Feed(lines)
    number, head = next(feed.lines)
    if isinstance(head, Broken):
        yield Row(number, head)
        return
    feed.lines = itertools.chain([(number, head)], feed.lines)
    delimiter = _delimiter(head.decode("utf-8", "replace"))
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    names: list[str] | None = None
    while True:
        began = feed.line + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Row(began, Broken(f"not valid CSV: {error}"))
            continue
        if feed.broken is not None:
            yield Row(feed.line, feed.broken)
            feed.broken = None
        if cells is None:
            return
        if names is None:
            names = [cell.strip() for cell in cells]
            if len(set(names)) < len(names):
                yield Row(began, Broken("two columns have the same name"))
                return
            continue
        if not cells:
            continue
        yield Row(feed.line, _table_row(names, cells, feed.marked))
        feed.marked = False


class _Feed:
    """Text lines for the csv module, which must see bytes that are no UTF-8 in order to keep its place."""

    def __init__(self, lines: Iterator[tuple[int, bytes | Broken]]) -> None:
        self.lines = lines
        self.line = 0
        self.broken: Broken | None = None
        self.marked = False  # Whether the lines since the last row hold bytes that are no UTF-8.

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        for line, data in self.lines:
            self.line = line
            if isinstance(data, Broken):
                self.broken = data
                continue
            try:
                return data.decode("utf-8") + "\n"
            except UnicodeDecodeError:
                self.marked = True
                return data.decode("utf-8", "surrogateescape") + "\n"
        raise StopIteration


def _table_row(names: list[str], cells: list[str], marked: bool) -> Any:
    if len(cells) != len(names):
        return Broken(f"{len(cells)} cells under {len(names)} columns")
    for name, cell in zip(names, cells, strict=True) if marked else ():
        if any("\udc80" <= letter <= "\udcff" for letter in cell):
            return Broken(f"column {shown(name)} is not UTF-8; save the file as UTF-8")
    if any(cell[:1] == "'" for cell in cells):
        cells = [cell[1:] if _FORMULA.match(cell) else cell for cell in cells]
    return dict(zip(names, cells, strict=True))


def _delimiter(header: str) -> str:
    def found(delimiter: str) -> tuple[bool, int]:
        names = [name.strip(' "\r\n') for name in header.split(delimiter)]
        return Columns(names).usable, len(names)

    return max(",;\t|", key=found)


def _parquet_rows(path: Path, max_bytes: int) -> Iterator[Row]:
    import polars as pl

    seen = 0
    try:
        table = pl.scan_parquet(path)
        count = int(table.select(pl.len()).collect().item())
        for start in range(0, count, _BATCH_ROWS):
            batch: pl.DataFrame = table.slice(start, _BATCH_ROWS).collect()
            seen += int(batch.estimated_size())
            if seen > max_bytes:
                raise CorpusError(
                    f"{path} unpacks to more than {max_bytes:,} bytes",
                    why="a small compressed file can unpack to any size, so reading stops at a limit",
                    fix=f"if you trust the file, raise the limit: max_bytes={max_bytes * 4} (per file, unpacked)",
                )
            for number, row in enumerate(batch.iter_rows(named=True), start=start + 1):
                yield Row(number, plain(row))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise CorpusError(
            f"{path} is no readable Parquet file",
            why=shown(str(error), 200),
            fix="write it again, or convert it to .jsonl",
        ) from error


def plain(value: Any) -> Any:
    """`value` as JSON knows it: nulls inside structs left out, dates and numbers of other kinds as text."""
    if isinstance(value, dict):
        return {str(key): item if type(item) is str else plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "to_list"):
        return plain(value.to_list())
    return str(value)
