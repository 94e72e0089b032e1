from collections import Counter

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.transfer.layers import LAYERS, LayeredUsers

FOOD, PLACE = ("curry", "noodle", "pizza", "burger"), ("river", "market", "station", "harbour")


def _talk(k, rng):
    """Two topics of two subtopics each; some users ask politely and some shout; some are brief and some are not."""
    topic = k % 2
    part = int(rng.random() < 0.3)
    words = (FOOD, PLACE)[topic][2 * part : 2 * part + 2]
    shouts, chatty = (0.0, 0.5, 0.5, 1.0)[int(rng.integers(4))], rng.random() < 0.5
    turns = []
    for j in range(6 if chatty else 2):
        word = words[int(rng.integers(2))]
        text = f"I WANT {word} NOW!!" if rng.random() < shouts else f"could you find me a {word} near the {word} please"
        turns += [Turn("user", f"{text} {j}"), Turn("assistant", f"Here is a {word} for you.")]
    return Conversation(f"c{k}", tuple(turns), topic=("food", "place")[topic])


@pytest.fixture(scope="module")
def users():
    rng = np.random.default_rng(0)
    return LayeredUsers(Corpus([_talk(k, rng) for k in range(160)]), seed=0, subtopics=2)


def _anchors(corpus):
    return [int(talk.profile["id"].rpartition("-a")[2]) for talk in corpus]


def test_with_all_layers_on_users_are_the_fitted_sessions(users):
    sheet = users.sheet
    rows = [_place(sheet)[a] for a in _anchors(users(LAYERS, n=160, seed=3))]
    # Each of 160 sessions is drawn once and played by itself, or by one that is as good as itself.
    for column in (*sheet.persona.T, *sheet.context.T):
        assert np.nanmean(np.abs(np.sort(column[rows]) - np.sort(column))) < 0.15


def _place(sheet):
    return {int(row): k for k, row in enumerate(sheet.session)}


def test_the_topics_are_those_of_the_corpus_in_every_cell(users):
    for on in ((), ("subtopic",), LAYERS):
        shares = Counter(talk.topic for talk in users(on, n=160, seed=3))
        assert shares == {"food": 80, "place": 80}


def test_without_subtopics_each_topic_has_its_commonest(users):
    sheet = users.sheet
    place = _place(sheet)
    off = [place[a] for a in _anchors(users((), n=80, seed=1))]
    assert all(sheet.subtopic[k] == sheet.main_subtopic[sheet.topic[k]] for k in off)
    on = [place[a] for a in _anchors(users(("subtopic",), n=80, seed=1))]
    assert len({int(sheet.subtopic[k]) for k in on}) == 4


def test_without_persona_users_are_alike(users):
    sheet = users.sheet
    place = _place(sheet)

    def spread(on):
        return sheet.persona[[place[a] for a in _anchors(users(on, n=120, seed=2))]].var(axis=0).mean()

    assert spread(("persona",)) > 1.3 * spread(())


def test_without_context_conversations_have_the_usual_length(users):
    def lengths(on):
        return np.array([len(talk.turns) for talk in users(on, n=120, seed=2)])

    assert lengths(("context",)).std() > lengths(()).std()


def test_profiles_keep_together_what_goes_together(users):
    def together(on):
        sheet = users.sheet
        place = _place(sheet)
        rows = [place[a] for a in _anchors(users(on, n=160, seed=5))]
        return len(set(rows))

    assert together(LAYERS) > together(("subtopic", "persona", "context"))


def test_the_same_seed_draws_the_same(users):
    once, again = (users(("persona", "profile"), n=20, seed=7) for _ in range(2))
    assert once.digest == again.digest
    assert users(("persona", "profile"), n=20, seed=8).digest != once.digest


def test_no_attribute_is_no_persona(users):
    none = users(("persona", "context"), n=40, seed=7, attributes=0)
    assert _anchors(none) == _anchors(users(("context",), n=40, seed=7))


def test_an_unknown_layer_is_refused(users):
    with pytest.raises(UsageError, match="no layer 'mood'"):
        users(("mood",), n=1, seed=0)
