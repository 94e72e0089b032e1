"""Bytes of a file as lines: decompressed as they come, in UTF-8, under a limit, split at line feeds only."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from understudy.conversations.problems import Broken, Notes
from understudy.errors import CorpusError

DEFAULT_MAX_BYTES = 2 << 30
MAX_LINE_BYTES = 64 << 20
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def read_chunks(path: Path, *, max_bytes: int, notes: Notes) -> Iterator[bytes]:
    """The decompressed content of `path` in UTF-8 without its byte order mark, a chunk at a time.

    gzip and Zstandard are known by their first bytes, whatever the file is called. Raises `CorpusError` when the
    content passes `max_bytes`, and `Broken` when the compressed stream breaks off.
    """
    chunks = _limited(path, max_bytes)
    first = next(chunks, b"")
    encoding = next((name for mark, name in _UTF16.items() if first.startswith(mark)), None)
    if encoding is not None:
        notes.add(f"{path.name} is in {encoding.upper()}; read as such")
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        yield decoder.decode(first[2:]).encode("utf-8", "replace")
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")
        return
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from chunks


def _limited(path: Path, max_bytes: int) -> Iterator[bytes]:
    total = 0
    with contextlib.ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            stream = _decompressed(raw, stack)
        except OSError as error:
            raise unreadable(path, error) from error
        while chunk := _read(stream, path):
            total += len(chunk)
            if total > max_bytes:
                raise CorpusError(
                    f"{path} holds more than {max_bytes:,} bytes of text",
                    why="a small compressed file can unpack to any size, so reading stops at a limit",
                    fix=f"if you trust the file, raise the limit: max_bytes={max_bytes * 4} (per file, unpacked)",
                )
            yield chunk


def _decompressed(raw: IO[bytes], stack: contextlib.ExitStack) -> IO[bytes]:
    head = raw.read(4)
    raw.seek(0)
    if head.startswith(_GZIP):
        return cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=raw)))
    if head == _ZSTD:
        import zstandard

        unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        return cast("IO[bytes]", unpacker.stream_reader(raw, read_across_frames=True))
    return raw


def _read(stream: IO[bytes], path: Path) -> bytes:
    import zstandard

    try:
        return stream.read(_CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise Broken(f"the compressed stream is damaged or cut off from here on ({error})") from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> CorpusError:
    """The error for a file that the operating system does not let us read."""
    return CorpusError(
        f"{path} cannot be read: {error.strerror or error}",
        why="the operating system refused it",
        fix="check that it is a readable file (ls -l) and that the disk is healthy",
    )


def read_lines(path: Path, *, max_bytes: int, notes: Notes) -> Iterator[tuple[int, bytes | Broken]]:
    """Numbered lines, from 1, split at b"\\n" alone (a U+2028 inside a text ends no line), blank ones left out.

    A line of more than 64 MiB comes as a `Broken` and is never held in memory; so does the place where a
    compressed stream breaks off.
    """
    number, parts, held, skipping = 1, list[bytes](), 0, False
    chunks = read_chunks(path, max_bytes=max_bytes, notes=notes)
    while True:
        try:
            chunk = next(chunks, None)
        except Broken as broken:
            yield number, broken
            return
        if chunk is None:
            break
        pieces = chunk.split(b"\n")
        for last, piece in zip([False] * (len(pieces) - 1) + [True], pieces, strict=True):
            if not skipping:
                parts.append(piece)
                held += len(piece)
                if held > MAX_LINE_BYTES:
                    yield number, Broken(f"the line is longer than {MAX_LINE_BYTES:,} bytes")
                    parts, held, skipping = [], 0, True
            if last:
                break
            line = b"".join(parts) if len(parts) > 1 else parts[0] if parts else b""
            if line and not line.isspace():
                yield number, line
            number, parts, held, skipping = number + 1, [], 0, False
    line = b"".join(parts)
    if line and not line.isspace():
        yield number, line


def read_whole(path: Path, *, max_bytes: int, notes: Notes) -> bytes:
    """The whole content, for containers that cannot be read in pieces."""
    return b"".join(read_chunks(path, max_bytes=max_bytes, notes=notes))
