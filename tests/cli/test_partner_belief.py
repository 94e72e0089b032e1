"""A belief on the command line: it reaches the users, in one process or two, and wrong ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.users.fitting_corpus import talks
from understudy.conversations.reading import read_corpus
from understudy.users.population import fit_population


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("belief") / "users"
    fit_population(talks(40), seed=0).save(folder)
    return folder


def simulate(capsys, users: Path, out: Path, *more: str):
    partner = f"fitted:{users}+bad"
    return run(capsys, "simulate", users, "--partner", partner, "-n", "4", "--out", out, "--quiet", *more)


def test_it_is_the_same_in_one_process_and_in_two(capsys, users: Path, tmp_path: Path) -> None:
    for workers in ("1", "2"):
        ran = simulate(capsys, users, tmp_path / f"{workers}.jsonl", "--partner-belief", "ai+new", "--workers", workers)
        assert ran.code == 0, ran.err
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
    talk = read_corpus(tmp_path / "1.jsonl").corpus[0]
    first = next(turn for turn in talk.turns if turn.role == "user")
    assert first.meta["state"]["partner_model"]["human_likeness"] < 0
    assert "belief=ai+new" in json.dumps(talk.provenance)


def test_without_it_there_is_no_state(capsys, users: Path, tmp_path: Path) -> None:
    assert simulate(capsys, users, tmp_path / "a.jsonl").code == 0
    assert "partner_model" not in (tmp_path / "a.jsonl").read_text("utf-8")


@pytest.mark.parametrize("belief", ["robot", "ai+old", ""])
def test_what_nobody_can_believe_is_refused(capsys, users: Path, tmp_path: Path, belief: str) -> None:
    ran = simulate(capsys, users, tmp_path / "b.jsonl", "--partner-belief", belief)
    assert ran.code == 2
    assert "human, ai, new" in ran.err
    assert not list(tmp_path.iterdir())
