"""Coverage and density: the definition by brute force, missing modes, silence under the null."""

from __future__ import annotations

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.realism.coverage import (
    DEPTH,
    coverage,
    coverage_statistic,
    neighbourhoods,
    squared_distances,
)
from understudy.measures.resampling import Pool, observed_weights, two_sample

TOPICS = {
    "film": ["film", "actor", "scene", "plot", "cinema", "director"],
    "food": ["pasta", "curry", "dinner", "table", "spicy", "menu"],
    "train": ["train", "ticket", "seat", "station", "leave", "platform"],
    "hotel": ["hotel", "room", "night", "stars", "wifi", "parking"],
}


def _side(rng: np.random.Generator, topics: list[str], n: int, name: str = "c") -> Corpus:
    talks = []
    for i in range(n):
        words = rng.choice(TOPICS[topics[i % len(topics)]], 5)
        talks.append(Conversation(f"{name}{i}", (Turn("user", " ".join(words)),), topic=topics[i % len(topics)]))
    return Corpus(talks)


def _pool(n: int) -> Pool:
    return Pool(n, np.arange(2 * n), np.arange(2 * n) >= n)


def test_definition_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    n, k = 60, 5
    vectors = rng.normal(size=(2 * n, 3)).astype(np.float32)
    vectors[n:] *= 0.7
    pooled = _pool(n)
    near = neighbourhoods(vectors, pooled.unit, rng)
    miss, density = coverage_statistic(near, k)(*observed_weights(pooled))[0]
    far = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(-1))
    radius = np.sort(far[:n, :n], axis=1)[:, k]
    inside = far[:n, n:] <= radius[:, None]
    assert np.isclose(1 - miss, inside.any(axis=1).mean())
    assert np.isclose(density, inside.sum() / (k * n))


def test_balls_deeper_than_the_first_look_are_exact() -> None:
    rng = np.random.default_rng(1)
    n = 4 * DEPTH
    vectors = np.concatenate([rng.normal(size=(n, 2)), 0.01 * rng.normal(size=(n, 2))]).astype(np.float32)
    pooled = _pool(n)
    _, density = coverage_statistic(neighbourhoods(vectors, pooled.unit, rng))(*observed_weights(pooled))[0]
    far = np.sqrt(squared_distances(vectors))
    radius = np.sort(far[:n, :n], axis=1)[:, 5]
    assert np.isclose(density, (far[:n, n:] <= radius[:, None]).sum() / (5 * n), rtol=0.02)


def test_missing_modes_are_counted_and_shown() -> None:
    rng = np.random.default_rng(2)
    real, half = _side(rng, list(TOPICS), 200), _side(rng, ["film", "food"], 200, "s")
    found = coverage(real, half, rng=rng, permutations=99)
    assert found.value is not None
    assert abs(found.value - 0.5) < 0.06
    assert found.p_value == 0.01
    assert found.interval is not None
    assert found.interval[0] < 0.5 < found.interval[1]
    topics = {c.id: c.topic for c in real}
    assert {topics[row["id"]] for row in found.evidence["uncovered_real"]} <= {"train", "hotel"}
    reverse = coverage(half, real, rng=rng, permutations=99)
    assert abs(reverse.evidence["share_off_support"] - 0.5) < 0.1
    topics = {c.id: c.topic for c in real}
    assert {topics[row["id"]] for row in reverse.evidence["off_support_synthetic"]} <= {"train", "hotel"}
    assert reverse.parts[0].value is not None
    assert reverse.parts[0].value < 0.75


def test_real_against_real_is_at_its_expectation() -> None:
    rng = np.random.default_rng(3)
    found = coverage(_side(rng, list(TOPICS), 200), _side(rng, list(TOPICS), 260, "s"), rng=rng, permutations=99)
    assert found.value is not None
    assert abs(found.value - found.evidence["expected_if_equal"]) < 0.04
    assert found.p_value is not None
    assert found.p_value > 0.05
    assert found.floor is not None
    assert abs(found.floor.value - found.evidence["expected_if_equal"]) < 0.03
    assert found.evidence["conversations_used"] == {"real": 200, "synthetic": 200}
    assert found.parts[0].name == "realism.coverage.density"
    assert found.parts[0].value is not None
    assert 0.8 < found.parts[0].value < 1.2


def test_null_is_calibrated_with_user_effects() -> None:
    # 100 draws at 5 %: below 12 with probability .996.
    rejected = np.zeros(2)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(40), 4)
        vectors = rng.normal(size=(40, 4))[unit] + 0.4 * rng.normal(size=(160, 4))
        near = neighbourhoods(vectors.astype(np.float32), unit, rng)
        pooled = Pool(80, unit, np.arange(40) >= 20)
        result = two_sample(coverage_statistic(near), pooled, rng=rng, permutations=99, floor_splits=0)
        rejected += result.p_value <= 0.05
    assert (rejected < 12).all(), rejected


def test_few_talkative_units_keep_their_interval_and_say_why_there_is_no_floor() -> None:
    rng = np.random.default_rng(7)
    texts = [" ".join(rng.choice(list("abcdefgh"), 6)) for _ in range(340)]
    real = Corpus([Conversation(str(i), (Turn("user", t),), user_id=f"u{i % 12}") for i, t in enumerate(texts[:300])])
    few = Corpus([Conversation(str(i), (Turn("user", t),)) for i, t in enumerate(texts[300:])])
    found = coverage(real, few, rng=rng, permutations=9)
    assert found.interval is not None
    assert "no_interval" not in found.evidence
    assert found.floor is None
    assert found.evidence["no_floor"] == "12 real units in equal samples; at least 20 are needed to halve them"


def test_verbatim_copies_of_everything_are_covered() -> None:
    rng = np.random.default_rng(4)
    real = _side(rng, list(TOPICS), 100)
    found = coverage(real, Corpus(real.conversations), rng=rng, permutations=9)
    assert found.value == 1.0
