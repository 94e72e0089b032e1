"""Topic matching equalises the mix, keeps what it can, and says what it did."""

from collections import Counter

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.matching import describe_topics, match_topics


def side(name, **topics):
    talks = [
        Conversation(f"{name}-{t}-{i}", (Turn("user", "hi"),), topic=None if t == "none" else t)
        for t, n in topics.items()
        for i in range(n)
    ]
    return Corpus(talks)


def test_mixes_agree_after_matching():
    match = match_topics(side("r", a=60, b=40, c=10), side("s", a=20, b=80), rng=np.random.default_rng(0))
    assert match.matched
    mixes = [Counter(c.topics) for c in (match.real, match.synthetic)]
    for mix in mixes:
        total = sum(mix.values())
        assert set(mix) == {"a", "b"}
        assert mix["a"] / total == pytest.approx(0.2 / 0.5636, abs=0.03)


def test_unshared_topics_are_left_alone_with_the_reason():
    match = match_topics(side("r", a=10), side("s", b=10), rng=np.random.default_rng(0))
    assert not match.matched
    assert "Too little is shared" in match.statement
    assert len(match.real) == 10


def test_missing_topics_are_said():
    assert "names no topics" in describe_topics(side("r", none=3), side("s", a=3)).statement
