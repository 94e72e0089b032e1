"""`understudy generate`: a plan in, conversations and their account out; any mistake named before the work."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.running import corpus_file, run
from tests.stub_server import StubProcess
from understudy.models.model import Request, TerminalFault
from understudy.models.scripted import Scripted

PLAN = """
n = 12
[[topic]]
name = "films"
subtopics = ["old", "new"]
[realisation]
attempts = 2
[writing]
mode = "{mode}"
max_tokens = 400
max_turns = 8
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus_file(tmp_path / "real.jsonl")
    for mode in ("whole", "turns"):
        (tmp_path / f"{mode}.toml").write_text(PLAN.format(mode=mode))
    return tmp_path


def account(path) -> dict:
    return json.loads(path.with_name(path.name + ".account.json").read_bytes())


def answer(request: Request) -> str:
    """An answer that the request alone decides."""
    if "Answer with JSON only" in request.messages[0].content:
        number = request.seed
        said = " ".join(f"word{(number >> k) % 997}" for k in range(30))
        turns = [{"role": "user", "text": f"about {said}"}, {"role": "assistant", "text": f"I see, {number}"}]
        return "<think>fine</think>" + json.dumps({"reasoning": f"because {number}", "turns": turns})
    if request.purpose == "user":
        number = request.seed
        said = " ".join(f"word{(number >> k) % 997}" for k in range(12))
        return json.dumps({"text": said, "leaving": False})
    return f"<think>hm</think>I see, {request.seed}"


class Opened:
    """A scripted model in the place of an opened one; it stops the run after `most` calls, if given."""

    def __init__(self, most: int | None = None) -> None:
        self.model, self.most, self.calls = Scripted(answer, name="test"), most, 0
        self.identity = self.model.identity

    async def complete(self, request: Request):
        self.calls += 1
        if self.most is not None and self.calls > self.most:
            raise TerminalFault("http_401", "the key is wrong", why="no", fix="give another key", stops_run=True)
        return await self.model.complete(request)

    def status(self):
        from understudy.models.opening import Status

        return Status({}, 0, None, None)


@pytest.fixture
def opened(monkeypatch):
    """How many calls the next model answers, as the one item of a list; empty: any number."""
    limits: list[int | None] = []

    def open_model(uri, **options):
        return Opened(limits[0] if limits else None)

    monkeypatch.setattr("understudy.models.opening.open_model", open_model)
    return limits


