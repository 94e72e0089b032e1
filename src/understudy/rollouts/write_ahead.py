"""Whether the write-ahead log that a dead process left behind is whole; SQLite drops a torn end in silence."""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = 32
_FRAME_HEADER = 24
_MAGIC = 0x377F0682
_MASK = 0xFFFFFFFF


def damaged_bytes(wal: Path) -> int:
    """How many bytes at the end of a write-ahead log cannot be read: 0 where it is whole or absent.

    The last frame is half there after a process was killed in the middle of a write: nothing that was announced as
    done is in it. More than a frame means that the disk lost what it had promised to keep. The format is SQLite's,
    https://www.sqlite.org/fileformat2.html#walformat.

    >>> damaged_bytes(Path("no-such-file"))
    0
    """
    try:
        data = wal.read_bytes()
    except FileNotFoundError:
        return 0
    if not data:
        return 0
    if len(data) < _HEADER:
        return len(data)
    magic, _, page = struct.unpack(">III", data[:12])
    order = "<" if magic == _MAGIC else ">"
    sums = _checksum(data[:24], order, (0, 0))
    if magic | 1 != _MAGIC | 1 or sums != struct.unpack(">II", data[24:32]) or page not in _pages():
        return len(data)
    salts, size, at = data[16:24], _FRAME_HEADER + page, _HEADER
    while at < len(data):
        frame = data[at : at + size]
        if frame[8:16] != salts:
            # Frames of an earlier round, which the log has begun to write over, come after the end.
            return len(data) - at if len(frame) < 16 else 0
        sums = _checksum(frame[:8] + frame[_FRAME_HEADER:], order, sums)
        if len(frame) < size or sums != struct.unpack(">II", frame[16:24]):
            return _mine(data, at, size, salts)
        at += size
    return 0


def _mine(data: bytes, at: int, size: int, salts: bytes) -> int:
    """The bytes from `at` on in frames of this round; only those were lost."""
    return sum(
        min(size, len(data) - start) for start in range(at, len(data), size) if data[start + 8 : start + 16] == salts
    )


def _pages() -> set[int]:
    return {1 << k for k in range(9, 17)}


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    one, two = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data[: len(data) // 4 * 4])
    for even, odd in zip(words[::2], words[1::2], strict=False):
        one = (one + even + two) & _MASK
        two = (two + odd + one) & _MASK
    return one, two
