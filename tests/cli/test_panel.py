"""The panel from the command line: its file, its export, and the audit that reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import corpus_file, run
from tests.web.panel.client import HttpRater, whole_session
from understudy.measures.raters.tables import encoded, read_panel
from understudy.testing.raters import simulated_panel


@pytest.fixture
def files(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    corpus_file(tmp_path / "real.jsonl", 40, users=20)
    corpus_file(tmp_path / "syn.jsonl", 40, users=20, opener="please ")
    return tmp_path


FEW = ("--pairs", "2", "--catch-trials", "1", "--ratings", "2", "--pool", "6", "--quiet")


def served(monkeypatch, work) -> None:
    """Do `work(url)` where the verb would serve until it is stopped."""
    import understudy.web.running as running

    def instead(app, *, on_ready, **_) -> None:
        with running.in_background(app) as url:
            on_ready(url)
            work(url)

    monkeypatch.setattr(running, "serve", instead)


def test_from_the_first_rater_to_the_export(files: Path, monkeypatch, capsys) -> None:
    served(monkeypatch, lambda url: whole_session(HttpRater(url), lambda talks: 0))
    ran = run(capsys, "panel", "syn.jsonl", "--real", "real.jsonl", *FEW)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("raters' panel: http://127.0.0.1:")
    again = run(capsys, "panel", "syn.jsonl", "--real", "real.jsonl", *FEW)
    assert again.code == 0
    for name in ("answers.json", "answers.csv"):
        told = run(capsys, "panel", "--export", name, "--json")
        assert json.loads(told.out) | {"bytes": 0, "file": ""} == {
            "file": "", "raters": 2, "finished": 2, "withdrawn": 0, "bytes": 0,
        }  # fmt: skip
    panel = read_panel(files / "answers.json")
    assert panel == read_panel(files / "answers.csv")
    assert panel.settings["partner"] == "fitted:real.jsonl"
    assert len(panel.raters[0].chat) == 6
    few = run(
        capsys,
        "audit",
        "syn.jsonl",
        "--real",
        "real.jsonl",
        "--permutations",
        "199",
        "--panel",
        "answers.csv",
        "--json",
    )
    assert few.code == 0, few.err
    found = {m["name"]: m for m in json.loads(few.out)["measurements"]}
    assert found["panel.discrimination"]["reason"].endswith("at least 10 are needed")


@pytest.mark.parametrize(
    ("changed", "says"),
    [(("--seed", "1"), "seed, conversations"), (("--partner", "none"), "partner"), (("--about", "x"), "about")],
)
def test_a_panel_goes_on_with_what_it_was_begun_with(files: Path, monkeypatch, capsys, changed, says: str) -> None:
    served(monkeypatch, lambda url: None)
    command = ("panel", "syn.jsonl", "--real", "real.jsonl", *FEW)
    assert run(capsys, *command, "--partner", "os.path:basename").code == 0
    other = run(capsys, *command, "--partner", "os.path:basename", *changed)
    assert other.code == 2
    assert f"holds a panel with other {says}" in other.err


def test_the_report_has_what_raters_said(files: Path, capsys) -> None:
    (files / "answers.json").write_bytes(encoded(simulated_panel(24, seed=0, gap=-1.0, careless=0.2), ".json"))
    command = ("audit", "syn.jsonl", "--real", "real.jsonl", "--permutations", "199", "--panel", "answers.json")
    ran = run(capsys, *command, "--out", "report", "--gate", "panel.discrimination<=0.1")
    assert ran.code == 4, ran.err
    assert "Told apart by people" in ran.out
    page = (files / "report" / "report.html").read_text("utf-8")
    for text in ("What human raters say", "Sensitivity", "Rated by people", "Krippendorff", "Partner questionnaire"):
        assert text in page
    report = json.loads((files / "report" / "report.json").read_text("utf-8"))
    assert "24 people took part in a raters' panel" in report["provenance"]["matching"]["panel"].replace("’", "'")
    without = run(capsys, *command[:-2], "--out", "plain")
    assert without.code == 0
    plain = json.loads((files / "plain" / "report.json").read_text("utf-8"))
    ours, theirs = (one["verdicts"].pop("real") for one in (report, plain))
    assert plain["verdicts"] == report["verdicts"]
    assert (ours["status"], ours["findings"]) == (theirs["status"], theirs["findings"])
    assert "People found the real user in" in ours["sentence"]
    assert "People found" not in theirs["sentence"]
    p_values = {m["name"]: m.get("adjusted_p") for m in plain["measurements"]}
    assert p_values == {m["name"]: m.get("adjusted_p") for m in report["measurements"] if m["name"] in p_values}
    assert [m["name"] for m in report["measurements"] if m["name"].startswith("panel.rating.natural")] == [
        "panel.rating.natural", "panel.rating.natural.agreement",
    ]  # fmt: skip


def test_answers_about_other_synthetic_users_are_refused(files: Path, capsys) -> None:
    import msgspec

    panel = simulated_panel(12, seed=0)
    told = {**panel.settings, "synthetic": {"digest": "another"}}
    (files / "answers.json").write_bytes(encoded(msgspec.structs.replace(panel, settings=told), ".json"))
    ran = run(capsys, "audit", "syn.jsonl", "--real", "real.jsonl", "--permutations", "199", "--panel", "answers.json")
    assert ran.code == 2
    assert "shown other synthetic conversations" in ran.err
