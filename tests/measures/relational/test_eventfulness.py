"""Marks without effects are told from marks with effects, and nothing on the surface tells them."""

from collections import Counter

import numpy as np

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures.relational.eventfulness import Said, effects, eventfulness
from understudy.measures.relational.gaps import named_gap
from understudy.measures.relational.grounding import grounding
from understudy.measures.relational.repair import repair
from understudy.testing.relations import events, mixture

PEOPLE, MARKS_ONLY = events(120, seed=0), events(120, seed=0, shared=False)


def run(measure, synthetic, real=PEOPLE, permutations=99):
    return measure(real, synthetic, rng=np.random.default_rng(0), permutations=permutations)


def test_the_two_generators_have_the_same_surface():
    for first, second in zip(PEOPLE, MARKS_ONLY, strict=True):
        assert [(t.role, t.acts, len(t.text.split())) for t in first.turns] == [
            (t.role, t.acts, len(t.text.split())) for t in second.turns
        ]
    words = [Counter(w for c in side for t in c.turns for w in t.text.split()) for side in (PEOPLE, MARKS_ONLY)]
    assert all(words[0][w] == words[1][w] for w in ("sorry,", "understand,", "mean", "will", "see,"))


def test_marks_without_effects_are_seen():
    m = run(eventfulness, MARKS_ONLY)
    for name in ("", "honoured_partner", "effect_partner"):
        part = named_gap(m, name)
        assert part.p_value <= 0.01
        assert part.evidence["real"] > 0.3
        assert abs(part.evidence["synthetic"]) < 0.06
    for name in ("marks_partner", "commitments_partner"):
        assert named_gap(m, name).p_value > 0.2
    assert named_gap(m, "silent_partner").value > 0.1


def test_the_same_making_does_not_differ_and_mixing_goes_to_nothing():
    assert run(eventfulness, events(120, seed=2)).p_value > 0.05
    levels = [
        run(eventfulness, mixture(events(120, seed=2), q, rng=np.random.default_rng(1))).evidence["synthetic"]
        for q in (0.0, 0.4, 1.0)
    ]
    assert levels == sorted(levels, reverse=True)
    assert abs(levels[-1]) < 0.03


def test_a_commitment_is_honoured_when_named_again_and_not_by_committing_again():
    will = Said(1, frozenset({"mill"}), commits=True)
    done, sorry = Said(1, frozenset({"mill"})), Said(1, frozenset({"mill"}), commits=True, withdraws=True)
    ask = Said(0, frozenset({"hm"}))
    assert effects([will, ask, done], []).honoured == (0, 1)
    assert effects([will, ask, sorry], []).honoured == (0, 1)
    assert effects([will, ask, will], []).honoured == (0, 0)
    assert effects([will, ask, ask], []).honoured == (0, 0)


def talks(*lines, n=30):
    turns = tuple(Turn("assistant" if i % 2 == 0 else "user", text) for i, text in enumerate(lines))
    return Corpus([Conversation(str(i), turns) for i in range(n)])


def test_an_unlisted_language_is_compared_on_words_alone():
    german = talks("Welches Zimmer soll es sein?", "Das Zimmer zum Garten", "Der Garten ist schön", "Danke", n=40)
    m = run(eventfulness, german, real=german)
    assert m.status == "scored"
    assert named_gap(m, "marks_user").reason == "no word list for this script or language"
    assert run(grounding, german, real=german).status == "unscored"


def test_repair_types_and_success():
    real = talks("It is a day-return that you want", "do you mean for the one day?", "Yes, for the day", "i have it")
    other = talks("It is a day-return that you want", "i don't understand what it is", "There and back", "what is it?")
    m = run(repair, other, real=real)
    assert named_gap(m, "restricted_offer").evidence["real"] == 1.0
    assert named_gap(m, "open_request").evidence["synthetic"] == 1.0
    failing = talks(
        "It is a day-return that you want", "i don't understand what it is", "It is", "i don't understand it"
    )
    assert named_gap(run(repair, failing, real=real), "success").evidence["synthetic"] == 0.5


def test_kappa_where_both_sides_answer_the_same_turns():
    rng = np.random.default_rng(0)

    def side(who):
        talks = []
        for i in range(60):
            reply = "ok, i see" if who[i] else "what is the name of the one that you have"
            talks.append(Conversation(str(i), (Turn("assistant", f"This is the film number {i}"), Turn("user", reply))))
        return Corpus(talks)

    people = rng.random(60) < 0.5
    same = run(grounding, side(people), real=side(people)).evidence["agreement"]
    assert same["kappa"]["acknowledgement"] == 1.0
    moved = run(grounding, side(rng.permutation(people)), real=side(people))
    assert moved.value == 0.0  # the rate is the same, the places are not
    assert abs(moved.evidence["agreement"]["kappa"]["acknowledgement"]) < 0.4
