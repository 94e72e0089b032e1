"""Files from outside: every one gives conversations, problems or a CorpusError, and nothing else."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations.making import chat, talk, write_rows
from understudy.conversations import Conversation, RowProblem, iter_conversations, read_corpus, write_corpus
from understudy.conversations.problems import Broken
from understudy.conversations.strict_json import decode_json
from understudy.errors import CorpusError
from understudy.testing.readers import check_reader

GOOD = {"id": "good", "turns": chat(("user", "hi"))}
ROW = b'{"turns": [{"role": "user", "text": "%s"}]%s}\n'


def problem(tmp_path: Path, row: bytes, suffix: str = ".jsonl") -> RowProblem:
    """The one problem that a broken row makes between two good ones."""
    good = json.dumps(GOOD).encode() + b"\n"
    path = tmp_path / f"a{suffix}"
    path.write_bytes(good + row + good)
    reading = read_corpus(path)
    assert [c.id for c in reading.corpus] == ["good", "good#2"]
    (found,) = reading.problems
    assert (found.path, found.line) == (str(path), 2)
    return found


def test_our_reader_keeps_its_promises(tmp_path: Path) -> None:
    check_reader(iter_conversations, tmp_path)
    check_reader(lambda path: (lambda r: [*r.corpus, *r.problems])(read_corpus(path)), tmp_path)


def test_the_suite_catches_a_bad_reader(tmp_path: Path) -> None:
    def crashing(path: Path) -> list[Conversation]:
        return [talk(row["id"], "hi", "ho") for row in map(json.loads, path.read_text().splitlines())]

    with pytest.raises(AssertionError, match="escaped the reader"):
        check_reader(crashing, tmp_path)


@pytest.mark.parametrize(("row", "reason"), [
    (b'{"id": 1, "id": 2}\n', "the key 'id' stands twice"),
    (b'{"turns": [{"role": "user", "text": "a", "text": "b"}]}\n', "the key 'text' stands twice"),
    (b'{"turns": [{"role": "user", "text": "a", "text" : "b"}]}\n', "the key 'text' stands twice"),
    (b'{"a": "\\u0022:", "a": "x"}\n', "the key 'a' stands twice"),
    (b'{"a": "\\u0022:", "b": 1, "b": 2}\n', "the key 'b' stands twice"),
    (b'{"a": "\\"\\u003a", "b": 1, "b": 2}\n', "the key 'b' stands twice"),
    (ROW % (b"hi", b', "x": NaN'), "NaN is not a JSON number"),
    (ROW % (b"hi", b', "x": -Infinity'), "-Infinity is not a JSON number"),
    (ROW % (b"hi", b', "x": 1e999'), "the number '1e999' is out of range"),
    (ROW % (b"hi", b', "x": ' + b"9" * 5000), "an integer of 5,000 digits"),
    (b"[" * 100_000 + b"\n", "nested too deeply"),
    (b'{"a":' * 100_000 + b"\n", "nested too deeply"),
    (ROW % (b"caf\xe9", b""), "not UTF-8 (0xe9)"),
    (ROW % (b"\x00", b""), "not valid JSON"),
    (ROW % (b"\xed\xa0\x80", b""), "not UTF-8"),
    (b"{\n", "not valid JSON"),
    (b"17\n", "a number, not an object"),
    (b"{}\n", "no keys at all"),
    (b'{"id": "x"}\n', "among its keys: 'id'"),
    (b'{"turns": "hi"}\n', "'turns' is a text, not a list"),
    (b'{"turns": ["hi"]}\n', "turn 1 is a text, not an object"),
    (b'{"turns": [{"role": "user", "text": 3}]}\n', "turn 1: the text is a number"),
    (b'{"turns": [{"role": "user", "text": null}]}\n', "turn 1: the text is null"),
    (b'{"turns": [{"role": "user"}]}\n', "turn 1 has no text"),
    (b'{"turns": [{"text": "x"}]}\n', "turn 1 has no speaker"),
    (b'{"turns": [{"role": 1, "text": "x"}]}\n', "the speaker ('role') is not a name"),
    (b'{"turns": [{"role": "user", "text": {"a": 1}}]}\n', "turn 1: the text is an object"),
    (b'{"id": [1], "turns": [{"role": "user", "text": "x"}]}\n', "id is a list"),
    (b'{"messages": [{"role": "system", "content": "x"}]}\n', "nobody says anything"),
    (b'{"speaker": "a", "text": "x"}\n', "which conversation"),
    (b'{"schema": "understudy.conversation/9", "id": "a", "turns": []}\n', "another version"),
    (b'{"schema": "understudy.conversation/1", "id": "a", "turns": [], "mood": 1}\n', "'mood'"),
    (b'{"schema": "understudy.conversation/1", "id": 1, "turns": []}\n', "Expected `str`"),
])  # fmt: skip
def test_a_broken_row_is_told_and_the_others_are_read(tmp_path: Path, row: bytes, reason: str) -> None:
    assert reason in problem(tmp_path, row).reason


def test_an_item_of_an_array_spoils_only_itself(tmp_path: Path) -> None:
    good = json.dumps(GOOD)
    (tmp_path / "a.json").write_text(f'[{good}, {{"id": 1, "id": 2}}, {{"x": NaN}}, 3]')
    reading = read_corpus(tmp_path / "a.json")
    assert (len(reading.corpus), [p.line for p in reading.problems]) == (1, [2, 3, 4])


def test_lone_surrogates_are_replaced_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(ROW % (b"x\\ud800y \\ud83d\\ude00", b""))
    reading = read_corpus(path)
    assert reading.corpus[0].turns[0].text == "x\ufffdy \U0001f600"
    assert any("U+FFFD" in note for note in reading.notes)


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(ROW % ("a\u2028b\u2029c\x85d\u000be".replace("\u000b", "").encode(), b""))
    assert read_corpus(path).corpus[0].turns[0].text == "a\u2028b\u2029c\x85de"


@pytest.mark.parametrize("encode", [
    lambda text: b"\xef\xbb\xbf" + text.encode(),
    lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: text.encode("utf-16"),
    lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
])  # fmt: skip
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv"])
def test_marks_and_encodings(tmp_path: Path, encode: Callable[[str], bytes], suffix: str) -> None:
    text = "conversation_id,role,text\na,user,h\u00e9\n" if suffix == ".csv" else json.dumps(
        {"id": "a", "turns": chat(("user", "h\u00e9"))}, ensure_ascii=False
    ) + "\n"  # fmt: skip
    (tmp_path / f"a{suffix}").write_bytes(encode(text))
    (found,) = read_corpus(tmp_path / f"a{suffix}").corpus
    assert (found.id, found.turns[0].text) == ("a", "h\u00e9")


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv"])
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_bombs_stop_at_the_limit(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"bomb{suffix}.gz"
    head = b"conversation_id,role,text\na,user," if suffix == ".csv" else b'[{"id": "'
    path.write_bytes(pack(head + b"a" * 50_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(CorpusError, match="more than 1,000,000 bytes") as caught:
        read_corpus(path, max_bytes=1_000_000)
    assert "max_bytes=4000000" in caught.value.fix


def test_parquet_stops_at_the_limit_too(tmp_path: Path) -> None:
    write_corpus(tmp_path / "a.parquet", [talk(str(i), "x" * 10_000) for i in range(200)])
    assert (tmp_path / "a.parquet").stat().st_size < 200_000
    with pytest.raises(CorpusError, match="raise the limit"):
        read_corpus(tmp_path / "a.parquet", max_bytes=100_000)


def test_a_cut_stream_keeps_what_came_before(tmp_path: Path) -> None:
    rows = b"".join(
        json.dumps({"id": str(i), "turns": chat(("user", os.urandom(30).hex()))}).encode() + b"\n"
        for i in range(40_000)
    )
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(rows, compresslevel=1)[:-1000])
    reading = read_corpus(path)
    assert len(reading.corpus) > 20_000
    assert "damaged or cut off" in reading.problems[-1].reason


def test_a_line_of_ten_megabytes(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", {"turns": chat(("user", "x" * 10_000_000))})
    assert len(read_corpus(path).corpus[0].turns[0].text) == 10_000_000
    (tmp_path / "a.csv").write_text("conversation_id,role,text\na,user," + "x" * 10_000_000 + "\n")
    assert len(read_corpus(tmp_path / "a.csv").corpus[0].turns[0].text) == 10_000_000


def test_a_line_without_end_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.conversations.streams.MAX_LINE_BYTES", 1000)
    assert "longer than 1,000 bytes" in problem(tmp_path, b"x" * 5_000_000 + b"\n").reason


@pytest.mark.parametrize(("text", "reason"), [
    ("a,user,hi\na,user,ho,more\n", "4 cells under 3 columns"),
    ('a,user,hi\na,user,"x"y\n', "not valid CSV"),
    ('a,user,hi\na,user,"never closed\n', "not valid CSV"),
    ("a,user,hi\n,user,ho\n", "conversation id ('conversation_id') is empty"),
    ("a,user,hi\na,,ho\n", "the speaker ('role') is not a name"),
])  # fmt: skip
def test_broken_csv_rows(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.csv").write_text("conversation_id,role,text\n" + text)
    reading = read_corpus(tmp_path / "a.csv")
    assert [turn.text for turn in reading.corpus[0].turns] == ["hi"]
    assert reason in reading.problems[0].reason
    assert reading.problems[0].line == 3


def test_csv_in_latin_1(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("conversation_id,role,text\na,user,caf\u00e9\na,user,hi\n".encode("latin-1"))
    reading = read_corpus(tmp_path / "a.csv")
    assert (len(reading.corpus[0].turns), reading.problems[0].line) == (1, 2)
    assert "not UTF-8" in reading.problems[0].reason


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz"])
@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_empty_files(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        read_corpus(tmp_path / f"a{suffix}")
    assert caught.value.fix


def test_nothing_readable_names_the_first_problems(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("nope\n" * 5)
    with pytest.raises(CorpusError, match=r"5 broken rows") as caught:
        read_corpus(path)
    assert f"{path}:1: not valid JSON" in caught.value.why
    assert f"{path}:3:" in caught.value.why


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    write_rows(tmp_path / "talks.jsonl", GOOD)
    with pytest.raises(CorpusError, match=r"did you mean .*talks\.jsonl"):
        read_corpus(tmp_path / "talk.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no corpus file"):
        read_corpus(tmp_path / "empty")
    os.symlink(tmp_path / "b.jsonl", tmp_path / "a.jsonl")
    os.symlink(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name, word in [
        ("a.jsonl", "cannot be read"),
        ("pipe.jsonl", "neither a file"),
        ("x\0y", "does not exist"),
    ]:
        with pytest.raises(CorpusError, match=word):
            read_corpus(tmp_path / name)
    assert len(read_corpus(tmp_path).corpus) == 1
    with pytest.raises(CorpusError, match="cannot be read"):
        read_corpus(tmp_path / ("x" * 300))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", GOOD)
    path.chmod(0)
    with pytest.raises(CorpusError, match="cannot be read"):
        read_corpus(path)


def test_ids_that_were_taken(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", GOOD, GOOD, {**GOOD, "id": "good#2"}, GOOD)
    reading = read_corpus(path)
    assert [c.id for c in reading.corpus] == ["good", "good#3", "good#2", "good#4"]
    assert any("already taken" in note for note in reading.notes)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('":\\ a\u00e9', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('":\\ ab', max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    value=JSONS,
    ascii_only=st.booleans(),
    spaces=st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",\n", "\t:")]),
)
def test_strict_json_agrees_with_the_standard_library(value: object, ascii_only: bool, spaces: tuple[str, str]) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, separators=spaces).encode()
    assert decode_json(data) == (value, False)


def _pairs(value: object) -> list[tuple[str, object]]:
    return list(value.items()) if isinstance(value, dict) else []


@settings(max_examples=300, deadline=None)
@given(
    value=st.dictionaries(st.text('":\\ ab', max_size=3), JSONS, min_size=1, max_size=4),
    pick=st.integers(0, 3),
    inner=JSONS,
    spaces=st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",", "\t\r:")]),
    escaped=st.booleans(),
)
def test_no_duplicate_key_passes(
    value: dict[str, object], pick: int, inner: object, spaces: tuple[str, str], escaped: bool
) -> None:
    key = list(value)[pick % len(value)]
    one = json.dumps({key: inner}, separators=spaces)[1:]
    data = json.dumps(value, separators=spaces)[:-1] + "," + one
    if escaped:
        data = re.sub(r"\\(.)", lambda found: "\\u0022" if found[1] == '"' else found[0], data)
    with pytest.raises(Broken, match="stands twice"):
        decode_json(b"[" + data.encode() + b"]")


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    row = json.dumps({"turns": chat(*[("user", "x" * 200)] * 10)}) + "\n"
    peaks = []
    for count in (2_000, 8_000):
        path = tmp_path / f"{count}.jsonl.zst"
        path.write_bytes(zstandard.compress((row * count).encode()))
        tracemalloc.start()
        assert sum(1 for _ in iter_conversations(path)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2


def test_reading_is_fast(tmp_path: Path) -> None:
    """A twentieth of what it reaches on one idle core: only a change of class fails."""
    write_corpus(
        tmp_path / "a.jsonl",
        [talk(str(i), *["some ten words that somebody might say in a talk"] * 12) for i in range(2_000)],
    )
    started = time.process_time()
    read_corpus(tmp_path / "a.jsonl")
    assert 2_000 / (time.process_time() - started) > 2_000
