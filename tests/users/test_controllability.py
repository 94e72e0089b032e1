import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.users.controllability import controllability

WORDS = [*"abcdefgh", "film", "about", "dogs", "sea", "maybe", "france", "something", "old", "funny"]
MARKS = {"ask": "could you", "object": "no not that", "thank": "thanks for"}


def corpus(rng, *, told: float, users=40, per_user=3, extravert=None, words=WORDS):
    """Users whose turns carry the mark of their intent with probability `told`."""
    talks = []
    for k in range(users * per_user):
        user = k % users
        score = float(user % 2) if extravert else rng.normal()
        turns = []
        for _ in range(4):
            intent = list(MARKS)[int(rng.integers(3))]
            said = " ".join(rng.choice(words, 5))
            mark = MARKS[intent] if rng.random() < told else ""
            loud = "!!" if extravert and score > 0 and rng.random() < extravert else ""
            turns += [Turn("user", f"{mark} {said}{loud}", intent=intent), Turn("assistant", "fine")]
        profile = {"persona": {"big_five": {"extraversion": score}}, "partner_belief": "ai"}
        talks.append(Conversation(f"c{k}", tuple(turns), user_id=f"u{user}", profile=profile))
    return Corpus(talks)


def test_more_control_is_more_recovered():
    lifts = [controllability(corpus(np.random.default_rng(1), told=told), seed=0)[0].lift for told in (0.1, 0.5, 1.0)]
    assert lifts[0] < lifts[1] < lifts[2]
    assert lifts[2] > 0.95


def test_the_null_is_rejected_as_often_as_it_should_be():
    p = [
        controllability(corpus(np.random.default_rng(k), told=0, users=12), seed=k, permutations=19)[0].p_value
        for k in range(40)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.15
    assert np.mean(p) > 0.3


def test_what_is_particular_to_a_user_is_no_control_of_turns():
    """Each user has one favourite intent and one own word: nothing about the turn follows from what was planned."""
    rng, talks = np.random.default_rng(0), []
    for user in range(30):
        own, favourite = "".join(rng.choice(list("qrstuvw"), 7)), ["ask", "object"][int(rng.integers(2))]
        for k in range(4):
            texts = [f"{own} {' '.join(rng.choice(WORDS, 4))}" for _ in range(3)]
            talks.append(
                Conversation(f"{user}-{k}", tuple(Turn("user", t, intent=favourite) for t in texts), f"u{user}")
            )
    (found,) = controllability(Corpus(talks), seed=0, permutations=99)
    assert found.p_value > 0.05


def test_session_latents_are_read_from_all_that_was_said_with_users_as_the_unit():
    path = "persona.big_five.extraversion"
    loud, quiet = (corpus(np.random.default_rng(2), told=0, extravert=e) for e in (0.9, None))
    (seen,) = controllability(loud, variables=[path], seed=0)
    assert seen.accuracy > 0.9
    assert seen.p_value < 0.02
    assert (seen.units, seen.texts, seen.classes) == (40, 120, 2)
    (unseen,) = controllability(quiet, variables=[path], seed=0)
    assert unseen.p_value > 0.05


def test_any_script():
    (found,) = controllability(corpus(np.random.default_rng(3), told=0, words=list("我想看电影的海狗法国")), seed=0)
    assert found.accuracy is not None


@pytest.mark.parametrize("variable", ["partner_belief", "topic", "persona.nothing"])
def test_what_cannot_be_recovered_says_why(variable):
    (found,) = controllability(corpus(np.random.default_rng(0), told=0), variables=[variable], seed=0)
    assert found.accuracy is None
    assert found.lift is None
    assert "fewer than two values" in found.reason


def test_a_variable_of_many_values_is_refused():
    with pytest.raises(UsageError, match="several values"):
        controllability(corpus(np.random.default_rng(0), told=0), variables=["persona.big_five"], seed=0)


def test_the_same_seed_gives_the_same_numbers():
    made = corpus(np.random.default_rng(4), told=0.3)
    assert controllability(made, seed=5) == controllability(made, seed=5)
