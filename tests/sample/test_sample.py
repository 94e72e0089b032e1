"""The sample is what its card says: sized, valid, varied, told apart by user, and free of anybody's data."""

from __future__ import annotations

import re
import time
from collections import Counter
from itertools import combinations, pairwise

import msgspec
import numpy as np
import pytest

from understudy.conversations import SCHEMA, Conversation
from understudy.conversations.text import tokens
from understudy.sample import sample_corpus, sample_path

ACTS = {
    "accept", "answer", "apologise", "ask_detail", "close", "complain", "correct", "greet", "hedge", "inform",
    "off_topic", "offer", "reject", "request", "thank",
}  # fmt: skip
ENTITIES = {"film", "genre", "actor", "order_number", "product", "city", "date"}
SUPPORT = {"late parcel", "refund", "broken item", "address", "subscription", "login"}
TALKS = sample_corpus().conversations
EMOJI = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")


def user_texts(talk: Conversation) -> list[str]:
    return [turn.text for turn in talk.turns if turn.role == "user"]


def test_there_are_enough_users_sessions_and_topics() -> None:
    sessions = Counter(talk.user_id for talk in TALKS)
    assert len(TALKS) >= 160
    assert len(sessions) >= 36
    assert min(sessions.values()) >= 3
    topics = Counter(talk.topic for talk in TALKS)
    assert set(topics) == {"films"} | SUPPORT
    assert min(topics.values()) >= 10
    assert 0.4 <= topics["films"] / len(TALKS) <= 0.6
    for user in sessions:
        assert {talk.meta["domain"] for talk in TALKS if talk.user_id == user} == {"films", "support"}


def test_the_first_slice_holds_many_users_and_both_domains() -> None:
    head = TALKS[:24]
    assert len({talk.user_id for talk in head}) == 24
    assert {talk.meta["domain"] for talk in head} == {"films", "support"}


def test_every_row_is_strictly_of_the_schema() -> None:
    fields = {*Conversation.__struct_fields__, "schema"}
    rows = [msgspec.json.decode(line) for line in sample_path().read_bytes().splitlines()]
    assert [row["id"] for row in rows] == [f"sample-{number:03d}" for number in range(1, len(rows) + 1)]
    for row, talk in zip(rows, TALKS, strict=True):
        assert row["schema"] == SCHEMA
        assert set(row) <= fields
        assert msgspec.convert(row, Conversation) == talk
        assert talk.ending is not None
        assert (talk.topic == "films") == (talk.meta["domain"] == "films")


def test_turns_alternate_and_are_few() -> None:
    for talk in TALKS:
        assert 4 <= len(talk.turns) <= 14
        roles = [turn.role for turn in talk.turns]
        assert all(a != b for a, b in pairwise(roles)), talk.id
        assert all(turn.text == turn.text.strip() != "" for turn in talk.turns)


def test_conversations_begin_and_end_in_more_than_one_way() -> None:
    assert 0.05 <= np.mean([talk.turns[0].role == "assistant" for talk in TALKS]) <= 0.4
    endings = Counter(talk.ending.reason for talk in TALKS if talk.ending)
    assert set(endings) == {"left", "done", "closed", "gave up"}
    assert endings["left"] >= 40
    assert len({len(talk.turns) for talk in TALKS}) >= 6


def test_acts_and_entities_are_valid() -> None:
    for talk in TALKS:
        for turn in talk.turns:
            assert turn.acts, (talk.id, turn.text)
            assert set(turn.acts) <= ACTS
            for kind, surface in turn.meta.get("entities", []):
                assert kind in ENTITIES
                assert surface in turn.text, (talk.id, surface)
    for role in ("user", "assistant"):
        used = Counter(act for talk in TALKS for turn in talk.turns if turn.role == role for act in turn.acts)
        assert len(used) >= 8
    mentioned = Counter(kind for talk in TALKS for t in talk.turns for kind, _ in t.meta.get("entities", []))
    assert set(mentioned) == ENTITIES


