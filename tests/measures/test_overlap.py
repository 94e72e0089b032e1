"""Like is compared with like, and copies are said before any number."""

import numpy as np

from tests.measures.test_discriminator import people
from understudy.conversations import Conversation, Corpus
from understudy.measures.overlap import copies, one_each, same_units
from understudy.reports.audit import audit


def without_users(corpus):
    return Corpus([Conversation(c.id, c.turns) for c in corpus])


def test_users_on_one_side_only_are_thinned_to_one_conversation_each():
    rng = np.random.default_rng(0)
    named, unnamed = people(rng, "r", users=30, each=4), without_users(people(rng, "s", users=30, each=1))
    for real, synthetic, thinned in ((named, unnamed, "real"), (unnamed, named, "synthetic")):
        units = same_units(real, synthetic, rng=rng)
        assert len(units.real) == len(units.synthetic) == 30
        assert f"Only the {thinned} side" in units.statement


def test_named_users_on_both_sides_are_all_kept():
    rng = np.random.default_rng(1)
    real, synthetic = people(rng, "r"), people(rng, "s")
    units = same_units(real, synthetic, rng=rng)
    assert units.real is real
    assert units.synthetic is synthetic


def test_one_each_draws_every_unit_once_and_not_always_the_first():
    corpus = people(np.random.default_rng(2), "r", users=40, each=5)
    kept = one_each(corpus, np.random.default_rng(3))
    assert sorted(kept.unit_ids) == sorted(set(corpus.unit_ids))
    assert len({c.id.rsplit("-", 1)[1] for c in kept}) > 1


def test_equal_people_named_on_one_side_only_are_not_told_apart_more_than_by_chance():
    rng = np.random.default_rng(4)
    chosen = ["realism.discriminator", "realism.coverage", "realism.diversity"]
    claims = 0
    for seed in range(12):
        real, synthetic = people(rng, "r", users=40, each=4), without_users(people(rng, "s", users=40, each=1))
        report = audit(real, synthetic, seed=seed, permutations=99, measures=chosen)
        claims += any((m.adjusted_p or 1.0) <= 0.05 for m in report.headlines)
    assert claims <= 3


def test_a_copy_of_the_real_corpus_is_named_as_such():
    real = people(np.random.default_rng(5), "r")
    copied = Corpus([Conversation(f"copy-{c.id}", c.turns, user_id=f"copy-{c.user_id}") for c in real])
    found = copies(real, copied)
    assert found.synthetic == 1.0
    assert "word for word" in found.statement
    assert "Copies look real" in found.statement
    report = audit(real, copied, seed=0, permutations=19, measures=["separability.dispersion"])
    assert report.provenance["copies"]["synthetic"] == 1.0


def test_other_people_are_no_copies():
    rng = np.random.default_rng(6)
    assert copies(people(rng, "r"), people(rng, "s")).synthetic < 0.01
