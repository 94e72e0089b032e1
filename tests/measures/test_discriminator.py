"""The discriminator finds planted differences in the set where they lie, names them, and is silent otherwise."""

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.measurement import flatten
from understudy.measures.realism.discriminator import discriminator, sample_units

WORDS = tuple(
    "film good see the watch like a story night again maybe war love old new with of it and some".split()  # noqa: SIM905
)


def people(rng, prefix, *, users=40, each=3, change=None):
    """Users with word habits of their own; `change` rewrites each user turn."""
    talks = []
    for user in range(users):
        habit = rng.dirichlet(np.full(len(WORDS), 2.0))
        for session in range(each):
            turns = []
            for _ in range(int(rng.integers(2, 5))):
                text = " ".join(rng.choice(WORDS, size=int(rng.integers(3, 12)), p=habit))
                turns.append(Turn("user", change(text) if change else text))
                turns.append(Turn("assistant", "what else?"))
            talks.append(Conversation(f"{prefix}-{user}-{session}", tuple(turns), user_id=f"{prefix}{user}"))
    return Corpus(talks)


def parts(measurement):
    return {m.name.rsplit(".", 1)[1]: m for m in measurement.parts}


def test_null_rejects_five_percent_with_user_habits():
    rng = np.random.default_rng(0)
    p_values, aucs = [], []
    for _ in range(60):
        m = discriminator(people(rng, "r", users=15), people(rng, "s", users=15), rng=rng, permutations=39)
        p_values.append(m.p_value)
        aucs.append(m.value)
    assert sum(p <= 0.05 for p in p_values) <= 9
    assert abs(np.mean(aucs) - 0.5) < 3.5 * np.std(aucs) / np.sqrt(len(aucs))


def test_a_planted_word_is_found_and_named_with_examples():
    rng = np.random.default_rng(1)
    m = discriminator(people(rng, "r"), people(rng, "s", change=lambda t: t + " certainly"), rng=rng, permutations=99)
    words = parts(m)["words"]
    assert words.value > 0.9
    assert words.p_value == 0.01
    assert words.interval[0] > words.floor.interval[1]
    tells = {tell["feature"]: tell for tell in words.evidence["tells"]}
    named = [tell for feature, tell in tells.items() if "certainly" in feature]
    assert named
    assert named[0]["direction"] == "overdone"
    assert all("certainly" in turn for turn in named[0]["synthetic_examples"])


def test_punctuation_alone_shows_in_its_own_set():
    rng = np.random.default_rng(2)
    m = discriminator(people(rng, "r"), people(rng, "s", change=lambda t: t + "!"), rng=rng, permutations=99)
    by_set = parts(m)
    assert by_set["punctuation"].value > 0.95
    assert by_set["function_words"].p_value > 0.05
    assert any("exclamation" in t["feature"] for t in by_set["punctuation"].evidence["tells"])


def test_unspaced_scripts_are_read_by_character():
    rng = np.random.default_rng(3)
    letters = list("我想学英语请问有什么好看电影谢你")

    def side(prefix, extra):
        return Corpus(
            [Conversation(f"{prefix}{i}", (Turn("user", "".join(rng.choice(letters, 12)) + extra),)) for i in range(60)]
        )

    m = discriminator(side("r", ""), side("s", "吧"), rng=rng, permutations=99)
    assert parts(m)["words"].value > 0.95


def test_too_few_units_are_unscored_with_the_number():
    rng = np.random.default_rng(4)
    m = discriminator(people(rng, "r", users=4), people(rng, "s"), rng=rng)
    assert m.status == "unscored"
    assert m.value is None
    assert "4 unit" in m.reason


def test_the_order_of_conversations_does_not_matter_to_the_features():
    rng = np.random.default_rng(5)
    a, b = people(rng, "r"), people(rng, "s", change=lambda t: t.upper())
    turned = b.subset(np.arange(len(b))[::-1])
    one = discriminator(a, b, rng=np.random.default_rng(0), permutations=19)
    two = discriminator(a, turned, rng=np.random.default_rng(0), permutations=19)
    assert one.value == pytest.approx(two.value, abs=0.03)


def test_sampling_keeps_whole_users():
    corpus = people(np.random.default_rng(6), "r", users=30, each=5)
    kept = sample_units(corpus, 40, np.random.default_rng(7))
    sizes = np.unique(kept.unit_ids, return_counts=True)[1]
    assert (sizes == 5).all()
    assert 40 <= len(kept) <= 45


def test_every_part_carries_floor_interval_and_counts():
    rng = np.random.default_rng(8)
    m = discriminator(people(rng, "r"), people(rng, "s"), rng=rng, permutations=19)
    for part in flatten([m]):
        assert part.floor is not None
        assert part.interval[0] <= part.value <= part.interval[1]
        assert part.n["real"].users == 40
