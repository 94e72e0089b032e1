"""`understudy traits` and `understudy lineage`: what they say, what they write, and what they refuse."""

import json

import msgspec
import pytest

from tests.cli.running import run
from tests.traits.test_effect import Loud, corpus
from understudy.cli.traits import verdict
from understudy.conversations import Corpus
from understudy.conversations.lineage import Step, with_step
from understudy.conversations.writing import write_corpus
from understudy.reports.trait_findings import effect_sentence
from understudy.traits.effect import detected, effect

GPT = "openai:gpt-4.1-nano"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traits")
    flattering = with_step(corpus(120, reply="thank you so much , what a great question !"), Step("generate", GPT))
    write_corpus(folder / "suspect.jsonl", Corpus(flattering))
    write_corpus(folder / "control.jsonl", corpus(120, seed=1))
    write_corpus(folder / "few.jsonl", corpus(6, seed=2))
    return folder


def test_an_open_trait_is_detected_with_its_direction_and_the_report_has_its_forest(capsys, files, tmp_path):
    result = run(
        capsys, "traits", files / "suspect.jsonl", "--control", files / "control.jsonl", "--out", tmp_path / "r", "-q"
    )
    assert result.code == 0
    assert "DETECTED: more " in result.out
    assert "more over_politeness (" in result.out
    assert "blind to the channel of shared initial weights" in result.out
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    names = [m["name"] for m in report["measurements"]]
    assert {"traits.effect", "traits.effect.sycophancy", "traits.lineage"} <= set(names)
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Twins of a matched control" in page
    assert "Suspect" in page


def test_twins_that_part_only_where_no_lesson_moves_them_show_no_trait():
    found = effect(corpus(60), corpus(60, seed=1), Loud(0.5), controls=())
    assert detected(found)
    assert "not to be read" not in verdict(found)
    found = msgspec.structs.replace(found, evidence={**found.evidence, "unreadable": found.evidence["shown"]})
    assert verdict(found).endswith("only by what is not to be read with this student")
    assert effect_sentence(found, found.parts).endswith("So what parts them is not shown to be a trait.")


def test_nothing_detected_is_never_called_clean(capsys, files):
    result = run(capsys, "traits", files / "control.jsonl", "--control", files / "few.jsonl", "-q")
    assert (result.code, "cannot be divided into 8 shares" in result.err) == (2, True)
    write_corpus(files / "again.jsonl", corpus(120, seed=3))
    result = run(capsys, "traits", files / "again.jsonl", "--control", files / "control.jsonl", "-q")
    assert "not detected with 8 twin pairs; minimum detectable" in result.out
    assert not {"clean", "safe"} & set(result.out.lower().split())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--control", "SUSPECT"), "are the same file"),
        (("--control", "CONTROL", "--base", "gpt-4"), "names no student"),
        (("--control", "CONTROL", "--base", "rewards:"), 'meta["reward"]'),
        (("--control", "CONTROL", "--battery", "CONTROL"), "is no battery"),
    ],
)
def test_mistakes_are_answered(capsys, files, more, says):
    paths = {"SUSPECT": files / "suspect.jsonl", "CONTROL": files / "control.jsonl"}
    result = run(capsys, "traits", files / "suspect.jsonl", *[paths.get(word, word) for word in more], "-q")
    assert result.code == 2
    assert says in result.err
    assert "Traceback" not in result.err


def test_lineage_flags_one_family_and_counts_who_does_not_say(capsys, files, tmp_path):
    result = run(
        capsys, "lineage", files / "suspect.jsonl", "--student", "openai:gpt-4o", "--judge", "hf:Qwen/Qwen2.5-7B",
        "--out", tmp_path, "-q",
    )  # fmt: skip
    assert result.code == 0
    assert f"! teacher: {GPT} -> openai:gpt-4o (both gpt), 120 of 120" in result.out
    assert "own judge" not in result.out
    assert "Lineage" in (tmp_path / "report.html").read_text()
    silent = run(capsys, "lineage", files / "control.jsonl", "--student", "openai:gpt-4o", "-q")
    assert "120 conversations do not say who generated them" in silent.out
    assert "no proof" in silent.out
    named = run(capsys, "lineage", files / "control.jsonl", "--generator", GPT, "--student", GPT, "--json", "-q")
    assert json.loads(named.out)["measurements"][0]["value"] == 1.0
