"""`understudy simulate` with language models on either side, against the stub endpoint: policies, budget, resume."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tests.cli.running import run
from tests.stub_server import StubProcess
from understudy.conversations import read_corpus

PLAN = """
n = 6
[[topic]]
name = "films"
subtopics = ["old", "new"]
[personas.facts]
job = ["nurse", "clerk"]
[writing]
max_tokens = 60
"""
SAID = json.dumps({"text": "Any westerns on tonight?", "leaving": False})
USERS = ("simulate", "prompted:plan.toml", "--model")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "user.jsonl").write_text(json.dumps({"when": "", "text": SAID}))
    (tmp_path / "bot.jsonl").write_text(json.dumps({"when": "", "text": "<think>films</think>What about tonight?"}))
    return tmp_path


def test_prompted_users_talk_to_a_model_at_an_endpoint(capsys, folder) -> None:
    with StubProcess(answer=SAID) as stub:
        done = run(
            capsys, *USERS, f"openai:stub@{stub.url}", "--partner", f"openai:bot@{stub.url}+rude", "-n", "20",
            "--out", "syn.jsonl", "--json", "-q", "--price-in", "1", "--price-out", "2", "--partner-price-in", "3",
            "--partner-price-out", "4", "--max-usd", "5",
        )  # fmt: skip
        calls = stub.counters()["calls"]
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["accepted"] == 20
    talks = list(read_corpus(folder / "syn.jsonl").corpus)
    turns = [turn for talk in talks for turn in talk.turns]
    assert told["spent"]["calls"] == calls == len(turns)
    assert 0 < told["spent"]["usd"] < 5
    assert {turn.text for turn in turns if turn.role == "user"} == {"Any westerns on tonight?"}
    assert all(turn.intent for turn in turns if turn.role == "user")
    assert all(turn.meta["model"] == "bot" for turn in turns if turn.role == "assistant")
    # The plan's scenarios come all, then all again, with other seeds.
    assert len({talk.profile["id"] for talk in talks}) == 6
    assert max(sum(t.profile["id"] == u for t in talks) for u in {t.profile["id"] for t in talks}) == 4


def test_scripts_on_both_sides_and_a_prompt_of_ones_own(capsys, folder) -> None:
    (folder / "told.txt").write_text("You sell tickets. {topic} stays as it is.")
    arguments = (*USERS, "scripted:user.jsonl", "--partner", "scripted:bot.jsonl", "-n", "4", "-q")
    assert run(capsys, *arguments, "--out", "a.jsonl").code == 0
    done = run(capsys, *arguments, "--out", "b.jsonl", "--concurrency", "1")
    assert done.code == 0, done.err
    assert (folder / "a.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()
    done = run(capsys, *arguments, "--out", "c.jsonl", "--partner-prompt", "told.txt")
    assert done.code == 0, done.err
    talks = [list(read_corpus(folder / name).corpus) for name in ("a.jsonl", "c.jsonl")]
    assert talks[0][0].provenance["partner"] != talks[1][0].provenance["partner"]
    answers = [turn for talk in talks[0] for turn in talk.turns if turn.role == "assistant"]
    assert answers
    assert all((turn.text, turn.meta["reasoning"]) == ("What about tonight?", ["films"]) for turn in answers)


def test_a_budget_holds_over_a_run_that_is_resumed(capsys, folder) -> None:
    with StubProcess(answer=SAID) as stub:
        arguments = (
            *USERS, f"openai:stub@{stub.url}", "--partner", f"openai:stub@{stub.url}", "-n", "8", "--out", "syn.jsonl",
            "-q", "--json",
        )  # fmt: skip
        done = run(capsys, *arguments, "--max-calls", "10")
        assert done.code == 5, done.err
        assert "10 of 10 calls" in done.err
        assert stub.counters()["calls"] == 10
        done = run(capsys, *arguments, "--max-calls", "10", "--resume")
        assert done.code == 5, done.err
        assert stub.counters()["calls"] == 10
        done = run(capsys, *arguments, "--max-calls", "15", "--resume")
        assert (done.code, stub.counters()["calls"]) == (5, 15)
        done = run(capsys, *arguments, "--resume")
        assert done.code == 0, done.err
        # A call whose answer came after the budget was reached may not have become a turn; none is made twice else.
        assert json.loads(done.out)["spent"]["calls"] == stub.counters()["calls"]


def test_a_key_that_is_wrong_stops_the_run_and_it_can_go_on(capsys, folder) -> None:
    with StubProcess(answer=SAID, fault_rate=1.0, faults=["401"]) as stub:
        arguments = (*USERS, "scripted:user.jsonl", "--partner", f"openai:stub@{stub.url}", "-n", "9", "-q")
        done = run(capsys, *arguments, "--out", "syn.jsonl")
        assert done.code == 3, done.err
        assert "OPENAI_API_KEY" in done.err
        assert stub.counters()["calls"] <= 3
        stub.configure(fault_rate=0.0)
        done = run(capsys, *arguments, "--out", "syn.jsonl", "--resume")
        assert done.code == 0, done.err
    assert len(list(read_corpus(folder / "syn.jsonl").corpus)) == 9


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--engine", "ray", "--max-calls", "3"), "held in one process"),
        (("--workers", "3"), "raise --concurrency"),
        (("--max-usd", "3", "--partner", "openai:x@http://127.0.0.1:9/v1"), "price"),
    ],
)
def test_what_cannot_be_kept_is_refused(capsys, folder, more, says) -> None:
    done = run(capsys, *USERS, "scripted:user.jsonl", "--partner", "scripted:bot.jsonl", "--out", "a.jsonl", *more)
    assert done.code == 2
    assert says in done.err


def test_no_kill_makes_a_run_pass_its_budget(capsys, folder) -> None:
    with StubProcess(answer=SAID, latency_s=0.1) as stub:
        arguments = [
            *USERS, f"openai:stub@{stub.url}", "--partner", f"openai:stub@{stub.url}", "-n", "40", "--out", "syn.jsonl",
            "-q", "--max-calls", "90",
        ]  # fmt: skip
        for kill in range(3):
            process = subprocess.Popen(
                [sys.executable, "-m", "understudy", *arguments, *["--resume"] * (kill > 0)], stderr=subprocess.DEVNULL
            )
            before = stub.counters()["calls"]
            for _ in range(1000):
                if process.poll() is not None or stub.counters()["calls"] > before + 10:
                    break
                time.sleep(0.005)
            process.kill()
            process.wait()
        assert run(capsys, *arguments, "--resume").code == 5
        assert 30 < stub.counters()["calls"] <= 90


@pytest.mark.parametrize("verb", ["simulate", "generate"])
def test_an_endpoint_that_is_not_there_stops_the_run_at_once_and_it_can_go_on(capsys, folder, verb) -> None:
    uri = "openai:stub@http://127.0.0.1:9/v1"
    sides = {
        "simulate": (*USERS, uri, "--partner", "scripted:bot.jsonl", "-n", "9"),
        "generate": ("generate", "plan.toml", "--model", uri),
    }
    done = run(capsys, *sides[verb], "--out", "syn.jsonl", "-q")
    assert done.code == 3, done.err
    assert "check the URL" in done.err
    assert "--resume" in done.err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--model", "openai:m@127.0.0.1:8000", "--max-usd", "1"), "give openai:m@http://127.0.0.1:8000"),
        (("--model", "scripted:user.jsonl", "--max-usd", "inf"), "inf US dollars"),
        (("--model", "scripted:user.jsonl", "--price-in", "inf", "--price-out", "1"), "inf US dollars"),
    ],
)
def test_what_nobody_means_is_refused(capsys, folder, monkeypatch, more, says) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    arguments = ("simulate", "prompted:plan.toml", "--partner", "scripted:bot.jsonl", "--out", "a.jsonl")
    done = run(capsys, *arguments, *more)
    assert done.code == 2, done.err
    assert says in done.err


def test_scenarios_that_broke_are_tried_again_on_request_and_no_others(capsys, folder) -> None:
    (folder / "plan.toml").write_text(PLAN.replace("n = 6", "n = 12") + "[guards]\nnear_duplicate = 1.0\n")
    with StubProcess(answer=SAID, fault_rate=0.6, faults=["refusal"]) as stub:
        arguments = ("generate", "plan.toml", "--model", f"openai:stub@{stub.url}", "--out", "syn.jsonl", "--json")
        first = run(capsys, *arguments)
        assert first.code == 0, first.err
        assert sum(json.loads(first.out)["accounts"]["failed"].values()) > 0
        assert "--resume --retry-failed" in first.err
        calls = stub.counters()["calls"]
        again = run(capsys, *arguments, "--resume")
        assert json.loads(again.out)["accounts"] == json.loads(first.out)["accounts"]
        assert stub.counters()["calls"] == calls
        stub.configure(fault_rate=0.0)
        mended = run(capsys, *arguments, "--resume", "--retry-failed")
        assert mended.code == 0, mended.err
        told = json.loads(mended.out)
        assert told["accounts"]["failed"] == {}
        assert told["spent"]["calls"] == stub.counters()["calls"]
    assert not (folder / "syn.jsonl.journal").exists()
