"""`understudy privacy`: what it says of a copier and of strangers, and what it refuses."""

import json

import numpy as np
import pytest

from tests.cli.running import run
from tests.measures.privacy.test_disclosure import copying, people
from understudy.conversations import Conversation, Turn
from understudy.conversations.reading import read_corpus
from understudy.conversations.writing import write_corpus


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("privacy")
    train, other, free = people(0, 50), people(1, 50), people(2, 50)
    sets = {"train": train, "holdout": other, "free": free}
    sets["copies"] = copying(free, train, 0.2, np.random.default_rng(0))
    for name, corpus in sets.items():
        write_corpus(folder / f"{name}.jsonl", corpus)
    return folder


def asked(capsys, files, synthetic, *more):
    return run(
        capsys,
        "privacy", files / f"{synthetic}.jsonl", "--train", files / "train.jsonl", "--holdout", files / "holdout.jsonl",
        *more,
    )  # fmt: skip


def test_a_copier_is_detected_and_a_stranger_gets_a_minimum_detectable(capsys, files):
    copier, stranger = asked(capsys, files, "copies", "-q"), asked(capsys, files, "free", "-q")
    assert "DETECTED" in copier.out
    assert "not detected at 50 train and 50 held-out users; minimum detectable" in stranger.out
    for result in (copier, stranger):
        assert result.code == 0
        assert "not evidence of privacy" in result.out
        assert not {"safe", "clean", "anonymous", "private"} & set(result.out.lower().replace(":", " ").split())


def test_report_and_redacted_set_are_written(capsys, files, tmp_path):
    result = asked(
        capsys, files, "free", "--out", tmp_path / "report", "--redact", tmp_path / "red.jsonl", "--json", "-q"
    )
    assert result.code == 0
    names = {m["name"] for m in json.loads(result.out)["measurements"]}
    assert {"privacy.disclosure", "privacy.verbatim.overlap", "privacy.personal_data"} <= names
    assert (tmp_path / "report" / "report.html").exists()
    assert len(read_corpus(tmp_path / "red.jsonl").corpus) == 100


def test_whose_turns_were_redacted_is_told_apart_from_what_was_measured(capsys, files, tmp_path):
    talks = [
        Conversation(f"p{k}", (Turn("user", "write to ann@example.org"), Turn("assistant", "bob@example.org, ok")) * 2)
        for k in range(12)
    ]
    write_corpus(tmp_path / "pii.jsonl", talks)
    result = run(
        capsys, "privacy", tmp_path / "pii.jsonl", "--train", files / "train.jsonl",
        "--holdout", files / "holdout.jsonl", "--redact", tmp_path / "red.jsonl", "-q",
    )  # fmt: skip
    assert "24 hits by rule in the user turns" in result.out
    assert "redacted: 48 stretches, 24 in user turns (the hits above) and 24 in the partner's" in result.out


def test_people_on_both_real_sides_are_refused(capsys, files):
    result = run(
        capsys, "privacy", files / "free.jsonl", "--train", files / "train.jsonl", "--holdout", files / "copy.jsonl"
    )
    assert result.code == 2
    write_corpus(files / "again.jsonl", people(0, 50))
    result = run(
        capsys, "privacy", files / "free.jsonl", "--train", files / "train.jsonl", "--holdout", files / "again.jsonl"
    )
    assert result.code == 2
    assert "stands in parts 1 and 2" in result.err


@pytest.mark.parametrize("name", ["free", "train", "holdout"])
def test_redaction_never_writes_over_what_is_read(capsys, files, name: str) -> None:
    before = (files / f"{name}.jsonl").read_bytes()
    ran = asked(capsys, files, "free", "--redact", files / f"{name}.jsonl", "-q")
    assert ran.code == 2
    assert "one of the files to read" in ran.err
    assert (files / f"{name}.jsonl").read_bytes() == before
