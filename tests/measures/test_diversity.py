"""Diversity: every part by brute force, silence between halves, templates and parrots caught."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from tests.measures.planted import FILLER, NOUNS
from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.text import tokens
from understudy.measures.embeddings import conversation_embeddings
from understudy.measures.realism.diversity import COMPONENTS, diversity, diversity_statistic
from understudy.measures.resampling import observed_weights, pool, two_sample
from understudy.testing.degrade import parrot, single_template


def chat(rng: np.random.Generator, users: int, sessions: int = 2, name: str = "u", word_pool: int = 14) -> Corpus:
    talks = []
    words = [*FILLER, *NOUNS[:word_pool]]
    for u in range(users):
        taste = rng.dirichlet(np.full(len(words), 0.5))
        for s in range(sessions):
            turns: list[Turn] = []
            for _ in range(int(rng.integers(2, 6))):
                turns.append(Turn("assistant", " ".join(rng.choice(NOUNS, 8))))
                said = "yes" if rng.random() < 0.1 else " ".join(rng.choice(words, int(rng.integers(2, 9)), p=taste))
                turns.append(Turn("user", said))
            talks.append(Conversation(f"{name}{u}-{s}", tuple(turns), user_id=f"{name}{u}"))
    return Corpus(talks)


def _levels(corpus: Corpus, vectors: np.ndarray) -> dict[str, float]:
    unit = corpus.unit_ids
    pairs = [(i, j) for i, j in combinations(range(len(corpus)), 2) if unit[i] != unit[j]]
    said = [[t.text for t in c.turns if t.role == "user"] for c in corpus]
    opening = [set(tokens(turns[0])) for turns in said]
    by_unit: dict[str, set[str]] = {}
    for user, turns in zip(unit.tolist(), said, strict=True):
        by_unit.setdefault(user, set()).update(turns)
    repeated = [
        any(text in texts for other, texts in by_unit.items() if other != user)
        for user, turns in zip(unit.tolist(), said, strict=True)
        for text in turns
    ]
    starts = [" ".join(tokens(turns[0])[:3]) for turns in said]
    share = np.unique(starts, return_counts=True)[1] / len(starts)
    own = total = 0
    for c in corpus:
        for before, turn in pairwise(c.turns):
            if turn.role == "user":
                own += len(set(tokens(turn.text)) - set(tokens(before.text)))
                total += len(set(tokens(turn.text)))
    return {
        "spread": 1 - np.mean([vectors[i] @ vectors[j] for i, j in pairs]),
        "self_repetition": np.mean(repeated),
        "first_turn": np.mean([1 - len(opening[i] & opening[j]) / len(opening[i] | opening[j]) for i, j in pairs]),
        "own_words": own / total,
        "openings": np.exp(-(share * np.log(share)).sum()),
    }


def test_levels_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    real, synthetic = chat(rng, 15), chat(rng, 15, word_pool=4)
    pooled = pool(real, synthetic)
    vectors = conversation_embeddings(real, synthetic, rng=rng)
    row = diversity_statistic(real, synthetic, pooled, vectors)(*observed_weights(pooled))[0]
    k = len(COMPONENTS)
    got = [dict(zip(COMPONENTS, row[start : start + k], strict=True)) for start in (k + 1, 2 * k + 1)]
    for side, corpus, part in ((got[0], real, vectors[:30]), (got[1], synthetic, vectors[30:])):
        for name, expected in _levels(corpus, part).items():
            assert side[name] == pytest.approx(expected, abs=1e-4), name
    assert np.isclose(row[k], np.abs(row[:k]).mean())


def test_distinct_2_is_the_expected_share_in_a_sample_of_one_size() -> None:
    rng = np.random.default_rng(1)
    real, synthetic = chat(rng, 40), chat(rng, 20)
    pooled = pool(real, synthetic)
    vectors = conversation_embeddings(real, synthetic, rng=rng)
    row = diversity_statistic(real, synthetic, pooled, vectors)(*observed_weights(pooled))[0]
    bags = []
    for corpus in (real, synthetic):
        words = [tokens(t.text) for c in corpus for t in c.turns if t.role == "user"]
        bags.append([pair for turn in words for pair in pairwise(turn)])
    size = min(map(len, bags)) // 2
    for start, bag in zip((len(COMPONENTS) + 2, 2 * len(COMPONENTS) + 2), bags, strict=True):
        drawn = [len({bag[i] for i in rng.integers(0, len(bag), size)}) / size for _ in range(100)]
        assert row[start] == pytest.approx(np.mean(drawn), rel=0.03)


def test_halves_are_silent_and_templates_and_parrots_are_far_out() -> None:
    rng = np.random.default_rng(2)
    real, other = chat(rng, 40), chat(rng, 40, name="v")
    same = diversity(real, other, rng=rng, permutations=99)
    assert same.p_value is not None
    assert same.p_value > 0.05
    assert same.floor is not None
    assert same.floor.interval is not None
    assert same.value is not None
    assert same.value < same.floor.interval[1]
    for spoil, telling in ((single_template, "openings"), (parrot, "own_words")):
        spoiled = diversity(real, spoil(other, rng=rng), rng=rng, permutations=99)
        assert spoiled.p_value == 0.01
        assert spoiled.value is not None
        assert spoiled.value > 4 * same.floor.interval[1]
        assert spoiled.interval is not None
        assert spoiled.interval[0] > same.floor.interval[1]
        part = next(p for p in spoiled.parts if p.name == f"realism.diversity.{telling}")
        assert part.value is not None
        assert part.value < -1


def test_more_diverse_than_people_is_as_wrong() -> None:
    rng = np.random.default_rng(3)
    narrow, wide = chat(rng, 40, word_pool=1), chat(rng, 40)
    low, high = (
        diversity(*pair, rng=np.random.default_rng(0), permutations=49) for pair in ((wide, narrow), (narrow, wide))
    )
    assert low.p_value == high.p_value == 0.02
    assert low.parts[0].value is not None
    assert high.parts[0].value is not None
    assert low.parts[0].value * high.parts[0].value < 0
    assert low.value == pytest.approx(high.value, rel=0.2)


def test_null_is_calibrated_with_user_effects() -> None:
    from understudy.measures.realism.diversity import headline_p

    # 60 draws at 5 %: below 9 with probability .996.
    rejected = np.zeros(len(COMPONENTS) + 1)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        real, synthetic = chat(rng, 16), chat(rng, 16)
        pooled = pool(real, synthetic)
        vectors = conversation_embeddings(real, synthetic, rng=rng)
        statistic = diversity_statistic(real, synthetic, pooled, vectors)
        result = two_sample(statistic, pooled, rng=rng, permutations=99, floor_splits=0, two_sided=True)
        k = len(COMPONENTS)
        rejected += [*(result.p_value[:k] <= 0.05), headline_p(result.value[:k], result.null[:, :k]) <= 0.05]
    assert (rejected < 9).all(), rejected


def test_user_turns_only_and_unspaced_scripts() -> None:
    films = ["电影", "音乐", "书", "旅行", "吃饭", "学习"]
    real, synthetic = (
        Corpus([Conversation(f"{k}{i}", (Turn("user", f"我想{films[(i + k) % 6]}好吗{i}"),)) for i in range(24)])
        for k in (0, 1)
    )
    found = diversity(real, synthetic, rng=np.random.default_rng(0), permutations=49)
    assert found.status == "scored"
    own = next(p for p in found.parts if p.name.endswith("own_words"))
    assert own.value == 0.0
    assert found.evidence["levels"]["real"]["own_words"] == 1.0


def test_one_talkative_user_does_not_stand_for_all() -> None:
    rng = np.random.default_rng(11)
    real, few = chat(rng, 15, sessions=40), chat(rng, 20, sessions=2, name="v")
    found = diversity(real, few, rng=rng, permutations=99)
    assert found.interval is not None
    assert found.interval[0] >= 0
    assert found.evidence["no_floor"].startswith("15 real units")
    assert max(abs(p.value or 0.0) for p in found.parts) < 1
    assert all(p.spec.range == (None, None) for p in found.parts)


def test_a_share_of_none_gives_a_ratio_within_what_the_units_can_show() -> None:
    rng = np.random.default_rng(12)
    real = chat(rng, 20, sessions=1)
    alike = Corpus([Conversation(f"s{i}", (Turn("user", "a film please"),), user_id=f"s{i}") for i in range(20)])
    parts = {p.name.rsplit(".")[-1]: p.value or 0.0 for p in diversity(real, alike, rng=rng, permutations=9).parts}
    assert -np.log(21) <= parts["first_turn"] < -2
