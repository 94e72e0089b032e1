"""An audit that is asked besides: does it train, does it rank; and gates on what that measures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import corpus_file, run, talk
from understudy.cli.exits import Exit
from understudy.cli.system_scores import load_scores
from understudy.errors import UsageError
from understudy.reports.audit import DEFAULT_MEASURES

TOPICS = ("sea", "dogs", "france")


def topical(path: Path, seed: int, count: int = 180) -> Path:
    """Conversations in which the user's words show the topic."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        topic = TOPICS[number % 3]
        row = {**talk(number, users=count, opener=f"{topic} " if rng.random() < 0.93 else ""), "topic": topic}
        row |= {"id": f"{path.stem}{number}", "user_id": f"{path.stem}-u{number}"}
        row["messages"][0]["content"] += f" {rng.integers(1e6)} {rng.integers(1e6)}"
        rows.append(json.dumps(row))
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def score_table(path: Path, *, sides: tuple[str, ...] = ("real", "prompted"), column: str = "side") -> Path:
    """Ten systems, twenty-four users a side."""
    rng = np.random.default_rng(0)
    rows = [f"system,score,user,{column}"]
    for side in sides:
        for k in range(10):
            rows += [f"s{k},{0.07 * k + rng.normal(0, 0.1):.4f},{side}{u},{side}" for u in range(24)]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> tuple[int, dict, Path]:
    """One audit with all three questions, its exit code, its JSON and its folder."""
    import contextlib
    import io

    from understudy.cli.app import main

    folder = tmp_path_factory.mktemp("asked")
    arguments = ["audit", topical(folder / "syn.jsonl", 1), "--real", topical(folder / "real.jsonl", 2)]
    arguments += ["--task", "topic", "--scores", score_table(folder / "scores.csv"), "--permutations", "179"]
    arguments += ["--gate", "gap_closed.topic>=0.3", "--gate", "ranking.tau>=0.5", "--gate", "tau>=0.999"]
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
        code = main([str(a) for a in (*arguments, "--out", folder / "out", "--json", "--quiet")])
    return int(code), json.loads(said.getvalue()), folder


def test_all_three_questions_stand_in_one_report(asked) -> None:
    _, payload, folder = asked
    names = {m["name"] for m in payload["measurements"]}
    assert {*DEFAULT_MEASURES, "transfer.gap_closed.topic", "transfer.false_progress.topic", "ranking.tau"} <= names
    assert payload["verdicts"]["train"]["status"] in ("measured", "alarm")
    assert payload["verdicts"]["rank"]["status"] == "measured"
    page = (folder / "out" / "report.html").read_text("utf-8")
    for anchor in ("glance", "ranking", "gap-closed", "transfer-gap-closed-topic"):
        assert f'<section id="{anchor}"' in page


def test_the_report_says_how_the_real_conversations_were_divided(asked) -> None:
    told = asked[1]["provenance"]["matching"]["training"]
    assert "90 conversations of 90 units train the in-domain arm, 90 conversations of 90 units test every arm" in told
    assert "transfer.gap_closed.topic" in asked[1]["provenance"]["seconds"]


def test_gates_on_the_new_names_are_judged_on_the_unfavourable_bound(asked) -> None:
    code, payload, _ = asked
    by_name = {m["name"]: m for m in payload["measurements"]}
    gates = {g["gate"]: g for g in payload["gates"]}
    assert code == Exit.GATE
    assert gates["ranking.tau >= 0.5"]["judged_on"] == by_name["ranking.tau"]["interval"][0]
    assert gates["ranking.tau >= 0.5"]["met"] is (by_name["ranking.tau"]["interval"][0] >= 0.5)
    assert gates["gap_closed.topic >= 0.3"]["measurement"] == "transfer.gap_closed.topic"
    assert not gates["tau >= 0.999"]["met"]


def test_what_is_asked_besides_changes_no_test_of_looks(asked, capsys) -> None:
    _, payload, folder = asked
    alone = run(
        capsys, "audit", folder / "syn.jsonl", "--real", folder / "real.jsonl", "--permutations", "179", "--json", "-q"
    )  # fmt: skip
    looks = {m["name"]: m for m in json.loads(alone.out)["measurements"]}
    both = {m["name"]: m for m in payload["measurements"] if m["name"] in looks}
    assert looks == both


@pytest.mark.parametrize(
    ("gate", "option"),
    [
        ("transfer.gap_closed.genre>=0.75", "--task genre"),
        ("gap_closed.genre>=0.75", "--task genre"),
        ("ranking.tau>=0.5", "--scores FILE"),
        ("tau>=0.5", "--scores FILE"),
    ],
)
def test_a_gate_on_what_is_not_asked_names_the_option(gate: str, option: str, tmp_path: Path, capsys) -> None:
    syn, real = corpus_file(tmp_path / "s.jsonl"), corpus_file(tmp_path / "r.jsonl", 40)
    ran = run(capsys, "audit", syn, "--real", real, "--gate", gate)
    assert ran.code == Exit.USAGE
    assert option in ran.err


def test_an_unknown_task_is_refused_before_anything_is_read(capsys) -> None:
    ran = run(capsys, "audit", "none.jsonl", "--real", "nowhere.jsonl", "--task", "topics")
    assert ran.code == Exit.USAGE
    assert "did you mean 'topic'" in ran.err


def test_a_table_of_scores_is_told_apart_by_side(tmp_path: Path) -> None:
    real, simulated = load_scores(str(score_table(tmp_path / "s.csv", sides=("Real", "one", "two"))))
    assert len(real) == 240
    assert {name: len(side) for name, side in simulated.items()} == {"one": 240, "two": 240}
    assert not real.slices


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"column": "who"}, "no column 'side'"),
        ({"sides": ("one", "two")}, "no real scores"),
        ({"sides": ("real",)}, "no simulated scores"),
    ],
)
def test_a_table_without_both_sides_is_refused(options: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        load_scores(str(score_table(tmp_path / "s.csv", **options)))
