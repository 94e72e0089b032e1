"""A language model with an adapter: it learns what users said, keeps the contract, and comes back from its folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("peft", reason="peft is not installed (extra train)")

import torch

from tests.cli.running import run
from tests.tiny_model import tiny_model
from tests.training import world
from understudy.conversations import Turn
from understudy.conversations.writing import write_corpus
from understudy.errors import SimulatorError
from understudy.testing.checks import failures
from understudy.testing.personas import persona_world
from understudy.testing.simulators import check_population, check_user_simulator
from understudy.training.adapters import Adaptation, adapt
from understudy.users.adapted import WEIGHTS, AdaptedPopulation, load_adapted
from understudy.users.opening import open_users

# transformers and peft are of different minds about names; what they warn of is theirs.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
HOW = Adaptation(epochs=3, batch=24, rate=5e-3, longest=256)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base"))


def adapted(base: Path, how: Adaptation = HOW) -> tuple[AdaptedPopulation, list[float]]:
    few = world.taught()._replace(profiles=world.taught().profiles[:20], turns=world.taught().turns[:20])
    return adapt(few, str(base), how, corpus_digest=world.people().digest, seed=0, on_progress=world.nothing)


@pytest.fixture(scope="module")
def users(base: Path) -> tuple[AdaptedPopulation, list[float]]:
    return adapted(base)


def test_it_learns_what_users_said(users: tuple[AdaptedPopulation, list[float]]) -> None:
    losses = users[1]  # of frozen random weights an adapter can learn little
    assert losses[2] < losses[0] - 0.02


def test_only_the_adapter_changes_and_it_depends_on_the_seed_alone(base: Path) -> None:
    before = torch.get_rng_state()
    one, other = (adapted(base, msgspec.structs.replace(HOW, epochs=1))[0] for _ in range(2))
    assert one.identity == other.identity
    assert torch.equal(before, torch.get_rng_state())


def test_contracts(users: tuple[AdaptedPopulation, list[float]]) -> None:
    assert failures(check_population(users[0])) == {}
    assert failures(check_user_simulator(users[0].simulator(), users[0].draw(0, seed=1))) == {}


def test_what_is_said_does_not_depend_on_the_cache_or_the_folder(
    users: tuple[AdaptedPopulation, list[float]], tmp_path: Path
) -> None:
    users[0].save(tmp_path)
    again = open_users(tmp_path)
    assert again.identity == users[0].identity
    history = (Turn("assistant", "How was your day?"),)
    replies = [asyncio.run(u.simulator().start(u.draw(2, seed=0), seed=5).reply(history)) for u in (users[0], again)]
    assert replies[0] == replies[1]
    file = tmp_path / WEIGHTS
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(SimulatorError, match="no users with an adapter"):
        load_adapted(tmp_path)


def test_the_verb_adapts(capsys: pytest.CaptureFixture[str], base: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.jsonl"
    write_corpus(real, iter(persona_world(24, seed=3, turns=2)))
    done = run(capsys, "train", real, "--real", real, "--base", f"hf:{base}", "--out", tmp_path / "m", "--epochs", "1")
    assert done.code == 0, done.err
    assert "1 epoch," in done.out
    wrong = run(capsys, "train", real, "--real", real, "--base", "openai:x", "--out", tmp_path / "n")
    assert wrong.code == 2
    none = run(capsys, "train", real, "--real", real, "--base", f"hf:{tmp_path}", "--out", tmp_path / "n")
    assert none.code == 2
    assert "no causal language model" in none.err
