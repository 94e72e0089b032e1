"""A conformance suite for readers: functions from a path to conversations and problems."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from understudy.conversations.problems import RowProblem
from understudy.conversations.records import Conversation
from understudy.errors import CorpusError

Read = Callable[[Path], Iterable[Conversation | RowProblem]]

_LINES = b'{"turns": [{"role": %s, "text": %s}]}\n'
_TURNS: dict[str, Any] = {
    "id": "a",
    "turns": [{"role": "user", "text": "hi"}, {"role": "assistant", "text": "hello"}],
}


def good_rows() -> bytes:
    """Two rows that every reader of JSON Lines must read."""
    return b"".join(json.dumps({**_TURNS, "id": name}).encode() + b"\n" for name in ("a", "b"))


def hostile_contents() -> dict[str, bytes]:
    """What files from outside have held, by a name for each; to be written with the suffix `.jsonl`.

    >>> sorted(hostile_contents())[:3]
    ['NUL bytes', 'NaN', 'UTF-16']
    """
    good = good_rows()
    row = json.dumps(_TURNS).encode()
    return {
        "empty": b"",
        "blank lines": b"\n\r\n \n",
        "brackets": b"[" * 100_000,
        "nested objects": b'{"a":' * 100_000,
        "a duplicate key": b'{"id": "x", ' + row[1:] + b"\n",
        "NaN": b'{"score": NaN, ' + row[1:] + b"\n",
        "an infinite number": b'{"score": 1e999, ' + row[1:] + b"\n",
        "a huge integer": b'{"score": ' + b"9" * 5_000 + b", " + row[1:] + b"\n",
        "a lone surrogate": row.replace(b"hi", b"\\ud800") + b"\n",
        "a line separator": row.replace(b"hi", "a\u2028b".encode()) + b"\n",
        "NUL bytes": b"\x00" * 100 + b"\n" + good,
        "bytes that are no UTF-8": row.replace(b"hi", b"caf\xe9") + b"\n",
        "UTF-16": good.decode().encode("utf-16"),
        "a byte order mark and carriage returns": b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n"),
        "turns that are no list": b'{"id": "a", "turns": "hi"}\n{"id": "a", "turns": {"role": "user"}}\n',
        "turns of other kinds": b'{"id": "a", "turns": [1, null, "x"]}\n',
        "texts of other kinds": _LINES % (b'"user"', b"3") + _LINES % (b'"user"', b"null"),
        "speakers of other kinds": _LINES % (b"1", b'"x"') + _LINES % (b'["user"]', b'"x"'),
        "values that are no rows": b'1\nnull\n"x"\n[]\n{}\n[[]]\n',
        "cut JSON": good[:-20],
        "cut gzip": gzip.compress(good)[:-10],
        "a gzip header alone": b"\x1f\x8b",
        "a zstd header alone": b"\x28\xb5\x2f\xfd\x00\x01",
        "a Parquet mark alone": b"PAR1",
    }


def check_reader(read: Read, folder: Path) -> None:
    """Assert that `read` keeps the promises of a reader; `folder` is where the files to try are written.

    It reads plain rows whole and the same twice; on hostile files it yields `RowProblem`s or raises `CorpusError`
    and nothing else; and whatever it yields is sound: roles are `user` or `assistant`, texts can be written as
    UTF-8.

    >>> import tempfile
    >>> from understudy.conversations import iter_conversations
    >>> check_reader(iter_conversations, Path(tempfile.mkdtemp()))
    """
    plain = folder / "plain.jsonl"
    plain.write_bytes(good_rows())
    once, twice = list(read(plain)), list(read(plain))
    assert once == twice, "reading the same file twice gave different answers"
    talks = [item for item in once if isinstance(item, Conversation)]
    assert [talk.id for talk in talks] == ["a", "b"], f"two plain rows were read as {once!r}"
    assert all(len(talk.turns) == 2 for talk in talks), "turns were lost"
    for number, (name, content) in enumerate(hostile_contents().items()):
        path = folder / f"hostile-{number}.jsonl"
        path.write_bytes(content)
        for item in _guarded(read, path, name):
            _check_item(item, name)


def _guarded(read: Read, path: Path, name: str) -> Iterator[Conversation | RowProblem]:
    try:
        yield from read(path)
    except CorpusError as error:
        if not (error.what and error.fix):
            raise AssertionError(f"{name}: an error must say what happened and what to do") from error
    except Exception as error:
        raise AssertionError(f"{name}: {type(error).__name__} escaped the reader: {error}") from error


def _check_item(item: object, name: str) -> None:
    if isinstance(item, RowProblem):
        assert item.reason, f"{name}: a problem must say why"
        return
    assert isinstance(item, Conversation), f"{name}: a reader yields conversations and problems, not {type(item)}"
    assert all(turn.role in ("user", "assistant") for turn in item.turns), f"{name}: an unknown role came through"
    msgspec.json.encode(item)
