"""`understudy align` as a person meets it: what it says, what it leaves behind, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.users.test_alignment import people
from understudy.cli.app import main
from understudy.conversations import Conversation, Corpus
from understudy.conversations.writing import write_corpus
from understudy.users.population import fit_population


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("align")
    fit_population(people(16, 4, own=1.0, seed=0), seed=0).save(folder / "users")
    log = people(10, 5, own=1.0, seed=1)
    write_corpus(folder / "log.jsonl", log)
    write_corpus(folder / "nameless.jsonl", Corpus([Conversation(t.id, t.turns) for t in log]))
    return folder


def test_counts_losses_and_a_folder_that_simulates(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["align", str(place / "users"), "--log", str(place / "log.jsonl"), "--out", str(place / "users2")]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sum(told["counts"].values()) == 10 == len(told["personas"])
    assert told["counts"]["accepted"] > 0
    assert told["held_out"]["after"] < told["held_out"]["before"]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert "accepted" in out
    assert "later sessions, decided by earlier ones: loss" in out
    assert "next: understudy simulate" in err
    partner, made = f"fitted:{place / 'users2'}", str(place / "syn.jsonl")
    assert main(["simulate", str(place / "users2"), "--partner", partner, "-n", "5", "--out", made, "-q"]) == 0
    capsys.readouterr()
    # Fitted anew, the folder holds nobody's personas.
    assert main(["fit", str(place / "log.jsonl"), "--out", str(place / "users2"), "-q"]) == 0
    assert not (place / "users2" / "personas.json").exists()


def test_a_model_proposes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"feedback": "Longer.", "slots": {"writes_long": 0.5}}
    (place / "script.jsonl").write_text(json.dumps({"when": ".", "text": json.dumps(answer)}) + "\n")
    asked = ["align", str(place / "users"), "--log", str(place / "log.jsonl"), "--out", str(place / "users3")]
    assert main([*asked, "--model", f"scripted:{place / 'script.jsonl'}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {p["by"].partition("#")[0] for p in told["personas"].values()} == {"scripted:script.jsonl"}
    assert {p["feedback"] for p in told["personas"].values()} == {"Longer."}


@pytest.mark.parametrize(
    ("users", "log", "more", "says"),
    [
        ("users", "nameless.jsonl", [], "the log names no users"),
        ("structured:LOG", "log.jsonl", [], "cannot be aligned"),
        ("prompted:plan.toml", "log.jsonl", [], "cannot be aligned"),
        ("missing", "log.jsonl", [], "names no simulated users"),
        ("users", "log.jsonl", ["--level", "0"], "--level 0"),
        ("users", "log.jsonl", ["--model", "nonsense"], "nonsense"),
    ],
)
def test_mistakes_are_met_with_a_remedy(
    place: Path, capsys: pytest.CaptureFixture[str], users: str, log: str, more: list[str], says: str
) -> None:
    named = users.replace("LOG", str(place / "log.jsonl")) if ":" in users else str(place / users)
    asked = ["align", named, "--log", str(place / log), "--out", str(place / "never"), *more]
    assert main(asked) == 2
    err = capsys.readouterr().err
    assert says in err
    assert "fix:" in err
    assert not (place / "never" / "personas.json").exists()
