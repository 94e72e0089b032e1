"""Each verb does its work, says it in text and in JSON, and does the same again with the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import corpus_file, run
from understudy.cli.app import app
from understudy.cli.exits import Exit

VERBS = {"demo", "fit", "simulate", "audit", "plan", "doctor"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Fitted users and what they said, made by the verbs themselves."""
    from understudy.cli.app import main

    folder = tmp_path_factory.mktemp("verbs")
    real = corpus_file(folder / "real.jsonl", 48, users=24)
    users, syn = str(folder / "users"), str(folder / "syn.jsonl")
    assert main(["fit", str(real), "--out", users, "--quiet"]) == Exit.OK
    assert (
        main(["simulate", users, "--partner", f"fitted:{users}", "-n", "30", "--out", syn, "--quiet"]) == Exit.OK
    )
    return folder


def test_the_verbs_are_those_that_work() -> None:
    assert {command.callback.__name__ for command in app.registered_commands} == VERBS


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_takes_the_common_options(verb: str, capsys) -> None:
    said = run(capsys, verb, "--help").out
    for option in ("--seed", "--json", "--quiet", "--help"):
        assert option in said
    assert "--debug" not in said  # there, but not in the way


def test_fit_in_json(folder: Path, tmp_path: Path, capsys) -> None:
    ran = run(
        capsys, "fit", folder / "real.jsonl", "--out", tmp_path / "u", "--copy-guard", "free", "--json", "--quiet"
    )
    payload = json.loads(ran.out)
    assert payload["copy_guard"] == "free"
    assert payload["conversations"] == 48
    assert ran.err == ""


def test_simulate_accounts_for_every_conversation(folder: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "flaky.py").write_text(
        "def reply(history):\n"
        "    if len(history[-1].text) % 2:\n        raise OSError('line dropped')\n"
        "    return 'and then?'\n",
        "utf-8",
    )
    monkeypatch.chdir(tmp_path)
    arguments = ["simulate", folder / "users", "--partner", "flaky:reply", "-n", "40", "--out", "out.jsonl"]
    ran = run(capsys, *arguments, "--json", "--quiet")
    payload = json.loads(ran.out)
    assert ran.code == Exit.OK
    assert payload["planned"] == 40 == payload["accepted"] + sum(payload["failed"].values())
    assert payload["failed"]["partner: raised"] > 0
    assert "line dropped" in ran.err
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == payload["accepted"]


def test_the_same_seed_gives_the_same_file_whatever_the_placement(folder: Path, tmp_path: Path, capsys) -> None:
    files = []
    for name, extra in (
        ("a", []),
        ("b", ["--concurrency", "1"]),
        ("c", ["--workers", "2"]),
        ("d", ["--seed", "1"]),
    ):
        files.append(tmp_path / f"{name}.jsonl")
        base = ["simulate", folder / "users", "--partner", f"fitted:{folder / 'users'}", "-n", "20", "--quiet"]
        assert run(capsys, *base, "--out", files[-1], *extra).code == Exit.OK
    first, *others = [file.read_bytes() for file in files]
    assert [other == first for other in others] == [True, True, False]


def test_audit_writes_the_report_it_prints(folder: Path, tmp_path: Path, capsys) -> None:
    audit = ["audit", folder / "syn.jsonl", "--real", folder / "real.jsonl", "--permutations", "19"]
    ran = run(
        capsys, *audit, "--out", tmp_path / "report", "--gate", "discriminator.words<=1.5", "--json", "--quiet"
    )
    printed, written = json.loads(ran.out), json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert ran.code == Exit.OK
    assert printed.pop("gates")[0]["met"] is True
    for report in (printed, written):
        report["provenance"].pop("seconds")
    assert printed == written
    assert written["schema"] == "understudy.report/1"
    assert (tmp_path / "report" / "report.html").read_text("utf-8").startswith("<!")
    text = run(capsys, *audit)
    assert "Do they look real?" in text.out
    assert "real: 48 conversations, 24 users" in text.err


def test_plan_reads_users_off_a_corpus(folder: Path, capsys) -> None:
    payload = json.loads(run(capsys, "plan", folder / "real.jsonl", "--auc", "0.6", "--icc", "0.5", "--json").out)
    assert payload["per_user"] == 2
    assert payload["corpus"]["units"] == 24
    assert payload["needs"][0]["conversations"] == pytest.approx(130 * 1.5, abs=1)


def test_doctor_finds_this_machine_fit(capsys) -> None:
    ran = run(capsys, "doctor", "--json", "--quiet")
    checks = {check["name"]: check for check in json.loads(ran.out)["checks"]}
    assert ran.code == Exit.OK, checks["self test"]
    assert checks["self test"]["status"] == "ok"
    assert "pip install 'understudy[hf]'" in checks["extra hf"]["fix"] or checks["extra hf"]["status"] == "ok"


def test_doctor_says_what_to_mend(capsys, monkeypatch) -> None:
    from understudy.cli import doctor

    monkeypatch.setattr(doctor, "_self_test", lambda seed: doctor.Check("self test", "fail", "broken", "mend it"))
    ran = run(capsys, "doctor", "--quiet")
    assert ran.code == Exit.USAGE
    assert "-> mend it" in ran.out


def test_demo_leaves_files_and_commands_that_repeat_it(tmp_path: Path, capsys) -> None:
    ran = run(capsys, "demo", "--out", tmp_path / "demo", "-n", "30")
    assert ran.code == Exit.OK
    assert "For contrast" in ran.out
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"train.jsonl", "held-out.jsonl", "users", "syn.jsonl", "report.json", "report.html"}
    again = next(line.split()[1:] for line in ran.err.splitlines() if line.startswith("  understudy simulate"))
    before = (tmp_path / "demo" / "syn.jsonl").read_bytes()
    assert run(capsys, *again, "--quiet").code == Exit.OK
    assert (tmp_path / "demo" / "syn.jsonl").read_bytes() == before
