"""The neural engine: its pieces of words, what a user has before them, the contracts, and its folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training import world
from understudy.conversations import Turn
from understudy.errors import SimulatorError
from understudy.rollouts.simulate import simulate
from understudy.testing.checks import Check
from understudy.testing.simulators import check_population, check_user_simulator
from understudy.users.neural import decoder
from understudy.users.neural.language import Line
from understudy.users.neural.population import load_neural
from understudy.users.neural.speaking import Asked, speak
from understudy.users.neural.subwords import Subwords, learn_pieces
from understudy.users.opening import open_users

CHECKS = [
    *check_population(world.users()),
    *check_user_simulator(world.users().simulator(), world.users().draw(0, seed=1)),
]


@pytest.mark.parametrize("check", CHECKS, ids=repr)
def test_contract(check: Check) -> None:
    check()


@given(st.lists(st.text(alphabet="ab c'_!\n我é", max_size=30), min_size=1, max_size=5))
def test_pieces_give_every_text_back(texts: list[str]) -> None:
    words = Subwords(learn_pieces(texts, marks=("<unknown>",), most=60))
    assert [words.decode(words.encode(text)) for text in texts] == texts


def test_pieces_do_not_depend_on_order() -> None:
    texts = ["the cat sat", "the dog sat", "a cat"] * 4
    assert learn_pieces(texts, marks=("<unknown>",), most=50) == learn_pieces(
        texts[::-1], marks=("<unknown>",), most=50
    )


def test_marks_are_never_read_from_text() -> None:
    language = world.taught().language
    numbers = language.words.encode("<bye> <end> <intent 0>")
    assert not {language.bye, language.end, *language.intent_numbers.values()} & set(numbers)


def test_a_line_is_predicted_from_what_came_before_it_alone() -> None:
    """The log-probability of each number must not change with any later number."""
    users, lines = world.users(), world.taught().lines[:6]
    from understudy.training.supervised import said_by

    for line in lines:
        whole = said_by(users.weights, [line], users.language.user)
        for n in range(1, len(line.chosen)):
            part = said_by(users.weights, [Line(line.scene, line.chosen[:n])], users.language.user)
            assert torch.allclose(part, whole[:n], atol=1e-5)


def test_one_number_and_all_numbers_have_the_same_probability() -> None:
    from understudy.training.supervised import unrolled

    users, lines = world.users(), world.taught().lines[:9]
    found, chosen, row = unrolled(users.weights, lines, users.language.user)
    every = decoder.log_probabilities(found)
    assert torch.allclose(every.exp().sum(-1), torch.ones(len(every)), atol=1e-4)
    assert torch.allclose(every.gather(1, chosen[:, None])[:, 0], decoder.log_probability(found, chosen), atol=1e-5)
    assert row.tolist() == [k for k, line in enumerate(lines) for _ in line.chosen]


def test_what_is_drawn_does_not_depend_on_who_else_is_asked() -> None:
    users = world.users()
    scenes = [users.language.scene(users.language.told(p), ()) for p in users.profiles[:5]]

    def asked(k: int) -> Asked:
        return Asked(scenes[k], np.random.default_rng(k), may_leave=False)

    together = speak(users.weights, users.language, [asked(k) for k in range(5)])
    assert together == [speak(users.weights, users.language, [asked(k)])[0] for k in range(5)]


def test_nobody_leaves_before_anything_was_said() -> None:
    users = world.users()
    for seed in range(20):
        reply = asyncio.run(users.simulator().start(users.profiles[0], seed=seed).reply(()))
        assert reply.text.strip()
        assert reply.ending is None


def test_folder_is_read_back_and_simulates(tmp_path: Path) -> None:
    users = world.users()
    users.save(tmp_path / "model")
    again = open_users(tmp_path / "model")
    assert again.identity == users.identity
    assert again.draw(7, seed=2) == users.draw(7, seed=2)
    assert len({again.draw(k, seed=2).id for k in range(again.n_sessions)}) == again.n_sessions == len(users.profiles)
    made = [simulate(u, world.partner(), n=6, seed=4, max_turns=8).conversations for u in (users, again)]
    assert [[t.text for t in talk.turns] for talk in made[0]] == [[t.text for t in talk.turns] for talk in made[1]]
    assert all(talk.turns[0].intent for talk in made[0])


@pytest.mark.parametrize("name", ["weights.safetensors", "profiles.json", "neural.json"])
def test_damaged_folder_is_refused(tmp_path: Path, name: str) -> None:
    world.users().save(tmp_path)
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:-2] + b"zz")
    with pytest.raises(SimulatorError, match="no trained users"):
        load_neural(tmp_path)


def test_people_are_who_they_are_told_to_be() -> None:
    """In the world, what users say goes with their own facts, under a judge that had no part in it."""
    from understudy.training.rehearsal import rehearse
    from understudy.training.rewards import contrasts

    users = world.users()
    people = users.profiles
    talks = rehearse(users.weights, users.language, people, world.partner(), range(len(people)), most_turns=8)
    lines = [s for talk in talks for s in talk.spoken]
    found = contrasts(world.judge("letters"), lines, sorted({" ".join(p.persona.facts) for p in people}), seed=0)
    known = np.array([c for c in found if c is not None])
    assert known.mean() > 2.5 * known.std() / np.sqrt(len(known))


def test_partner_text_of_any_size_is_read() -> None:
    users = world.users()
    session = users.simulator().start(users.profiles[0], seed=0)
    history = (Turn("user", "hi"), Turn("assistant", "x" * 2_000_000))
    assert asyncio.run(session.reply(history)) == asyncio.run(session.reply(history))
