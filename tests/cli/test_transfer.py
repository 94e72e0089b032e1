"""`understudy transfer`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import corpus_file, run
from tests.transfer.toy import ToyTask, corpus
from understudy import write_corpus
from understudy.cli.exits import Exit

TOY = "tests.transfer.toy:ToyTask"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    import numpy as np

    folder, rng = tmp_path_factory.mktemp("transfer"), np.random.default_rng(5)
    for name in ("train", "held-out", "good"):
        write_corpus(folder / f"{name}.jsonl", corpus(rng, 60, name=name[0], noise=0.6))
    write_corpus(folder / "turned.jsonl", corpus(rng, 60, name="x", noise=0.6, turn=3.14))
    write_corpus(folder / "strange.jsonl", corpus(rng, 60, name="y", classes=("x", "z")))
    return folder


def transfer(capsys, folder: Path, *arguments: str, synthetic: tuple[str, ...] = ("good.jsonl",)):
    files = [folder / name for name in synthetic]
    return run(
        capsys, "transfer", *files, "--real", folder / "held-out.jsonl", "--real-train", folder / "train.jsonl",
        "--redraws", "5", *arguments,
    )  # fmt: skip


def test_a_table_of_arms_for_each_comparison(folder: Path, capsys) -> None:
    ran = transfer(capsys, folder, "--task", TOY, synthetic=("good.jsonl", "turned.jsonl", "strange.jsonl"))
    assert ran.code == Exit.OK
    lines = ran.out.splitlines()
    for start in ("no conversations (B)", "real conversations (I)", "good", "turned"):
        assert any(line.startswith(start) for line in lines)
    assert "strange: unscored" in ran.out
    assert "label space, class balance and size are the same in all arms" in ran.out


def test_json_has_the_measurements(folder: Path, capsys) -> None:
    ran = transfer(capsys, folder, "--task", TOY, "--json", "--quiet", "--curve")
    payload = json.loads(ran.out)
    (m,) = payload["measurements"]
    assert m["name"] == "transfer.gap_closed.toy"
    assert 0.8 < m["value"] < 1.2
    assert m["evidence"]["learning_curve"]["size"][-1] == m["evidence"]["size"]
    assert ran.err == ""


def test_too_few_examples_say_how_many_it_takes_and_no_seconds(folder: Path, capsys) -> None:
    few = (folder / "good.jsonl").read_text("utf-8").splitlines()[:6]
    (folder / "few.jsonl").write_text("\n".join(few) + "\n", "utf-8")
    ran = transfer(capsys, folder, "--task", TOY, synthetic=("few.jsonl",))
    assert ran.code == Exit.USAGE
    assert "at least 20 are needed, drawn from 40 or more in every arm, alike by class: there are" in ran.err
    assert "and few has" in ran.err
    assert " s\n" not in ran.err


def test_growth_compares_the_slopes_of_every_arm(folder: Path, capsys) -> None:
    ran = transfer(capsys, folder, "--task", TOY, "--growth", synthetic=("good.jsonl", "strange.jsonl"))
    assert "toy.good, each doubling of the data:" in ran.out
    assert "toy.strange" in ran.out
    ran = transfer(capsys, folder, "--task", TOY, "--growth", "--json", "--quiet")
    _, m = json.loads(ran.out)["measurements"]
    assert m["name"] == "transfer.false_progress.toy"
    assert m["evidence"]["alarm"] is False


def test_a_report_is_written(folder: Path, tmp_path: Path, capsys) -> None:
    ran = transfer(capsys, folder, "--task", TOY, "--out", str(tmp_path / "report"))
    assert ran.code == Exit.OK
    assert "transfer.gap_closed.toy" in (tmp_path / "report" / "report.json").read_text()
    assert (tmp_path / "report" / "report.html").exists()


def test_real_alone_is_divided_by_user(folder: Path, capsys) -> None:
    ran = run(
        capsys, "transfer", folder / "good.jsonl", "--real", folder / "held-out.jsonl", "--task", TOY, "--redraws", "5"
    )
    assert ran.code == Exit.OK
    assert "one half to train on" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no --task"),
        (("--task", "topics"), "did you mean 'topic'"),
        (("--task", "topic"), "no example"),
        (("--task", TOY, "--redraws", "3"), "redraws"),
    ],
)
def test_what_cannot_be_asked(folder: Path, capsys, arguments: tuple[str, ...], told: str) -> None:
    ran = transfer(capsys, folder, *arguments)
    assert ran.code == Exit.USAGE
    assert told in ran.err


def test_the_same_people_on_both_sides_are_refused(folder: Path, tmp_path: Path, capsys) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes((folder / "held-out.jsonl").read_bytes())
    ran = run(
        capsys, "transfer", folder / "good.jsonl", "--real", folder / "held-out.jsonl", "--real-train", copy,
        "--task", TOY,
    )  # fmt: skip
    assert ran.code == Exit.USAGE
    assert "both real parts" in ran.err


def test_a_corpus_without_labels_says_what_the_task_needs(folder: Path, tmp_path: Path, capsys) -> None:
    bare = corpus_file(tmp_path / "bare.jsonl", 60)
    ran = run(capsys, "transfer", bare, "--real", folder / "held-out.jsonl", "--task", "acts")
    assert ran.code == Exit.USAGE
    assert "bare holds no example; the task needs user turns with acts" in ran.err


def test_the_curve_is_printed_without_a_report(folder: Path, capsys) -> None:
    ran = transfer(capsys, folder, "--task", TOY, "--curve")
    lines = ran.out.splitlines()
    (head,) = [k for k, line in enumerate(lines) if line.startswith("examples")]
    assert "real beside all of good" in lines[head]
    sizes = [int(line.split()[0]) for line in lines[head + 1 : head + 4]]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_what_is_not_detected_is_not_called_absent(folder: Path, capsys) -> None:
    ran = transfer(capsys, folder, "--task", TOY, "--growth")
    assert "toy: false progress not detected in 5 steps up to" in ran.out
    assert "no proof that there is none" in ran.out


def test_a_task_is_shown_before_the_next_one_begins(folder: Path, tmp_path: Path, capsys) -> None:
    ran = transfer(
        capsys, folder, "--task", TOY, "--task", "tests.cli.test_transfer:Broken", "--out", str(tmp_path / "r")
    )
    assert ran.code == Exit.USAGE
    assert ran.out.startswith("toy: accuracy on real conversations")
    assert "transfer.gap_closed.toy" in (tmp_path / "r" / "report.json").read_text()


class Broken(ToyTask):
    """A task that fails when it is trained."""

    name = "broken"

    def fit(self, examples, *, seed):
        raise RuntimeError("no luck")


def test_users_fitted_to_real_are_flagged_whole_or_divided(folder: Path, tmp_path: Path, capsys) -> None:
    import msgspec

    from understudy import Corpus, read_corpus

    for name, flagged in (("train", False), ("held-out", True)):
        origin = {"simulator": f"fitted:guarded:{read_corpus(folder / f'{name}.jsonl').corpus.digest[:12]}:0"}
        made = [msgspec.structs.replace(talk, provenance=origin) for talk in read_corpus(folder / "good.jsonl").corpus]
        write_corpus(tmp_path / f"by-{name}.jsonl", Corpus(made))
        for more in ((), ("--real-train", folder / "train.jsonl")):
            ran = run(
                capsys, "transfer", tmp_path / f"by-{name}.jsonl", "--real", folder / "held-out.jsonl", "--task", TOY,
                "--redraws", "5", *more,
            )  # fmt: skip
            assert ran.code == Exit.OK
            assert ("! contaminated: 100% of the synthetic" in ran.out) == flagged


def test_the_masthead_counts_all_files(folder: Path, tmp_path: Path, capsys) -> None:
    transfer(capsys, folder, "--task", TOY, "--out", str(tmp_path), synthetic=("good.jsonl", "turned.jsonl"))
    page = (tmp_path / "report.html").read_text()
    assert "good.jsonl, turned.jsonl" in page
    assert page.count("<b>120</b> conversations") == 2  # two files a side, of 60 each
    assert "training on synthetic users" in page
