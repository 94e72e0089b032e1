"""`understudy train`: from people, from rollouts, stopped, killed and gone on with, and its mistakes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tests.cli.running import run
from understudy.conversations.writing import write_corpus
from understudy.testing.personas import persona_world
from understudy.training.train import CHECKPOINTS
from understudy.users.neural.population import load_neural

FEW = ("--epochs", "1", "--steps", "12", "--json", "--quiet")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("train") / "real.jsonl"
    write_corpus(path, iter(persona_world(40, seed=3, turns=3)))
    return path


def test_it_trains_users_that_simulate(capsys, tmp_path: Path, real: Path) -> None:
    done = run(capsys, "train", real, "--real", real, "--out", tmp_path / "model", "--epochs", "2", "--steps", "2")
    assert done.code == 0, done.err
    assert "from people: 2 epochs" in done.out
    assert "from rollouts: 2 steps" in done.out
    assert not (tmp_path / "model" / CHECKPOINTS).exists()
    made = run(capsys, "simulate", tmp_path / "model", "--partner", f"fitted:{real}", "-n", "3", "--out",
               tmp_path / "syn.jsonl", "--max-turns", "4")  # fmt: skip
    assert made.code == 0, made.err
    again = run(capsys, "train", tmp_path / "model", "--real", real, "--out", tmp_path / "more", "--steps", "1")
    assert again.code == 0, again.err
    history = [entry["stage"] for entry in load_neural(tmp_path / "more").history]
    assert history == ["supervised", "reinforcement", "reinforcement"]


def test_sft_only_and_the_users_of_fit(capsys, tmp_path: Path, real: Path) -> None:
    assert run(capsys, "fit", real, "--out", tmp_path / "users").code == 0
    done = run(capsys, "train", tmp_path / "users", "--real", real, "--out", tmp_path / "model", "--sft-only", *FEW)
    assert done.code == 0, done.err
    told = msgspec.json.decode(done.out)
    assert [row["stage"] for row in told["log"]] == ["supervised"]
    assert told["stopped"] == ""
    assert told["judge"] is None, "nobody rewarded them"


def _until_checkpoint(folder: Path, real: Path) -> subprocess.Popen[str]:
    """A training in a process of its own, after its first checkpoint of rollouts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "understudy", "train", str(real), "--real", str(real), "--out", str(folder), *FEW],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    header = folder / CHECKPOINTS / "checkpoint.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if header.is_file() and b'"stage":"reinforcement"' in header.read_bytes():
            return process
        time.sleep(0.01)
    pytest.fail(f"no checkpoint: {process.communicate()[1]}")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_any_way_it_ends_as_if_it_had_not(capsys, tmp_path: Path, real: Path, sent: signal.Signals) -> None:
    import torch

    process = _until_checkpoint(tmp_path / "cut", real)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    if sent == signal.SIGINT:
        assert process.returncode == 3
        assert "--resume" in err
    assert not (tmp_path / "cut" / "neural.json").exists()
    whole = run(capsys, "train", real, "--real", real, "--out", tmp_path / "whole", *FEW)
    resumed = run(capsys, "train", real, "--real", real, "--out", tmp_path / "cut", *FEW, "--resume")
    assert (whole.code, resumed.code) == (0, 0), resumed.err
    assert msgspec.json.decode(whole.out)["log"] == msgspec.json.decode(resumed.out)["log"]
    one, other = (load_neural(tmp_path / name).weights for name in ("whole", "cut"))
    assert all(torch.allclose(one[name], other[name], atol=1e-6, rtol=0) for name in one)


def test_mistakes_are_met_with_a_remedy(capsys, tmp_path: Path, real: Path) -> None:
    wrong = run(capsys, "train", tmp_path / "nothing", "--real", real, "--out", tmp_path / "m")
    assert wrong.code == 2
    assert "neither REAL nor a folder" in wrong.err
    broken = run(capsys, "train", real, "--real", real, "--out", tmp_path / "m", "--partner", "os.path:basenam")
    assert broken.code == 2
    assert "did you mean" in broken.err


def test_what_the_training_will_need_is_missed_before_it(capsys, tmp_path: Path, real: Path, monkeypatch) -> None:
    for module, more in (("safetensors", ()), ("peft", ("--base", "hf:nowhere"))):
        monkeypatch.setitem(sys.modules, module, None)
        ran = run(capsys, "train", real, "--real", real, "--out", tmp_path / "model", "--sft-only", *more, *FEW)
        assert ran.code == 2
        assert "understudy[train]" in ran.err
        assert module in ran.err
        assert not (tmp_path / "model").exists()
        monkeypatch.undo()
