"""Messiness names what is missing or overdone, and says nothing where nothing is."""

import numpy as np
import pytest

from tests.measures.talks import halves, part, people, rewritten
from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.realism.messiness import messiness


def run(real, synthetic, seed=0, permutations=199):
    return messiness(real, synthetic, rng=np.random.default_rng(seed), permutations=permutations)


def test_null_with_user_effects_is_calibrated():
    rejected = parts = tested = 0
    for seed in range(40):
        real, synthetic = halves(people(240, users=40, seed=seed), seed=seed)
        m = run(real, synthetic, seed, permutations=59)
        rejected += m.p_value <= 0.05
        raw = [p.p_value for p in m.parts if p.p_value is not None]
        parts += sum(p <= 0.05 for p in raw)
        tested += len(raw)
    assert rejected <= 6  # P(more than 6 of 40 at .05) < .004
    assert 0.01 <= parts / tested <= 0.09


def test_a_planted_behaviour_is_found_and_named():
    rng = np.random.default_rng(1)

    def polite(_, texts):
        return [f"{text} please" if rng.random() < 0.15 else text for text in texts]

    real = people(150, seed=1)
    m = run(real, rewritten(people(150, seed=2), polite))
    shift = part(m, "polite")
    assert m.p_value <= 0.01
    assert shift.adjusted_p <= 0.05
    assert shift.interval[0] > 0
    assert shift.evidence["synthetic"] - shift.evidence["real"] == pytest.approx(shift.value)
    assert part(m, "greeting").status == "unscored"


def test_over_clean_is_missing_and_its_examples_show_it():
    real = people(120, seed=1, hedge=0.6)
    m = run(real, people(120, seed=2, hedge=0.02, strength=0.0))
    tell = next(t for t in m.evidence["tells"] if t["feature"] == "hedges")
    assert tell["direction"] == "missing"
    assert part(m, "hedges").interval[1] < 0
    assert part(m, "hedges").evidence["dispersion_ratio"] < 1
    worst = m.evidence["tells"][0]
    assert worst["real_examples"]
    assert len(worst["real_examples"]) <= 3
    weights = [t["weight"] for t in m.evidence["tells"]]
    assert weights == sorted(weights, reverse=True)


def test_overdoing_is_as_wrong_as_missing():
    few, many = people(120, seed=1, hedge=0.2, strength=0.2), people(120, seed=2, hedge=0.7, strength=0.2)
    assert run(few, many).value == pytest.approx(run(many, few).value)
    assert part(run(few, many), "hedges").value > 0 > part(run(many, few), "hedges").value


def test_the_assistant_voice_is_named():
    voice = ("How can I help you with the {}?", "Certainly! Is there anything else about the {}?")
    m = run(people(80, seed=1), people(80, seed=2, voice=voice))
    assert m.p_value <= 0.01
    assert part(m, "assistant_voice").value > 0.9


def test_longer_conversations_alone_shift_no_rate():
    """Rates are studentised: conversations that only last longer are no reason to call a rate different."""
    named = [
        sum(
            p.p_value <= 0.05
            for p in run(
                people(80, seed=seed, leave=0.6), people(80, seed=100 + seed, leave=0.15), permutations=59
            ).parts
            if p.p_value is not None and p.spec.unit.endswith(("user turns", "per 100 words"))
        )
        for seed in range(10)
    ]
    assert sum(named) / 10 <= 3  # of about 20 parts


def test_rates_use_words_not_turns():
    real = Corpus([Conversation(f"r{i}", (Turn("user", "maybe what you have for the two of us"),)) for i in range(12)])
    other = Corpus([Conversation(f"s{i}", (Turn("user", "maybe the one that you have"),)) for i in range(12)])
    m = run(real, other)
    assert part(m, "hedges").status == "unscored"  # takes one value on both sides
    other = Corpus([*other, Conversation("x", (Turn("user", "what is it for"),))])
    assert run(real, other).value > 0


def test_two_languages_are_compared_on_language_free_behaviours_only():
    chinese = Corpus([Conversation(str(i), (Turn("user", f"我想去第{i}个地方，可能"),)) for i in range(30)])
    m = run(people(30, seed=1), chinese)
    assert part(m, "question").status == "scored"
    for name in ("hedges", "n_words", "lower_case", "echo"):
        assert part(m, name).status == "unscored"
        assert part(m, name).reason
    assert "Chinese" in part(m, "hedges").reason


def test_an_unlisted_language_is_unscored_not_zero():
    german = [f"Ich nehme vielleicht das Zimmer mit der Nummer {i}, bitte" for i in range(40)]
    side = lambda texts: Corpus([Conversation(t, (Turn("user", t),)) for t in texts])
    m = run(side(german[:20]), side(german[20:]))
    assert part(m, "hedges").reason == "no lexicon for this script or language"


def test_same_seed_same_result():
    a, b = people(40, seed=1), people(40, seed=2)
    first, second = run(a, b), run(Corpus(a.conversations), Corpus(b.conversations))
    assert (first.value, first.p_value, first.interval) == (second.value, second.p_value, second.interval)
