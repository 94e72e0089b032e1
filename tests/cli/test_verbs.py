"""Each verb does its work, says it in text and in JSON, and does the same again with the same seed."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.cli.running import corpus_file, run
from understudy.cli.app import app
from understudy.cli.exits import Exit
from understudy.cli.output import Output
from understudy.cli.summary import show_report
from understudy.measures.measurement import Counts, Measurement, MeasureSpec
from understudy.reports.report import make_report

VERBS = {
    "demo",
    "split",
    "fit",
    "align",
    "train",
    "export",
    "serve",
    "panel",
    "traits",
    "lineage",
    "simulate",
    "generate",
    "audit",
    "transfer",
    "rank",
    "mix",
    "privacy",
    "retest",
    "fit_judge",
    "plan",
    "doctor",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Fitted users and what they said, made by the verbs themselves."""
    from understudy.cli.app import main

    folder = tmp_path_factory.mktemp("verbs")
    real = corpus_file(folder / "real.jsonl", 48, users=24)
    users, syn = str(folder / "users"), str(folder / "syn.jsonl")
    assert main(["fit", str(real), "--out", users, "--quiet"]) == Exit.OK
    assert main(["simulate", users, "--partner", f"fitted:{users}", "-n", "30", "--out", syn, "--quiet"]) == Exit.OK
    return folder


def test_the_verbs_are_those_that_work() -> None:
    assert {command.callback.__name__ for command in app.registered_commands} == VERBS


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_takes_the_common_options(verb: str, capsys) -> None:
    said = run(capsys, verb.replace("_", "-"), "--help").out
    for option in ("--seed", "--json", "--quiet", "--help"):
        assert option in said
    assert "--debug" not in said  # there, but not in the way


def test_the_help_says_what_a_partner_of_ones_own_is(capsys) -> None:
    said = " ".join(run(capsys, "simulate", "--help").out.split())
    assert "module:function, a function from the turns so far to a reply (docs/python.md)" in said


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
    audit = ["audit", folder / "syn.jsonl", "--real", folder / "real.jsonl", "--permutations", "199"]
    ran = run(capsys, *audit, "--out", tmp_path / "report", "--gate", "messiness<=1.5", "--json", "--quiet")
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


def test_audit_shows_the_table_first_and_one_short_verdict(folder: Path, capsys) -> None:
    out = run(capsys, "audit", folder / "syn.jsonl", "--real", folder / "real.jsonl", "--permutations", "199", "-q").out
    assert "adjusted p" in next(line for line in out.splitlines() if not line.startswith("!"))
    assert out.index("adjusted p") < out.index("Do they look real?")
    assert "  - " not in out
    assert "and this one is" not in out


def test_what_is_unscored_says_why_in_a_line_a_reason(capsys) -> None:
    n = {side: Counts(20, 60, 200) for side in ("real", "synthetic")}
    heads = [
        Measurement(name=name, spec=MeasureSpec(name, "real", "?", "u", (0.0, 1.0), "match", "-", headline=True), n=n,
                    status="unscored", value=None, reason="3 raters; at least 10 are needed")
        for name in ("panel.rating.natural", "panel.rating.responsive")
    ]  # fmt: skip
    show_report(make_report(heads), Output(json=False, quiet=False))
    said = capsys.readouterr().out
    assert "unscored: 3 raters; at least 10 are needed (rated: writes like people, rated: fits what was said)" in said


def _judged(interval: tuple[float, float]) -> Measurement:
    spec = MeasureSpec("realism.discriminator", "real", "?", "AUC", (0.0, 1.0), "match", "-", headline=True)
    n = {side: Counts(20, 60, 200) for side in ("real", "synthetic")}
    return Measurement(
        name=spec.name, spec=spec, status="scored", value=sum(interval) / 2, interval=interval, n=n, p_value=0.9,
        adjusted_p=0.9, evidence={"detectable_auc": 0.62},
    )  # fmt: skip


@pytest.mark.parametrize(("interval", "warned"), [((0.3, 0.49), True), ((0.4, 0.55), False), ((0.7, 0.8), False)])
def test_closer_than_other_real_users_is_said(interval, warned: bool, capsys) -> None:
    show_report(make_report([_judged(interval)]), Output(json=False, quiet=False))
    said = capsys.readouterr().out
    assert ("were the users fitted to the same people?" in said) is warned
    assert "and this one is" not in said


def test_permutations_of_the_command_line_fit_the_measures() -> None:
    from understudy.cli.audit import FEWEST_PERMUTATIONS
    from understudy.reports.audit import DEFAULT_MEASURES

    assert 20 * len(DEFAULT_MEASURES) - 1 == FEWEST_PERMUTATIONS