def test_embedded_speakers_carry_out_the_plan_and_say_so(capsys, folder) -> None:
    done = run(capsys, "generate", "whole.toml", "--real", "real.jsonl", "--out", "syn.jsonl", "--json", "-q")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert "no language model" in told["speakers"]
    accounts = told["accounts"]
    ends = accounts["accepted"] + accounts["deduplicated"]
    assert ends + sum(accounts["rejected"].values()) + sum(accounts["failed"].values()) == accounts["planned"] == 12
    lines = (folder / "syn.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == accounts["accepted"] > 0
    row = json.loads(lines[0])
    assert "no language model" in row["provenance"]["speakers"]
    assert row["meta"]["scenario"]["context"]["medium"]
    assert account(folder / "syn.jsonl")["accounts"] == accounts
    assert not (folder / "syn.jsonl.journal").exists()


def test_the_same_seed_gives_the_same_bytes(capsys, folder) -> None:
    files = []
    for name, concurrency in (("a.jsonl", "1"), ("b.jsonl", "8")):
        done = run(
            capsys,
            "generate",
            "whole.toml",
            "--real",
            "real.jsonl",
            "--out",
            name,
            "--concurrency",
            str(concurrency),
            "-q",
        )
        assert done.code == 0, done.err
        files.append(((folder / name).read_bytes(), (folder / f"{name}.account.json").read_bytes()))
    assert files[0] == files[1]


def test_a_dry_run_opens_no_model_and_writes_nothing(capsys, folder, monkeypatch) -> None:
    def refuse(*args, **options):
        raise AssertionError("a dry run must not open a model")

    monkeypatch.setattr("understudy.models.opening.open_model", refuse)
    before = sorted(folder.iterdir())
    done = run(capsys, "generate", "whole.toml", "--dry-run", "--model", "openai:x@http://x/v1", "--json", "-q")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["expected"]["calls"] == 12
    assert told["at_most"]["calls"] == 24
    assert told["expected"]["usd"] is None
    assert "unknown" in told["cost"]
    assert "$0" not in told["cost"]
    assert sorted(folder.iterdir()) == before


def test_a_price_gives_a_cost_and_the_worst_case_is_dearer(capsys, folder) -> None:
    told = json.loads(
        run(
            capsys, "generate", "turns.toml", "--dry-run", "--model", "openai:x", "--price-in", "1", "--price-out", "2",
            "--json", "-q",
        ).out
    )  # fmt: skip
    expected = (told["expected"]["input_tokens"] + 2 * told["expected"]["output_tokens"]) / 1e6
    assert told["expected"]["usd"] == pytest.approx(expected, rel=1e-3)
    assert told["at_most"]["usd"] > 2 * told["expected"]["usd"] > 0
    embedded = run(capsys, "generate", "whole.toml", "--dry-run", "--real", "real.jsonl")
    assert "no model is called" in embedded.out


def test_a_preview_prints_and_writes_nothing(capsys, folder) -> None:
    before = sorted(folder.iterdir())
    done = run(capsys, "generate", "whole.toml", "--real", "real.jsonl", "--preview", "3")
    assert done.code == 0, done.err
    assert len(re.findall(r"^sc-\d{5}-", done.out, re.M)) == 3
    assert "user: " in done.out
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("mode", ["whole", "turns"])
def test_a_stopped_run_goes_on_to_the_same_bytes(capsys, folder, opened, mode) -> None:
    limits = opened
    plan = f"{mode}.toml"
    done = run(
        capsys, "generate", plan, "--model", "openai:x@http://x/v1", "--out", "whole.jsonl", "--concurrency", "3", "-q"
    )
    assert done.code == 0, done.err
    limits[:] = [9]
    stopped = run(
        capsys, "generate", plan, "--model", "openai:x@http://x/v1", "--out", "part.jsonl", "--concurrency", "3", "-q"
    )
    assert stopped.code == 3
    assert "the key is wrong" in stopped.err
    assert "--resume" in stopped.err
    assert not (folder / "part.jsonl").exists()
    again = run(capsys, "generate", plan, "--model", "openai:x@http://x/v1", "--out", "part.jsonl", "-q")
    assert again.code == 2
    assert "--resume" in again.err
    other = run(
        capsys,
        "generate",
        plan,
        "--model",
        "openai:x@http://x/v1",
        "--out",
        "part.jsonl",
        "--seed",
        "5",
        "--resume",
        "-q",
    )
    assert other.code == 2
    assert "seed: 0 before, 5 now" in other.err
    limits[:] = []
    gone_on = run(capsys, "generate", plan, "--model", "openai:x@http://x/v1", "--out", "part.jsonl", "--resume", "-q")
    assert gone_on.code == 0, gone_on.err
    assert (folder / "part.jsonl").read_bytes() == (folder / "whole.jsonl").read_bytes()
    parts = [(folder / f"{name}.jsonl.account.json").read_bytes() for name in ("part", "whole")]
    assert parts[0] == parts[1]


def test_reasoning_is_beside_the_dialogue_and_never_in_it(capsys, folder, opened) -> None:
    for mode in ("whole", "turns"):
        done = run(
            capsys, "generate", f"{mode}.toml", "--model", "openai:x@http://x/v1", "--out", f"{mode}.jsonl", "-q"
        )
        assert done.code == 0, done.err
        rows = [json.loads(line) for line in (folder / f"{mode}.jsonl").read_text("utf-8").splitlines()]
        assert rows
        for row in rows:
            assert {note["text"] for note in row["meta"]["reasoning"]} & {"hm", "fine"} or mode == "whole"
            assert not any("reasoning" in turn.get("meta", {}) for turn in row["turns"])
            assert not any("think" in turn["text"] or "because" in turn["text"] for turn in row["turns"])


def test_a_second_model_answers_and_a_budget_holds_over_resumed_runs(capsys, folder) -> None:
    user = json.dumps({"text": "Any westerns on tonight, with horses and a train?", "leaving": False})
    (folder / "told.txt").write_text("You sell tickets.")
    with StubProcess(answer=user) as stub:
        arguments = (
            "generate", "turns.toml", "--model", f"openai:user@{stub.url}", "--partner", f"openai:bot@{stub.url}+rude",
            "--partner-prompt", "told.txt", "--out", "syn.jsonl", "-q", "--json",
        )  # fmt: skip
        for most in ("10", "25"):
            done = run(capsys, *arguments, "--max-calls", most, *(["--resume"] if most != "10" else []))
            assert done.code == 5, done.err
            assert stub.counters()["calls"] == int(most)
        done = run(capsys, *arguments, "--resume")
        assert done.code == 0, done.err
        assert json.loads(done.out)["spent"]["calls"] == stub.counters()["calls"]
    rows = [json.loads(line) for line in (folder / "syn.jsonl").read_text("utf-8").splitlines()]
    assert {turn["meta"]["model"] for row in rows for turn in row["turns"]} == {"user", "bot"}


def test_failed_attempts_are_made_again_on_request(capsys, folder, monkeypatch) -> None:
    broken = [True]

    def open_model(uri, **options):
        def moody(request: Request) -> str:
            if broken[0] and request.purpose == "conversation" and request.seed % 3:
                return "not today"
            return answer(request)

        opened = Opened(50 if broken[0] else None)
        opened.model = Scripted(moody, name="test")
        return opened

    monkeypatch.setattr("understudy.models.opening.open_model", open_model)
    plan = (folder / "whole.toml").read_text().replace("n = 12", "n = 40")
    (folder / "whole.toml").write_text(plan)
    arguments = ("generate", "whole.toml", "--model", "openai:x@http://x/v1", "-q", "--json", "--out")
    assert run(capsys, *arguments, "part.jsonl").code == 3
    broken[0] = False
    done = run(capsys, *arguments, "part.jsonl", "--resume", "--retry-failed")
    assert done.code == 0, done.err
    assert json.loads(done.out)["accounts"]["attempts_failed"] == {}
    assert run(capsys, *arguments, "whole.jsonl").code == 0
    assert (folder / "part.jsonl").read_bytes() == (folder / "whole.jsonl").read_bytes()


def test_a_model_that_answers_rubbish_leaves_an_account_and_no_file(capsys, folder) -> None:
    lines = [json.dumps({"when": ".", "text": "User: hi\nAssistant: hello"})]
    (folder / "script.jsonl").write_text("\n".join(lines))
    done = run(capsys, "generate", "whole.toml", "--model", "scripted:script.jsonl", "--out", "syn.jsonl", "-q")
    assert done.code == 2
    assert "none of 12 scenarios came through" in done.err
    assert "unparsable" in done.err
    assert account(folder / "syn.jsonl")["accounts"]["failed"] == {"user: unparsable": 12}
    assert not (folder / "syn.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["whole.toml"], "--out is missing"),
        (["nothing.toml", "--out", "a.jsonl"], "cannot be read"),
        (["whole.toml", "--out", "a.jsonl"], "without real conversations"),
        (["whole.toml", "--out", "a.jsonl", "--real", "real.jsonl", "--partner", "os:getcwd"], "--partner with"),
        (["whole.toml", "--out", "a.jsonl", "--real", "real.jsonl", "--resume"], "there is no journal"),
        (["whole.toml", "--out", "a.jsonl", "--model", "gpt"], "names no model"),
        (["whole.toml", "--out", "a.jsonl", "--model", "openai:gpt"], "no API key"),
        (["whole.toml", "--out", "a.jsonl", "--real", "real.jsonl", "--retry-failed"], "add --resume"),
        (["whole.toml", "--out", "a.jsonl", "--model", "openai:x", "--partner-prompt", "x"], "--partner-prompt"),
        (["whole.toml", "--out", "nowhere/a.jsonl"], "no folder"),
    ],
)
def test_mistakes_are_named(capsys, folder, arguments, says) -> None:
    done = run(capsys, "generate", *arguments)
    assert done.code == 2
    assert says in done.err
    assert "fix:" in done.err
