"""Conditional behaviour sees order, exchanged replies and leaving, which marginals do not."""

import numpy as np
import pytest

from tests.measures.talks import cut_off, halves, others_replies, part, people, rewritten
from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.contingency import contingencies
from understudy.measures.realism.conditional import conditional, hazard_distance


def run(real, synthetic, seed=0, permutations=199):
    return conditional(real, synthetic, rng=np.random.default_rng(seed), permutations=permutations)


def test_null_with_user_effects_is_calibrated():
    rejected = 0
    for seed in range(40):
        real, synthetic = halves(people(200, users=40, seed=seed), seed=seed)
        rejected += run(real, synthetic, seed, permutations=59).p_value <= 0.05
    assert rejected <= 6  # P(more than 6 of 40 at .05) < .004


def test_other_users_replies_keep_marginals_and_lose_uptake():
    real = people(150, seed=1)
    m = run(real, others_replies(people(150, seed=2), seed=3))
    uptake = part(m, "uptake")
    assert m.p_value <= 0.01
    assert uptake.interval[1] < 0
    assert abs(uptake.evidence["synthetic"]) < 0.05 < uptake.evidence["real"]
    assert part(m, "uptake_meaning").interval[1] < 0
    assert part(m, "leaving").p_value > 0.05
    assert part(m, "response_length").p_value > 0.05


def test_shuffled_turns_alarm():
    rng = np.random.default_rng(0)
    real = people(150, seed=1)
    shuffled = rewritten(people(150, seed=2), lambda _, texts: [texts[i] for i in rng.permutation(len(texts))])
    m = run(real, shuffled)
    assert m.p_value <= 0.01
    assert part(m, "uptake").interval[1] < 0


def test_a_parrot_takes_up_too_much():
    def parrot(conversation, texts):
        return [t.text for t in conversation.turns if t.role == "assistant"]

    m = run(people(100, seed=1), rewritten(people(100, seed=2), parrot))
    assert part(m, "uptake").interval[0] > 0
    assert part(m, "echo").value > 0.5
    assert m.p_value <= 0.01


def test_acts_given_acts_are_seen_where_both_marginals_agree():
    """Questions follow statements on one side and questions on the other; each happens as often."""

    def side(prefix, crossed):
        talks = []
        for i in range(60):
            said = ("Which one do you want?", "It is the one here.")
            replies = ("it is the blue one", "what is it for?")
            order = i % 2
            partner = said[order]
            user = replies[order] if crossed else replies[1 - order]
            turns = (Turn("assistant", partner), Turn("user", user))
            talks.append(Conversation(f"{prefix}{i}", turns))
        return Corpus(talks)

    m = run(side("r", True), side("s", False))
    assert part(m, "acts").value == 1.0
    assert part(m, "leaving").value == 0.0
    shown = part(m, "acts").evidence["differences"][0]
    assert shown["given"].startswith(("question", "statement"))
    assert abs(shown["real"] - shown["synthetic"]) == 1.0


def test_leaving_early_is_seen_and_a_limit_is_not_leaving():
    real = people(150, seed=1, leave=0.2)
    early = run(real, people(150, seed=2, leave=0.6))
    assert part(early, "leaving").adjusted_p <= 0.05
    assert part(early, "leaving").value > 0.2
    limited = run(real, cut_off(people(150, seed=3, leave=0.2), after=4))
    hazard = part(limited, "leaving")
    assert hazard.p_value > 0.05
    assert hazard.value < hazard.evidence["hazard"]["distance_with_cut_ones_as_leaving"]


def test_hazard_distance_is_zero_for_the_same_hazard():
    counts = np.array([[5.0, 3, 2]])
    same = (counts, counts)
    assert hazard_distance(same, same) == pytest.approx([0.0])
    doubled = (2 * counts, 2 * counts)
    assert hazard_distance(same, doubled) == pytest.approx([0.0])


def test_uptake_is_nan_without_another_partner_turn():
    talk = Conversation("a", (Turn("assistant", "thai food?"), Turn("user", "thai food")))
    words, content = contingencies(Corpus([talk]), Corpus([talk]))
    assert np.isnan(words).all()
    assert np.isnan(content).all()


def test_one_sided_corpora_leave_uptake_unscored():
    """Only user turns, as some corpora hold: what cannot be seen is unscored, the rest is measured."""
    alone = lambda prefix: Corpus(
        [Conversation(f"{prefix}{i}", (Turn("user", "what is it"), Turn("user", "the blue"))) for i in range(20)]
    )
    m = run(alone("r"), alone("s"))
    assert m.value == 0
    assert part(m, "uptake").status == "unscored"
    assert "partner turns" in part(m, "uptake").reason


def test_same_seed_same_result():
    a, b = people(40, seed=1), people(40, seed=2)
    first, second = run(a, b), run(Corpus(a.conversations), Corpus(b.conversations))
    assert (first.value, first.p_value, first.interval) == (second.value, second.p_value, second.interval)


def test_support_is_counted_by_side_whatever_the_order_of_the_units() -> None:
    """The first synthetic conversation may belong to the last unit by name: its number is no boundary."""
    from understudy.measures.resampling import pool

    asks = ("Which food?", "Which area?", "What price?")
    said = ("thai food", "central area", "low price")

    def side(names: list[str]) -> Corpus:
        turns = tuple(Turn(*t) for a, u in zip(asks, said, strict=True) for t in (("assistant", a), ("user", u)))
        return Corpus([Conversation(name, turns) for name in names])

    real, synthetic = side([f"r{i:02}" for i in range(20)]), side([f"s{i:02}" for i in reversed(range(20))])
    assert pool(real, synthetic).unit[20] == 39
    found = conditional(real, synthetic, rng=np.random.default_rng(0), permutations=19)
    assert {p.name: p.status for p in found.parts}["realism.conditional.uptake"] == "scored"
