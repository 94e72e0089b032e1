"""The ensemble sees wrong mixes in its marginals and wrong orders in its transitions."""

import numpy as np
import pytest

from tests.measures.talks import halves, part, people, rewritten
from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MeasureError
from understudy.measures.realism.ensemble import adjusted_counts, classify, ensemble

MARGINALS = ("act", "intent", "sentiment", "hedging", "question", "politeness", "length")


def run(real, synthetic, seed=0, permutations=199, **options):
    return ensemble(real, synthetic, rng=np.random.default_rng(seed), permutations=permutations, **options)


def scripted(n, *, prefix, order):
    """A greeting, a question, a request and thanks, in the order that `order(rng)` gives."""
    lines = ("hello", "what is the price of the {}?", "I want the {} for two people", "thank you so much")
    talks = []
    for i in range(n):
        rng = np.random.default_rng([i, len(prefix), ord(prefix[0])])
        thing = str(rng.choice(["room", "film", "table", "ticket"]))
        texts = [lines[k].format(thing) for k in order(rng)]
        turns = [t for text in texts for t in (Turn("assistant", "go on"), Turn("user", text))]
        talks.append(Conversation(f"{prefix}{i}", tuple(turns)))
    return Corpus(talks)


def test_null_with_user_effects_is_calibrated():
    rejected = 0
    for seed in range(40):
        real, synthetic = halves(people(200, users=40, seed=seed), seed=seed)
        rejected += run(real, synthetic, seed, permutations=59).p_value <= 0.05
    assert rejected <= 6  # P(more than 6 of 40 at .05) < .004


def test_right_marginals_in_the_wrong_order_alarm_in_transitions_alone():
    real = scripted(60, prefix="r", order=lambda rng: range(4))
    shuffled = scripted(60, prefix="s", order=lambda rng: rng.permutation(4))
    m = run(real, shuffled)
    for name in MARGINALS:
        assert part(m, name).p_value > 0.05, name
    assert m.p_value <= 0.01
    assert part(m, "transition.act").adjusted_p <= 0.05
    assert part(m, "transition.act").interval[0] > part(m, "transition.act").floor.interval[1]


def test_joint_distributions_are_seen_where_marginals_agree():
    """Thanks in long turns here, in short turns there: politeness and length agree apart, not together."""
    words = "for the red room of the two that you have"

    def side(prefix, swap):
        texts = ("thanks what is it " + words, "it is") if swap else ("what is it " + words, "thanks it is")
        return Corpus([Conversation(f"{prefix}{i}", (Turn("user", texts[i % 2]),)) for i in range(60)])

    m = run(side("r", False), side("s", True))
    assert part(m, "politeness").value == 0
    assert part(m, "sentiment").value == 0
    assert part(m, "pair.act_length").value > 0.5


def test_labels_that_differ_are_shown():
    m = run(people(60, seed=1, hedge=0.1, strength=0.0), people(60, seed=2, hedge=0.9, strength=0.0))
    worst = part(m, "hedging").evidence["labels"][0]
    assert worst["label"] == "none"
    assert worst["real"] > worst["synthetic"] + 0.3


def test_own_acts_are_used_where_both_sides_carry_one_scheme():
    def side(prefix, labels):
        return Corpus(
            [Conversation(f"{prefix}{i}", (Turn("user", "what is it", acts=(labels[i % 2],)),)) for i in range(30)]
        )

    m = run(side("r", ("inform", "ask")), side("s", ("inform", "ask")))
    assert m.evidence["classifiers"]["act"] == "own labels"
    assert part(m, "act").value == 0
    m = run(side("r", ("inform", "ask")), side("s", ("X1", "X2")))
    assert m.evidence["classifiers"]["act"] == "word lists"


def test_induced_classifiers_do_not_see_the_labels():
    a, b = people(40, seed=1), people(40, seed=2)
    found, _ = classify(a, b)
    moved = Corpus([*a.conversations[20:], *b.conversations[:20]])
    rest = Corpus([*a.conversations[:20], *b.conversations[20:]])
    again, _ = classify(moved, rest)
    sizes = lambda found: {c.name: sorted(np.bincount(c.label).tolist()) for c in found if c.name != "topic"}
    for name in ("act", "sentiment", "hedging", "length"):
        assert sizes(found)[name] == sizes(again)[name]


def test_confusion_undoes_known_errors():
    rng = np.random.default_rng(0)
    confusion = np.array([[80.0, 15, 5], [10, 85, 5], [0, 20, 80]])
    truth = np.array([5000, 3000, 2000])
    rows = confusion / confusion.sum(axis=1, keepdims=True)
    observed = sum(rng.multinomial(n, row) for n, row in zip(truth, rows, strict=True))
    corrected = adjusted_counts(confusion, observed)
    assert np.abs(corrected - truth).max() < 0.5 * np.abs(observed - truth).max()
    assert corrected.sum() == pytest.approx(10_000)
    with pytest.raises(MeasureError, match="confusion"):
        adjusted_counts(np.ones((2, 3)), observed)


def test_confusion_is_used_only_where_given():
    a, b = people(40, seed=1), people(40, seed=2, hedge=0.8)
    blurred = {"question": np.array([[9.0, 1, 0], [1, 9, 0], [0, 0, 10]])}
    plain, corrected = run(a, b), run(a, b, confusion=blurred)
    assert part(corrected, "question").value > part(plain, "question").value
    assert part(corrected, "hedging").value == part(plain, "hedging").value
    assert "corrected by" in part(corrected, "question").evidence["classifier_error"]
    assert part(plain, "intent").evidence["classifier_error"].startswith("none to correct")


def test_two_languages_leave_the_language_free_classifiers():
    chinese = Corpus([Conversation(str(i), (Turn("user", f"我想去第{i}个地方？"),)) for i in range(30)])
    m = run(people(30, seed=1), chinese)
    scored = {p.name.removeprefix("realism.ensemble.") for p in m.parts if p.status == "scored"}
    assert scored == {"act", "question", "transition.act", "transition.question"}
    assert m.evidence["classifiers"]["act"] == "punctuation"


def test_a_parrot_of_its_own_first_turn_is_seen():
    real = people(80, seed=1)
    m = run(real, rewritten(people(80, seed=2), lambda _, texts: texts[:1] * len(texts)))
    assert m.p_value <= 0.01
    assert part(m, "transition.intent").adjusted_p <= 0.05


def test_turns_without_any_content_word_are_scored():
    side = lambda prefix: Corpus([Conversation(f"{prefix}{i}", (Turn("user", "what is it?"),)) for i in range(12)])
    m = run(side("r"), side("s"))
    assert m.value == 0
    assert m.p_value == 1.0
