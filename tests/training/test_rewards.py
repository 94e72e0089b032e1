"""Rewards: hacks are worth less than people's lines, terms cannot be traded, and what cannot be judged is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from tests.training import world
from understudy.testing.checks import Check
from understudy.testing.hacks import Said, check_line_measure
from understudy.training.critics import ContingencyCritic, RealismCritic
from understudy.training.rewards import Band, Composite, PromptToLine, Spoken, said_before
from understudy.training.train import composite


@cache
def reward() -> Composite:
    made = composite(world.taught(), world.judge(), seed=0)[0]
    made.band = Band(1, 40, made.band.own)  # the battery's people say longer lines than those of the world
    return made


def spoken(said: Said | Spoken) -> Spoken:
    return Spoken(said.persona, said.before, "Tell me about yourself.", said.line)


def worth(said: Sequence[Said]) -> list[float]:
    """What cannot be judged earns nothing that could be learned from."""
    return [r or 0.0 for r in reward()([spoken(s) for s in said], seed=0).reward]


@pytest.mark.parametrize("check", list(check_line_measure(worth)), ids=repr)
def test_hacks_are_worth_less_than_peoples_lines(check: Check) -> None:
    check()


FACTS = ("I work as a nurse.", "I have two dogs.", "I love fishing.")


def earns(line: str, *, before: tuple[str, ...] = (), heard: str = "How was your day?") -> float | None:
    return reward()([Spoken(FACTS, before, heard, line)], seed=0).reward[0]


def test_no_term_buys_anothers_place() -> None:
    """A line that is all the persona's but takes back a fact earns less than one of little persona."""
    against, plain = earns("i do not have any dogs , i hate dogs"), earns("my patients kept me running")
    assert against is not None
    assert plain is not None
    assert against < plain


def test_repeating_and_copying_take_away() -> None:
    line = "the ward was full all night"
    assert earns(line, before=(line,)) == 0.0
    assert earns("I have two dogs.") == 0.0
    once, again = earns(line), earns(line + " again", before=(line,))
    assert once is not None
    assert again is not None
    assert again < 0.6 * once


def test_what_nobody_can_judge_is_none_and_not_a_number() -> None:
    assert earns("ok") is None
    assert earns("") == 0.0


def test_reward_of_a_line_does_not_depend_on_its_batch() -> None:
    lines = [Spoken(FACTS, (), "And what else?", text) for text in ("the ward was full all night", "i see")]
    assert reward()(lines, seed=3).reward == [reward()([line], seed=3).reward[0] for line in lines]


def test_prompt_to_line_alone_pays_for_the_same_line_again() -> None:
    alone = PromptToLine(world.judge())
    line = "the ward was full all night , nurse and dogs and fishing"
    found = alone([Spoken(FACTS, (line,) * 5, "", line)], seed=0).reward[0]
    assert found is not None
    assert found > 0.8


def test_realism_critic_learns_what_gives_lines_away_and_stores_in_its_weights() -> None:
    people = ["well i went home", "who knows", "that is fine by me"] * 30
    critic = RealismCritic(people)
    assert critic.score(["well i went home"])[0] == 0.5
    for k in range(6):
        critic.learn(["as an assistant i am happy to help you"] * 12, np.random.default_rng(k))
    own, other = critic.score(["well i went home", "as an assistant i am glad"])
    assert own > 0.6
    assert other < 0.4
    assert RealismCritic(people, critic.weights.copy()).score(["who knows"]) == critic.score(["who knows"])


def test_realism_critic_favours_neither_side_where_both_say_the_same() -> None:
    people = ["well i went home", "who knows", "that is fine by me"] * 30
    critic = RealismCritic(people)
    for k in range(6):
        critic.learn(people, np.random.default_rng(k))
    assert np.allclose(critic.score(people), 0.5, atol=0.1)
    who = [f"{k}" for k in range(len(people))]
    assert critic.told(people, who, np.random.default_rng(0)) < 0.6
    assert critic.told(["as an assistant i am happy to help you"] * 90, who, np.random.default_rng(0)) > 0.9


def test_contingency_critic_knows_which_answer_goes_with_which_question() -> None:
    heard = ["do you have pets ?", "what do you do for work ?"] * 40
    said = ["yes two dogs as pets", "i work in a shop"] * 40
    critic = ContingencyCritic.fit(heard, said, seed=0)
    right, wrong = critic.score([heard[0]] * 2, [said[0], said[1]])
    assert right > wrong + 0.2


def test_said_before_counts_runs() -> None:
    assert said_before(["a", "b", "c", "d"], ["x a b c y"], 3) == 0.5
    assert said_before(["a"], ["a"], 3) == 0.0
