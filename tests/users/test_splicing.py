from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.text import tokens
from understudy.users.copy_guard import SPAN, CopyGuard, SpanIndex, calibrate, verbatim_rate
from understudy.users.entities import Filler, Gazetteer
from understudy.users.phrases import PhraseBook, Trigrams, written
from understudy.users.population import fit_population
from understudy.users.speaker import Guard
from understudy.users.splicing import Splicer

WORDS = tokens("the a cat dog sat ran on under old red mat tree today then quickly again with my your friend")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, 14)) + rng.choice([".", "?", ""]) for _ in range(300)]


@pytest.fixture(scope="module")
def splicer(texts: list[str]) -> Splicer:
    guard = CopyGuard.of([(text, k) for k, text in enumerate(texts)], common=2)
    return Splicer(
        PhraseBook(texts, [[] for _ in texts]), guard, np.ones((len(texts), 1), dtype=np.float32), np.arange(len(texts))
    )


def test_reworded_turns_hold_no_protected_span(splicer: Splicer, texts: list[str]) -> None:
    for row in range(40):
        said = splicer.reword(splicer.book.pieces_of(row), row, rng=np.random.default_rng(row))
        assert said is not None
        assert splicer.guard.first_copy(tokens(written(said))) is None
        assert set(tokens(written(said))) <= set(WORDS)
        assert written(said)[-1:] == texts[row][-1:] or written(said)[-1:].isalpha()


def test_rewording_leaves_word_frequencies_alone(splicer: Splicer, texts: list[str]) -> None:
    """Changes are drawn in detailed balance: no word gains or loses more than chance allows."""
    said = [splicer.reword(splicer.book.pieces_of(k), k, rng=np.random.default_rng(k)) for k in range(300)]
    before = np.array([sum(tokens(t).count(w) for t in texts) for w in WORDS], dtype=float)
    after = np.array([sum(tokens(written(p or [])).count(w) for p in said) for w in WORDS], dtype=float)
    z = (after / after.sum() - before / before.sum()) / np.sqrt(2 * before / before.sum() / before.sum())
    assert np.abs(z).max() < 3.5


def test_long_turns_are_cleared_from_end_to_end(texts: list[str]) -> None:
    long = " ".join(texts)
    guard = CopyGuard.of([(long, 0)], common=2)
    book = PhraseBook([long, *texts], [[] for _ in range(1 + len(texts))])
    splicer = Splicer(book, guard, np.ones((1 + len(texts), 1), dtype=np.float32), np.arange(1 + len(texts)))
    said = splicer.reword(book.pieces_of(0), 0, rng=np.random.default_rng(0))
    assert said is not None
    assert guard.first_copy(tokens(written(said))) is None


@given(st.text(max_size=200))
def test_pieces_write_back_what_they_were(text: str) -> None:
    gazetteer = Gazetteer.of([text], [()])
    book = PhraseBook([text], [gazetteer.find(text)])
    assert written(book.pieces_of(0)) == text.strip()


def test_trigrams_are_a_distribution() -> None:
    flat = np.random.default_rng(0).integers(0, 6, 200)
    model = Trigrams(flat, 6)
    for a, b in ((0, 1), (2, 3), (5, 5)):
        p = np.exp(model.log_probability(np.full(6, a), np.full(6, b), np.arange(6)))
        assert p.sum() == pytest.approx(1.0)


def test_spans_are_counted_by_unit() -> None:
    text = " ".join(f"w{k}" for k in range(SPAN + 1))
    index = SpanIndex.of([(text, 0), (text, 0), (text, 1)])
    assert index.counts(index.hasher.spans(tokens(text))).tolist() == [2, 2]
    assert CopyGuard.of([(text, 0), (text, 1)], common=2).first_copy(tokens(text)) is None
    assert CopyGuard.of([(text, 0), (text, 1)], common=3).first_copy(tokens(text)) == (0, SPAN)


def test_the_calibrated_rate_foretells_the_rate_of_unseen_units() -> None:
    rng = np.random.default_rng(0)
    stock = [" ".join(rng.choice(WORDS, 10)) for _ in range(60)]

    def said(unit: int) -> tuple[str, int]:
        return (stock[rng.integers(60)] if rng.random() < 0.3 else " ".join(rng.choice(WORDS, 12)), unit)

    seen, unseen = [said(k) for k in range(400)], [said(k) for k in range(400)]
    as_corpus = [
        Corpus([Conversation(id=str(u), turns=(Turn("user", t),)) for t, u in part]) for part in (seen, unseen)
    ]
    common, shared = calibrate(seen)
    assert common == 2
    assert shared == pytest.approx(verbatim_rate(as_corpus[1], as_corpus[0]), abs=0.06)


def test_entities_are_found_by_label_form_and_name() -> None:
    names = Gazetteer.of(["I met Ada Byron at noon", "the noon train"], [(), ()])
    found = [(e.kind, e.surface) for e in names.find("call Ada Byron on 555-0100 about The Red Shoes (1948)")]
    assert found == [("name", "Ada Byron"), ("number:3-4", "555-0100"), ("title", "The Red Shoes (1948)")]
    assert names.find("CALL ADA BYRON") == []


def test_entities_repeat_the_partner_or_the_goal() -> None:
    gazetteer = Gazetteer.of(["x"], [()])
    (then,) = gazetteer.find("at 19:45")
    (now,) = gazetteer.find("the 10:15 train")
    filler = Filler([("number:2:2", "08:00")])
    fill = filler.fill
    assert fill(then, "leaves 19:45", [now], "the 10:15 train", own=True, taken=set()) == "10:15"
    assert fill(then, "when?", [now], "the 10:15 train", own=False, taken=set()) == "08:00"
    assert fill(then, "when?", [now], "the 10:15 train", own=True, taken=set()) is None
    assert fill(then, "leaves 19:45", [], "19:45 it is", own=False, taken=set()) is None


def test_what_one_person_put_together_of_rare_words_is_not_said() -> None:
    said = ["i would like a room for two please", "can you book it for me", "thanks a lot for your help", "is it cheap"]
    talks = [
        Conversation(f"c{k}", tuple(Turn("user", said[(k + j) % 4]) for j in range(3)), user_id=f"u{k}")
        for k in range(60)
    ]
    secret = (Turn("user", "my name is zorro quux please"), Turn("user", "can you book it for zorro quux"))
    talks += [
        Conversation("s", secret, user_id="s"),
        Conversation("t", (Turn("user", "zorro is it cheap"),), user_id="t"),
    ]
    talks.append(Conversation("v", (Turn("user", "quux is it cheap"),), user_id="v"))
    users = fit_population(Corpus(talks), seed=0)

    def told(guard: Guard) -> str:
        guarded = users.with_guard(guard)
        sessions = [guarded.simulator().start(guarded.draw(k, seed=0), seed=k) for k in range(guarded.n_sessions)]
        return "\n".join(asyncio.run(session.reply([])).text for session in sessions)

    assert "zorro quux" in told("free")
    assert "zorro quux" not in told("guarded")
    assert "zorro" in told("guarded")
