"""`understudy retest`: verdicts on the sample, a ledger that only grows, and what it refuses."""

import json

from tests.cli.running import run
from understudy.claims.ledger import read_ledger
from understudy.sample import sample_path

QUICK = ("diasynth-coverage", "no-big-five")


def test_verdicts_are_told_added_and_written_as_a_page(capsys, tmp_path):
    ledger, page = tmp_path / "ledger.jsonl", tmp_path / "claims.md"
    for k in (1, 2):
        ran = run(capsys, "retest", *QUICK, "--ledger", ledger, "--page", page)
        assert ran.code == 0
        assert "90.48 % is reproduced from the table; without any synthetic data B/I is 86.0%" in ran.out
        assert len(read_ledger(ledger)) == 2 * k
    assert "weakened (as on" in ran.out
    told = page.read_text()
    assert "**weakened**" in told
    assert "untested: a matter of reading" in told


def test_json_holds_the_verdicts(capsys, tmp_path):
    ran = run(capsys, "retest", *QUICK, "--ledger", tmp_path / "l.jsonl", "--json", "-q")
    verdicts = json.loads(ran.out)["verdicts"]
    assert [(v["claim"], v["outcome"]) for v in verdicts] == [(QUICK[0], "weakened"), (QUICK[1], "untested")]


def test_list_runs_nothing(capsys, tmp_path):
    ran = run(capsys, "retest", "--list", "--ledger", tmp_path / "l.jsonl")
    assert ran.code == 0
    assert "entity-swap: Simulators that swap entities" in ran.out
    assert "no verdict yet" in ran.out
    assert not (tmp_path / "l.jsonl").exists()


def test_what_is_refused(capsys, tmp_path):
    unknown = run(capsys, "retest", "nothing", "--ledger", tmp_path / "l.jsonl")
    assert unknown.code == 2
    assert "no claim is called 'nothing'" in unknown.err
    over = run(capsys, "retest", *QUICK, "--real", sample_path(), "--ledger", sample_path())
    assert over.code == 2
    assert "is one of the files to read" in over.err
    wrong = tmp_path / "corpus.jsonl"
    wrong.write_bytes(sample_path().read_bytes())
    other = run(capsys, "retest", *QUICK, "--ledger", wrong)
    assert other.code == 2
    assert "no verdict" in other.err
    assert wrong.read_bytes() == sample_path().read_bytes()


def test_a_folder_of_corpora(capsys, tmp_path):
    folder = tmp_path / "corpora"
    folder.mkdir()
    for name in ("shop_real", "shop_llm", "shop"):
        (folder / f"{name}.jsonl").write_bytes(sample_path().read_bytes())
    ledger = tmp_path / "l.jsonl"
    ran = run(capsys, "retest", "contingency-too-even", "--data", folder, "--ledger", ledger)
    assert ran.code == 0
    assert "shop.jsonl: left out" in ran.err
    assert list(read_ledger(ledger)[0].data) == ["shop_real", "shop_llm"]
    table = run(capsys, "retest", "--table", "--ledger", ledger)
    assert "| Language-model users take up the partner's words too much, not too little |" in table.out
    assert len(read_ledger(ledger)) == 1
    none = run(capsys, "retest", "--data", tmp_path, "--ledger", ledger)
    assert none.code == 2
    assert "no corpus of people in it" in none.err
    absent = run(capsys, "retest", "--data", tmp_path / "nowhere", "--ledger", ledger)
    assert "not a folder" in absent.err
