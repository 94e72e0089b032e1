"""Each relational measure sees the relation that was cut, and only that."""

from functools import cache

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.relational.act_contingency import act_contingency
from understudy.measures.relational.alignment import alignment
from understudy.measures.relational.contingency import contingency
from understudy.measures.relational.coordination import coordination
from understudy.measures.relational.expected_context import expected_context
from understudy.measures.relational.gaps import named_gap
from understudy.measures.relational.next_utterance import next_utterance
from understudy.measures.relational.redirection import redirection
from understudy.measures.relational.uptake import uptake
from understudy.testing.relations import exchanges, mixture, shuffled_acts, stuffed

PEOPLE = exchanges(90, seed=0)
OTHERS = exchanges(90, seed=1)
# The measure, the part, and the level of unrelated turns.
LEVELS = (
    (contingency, "", 0.0, 0.15),
    (contingency, "within", 0.0, 0.25),
    (next_utterance, "", 0.5, 0.05),
    (next_utterance, "hard", 0.5, 0.06),
    (uptake, "overlap_gain", 0.0, 0.05),
    (redirection, "partner", 0.0, 0.25),
    (alignment, "", 0.0, 0.02),
    (act_contingency, "", 0.0, 0.08),
    (expected_context, "backward", 0.0, 0.06),
    (expected_context, "partner", 0.0, 0.06),
)


def run(measure, synthetic, real=PEOPLE, seed=0, permutations=59):
    return measure(real, synthetic, rng=np.random.default_rng(seed), permutations=permutations)


@cache
def mixed(share):
    return mixture(OTHERS, share, rng=np.random.default_rng(5))


@cache
def measured(measure, share):
    return run(measure, mixed(share))


@pytest.mark.parametrize(("measure", "name", "chance", "near"), LEVELS, ids=lambda x: getattr(x, "__name__", str(x)))
def test_mixing_in_other_replies_lowers_it_to_chance(measure, name, chance, near):
    levels = [named_gap(measured(measure, share), name).evidence["synthetic"] for share in (0.0, 0.3, 0.6, 1.0)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > chance + 3 * near
    assert abs(levels[-1] - chance) < near


@pytest.mark.parametrize(
    "measure", [contingency, next_utterance, uptake, alignment, act_contingency], ids=lambda m: m.__name__
)
def test_unrelated_replies_are_told_from_people(measure):
    assert measured(measure, 1.0).p_value < 0.05
    assert measured(measure, 1.0).interval[1] < 0


@pytest.mark.parametrize("measure", [contingency, next_utterance, act_contingency], ids=lambda m: m.__name__)
def test_the_null_is_calibrated(measure):
    rejected = 0
    for seed in range(8):
        sides = exchanges(30, seed=100 + seed, related=0.7), exchanges(30, seed=500 + seed, related=0.7)
        rejected += run(measure, sides[1], real=sides[0], seed=seed, permutations=39).p_value <= 0.05
    assert rejected <= 3  # P(more than 3 of 8 at .05) < .0004


def test_keywords_raise_alignment_and_not_contingency_against_hard_histories():
    torn = exchanges(120, seed=1, related=0.0)
    adversary = stuffed(torn, rng=np.random.default_rng(0), words=1)
    plain, crammed = run(next_utterance, torn), run(next_utterance, adversary)
    assert run(alignment, adversary).evidence["synthetic"] > run(alignment, torn).evidence["synthetic"] + 0.05
    assert crammed.evidence["synthetic"] > plain.evidence["synthetic"] + 0.1  # easy shuffles are fooled
    assert named_gap(crammed, "hard").evidence["synthetic"] < 0.6


def test_labels_of_acts_exchanged_lower_act_contingency_only():
    shuffled = shuffled_acts(OTHERS, rng=np.random.default_rng(0))
    assert abs(run(act_contingency, shuffled).evidence["synthetic"]) < 0.05
    assert measured(act_contingency, 0.0).evidence["synthetic"] > 1
    for measure in (contingency, alignment, coordination):
        assert run(measure, shuffled).value == measured(measure, 0.0).value


def test_the_right_thing_with_the_wrong_act_is_seen_as_such():
    torn = exchanges(120, seed=1, acts=False)
    assert run(act_contingency, torn).evidence["human_ratio"]["value"] < 0.1
    assert named_gap(run(uptake, torn), "overlap_gain").evidence["human_ratio"]["value"] > 0.8


def echoing(n, *, seed, lengths):
    """Replies whose length follows the turn's (`lengths`) and whose words follow nothing."""
    rng = np.random.default_rng(seed)
    talks = []
    for i in range(n):
        turns = []
        for _ in range(6):
            asked = int(rng.integers(3, 25))
            reply = asked if lengths else int(rng.integers(3, 25))
            for role, size in (("assistant", asked), ("user", reply)):
                words = rng.choice(["the", "my", "and", "film", "you", "it", "on", "see", "all"], size)
                turns.append(Turn(role, " ".join(words)))
        talks.append(Conversation(f"{seed}-{i}", tuple(turns)))
    return Corpus(talks)


def test_coordination_that_is_only_length_vanishes_within_lengths():
    m = run(coordination, echoing(150, seed=1, lengths=True), real=echoing(150, seed=0, lengths=False))
    assert named_gap(m, "unstratified").evidence["synthetic"] > 0.1
    assert named_gap(m, "unstratified").p_value < 0.05
    assert abs(m.evidence["synthetic"]) < 0.03
    assert m.p_value > 0.05


def test_depth_shows_what_an_earlier_turn_says():
    """A user who answers the last but one partner turn has no gain at depth 1."""
    real = []
    for seed in range(2):
        talks = []
        for c in exchanges(120, seed=seed, turns=6):
            users = [t for t in c.turns if t.role == "user"]
            late = iter([users[-1], *users[:-1]])
            talks.append(Conversation(c.id, tuple(next(late) if t.role == "user" else t for t in c.turns)))
        real.append(Corpus(talks))
    m = run(contingency, real[1], real=real[0])
    assert named_gap(m, "depth_1").evidence["real"] < 0.15
    assert m.evidence["real"] > 0.5


def test_a_scorer_needs_people_to_learn_from():
    m = run(contingency, exchanges(20, seed=1), real=exchanges(11, seed=0, turns=1))
    assert m.status == "unscored"
    assert "too few real replies" in m.reason


def test_the_order_of_measures_changes_nothing():
    first = run(contingency, Corpus(list(OTHERS)), real=Corpus(list(PEOPLE)))
    real, synthetic = Corpus(list(PEOPLE)), Corpus(list(OTHERS))
    run(uptake, synthetic, real=real, seed=3)
    assert run(contingency, synthetic, real=real).value == first.value
