import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.testing.tasks import example_task_corpus
from understudy.transfer import open_task
from understudy.transfer.tasks.choices import CANDIDATES, reciprocal_ranks

THINGS = tuple(
    f"{size}{colour}" for size in ("big", "small", "tall", "wide") for colour in ("red", "blue", "teal", "pink")
)
PAIRS = {thing: THINGS[(k * 5 + 3) % len(THINGS)] for k, thing in enumerate(THINGS)}


def paired_corpus(n=200, seed=0, answer=PAIRS.__getitem__):
    """Each question has an answer of its own, with no word in common: overlap knows nothing, experience all."""
    rng = np.random.default_rng(seed)
    talks = []
    for k in range(n):
        turns = []
        for thing in rng.choice(THINGS, 3, replace=False):
            turns += [Turn("user", f"what of {thing}"), Turn("assistant", f"take {answer(str(thing))}")]
        talks.append(Conversation(f"c{k}", tuple(turns), f"u{k // 2}", ("here", "there")[k % 2]))
    return Corpus(talks)


@pytest.fixture(scope="module")
def found():
    return open_task("next_response").examples(paired_corpus())


def test_candidates_are_ten_different_texts_and_one_is_right(found):
    for row in range(0, found.size, 37):
        context, candidates = found.inputs[row]
        assert len(candidates) == len({text.lower() for text in candidates}) == CANDIDATES
        assert candidates.count(found.labels[row][0]) == 1
        assert context[-1].startswith("what of")
        assert found.labels[row][0] == f"take {PAIRS[context[-1].removeprefix('what of ')]}"


def test_the_right_one_stands_anywhere(found):
    places = np.bincount(found.inputs.right, minlength=CANDIDATES)
    assert places.min() > 0.6 * found.size / CANDIDATES


def test_wrong_candidates_are_other_peoples_turns_of_like_length_and_topic():
    talks = []
    for k in range(600):
        topic = ("food", "film")[k % 2]
        length = 1 + k // 2 % 3 * 8
        reply = f"{topic} " + " ".join(f"{topic}{k}w{i}" for i in range(length))
        talks.append(Conversation(f"c{k}", (Turn("user", "hm"), Turn("assistant", reply)), f"u{k}", topic))
    found = open_task("next_response").examples(Corpus(talks))
    same_topic, ratio = [], []
    for row in range(found.size):
        right = found.labels[row][0]
        wrong = [text for text in found.inputs[row][1] if text != right]
        same_topic += [text.split()[0] == right.split()[0] for text in wrong]
        ratio += [len(text) / len(right) for text in wrong]
    assert np.mean(same_topic) == 1.0
    assert np.median(np.abs(np.log(ratio))) < 0.1


def test_no_candidate_has_the_words_of_the_right_one():
    talks = []
    for k in range(60):
        reply = "Yes ,  sure" if k % 2 else "yes , sure"
        more = f"then take number {k % 15}"
        turns = (Turn("user", "may i"), Turn("assistant", reply), Turn("user", "so"), Turn("assistant", more))
        talks.append(Conversation(f"c{k}", turns, f"u{k}"))
    found = open_task("next_response").examples(Corpus(talks))
    assert found.size == 120
    for row in range(found.size):
        plain = [" ".join(text.lower().split()) for text in found.inputs[row][1]]
        assert len(set(plain)) == CANDIDATES


def test_turns_that_nothing_can_be_told_from_are_left_out():
    talks = [
        Conversation(f"c{k}", (Turn("user", "hm"), Turn("assistant", f"answer {k % 9}")), f"u{k}") for k in range(40)
    ]
    assert open_task("next_response").examples(Corpus(talks)).size == 0
    assert open_task("next_user_turn").examples(Corpus(talks)).size == 0


def test_only_answers_are_asked_for():
    turns = [Turn("assistant", "one"), Turn("assistant", "two"), Turn("user", "three"), Turn("assistant", "four")]
    others = [Conversation(f"o{k}", (Turn("user", f"q {k}"), Turn("assistant", f"a {k}")), f"u{k}") for k in range(30)]
    found = open_task("next_response").examples(Corpus([Conversation("c", tuple(turns), "me"), *others]))
    mine = [found.inputs[row][0] for row in np.flatnonzero(found.conversations == 0)]
    assert mine == [("one", "two", "three")]


def test_what_follows_what_is_learnt_and_overlap_knows_nothing_of_it():
    task = open_task("next_response")
    train, test = task.examples(paired_corpus(seed=1)), task.examples(paired_corpus(seed=2))
    untrained = task.score(task.baseline(train, seed=0), test).mean()
    trained = task.score(task.fit(train, seed=0), test).mean()
    assert untrained < np.mean(1 / np.arange(1, CANDIDATES + 1))
    assert trained > 0.9


def test_nothing_is_learnt_of_answers_that_depend_on_nothing():
    rng = np.random.default_rng(3)
    task = open_task("next_response")
    train, test = (
        task.examples(paired_corpus(seed=s, answer=lambda thing: THINGS[int(rng.integers(len(THINGS)))]))
        for s in (1, 2)
    )
    assert task.score(task.fit(train, seed=0), test).mean() < 0.4


def test_candidates_do_not_give_themselves_away():
    """Read without its context, no candidate is likelier than another: a ranker of candidates alone is at chance."""
    task = open_task("next_user_turn")
    train, test = task.examples(paired_corpus(seed=4)), task.examples(paired_corpus(seed=5))
    words = {}
    for row in range(train.size):
        for text in train.inputs[row][1]:
            right, shown = words.get(text, (0, 0))
            words[text] = right + (text == train.labels[row][0]), shown + 1
    share = {text: right / shown for text, (right, shown) in words.items()}
    scores = np.array([[share.get(text, 0.1) for text in test.inputs[row][1]] for row in range(test.size)])
    assert reciprocal_ranks(scores, test.inputs.right).mean() < 0.35


@pytest.mark.parametrize("name", ["next_response", "item"])
def test_plain_pairs_are_read_like_the_column(name):
    task = open_task(name)
    examples = task.examples(example_task_corpus())
    train, test = examples.take(np.arange(80)), examples.take(np.arange(80, 100))
    plain = test._replace(inputs=[test.inputs[row] for row in range(test.size)])
    model = task.fit(train, seed=0)
    assert task.score(model, plain) == pytest.approx(task.score(model, test), abs=1e-5)


def test_items_are_learnt_from_the_users_words():
    task = open_task("item")
    examples = task.examples(example_task_corpus(users=300))
    half = examples.size // 2
    train, test = examples.take(np.arange(half)), examples.take(np.arange(half, examples.size))
    assert (
        task.score(task.fit(train, seed=0), test).mean() > task.score(task.baseline(train, seed=0), test).mean() + 0.05
    )
