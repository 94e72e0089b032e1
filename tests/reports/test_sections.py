"""The optional questions of an audit: how corpora are divided, and names that only look the same."""

from __future__ import annotations

from understudy.conversations import Conversation, Corpus, Turn
from understudy.reports.sections import divided, named_apart


def corpus(prefix: str, *, users: bool = True, count: int = 4) -> Corpus:
    talks = [
        Conversation(f"{prefix}{i}", (Turn("user", f"hello {i}"),), user_id=f"{prefix}u{i}" if users else None)
        for i in range(count)
    ]
    return Corpus(talks)


def test_names_that_both_sides_use_are_told_apart() -> None:
    for users in (True, False):
        one, other = corpus("c", users=users), corpus("c", users=users)
        renamed = named_apart(one, other)
        assert not set(renamed.unit_ids) & set(other.unit_ids)
        assert [c.turns for c in renamed] == [c.turns for c in one]
        assert len(set(renamed.unit_ids)) == len(set(one.unit_ids))


def test_names_that_differ_stay() -> None:
    one = corpus("c")
    assert named_apart(one, corpus("d")) is one


def test_the_division_is_told_with_its_sizes() -> None:
    told = divided(corpus("a", count=5), corpus("b", count=4))
    assert "5 conversations of 5 units train the in-domain arm, 4 conversations of 4 units test every arm" in told
