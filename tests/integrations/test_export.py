"""Exports: what goes out comes back equal, and looks as the other tool wants it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.running import run
from tests.conversations.making import TALKS
from understudy.conversations import Conversation, Ending, Turn
from understudy.conversations.reading import read_corpus
from understudy.errors import CorpusError, UnderstudyError
from understudy.integrations.convokit import write_convokit
from understudy.integrations.huggingface import card_of, to_dataset, write_dataset
from understudy.integrations.sharegpt import write_sharegpt

Write = Callable[[Any, Iterable[Conversation]], int]
CORPORA = st.lists(TALKS, min_size=1, max_size=4, unique_by=lambda talk: talk.id)
FORMATS = [
    pytest.param(write_convokit, "corpus", id="convokit"),
    pytest.param(write_dataset, "data", id="hf"),
    pytest.param(write_sharegpt, "a.json", id="sharegpt"),
    pytest.param(write_sharegpt, "a.jsonl.gz", id="sharegpt lines"),
]


@pytest.mark.parametrize(("write", "name"), FORMATS)
@given(talks=CORPORA)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_goes_out_comes_back(write: Write, name: str, talks: list[Conversation]) -> None:
    if write is write_convokit:
        talks = [talk for talk in talks if talk.turns] or [Conversation("c", (Turn("user", "x"),))]
    with tempfile.TemporaryDirectory() as folder:
        assert write(Path(folder, name), talks) == len(talks)
        reading = read_corpus(Path(folder, name))
        assert not reading.problems
        assert sorted(reading.corpus, key=lambda talk: talk.id) == sorted(talks, key=lambda talk: talk.id)


TALK = Conversation(
    "c1",
    (
        Turn("user", "hi", "greet", ("hello",), {"state": {"patience": 1.0}}),
        Turn("assistant", "Which city?"),
        Turn("user", "Oslo"),
    ),
    user_id="u1",
    topic="travel",
    ending=Ending("user", "done"),
    provenance={"simulator": "fitted:x", "partner": "p`<b>", "seed": 1},
    meta={"system": "Be kind."},
)


def test_a_convokit_folder_is_one(tmp_path: Path) -> None:
    two = [TALK, Conversation("c1_1", (Turn("assistant", "Hello?"), Turn("user", "no"))), Conversation("empty", ())]
    assert write_convokit(tmp_path / "corpus", two) == 2
    rows = [json.loads(line) for line in (tmp_path / "corpus/utterances.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["c1", "c1_1_", "c1_2", "c1_1", "c1_1_1"]
    assert [row["reply-to"] for row in rows] == [None, "c1", "c1_1_", None, "c1_1"]
    assert {row["conversation_id"] for row in rows} == {"c1", "c1_1"}
    tables = {name: json.loads((tmp_path / f"corpus/{name}.json").read_text()) for name in
              ("speakers", "conversations", "corpus", "index")}  # fmt: skip
    assert set(tables["speakers"]) == {row["speaker"] for row in rows}
    assert set(tables["conversations"]) == {"c1", "c1_1"}
    assert tables["index"]["utterances-index"]["acts"] == ["<class 'list'>"]
    said = {key for row in rows for key in row["meta"]}
    assert said == set(tables["index"]["utterances-index"])  # what is not in the index, ConvoKit drops
    about = {key for entry in tables["conversations"].values() for key in entry["meta"]}
    assert about == set(tables["index"]["conversations-index"])


def test_a_foreign_convokit_folder_is_read_as_before(tmp_path: Path) -> None:
    write_convokit(tmp_path, [TALK])
    table = json.loads((tmp_path / "conversations.json").read_text())
    del table["c1"]["meta"]["schema"]
    (tmp_path / "conversations.json").write_text(json.dumps(table))
    (talk,) = read_corpus(tmp_path).corpus
    assert talk.user_id == "u1"
    assert talk.turns[0].meta["role"] == "user"
    assert talk.turns[0].intent is None


@pytest.mark.parametrize("write", [write_convokit])
def test_equal_ids_are_refused(tmp_path: Path, write: Write) -> None:
    with pytest.raises(CorpusError, match="'c1'"):
        write(tmp_path, [TALK, TALK])
    assert not list(tmp_path.iterdir())


def test_an_empty_id_is_refused_where_it_would_be_lost(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="empty id"):
        write_convokit(tmp_path / "c", [Conversation("", (Turn("user", "hello"),))])


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    write_convokit(tmp_path / "a", [TALK])
    before = {path: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    broken = Conversation("c2", (Turn("user", "x", meta={"deep": deep}),))
    for write, name in ((write_convokit, "a"), (write_sharegpt, "b.json")):
        with pytest.raises(UnderstudyError):
            write(tmp_path / name, [TALK, broken])
    assert {path: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_sharegpt_rows(tmp_path: Path) -> None:
    write_sharegpt(tmp_path / "a.json", [TALK])
    (row,) = json.loads((tmp_path / "a.json").read_text())
    assert [(turn["from"], turn["value"]) for turn in row["conversations"]] == [
        ("system", "Be kind."), ("human", "hi"), ("gpt", "Which city?"), ("human", "Oslo"),
    ]  # fmt: skip


def test_the_card_tells_what_is_in_it(tmp_path: Path) -> None:
    write_dataset(tmp_path / "trips", [TALK, Conversation("real", (Turn("user", "hi"),))])
    card = (tmp_path / "trips/README.md").read_text()
    assert "# trips\n" in card
    assert "2 conversations, 4 turns, 1 user." in card
    assert "simulator `fitted:x`, partner `p'‹b>` (1); not said (1)" in card
    assert "Ended by: user (1); not said (1)." in card
    assert "- synthetic\n" in card
    assert "simulated" not in card_of([Conversation("real", (Turn("user", "hi"),))], name="real").partition("# ")[2]


def test_a_dataset_in_memory() -> None:
    pytest.importorskip("datasets", reason="the extra hf is not installed")
    dataset = to_dataset([TALK])
    assert [message["content"] for message in dataset[0]["messages"]] == ["hi", "Which city?", "Oslo"]
    assert dataset.column_names[0] == "id"


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sharegpt(tmp_path / "syn.jsonl", [TALK, Conversation("empty", ())])
    ran = run(capsys, "export", tmp_path / "syn.jsonl", "--to", "convokit", "--out", tmp_path / "corpus")
    assert ran.code == 0
    assert "1 conversation\n! 1 conversation without a turn left out" in ran.out.replace(str(tmp_path), "")
    ran = run(capsys, "export", tmp_path / "corpus", "--to", "hf", "--out", tmp_path / "data", "--json")
    assert json.loads(ran.out) == {"out": str(tmp_path / "data"), "format": "hf", "written": 1, "left_out": 0}
    assert list(read_corpus(tmp_path / "data").corpus) == [TALK]
