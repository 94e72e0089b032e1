"""Times of a known making come back; turns without times are unscored."""

from __future__ import annotations

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.relational.gaps import named_gap
from understudy.measures.relational.latency import LatencyModel, fit_latency, latency, stamp_of

KNOWN = LatencyModel(2.0, 0.25, 0.8, 0.5, 0)


def timed(n: int, model: LatencyModel, *, seed: int, stamps: bool = False) -> Corpus:
    """Conversations whose users take the time that `model` gives them, as latencies or as time stamps."""
    rng = np.random.default_rng(seed)
    talks = []
    for i in range(n):
        turns, now = [], 1.7e9
        for _ in range(4):
            read, written = int(rng.integers(2, 30)), int(rng.integers(1, 15))
            took = model.draw(read, written, rng)
            times = ({"timestamp": now}, {"timestamp": now + took}) if stamps else ({}, {"latency_s": took})
            turns += [Turn("assistant", "word " * read, meta=times[0]), Turn("user", "word " * written, meta=times[1])]
            now += took + 3
        talks.append(Conversation(f"{seed}-{i}", tuple(turns)))
    return Corpus(talks)


def test_a_known_model_comes_back() -> None:
    rng = np.random.default_rng(0)
    read, written = rng.integers(1, 40, 3000).astype(float), rng.integers(1, 20, 3000).astype(float)
    seconds = np.array([KNOWN.draw(r, w, rng) for r, w in zip(read, written, strict=True)])
    seconds[::50] = 5000.0  # went for a coffee
    found = fit_latency(seconds, read, written)
    assert found is not None
    assert found.start == pytest.approx(2.0, abs=0.6)
    assert found.per_word_read == pytest.approx(0.25, rel=0.15)
    assert found.per_word_written == pytest.approx(0.8, rel=0.15)
    assert found.spread == pytest.approx(0.5, rel=0.1)
    assert fit_latency(seconds[:29], read[:29], written[:29]) is None


def test_who_answers_twice_as_fast_is_seen_and_as_fast_is_not() -> None:
    people = timed(60, KNOWN, seed=0, stamps=True)
    hasty = timed(60, KNOWN._replace(start=1.0, per_word_read=0.125, per_word_written=0.4), seed=1)
    m = latency(people, hasty, rng=np.random.default_rng(0), permutations=199)
    assert m.value == pytest.approx(-np.log(2), abs=0.12)
    assert m.p_value < 0.02
    same = [
        latency(people, timed(60, KNOWN, seed=s), rng=np.random.default_rng(0), permutations=39) for s in range(5, 13)
    ]
    assert sum(m.interval[0] < 0 < m.interval[1] for m in same) >= 5
    flat = timed(60, KNOWN._replace(spread=0.01), seed=3)
    even = named_gap(latency(people, flat, rng=np.random.default_rng(0), permutations=199), "spread")
    assert even.value < 0


def test_without_times_it_is_unscored() -> None:
    bare = Corpus([Conversation(str(k), (Turn("assistant", "hi"), Turn("user", "hello"))) for k in range(12)])
    m = latency(bare, bare, rng=np.random.default_rng(0))
    assert m.status == "unscored"
    assert "latency_s" in m.reason


@pytest.mark.parametrize(
    ("meta", "seconds"),
    [
        ({"timestamp": 12.5}, 12.5),
        ({"time": 1714557600000}, 1714557600.0),
        ({"created_at": "2024-05-01T10:00:00+00:00"}, 1714557600.0),
        ({"time": "soon"}, None),
        ({"time": True}, None),
        ({}, None),
    ],
)
def test_stamps(meta: dict[str, object], seconds: float | None) -> None:
    assert stamp_of(Turn("user", "hi", meta=meta)) == seconds