def test_the_list_of_verbs_is_not_cut_off(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    assert "..." not in run(capsys, "--help").out.partition("Commands:")[2]


def test_split_keeps_users_on_one_side(folder: Path, tmp_path: Path, capsys) -> None:
    from understudy.conversations.reading import read_corpus
    from understudy.conversations.splitting import check_no_leak

    ran = run(capsys, "split", folder / "real.jsonl", "--out", tmp_path / "parts", "--share", "0.6", "--json", "-q")
    said = json.loads(ran.out)
    assert ran.code == Exit.OK
    parts = [read_corpus(tmp_path / "parts" / f"{name}.jsonl").corpus for name in ("train", "held-out")]
    assert [len(part) for part in parts] == [said[name]["conversations"] for name in ("train", "held-out")]
    assert sum(map(len, parts)) == 48
    assert said["train"]["users"] + said["held-out"]["users"] == 24
    assert len(parts[0]) > len(parts[1])
    check_no_leak(parts)
    text = run(capsys, "split", folder / "real.jsonl", "--out", tmp_path / "again", "--share", "0.6").out
    assert "no user is on both sides; near-duplicate conversations stay together" in text
    assert (tmp_path / "again" / "train.jsonl").read_bytes() == (tmp_path / "parts" / "train.jsonl").read_bytes()


def test_split_without_users_goes_by_conversation(folder: Path, tmp_path: Path, capsys) -> None:
    rows = [json.loads(line) for line in (folder / "real.jsonl").read_text("utf-8").splitlines()]
    (tmp_path / "anonymous.jsonl").write_text(
        "\n".join(json.dumps({k: v for k, v in row.items() if k != "user_id"}) for row in rows), "utf-8"
    )
    ran = run(capsys, "split", tmp_path / "anonymous.jsonl", "--out", tmp_path / "parts")
    assert "users are not named: divided by conversation" in ran.out
    assert "users, " not in ran.out


def test_plan_estimates_the_icc(folder: Path, tmp_path: Path, capsys) -> None:
    """Users who always write the same are perfectly alike; conversations dealt out at random are not alike."""
    wordy = [
        {"id": f"c{k}", "user_id": f"u{k % 20}", "messages": [{"role": "user", "content": "word " * (1 + k % 20)}] * 2}
        for k in range(80)
    ]
    dealt = [{**row, "user_id": f"u{(k * 7 + k // 20 * 3) % 20}"} for k, row in enumerate(wordy)]
    found = []
    for name, rows in (("same", wordy), ("dealt", dealt)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        found.append(json.loads(run(capsys, "plan", tmp_path / f"{name}.jsonl", "--json", "-q").out))
    assert found[0]["icc"] == pytest.approx(1.0)
    assert found[1]["icc"] < 0.5
    assert found[0]["icc_from"] == "estimated from the style of 20 users with several conversations"
    said = run(capsys, "plan", tmp_path / "same.jsonl", "--icc", "0").out
    assert "ICC 0: as given" in said


def test_plan_says_of_too_small_a_corpus_that_it_shows_nothing(tmp_path: Path, capsys) -> None:
    out = run(capsys, "plan", corpus_file(tmp_path / "few.jsonl", 5)).out
    assert "5 conversations, users not named: too few" in out
    assert "would be found" not in out


def test_plan_never_asks_for_fewer_users_than_an_interval_needs(capsys) -> None:
    ran = run(capsys, "plan", "--auc", "0.8", "--per-user", "13")
    assert "At least 10 users a side: below that no interval is given" in ran.out
    (need,) = json.loads(run(capsys, "plan", "--auc", "0.8", "--per-user", "13", "--json").out)["needs"]
    assert (need["conversations"], need["users"]) == (13, 10)


def test_fit_to_few_says_that_they_are_no_population(tmp_path: Path, capsys) -> None:
    ran = run(capsys, "fit", corpus_file(tmp_path / "few.jsonl", 12), "--out", tmp_path / "users", "--quiet")
    assert ran.code == Exit.OK
    assert "12 conversations: so few cannot show a population" in ran.err
    many = corpus_file(tmp_path / "two.jsonl", 40, users=2)
    ran = run(capsys, "fit", many, "--out", tmp_path / "users2", "--quiet")
    assert "40 conversations by 2 users: so few cannot show a population" in ran.err


def _renamed(source: Path, target: Path) -> Path:
    text = source.read_text("utf-8").replace('"role": "user"', '"role": "speaker_1"')
    target.write_text(text.replace('"role": "assistant"', '"role": "speaker_2"'), "utf-8")
    return target


def test_a_user_role_holds_where_such_a_speaker_occurs(folder: Path, tmp_path: Path, capsys) -> None:
    """Our own simulated output says `user`; the logs that it is held against need not."""
    real = _renamed(folder / "real.jsonl", tmp_path / "logs.jsonl")
    audit = ["audit", folder / "syn.jsonl", "--real", real, "--permutations", "199"]
    for roles in (["--user-role", "speaker_1"], ["--user-role", "speaker_1", "--real-user-role", "speaker_1"]):
        assert run(capsys, *audit, *roles, "-q").code == Exit.OK
    ran = run(capsys, *audit, "--user-role", "speaker_9", "-q")
    assert ran.code == Exit.USAGE
    assert "logs.jsonl" in ran.err
    assert "--real-user-role" in ran.err
    ran = run(capsys, *audit, "--real-user-role", "speaker_9", "-q")
    assert ran.code == Exit.USAGE
    assert "--real-user-role must name one of" in ran.err


def test_doctor_finds_this_machine_fit(capsys) -> None:
    ran = run(capsys, "doctor", "--json", "--quiet")
    checks = {check["name"]: check for check in json.loads(ran.out)["checks"]}
    assert ran.code == Exit.OK, checks["self test"]
    assert checks["self test"]["status"] == "ok"
    assert "pip install 'understudy[hf]'" in checks["extra hf"]["fix"] or checks["extra hf"]["status"] == "ok"


def test_doctor_knows_every_extra_and_asks_for_no_library_that_is_not_needed() -> None:
    from understudy.cli import doctor

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(doctor.EXTRAS) == set(project["optional-dependencies"]) - {"dev"}
    assert set(doctor.LIBRARIES) <= {line.partition(">")[0] for line in project["dependencies"]}
    code = "".join(path.read_text("utf-8") for path in Path(doctor.__file__).parents[1].rglob("*.py"))
    for name in doctor.LIBRARIES:
        module = {"scikit-learn": "sklearn"}.get(name, name)
        assert re.search(rf"^ *(from|import) {module}\b", code, re.MULTILINE), f"nothing needs {name}"


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
