"""What is written is read back equal, for every container."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.conversations.making import CORPORA, talk
from understudy.conversations import (
    Conversation,
    Ending,
    Turn,
    conversation_to_messages,
    iter_conversations,
    read_corpus,
    write_corpus,
)
from understudy.errors import CorpusError

SUFFIXES = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".json.zst", ".csv", ".csv.gz", ".tsv", ".parquet"]
fixture_free = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("suffix", SUFFIXES)
@fixture_free
@given(talks=CORPORA)
@example(talks=[Conversation("a", ())])
@example(talks=[Conversation("a", (Turn("user", "'=1", "plan", ("x",), {"m": {"deep": [1, None]}}),), meta={"m": 0})])
@example(talks=[Conversation("a", (Turn("user", ""), Turn("user", "")), ending=Ending("limit", ""))])
def test_round_trip(tmp_path: Path, suffix: str, talks: list[Conversation]) -> None:
    path = tmp_path / f"talks{suffix}"
    assert write_corpus(path, talks) == len(talks)
    reading = read_corpus(path)
    assert not reading.problems
    # Through JSON, which knows lists but no tuples; only Parquet drops a null inside meta's objects: not ours.
    assert [msgspec.to_builtins(c) for c in reading.corpus] == [msgspec.to_builtins(c) for c in talks]
    assert sorted(c.id for c in iter_conversations(path) if isinstance(c, Conversation)) == sorted(c.id for c in talks)


def test_equal_corpora_make_equal_files(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        for name in ("one", "two"):
            write_corpus(tmp_path / f"{name}{suffix}", [talk("a", "hi", "ho")])
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_rows_say_their_schema_first(tmp_path: Path) -> None:
    write_corpus(tmp_path / "a.jsonl", [talk("a", "hi")])
    assert (tmp_path / "a.jsonl").read_text().startswith('{"schema":"understudy.conversation/1","id":"a"')


def test_messages_bring_back_the_system_prompt() -> None:
    row = conversation_to_messages(Conversation("c", (Turn("user", "hi"),), meta={"system": "be kind", "k": 1}))
    assert row["messages"] == [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]
    assert row["meta"] == {"k": 1}


def test_spreadsheets_run_no_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    cells = ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx"]
    write_corpus(path, [talk("=id", *cells, user="@u", topic="+t")])
    for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")):
        assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for cell in row)
    assert [turn.text for turn in read_corpus(path).corpus[0].turns] == cells


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_surrogates_become_the_replacement_character(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_corpus(path, [Conversation("a\ud800", (Turn("user", "x\udfff", meta={"k\ud800": "\ud800"}),))])
    (found,) = read_corpus(path).corpus
    assert (found.id, found.turns[0].text, found.turns[0].meta) == ("a\ufffd", "x\ufffd", {"k\ufffd": "\ufffd"})


def test_failing_source_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_corpus(path, [talk("old", "hi")])

    def source() -> Iterator[Conversation]:
        yield talk("new", "hi")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(path, source())
    assert [c.id for c in read_corpus(path).corpus] == ["old"]
    assert os.listdir(tmp_path) == ["a.jsonl"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("number", "word"), [(errno.ENOSPC, "space"), (errno.EACCES, "permissions"), (errno.EIO, "disk")]
)
def test_refusals_name_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, number: int, word: str
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("understudy.conversations.writing.os.fsync", refuse)
    with pytest.raises(CorpusError, match="cannot be written") as caught:
        write_corpus(tmp_path / f"a{suffix}", [talk("a", "hi")])
    assert word in caught.value.fix
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["no/such/folder/a.jsonl", "file.txt/a.jsonl", "folder.jsonl", "x" * 300 + ".jsonl"])
def test_impossible_places(tmp_path: Path, path: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(CorpusError, match="cannot be written"):
        write_corpus(tmp_path / path, [talk("a", "hi")])
    assert sorted(os.listdir(tmp_path)) == ["file.txt", "folder.jsonl"]


def test_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"write to a\.txt\.jsonl"):
        write_corpus(tmp_path / "a.txt", [])


def test_meta_too_deep_to_write(tmp_path: Path) -> None:
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(CorpusError, match="too deeply"):
        write_corpus(tmp_path / "a.jsonl", [Conversation("a", (), meta=deep)])
    assert os.listdir(tmp_path) == []


def test_writing_is_streamed(tmp_path: Path) -> None:
    """The first rows are on disk before the last one is made."""
    sizes = []

    def source() -> Iterator[Conversation]:
        for number in range(40):
            yield talk(str(number), "x" * 100_000)
            sizes.append(sum(file.stat().st_size for file in tmp_path.iterdir()))

    write_corpus(tmp_path / "a.jsonl", source())
    assert sizes[-1] > 1_000_000
    with gzip.open(tmp_path / "b.gz", "wb") as file:
        file.write((tmp_path / "a.jsonl").read_bytes())
    (tmp_path / "b.gz").rename(tmp_path / "misnamed.jsonl")
    assert len(read_corpus(tmp_path / "misnamed.jsonl").corpus) == 40


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_tables_refuse_equal_ids(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(CorpusError, match="two conversations have the id 'a'"):
        write_corpus(tmp_path / f"a{suffix}", [talk("a", "hi"), talk("a", "ho")])
    assert os.listdir(tmp_path) == []
