"""Multi-turn reinforcement: credit, the failure of a single reward, resuming, parts of a batch, and the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training import world
from understudy.errors import SimulatorError
from understudy.rollouts.partners import function_partner
from understudy.training.checkpoints import load_checkpoint
from understudy.training.reinforcement import (
    BLOCK,
    Reinforcement,
    advantages,
    beyond_form,
    improve,
    practise,
    returns,
)
from understudy.training.rewards import Composite, PromptToLine
from understudy.training.supervised import Steps, Supervision
from understudy.training.train import CHECKPOINTS, Plan, composite, degenerates, reinforce, train
from understudy.users.neural.decoder import Weights

SHORT = Reinforcement(steps=3, starts=2, group=3, most_turns=6)


def furthest(one: Weights, other: Weights) -> float:
    return max(float((one[name].detach() - other[name].detach()).abs().max()) for name in one)


def fresh() -> tuple[Composite, Any]:
    return composite(world.taught(), world.judge(), seed=0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 0.99))
def test_returns_are_the_discounted_sum(rewards: list[float], discount: float) -> None:
    expected = [sum(r * discount**k for k, r in enumerate(rewards[t:])) for t in range(len(rewards))]
    assert np.allclose(np.array(returns(rewards, discount), dtype=float), expected)


def test_a_turn_nobody_can_judge_gets_no_credit_and_passes_the_later_ones_on() -> None:
    assert returns([0.0, None, 1.0], 0.5) == [0.25, None, 1.0]
    found = advantages([[1.0, None], [0.0, 1.0]], 2)
    assert found.dropped == 1
    assert found.value[1] is None


def test_advantages_compare_with_the_others_of_the_group_at_the_same_turn() -> None:
    found = advantages([[1.0, 0.0], [0.0, 0.0], [5.0], [5.0]], 2).value
    assert found[0] is not None
    assert found[0] > 0
    assert found[1:] != found[:1]
    assert found[4] == found[5] == 0.0  # both did as well as each other, however well


def test_neither_length_nor_asking_earns_anything_by_itself() -> None:
    lines = ["so " * n + mark for n in range(2, 22) for mark in (".", "?")]
    rewards = [0.04 * len(line.split()) - 0.2 * line.endswith("?") for line in lines]
    assert np.allclose(np.array(beyond_form(rewards, lines), dtype=float), 0.0, atol=1e-8)


def variety(weights: Weights, seed: int = 5) -> tuple[float, float]:
    """Distinct pairs of words, and the reward of the composite, of fresh rollouts."""
    how = Reinforcement(starts=12, group=1, most_turns=8)
    users, (reward, _) = world.users(), fresh()
    log = practise(weights, users.language, users.profiles, world.partner(), reward, how, seed=seed, step=0).log
    return log["distinct"], log["reward"]


def test_prompt_to_line_alone_collapses_what_users_say_and_the_composite_does_not() -> None:
    """The failure of the published reward, in a world where lines that earn most are known."""
    users, (reward, realism) = world.users(), fresh()
    how = Reinforcement(steps=25, rate=4e-3, divergence=0.02, gate=False, most_turns=8)
    alone = msgspec.structs.replace(how, divergence=0.0, questions=False)
    better, rows, _ = reinforce(users, reward, realism, how, world.partner(), seed=0)
    worse, single, _ = reinforce(users, PromptToLine(world.judge()), realism, alone, world.partner(), seed=0)
    (before, earned), (kept, after), (left, _) = variety(users.weights), variety(better), variety(worse)
    assert np.mean([r["reward"] for r in single[-5:]]) > np.mean([r["reward"] for r in single[:5]])
    assert left < 0.6 * before
    assert kept > 0.75 * before
    assert after > earned + 0.1
    assert degenerates(single) or single[-1]["distinct"] < single[0]["distinct"]
    assert not degenerates(rows)


def test_parts_of_a_batch_add_up_to_the_same_step() -> None:
    users, (reward, _) = world.users(), fresh()
    practice = practise(users.weights, users.language, users.profiles, world.partner(), reward, SHORT, seed=1, step=0)
    taken = []
    for size in (1, 8, 96):
        steps = Steps({n: t.clone() for n, t in users.weights.items()}, 1e-3, 0.0, 1.0)
        improve(steps, users.weights, practice, msgspec.structs.replace(SHORT, micro_batch=size), users.language.user)
        taken.append(steps.first)
    assert furthest(taken[0], taken[2]) < 1e-6
    assert furthest(taken[1], taken[2]) < 1e-6


class _Kill(Exception):
    pass


def small() -> Plan:
    supervision = Supervision(epochs=2, batch=24, micro_batch=24, rate=8e-3)
    return Plan(width=24, state=32, pieces=400, supervision=supervision, reinforcement=Reinforcement(
        steps=7, starts=2, group=2, most_turns=6))  # fmt: skip


def run(folder: Path, *, resume: bool = False, stop_at: tuple[str, int] | None = None, seed: int = 2) -> Any:
    def progress(stage: str, done: int, total: int) -> None:
        if stop_at is not None and stage == stop_at[0] and done >= stop_at[1]:
            raise _Kill

    return train(
        world.people(), world.fitted(), small(), partner=world.partner(), judge=world.judge(), seed=seed,
        folder=folder, resume=resume, on_progress=progress,
    )  # fmt: skip


@pytest.mark.parametrize("stop_at", [("learning from people", 14), ("learning from rollouts", 6)])
def test_stopped_and_gone_on_with_is_the_same_training(tmp_path: Path, stop_at: tuple[str, int]) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(_Kill):
        run(tmp_path / "cut", stop_at=stop_at)
    assert load_checkpoint_of(tmp_path / "cut")
    resumed = run(tmp_path / "cut", resume=True)
    assert furthest(whole.users.weights, resumed.users.weights) <= 1e-6
    assert resumed.log == whole.log
    assert [row["stage"] for row in whole.log] == ["supervised"] * 2 + ["reinforcement"] * (BLOCK + 7)


def load_checkpoint_of(folder: Path) -> bool:
    return any((folder / CHECKPOINTS).glob("checkpoint-*.safetensors"))


def test_a_checkpoint_of_other_settings_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(_Kill):
        run(tmp_path, stop_at=("learning from rollouts", 6))
    with pytest.raises(SimulatorError, match="other settings"):
        run(tmp_path, resume=True, seed=3)
    (file,) = (tmp_path / CHECKPOINTS).glob("checkpoint-*.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(SimulatorError, match="cannot be gone on from"):
        load_checkpoint(tmp_path / CHECKPOINTS, "")


def test_the_gate_stops_what_degenerates() -> None:
    row = {"degenerate": 0.0, "unscorable": 0.0, "distinct": 0.8, "own variety": 0.8, "told": 0.7}
    assert not degenerates([row] * 30)
    for name, value in {"distinct": 0.5, "own variety": 0.6, "degenerate": 0.5, "unscorable": 0.5, "told": 1.1}.items():
        assert degenerates([row] * 10 + [{**row, name: value}] * 5).startswith(name)


def test_a_gated_run_gives_the_last_good_users_back() -> None:
    """A reward for saying one thing: the gate ends it, and what is returned is a checkpointed policy."""
    users, (_, realism) = world.users(), fresh()
    how = Reinforcement(steps=60, rate=1e-2, divergence=0.0, most_turns=6, questions=False)
    kept: list[Weights] = []

    def keep(checkpoint: Any) -> None:
        kept.append({n[8:]: t.clone() for n, t in checkpoint.tensors.items() if n.startswith("weights/")})

    weights, rows, stopped = reinforce(
        users, PromptToLine(world.judge()), realism, how, world.partner(), seed=0, keep=keep
    )
    assert stopped
    assert len(rows) < 60
    assert furthest(weights, kept[-1]) == 0.0
    assert furthest(kept[0], users.weights) == 0.0  # the first block is only listened to


def test_a_partner_that_fails_ends_the_training_with_its_error() -> None:
    def fails(history: Any) -> str:
        raise ValueError("no such table")

    users, (reward, realism) = world.users(), fresh()
    with pytest.raises(SimulatorError, match="no such table"):
        reinforce(users, reward, realism, SHORT, function_partner(fails, identity="fails"), seed=0)


def test_nothing_draws_from_torchs_global_generator() -> None:
    before = torch.get_rng_state()
    users, (reward, realism) = world.users(), fresh()
    reinforce(users, reward, realism, msgspec.structs.replace(SHORT, steps=1), world.partner(), seed=0)
    assert torch.equal(before, torch.get_rng_state())
