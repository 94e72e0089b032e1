"""Each format as its makers write it, and what becomes of it."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import types
from pathlib import Path

import polars as pl
import pytest

from tests.conversations.making import chat, write_rows
from understudy.conversations import Ending, Reading, iter_conversations, read_corpus
from understudy.errors import CorpusError, MissingExtraError


def said(reading: Reading, row: int = 0) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in reading.corpus[row].turns]


HI = [("user", "hi"), ("assistant", "hello")]


def test_shared_corpora(tmp_path: Path) -> None:
    row = {
        "id": "x-1", "source": "ReDial", "split": "valid", "topic": "films", "user_id": "u1", "meta": {"k": 1},
        "turns": [
            {"role": "user", "content": "hi", "acts": "greet", "entities": [["movie", "Up"]], "satisfaction": [3]},
            {"role": "assistant", "content": "hello", "acts": ["a", "b"]},
        ],
    }  # fmt: skip
    reading = read_corpus(write_rows(tmp_path / "a.jsonl", row), origin="real")
    (talk,) = reading.corpus
    assert (reading.format, talk.id, talk.user_id, talk.topic) == ("corpus-jsonl", "x-1", "u1", "films")
    assert talk.meta == {"k": 1, "source": "ReDial", "split": "valid"}
    assert [turn.acts for turn in talk.turns] == [("greet",), ("a", "b")]
    assert talk.turns[0].meta == {"entities": [["movie", "Up"]], "satisfaction": [3]}
    assert (reading.corpus.card.origin, reading.corpus.card.source) == ("real", "a.jsonl")


def test_openai_messages_with_a_prompt_and_tools(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "be kind"},
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
        {"role": "assistant", "content": "it is 42"},
        {"role": "tool", "tool_call_id": "2", "content": "late"},
    ]
    reading = read_corpus(write_rows(tmp_path / "a.jsonl", {"messages": messages}))
    (talk,) = reading.corpus
    assert (reading.format, talk.id) == ("messages", "a-1")
    assert said(reading) == [("user", "hi"), ("assistant", "it is 42")]
    assert talk.meta["system"] == "be kind\n\nbe brief"
    assert talk.turns[1].meta["tool_calls"] == [call]
    assert [result["content"] for result in talk.turns[1].meta["tool_results"]] == ["42", "late"]


@pytest.mark.parametrize("key", ["turns", "dialogue", "utterances", "log"])
def test_turns_under_any_usual_name(tmp_path: Path, key: str) -> None:
    row = {"dialog_id": 7, key: chat(("Customer", "hi"), ("Agent", "hello"), role="speaker", text="utterance")}
    reading = read_corpus(write_rows(tmp_path / "a.jsonl", row))
    assert (said(reading), reading.corpus[0].id, reading.format) == (HI, "7", "turns")


def test_sharegpt(tmp_path: Path) -> None:
    turns = chat(("system", "be kind"), ("human", "hi"), ("gpt", "hello"), role="from", text="value")
    reading = read_corpus(write_rows(tmp_path / "a.json", {"id": "s", "conversations": turns}))
    assert (said(reading), reading.format, reading.corpus[0].meta) == (HI, "sharegpt", {"system": "be kind"})


def test_convlab(tmp_path: Path) -> None:
    acts = {
        "categorical": [{"intent": "inform", "domain": "hotel", "slot": "area", "value": "east"}],
        "non-categorical": [{"intent": "inform", "domain": "hotel", "slot": "name", "value": "Ritz"}],
        "binary": [{"intent": "thank", "domain": "", "slot": ""}],
    }
    turns = [
        {"speaker": "user", "utterance": "hi", "utt_idx": 0, "dialogue_acts": acts},
        {"speaker": "system", "utterance": "hello", "utt_idx": 1, "dialogue_acts": {"categorical": []}},
    ]
    row = {
        "dataset": "m",
        "data_split": "train",
        "dialogue_id": "m-1",
        "domains": ["hotel", "taxi"],
        "turns": turns,
    }
    path = tmp_path / "dialogues.json"
    path.write_text(json.dumps([row], indent=2))
    reading = read_corpus(path)
    assert (said(reading), reading.format, reading.corpus[0].topic) == (HI, "convlab", "hotel+taxi")
    assert reading.corpus[0].turns[0].acts == ("hotel-inform", "thank")
    assert reading.corpus[0].turns[0].meta["entities"] == [["area", "east"], ["name", "Ritz"]]


@pytest.mark.parametrize(
    "wrap", [lambda run: [run], lambda run: {"info": {}, "tasks": [{"id": 1}], "simulations": [run]}]
)
@pytest.mark.parametrize("key", ["traj", "messages"])
def test_trajectories_end_without_a_magic_word(tmp_path: Path, wrap: object, key: str) -> None:
    run = {"task_id": 3, "trial": 1, "reward": 1.0, key: [
        {"role": "system", "content": "policy"}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [{"name": "f"}]}, {"role": "tool", "content": "{}"},
        {"role": "assistant", "content": "hello"}, {"role": "user", "content": "###STOP###"}]}  # fmt: skip
    path = tmp_path / "results.json"
    path.write_text(json.dumps(wrap(run), indent=1))  # type: ignore[operator]
    reading = read_corpus(path)
    (talk,) = reading.corpus
    assert (said(reading), reading.format, talk.id) == (HI, "trajectory", "3-1")
    assert talk.ending == Ending("user", "stop")
    assert talk.turns[1].meta["tool_calls"] == [{"name": "f"}]
    assert talk.meta["reward"] == 1.0


def convokit(folder: Path, *, shuffled: bool = False) -> Path:
    rows = [("1", "1", "ann", 1, "hi"), ("2", "1", "bob", 2, "hello"), ("3", "3", "ann", 1, "ho")]
    names = ("id", "conversation_id", "speaker", "timestamp", "text")
    utterances = [{**dict(zip(names, row, strict=True)), "reply-to": None, "meta": {}} for row in rows]
    write_rows(folder / "utterances.jsonl", *([utterances[i] for i in (1, 2, 0)] if shuffled else utterances))
    (folder / "conversations.json").write_text(json.dumps({"1": {"meta": {"topic": "films"}, "vectors": []}}))
    speakers = {"ann": {"meta": {"role": "seeker"}, "vectors": []}, "bob": {"meta": {"role": "recommender"}}}
    (folder / "speakers.json").write_text(json.dumps(speakers))
    (folder / "corpus.json").write_text("{}")
    return folder


@pytest.mark.parametrize("shuffled", [False, True])
def test_convokit_folder(tmp_path: Path, shuffled: bool) -> None:
    reading = read_corpus(convokit(tmp_path, shuffled=shuffled))
    talks = {talk.id: talk for talk in reading.corpus}
    assert reading.format == "convokit"
    assert [(turn.role, turn.text) for turn in talks["1"].turns] == HI
    assert (talks["1"].topic, talks["1"].user_id, talks["3"].user_id) == ("films", "ann", "ann")


def test_one_row_a_turn(tmp_path: Path) -> None:
    text = "Dialogue ID;Turn;Speaker;Utterance;mood\nd1;2;agent;hello;calm\nd1;1;customer;hi;\nd2;1;customer;ho;\n"
    (tmp_path / "a.csv").write_text(text)
    reading = read_corpus(tmp_path / "a.csv")
    assert (said(reading), reading.format, len(reading.corpus)) == (HI, "rows", 2)
    assert reading.corpus[0].turns[1].meta == {"mood": "calm"}


def test_interleaved_rows_come_together(tmp_path: Path) -> None:
    rows = [{"conversation_id": str(i % 2), "role": "user" if i < 2 else "bot", "text": str(i)} for i in range(4)]
    reading = read_corpus(write_rows(tmp_path / "a.jsonl", *rows))
    assert said(reading, 0) == [("user", "0"), ("assistant", "2")]
    assert said(reading, 1) == [("user", "1"), ("assistant", "3")]


def test_parquet_of_turns_and_of_conversations(tmp_path: Path) -> None:
    pl.DataFrame({"conversation_id": [1, 1], "role": ["user", "agent"], "text": ["hi", "hello"]}).write_parquet(
        tmp_path / "flat.parquet"
    )
    messages = [{"role": who, "content": what, "name": None} for who, what in HI]
    pl.DataFrame({"id": ["a"], "messages": [messages], "score": [float("nan")]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"id": ["a"], "conversation_messages": [json.dumps(messages)]}).write_parquet(tmp_path / "c.parquet")
    for name in ("flat", "b", "c"):
        assert said(read_corpus(tmp_path / f"{name}.parquet")) == HI
    assert read_corpus(tmp_path / "b.parquet").corpus[0].turns[0].meta == {}


@pytest.mark.parametrize("wrapped", [
    [{"id": "a", "messages": chat(*HI, text="content")}],
    {"version": 1, "data": [{"id": "a", "messages": chat(*HI, text="content")}]},
    {"a": {"content": chat(*HI, role="agent", text="message")}},
    {"id": "a", "messages": chat(*HI, text="content")},
    chat(*HI, text="content"),
    [chat(*HI, text="content")],
])  # fmt: skip
@pytest.mark.parametrize("indent", [None, 2])
def test_json_documents(tmp_path: Path, wrapped: object, indent: int | None) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(wrapped, indent=indent))
    assert said(read_corpus(path)) == HI
    path.rename(tmp_path / "b.jsonl")
    if indent is not None or not isinstance(wrapped, list | dict) or "messages" in wrapped:
        assert said(read_corpus(tmp_path / "b.jsonl")) == HI


def test_json_lines_called_json(tmp_path: Path) -> None:
    rows = [{"id": name, "messages": chat(*HI, text="content")} for name in "ab"]
    assert len(read_corpus(write_rows(tmp_path / "a.json", *rows)).corpus) == 2


def test_folder_of_files(tmp_path: Path) -> None:
    for name in ("part10.jsonl", "part2.jsonl"):
        write_rows(tmp_path / name, {"id": name, "turns": chat(*HI)})
    (tmp_path / "deep").mkdir()
    write_rows(tmp_path / "deep" / "x.json", {"id": "x", "turns": chat(*HI)})
    (tmp_path / "README.md").write_text("# hi")
    (tmp_path / ".hidden.jsonl").write_text("broken")
    os.symlink(tmp_path, tmp_path / "loop")
    reading = read_corpus(tmp_path)
    assert [talk.id for talk in reading.corpus] == ["x", "part2.jsonl", "part10.jsonl"]
    assert any("README.md" in note for note in reading.notes)


def test_hub_names_need_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="datasets"):
        read_corpus("hf:owner/name")
    asked: list[tuple[str, str]] = []

    def load_dataset(name: str, *, split: str, streaming: bool) -> list[dict[str, object]]:
        asked.append((name, split))
        if name == "no/such":
            raise FileNotFoundError("not on the hub")
        return [{"messages": chat(*HI, text="content")}]

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    reading = read_corpus("hf:owner/name:test")
    assert (said(reading), reading.corpus[0].id, asked) == (HI, "owner-name:test-1", [("owner/name", "test")])
    with pytest.raises(CorpusError, match="no/such"):
        read_corpus("hf:no/such")


SYMMETRIC = {"turns": chat(("speaker_2", "hello"), ("speaker_1", "hi"))}


def test_symmetric_chat_takes_the_first_name_and_says_so(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", SYMMETRIC, {"turns": chat(("speaker_2", "alone"))})
    reading = read_corpus(path)
    assert said(reading) == [("assistant", "hello"), ("user", "hi")]
    assert said(reading, 1) == [("assistant", "alone")]
    assert any("'speaker_1'" in note and "--user-role" in note for note in reading.notes)


def test_user_role_names_the_user(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", SYMMETRIC)
    reading = read_corpus(path, user_role="speaker_2")
    assert said(reading) == [("user", "hello"), ("assistant", "hi")]
    assert reading.notes == ()
    with pytest.raises(CorpusError, match=r"'speaker_1', 'speaker_2'") as caught:
        read_corpus(path, user_role="speaker_3")
    assert "did you mean" in caught.value.fix
    with pytest.raises(CorpusError, match="speaker_3"):
        list(iter_conversations(path, user_role="speaker_3"))


def test_user_role_turns_our_own_rows_around(tmp_path: Path) -> None:
    row = {"schema": "understudy.conversation/1", "id": "a", "turns": chat(*HI)}
    reading = read_corpus(write_rows(tmp_path / "a.jsonl", row), user_role="assistant")
    assert said(reading) == [("assistant", "hi"), ("user", "hello")]


@pytest.mark.parametrize(("names", "roles"), [
    (("Jane", "agent"), ("user", "assistant")),
    (("user", "Siri"), ("user", "assistant")),
    (("user", "system"), ("user", "assistant")),
    (("student", "teacher"), ("user", "assistant")),
    (("persuader", "persuadee"), ("assistant", "user")),
    (("speaker_10", "speaker_9"), ("assistant", "user")),
    (("Wizard", "Apprentice"), ("assistant", "user")),
])  # fmt: skip
def test_who_is_who(tmp_path: Path, names: tuple[str, str], roles: tuple[str, str]) -> None:
    reading = read_corpus(write_rows(tmp_path / "a.jsonl", {"turns": chat((names[0], "x"), (names[1], "y"))}))
    assert tuple(turn.role for turn in reading.corpus[0].turns) == roles


def test_three_speakers_keep_their_names(tmp_path: Path) -> None:
    reading = read_corpus(write_rows(tmp_path / "a.jsonl", {"turns": chat(("p1", "a"), ("p2", "b"), ("p3", "c"))}))
    assert [(t.role, t.meta["speaker"]) for t in reading.corpus[0].turns] == [
        ("user", "p1"), ("assistant", "p2"), ("assistant", "p3"),
    ]  # fmt: skip


def test_csv_without_formula_signs_is_untouched(tmp_path: Path) -> None:
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerows(
        [["conversation", "role", "text"], ["a", "user", "'tis"], ["a", "bot", "'-x"], ["a", "user", "=1"]]
    )
    (tmp_path / "a.csv").write_text(sheet.getvalue(), newline="")
    assert [turn.text for turn in read_corpus(tmp_path / "a.csv").corpus[0].turns] == ["'tis", "-x", "=1"]
