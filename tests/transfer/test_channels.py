"""Noise channels change user turns alone, at their rate, the same way for the same seed."""

from __future__ import annotations

import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.transfer.channels import CHANNELS, through_channel

SAID = "I would like a Table for two. Somewhere central, please. Thanks!"


@pytest.fixture
def talks() -> Corpus:
    return Corpus([Conversation(str(i), (Turn("user", SAID), Turn("assistant", SAID))) for i in range(300)])


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("lower_case", 0.8, 1), ("unmarked", 0.7, 0.9), ("fragments", 0.6, 0.8), ("typos:0.2", 0.6, 1)],
)
def test_a_channel_changes_users_at_its_rate(talks: Corpus, name: str, least: float, most: float) -> None:
    noisy = through_channel(talks, name, seed=1)
    changed = sum(c.turns[0].text != SAID for c in noisy) / 300
    assert least <= changed <= most
    assert all(c.turns[1].text == SAID and c.id == old.id for c, old in zip(noisy, talks, strict=True))
    assert [c.turns for c in through_channel(talks, name, seed=1)] == [c.turns for c in noisy]


def test_what_is_kept_does_not_depend_on_the_order(talks: Corpus) -> None:
    backwards = through_channel(talks.subset(range(299, -1, -1)), "typos", seed=0)
    assert {c.id: c.turns for c in backwards} == {c.id: c.turns for c in through_channel(talks, "typos", seed=0)}


def test_scripts_without_case_or_spaces_pass() -> None:
    talk = Corpus([Conversation("a", (Turn("user", "我想学英语。好吗？"),))])
    for name in CHANNELS:
        assert through_channel(talk, name, seed=0)[0].turns[0].text


@pytest.mark.parametrize("name", ["telex", "typos:2", "typos:many", ""])
def test_an_unknown_channel_or_rate_is_refused(talks: Corpus, name: str) -> None:
    with pytest.raises(UsageError):
        through_channel(talks, name, seed=0)
