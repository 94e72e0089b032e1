"""`understudy mix`: a corpus, a recipe and a verdict; mistakes that are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import run
from tests.transfer.worlds import people
from understudy.conversations.reading import read_corpus
from understudy.conversations.writing import write_corpus


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {
        "long": people((1, 0, 0), 90, 1),
        "short": people((0, 1, 0), 90, 2),
        "real": people((0.6, 0.4, 0), 160, 3, "r"),
        "other": people((0.6, 0.4, 0), 80, 4, "o"),
    }
    for name, corpus in made.items():
        write_corpus(tmp_path / f"{name}.jsonl", corpus)
    return {name: tmp_path / f"{name}.jsonl" for name in made}


def test_a_mix_is_written_with_its_recipe(files, tmp_path, capsys) -> None:
    out = tmp_path / "mixed.jsonl"
    ran = run(capsys, "mix", files["long"], files["short"], "--real", files["real"], "--out", out)
    assert ran.code == 0
    assert "closer to held-out real users than every member, by vocabulary" in ran.out
    assert "(shuffled weights)" in ran.out
    mixed = read_corpus(out).corpus
    members = [talk.provenance["mixture"]["member"] for talk in mixed]
    assert 0.4 < np.mean([name == "long" for name in members]) < 0.8
    recipe = json.loads((tmp_path / "mixed.jsonl.recipe.json").read_text())
    assert recipe["conversations"] == len(mixed)
    assert recipe["families_held_out"] == ["vocabulary", "words", "coverage", "uptake"]


def test_one_json_document_and_the_same_again(files, tmp_path, capsys) -> None:
    arguments = ("mix", files["long"], files["short"], "--real", files["real"], "--holdout", files["other"],
                 "--out", tmp_path / "m.jsonl", "--select", "-n", "60", "--json", "-q")  # fmt: skip
    first = run(capsys, *arguments)
    told = json.loads(first.out)
    assert told["measurement"]["name"] == "transfer.mixture"
    assert told["recipe"]["conversations"] == 60
    assert run(capsys, *arguments).out == first.out


def test_mistakes_cost_no_work(files, tmp_path, capsys) -> None:
    out = ("--out", tmp_path / "m.jsonl")
    ran = run(capsys, "mix", files["long"], files["short"], "--real", files["real"], "--holdout", files["real"], *out)
    assert ran.code == 2
    assert "who was fitted on cannot judge" in ran.err
    ran = run(capsys, "mix", files["long"], files["long"], "--real", files["real"], *out)
    assert ran.code == 2
    assert "given twice" in ran.err
    ran = run(capsys, "mix", files["long"], "--real", files["real"], *out)
    assert ran.code == 2
    assert "--cells" in ran.err
    ran = run(capsys, "mix", files["long"], files["real"], "--real", files["real"], *out)
    assert ran.code == 2
    assert not (tmp_path / "m.jsonl").exists()


@pytest.mark.parametrize("name", ["long", "real", "other"])
def test_what_is_read_is_never_written_over(files, name: str, capsys) -> None:
    before = files[name].read_bytes()
    ran = run(capsys, "mix", files["long"], files["short"], "--real", files["real"], "--holdout", files["other"],
              "--out", files[name])  # fmt: skip
    assert ran.code == 2
    assert "one of the files to read" in ran.err
    assert files[name].read_bytes() == before


def test_who_judges_is_no_member(files, tmp_path, capsys) -> None:
    ran = run(capsys, "mix", files["long"], files["other"], "--real", files["real"], "--holdout", files["other"],
              "--out", tmp_path / "m.jsonl")  # fmt: skip
    assert ran.code == 2
    assert "same file" in ran.err


def test_a_mix_of_one_member_is_told_in_a_line(files, tmp_path, capsys) -> None:
    write_corpus(files["real"], people((1, 0, 0), 160, 3, "r"))
    ran = run(capsys, "mix", files["long"], files["short"], "--real", files["real"], "--out", tmp_path / "m.jsonl")
    assert "the mix is long alone" in ran.out
    assert "The mix is long alone, so there is nothing to judge it against" in ran.out
    assert "judged by" not in ran.out
    assert "not shown to be better than its members" in ran.out