def test_no_conversation_nearly_repeats_another() -> None:
    def grams(texts: list[str]) -> set[tuple[str, ...]]:
        words = tokens(" ".join(texts))
        return set(zip(words, words[1:], words[2:], strict=False))

    for pick in (user_texts, lambda talk: [turn.text for turn in talk.turns]):
        sets = [grams(pick(talk)) for talk in TALKS]
        worst = max(len(a & b) / max(len(a | b), 1) for a, b in combinations(sets, 2))
        assert worst < 0.2


def test_long_turns_are_never_repeated() -> None:
    counts = Counter(turn.text for talk in TALKS for turn in talk.turns if len(tokens(turn.text)) > 4)
    assert max(counts.values()) == 1


STYLE = {
    "words per turn": lambda texts: float(np.mean([len(tokens(text)) for text in texts])),
    "final punctuation": lambda texts: float(np.mean([text[-1] in ".!?…" for text in texts])),
    "question rate": lambda texts: float(np.mean(["?" in text for text in texts])),
    "exclamation rate": lambda texts: float(np.mean(["!" in text for text in texts])),
    "lower-case start": lambda texts: float(np.mean([text[0].islower() for text in texts])),
    "thanking": lambda texts: float(np.mean(["thank" in text.lower() for text in texts])),
    "emoji": lambda texts: float(np.mean([bool(EMOJI.search(text)) for text in texts])),
}


@pytest.mark.parametrize("feature", STYLE)
def test_style_belongs_to_the_user(feature: str) -> None:
    """One-way random-effects ICC(1) over sessions, with users of unequal numbers of sessions."""
    by_user: dict[str | None, list[float]] = {}
    for talk in TALKS:
        by_user.setdefault(talk.user_id, []).append(STYLE[feature](user_texts(talk)))
    groups = [np.array(values) for values in by_user.values()]
    sizes = np.array([len(group) for group in groups])
    total, count = sizes.sum(), len(groups)
    grand = np.concatenate(groups).mean()
    between = sum(len(g) * (g.mean() - grand) ** 2 for g in groups) / (count - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (total - count)
    typical = (total - (sizes**2).sum() / total) / (count - 1)
    assert (between - within) / (between + (typical - 1) * within) > 0.2


def test_sessions_of_one_user_still_differ() -> None:
    lengths: dict[str | None, set[int]] = {}
    for talk in TALKS:
        lengths.setdefault(talk.user_id, set()).add(len(talk.turns))
    assert np.mean([len(seen) > 1 for seen in lengths.values()]) > 0.9


def test_nothing_looks_like_anybodys_data() -> None:
    order = re.compile(r"\b(?:WR-)?\d{5}\b")
    for talk in TALKS:
        for turn in talk.turns:
            rest = order.sub("", turn.text)
            assert "@" not in rest
            assert not re.search(r"https?:|www\.", rest)
            assert not re.search(r"\d(?:[ -]?\d){5,}", rest), turn.text


def test_the_card_is_honest_and_its_numbers_hold() -> None:
    card = sample_corpus().card
    assert (card.origin, card.source, card.licence) == ("unknown", "written sample", "Apache-2.0")
    text = sample_path().with_name("CARD.md").read_text("utf-8")
    turns = sum(len(talk.turns) for talk in TALKS)
    users = len({talk.user_id for talk in TALKS})
    assert f"{len(TALKS)} short English conversations ({turns:,} turns) by {users} invented users" in text
    assert "not\nlogged from people" in text


def test_loading_is_deterministic_small_and_fast() -> None:
    assert sample_path().stat().st_size < 400_000
    assert sample_corpus().digest == sample_corpus().digest
    fastest = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        len(sample_corpus())
        fastest = min(fastest, time.perf_counter() - start)
    assert fastest < 0.05
