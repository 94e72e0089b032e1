import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.testing.tasks import example_task_corpus
from understudy.transfer import open_task
from understudy.transfer.tasks.linear import (
    average_precision_of_each,
    f1_of_each,
    fit_linear,
    prior_model,
)
from understudy.transfer.tasks.satisfaction import satisfaction_class, satisfaction_of, scale
from understudy.transfer.tasks.texts import Texts

FILM, GENRE = "film", "genre"


def talk(name, *turns, **fields):
    return Conversation(name, tuple(turns), **fields)


def user(text, **fields):
    return Turn("user", text, **fields)


def partner(text, **fields):
    return Turn("assistant", text, **fields)


def learned(name, corpus, share=0.5):
    task = open_task(name)
    examples = task.examples(corpus)
    cut = int(examples.size * share)
    train, test = examples.take(np.arange(cut)), examples.take(np.arange(cut, examples.size))
    models = task.baseline(train, seed=0), task.fit(train, seed=0)
    return tuple(float(task.score(model, test).mean()) for model in models)


@pytest.mark.parametrize(
    ("name", "most", "least"),
    [("acts", 0.5, 0.95), ("topic", 0.6, 0.95), ("satisfaction", 0.6, 0.95), ("genre", 0.75, 0.95)],
)
def test_each_task_is_learnt_where_its_words_tell(name, most, least):
    baseline, trained = learned(name, example_task_corpus())
    assert baseline < most
    assert trained > least


@pytest.mark.parametrize("name", ["acts", "topic", "satisfaction", "genre"])
def test_nothing_is_learnt_where_words_and_labels_are_of_different_conversations(name):
    task = open_task(name)
    examples = task.examples(example_task_corpus(users=120))
    mixed = np.random.default_rng(0).permutation(examples.size)
    shuffled = examples._replace(labels=[examples.labels[row] for row in mixed])
    half = examples.size // 2
    train, test = shuffled.take(np.arange(half)), shuffled.take(np.arange(half, examples.size))
    gain = task.score(task.fit(train, seed=0), test).mean() - task.score(task.baseline(train, seed=0), test).mean()
    assert gain < 0.1


def test_acts_are_those_given_else_those_planned():
    corpus = Corpus(
        [
            talk(
                "a",
                partner("Hello?"),
                user("hi", acts=("greet",), intent="ask"),
                partner("Yes?"),
                user("a table", intent="inform+ask"),
                user("no act"),
                user(" ", acts=("greet",)),
            )
        ]
    )
    found = open_task("acts").examples(corpus)
    assert [found.inputs[k] for k in range(2)] == [("hi", "Hello?"), ("a table", "Yes?")]
    assert list(found.labels) == [("greet",), ("ask", "inform")]


def test_several_labels_are_found_together():
    texts = ["red", "blue", "red blue", "green"] * 20
    labels = [("r",), ("b",), ("b", "r"), ("g",)] * 20
    model = fit_linear(texts, labels)
    assert f1_of_each(model, ["blue red", "green"], [("b", "r"), ("g",)]).tolist() == [1.0, 1.0]
    assert f1_of_each(model, ["red", "red"], [("b", "r"), ("unknown",)]) == pytest.approx([2 / 3, 0.0])


def test_average_precision_by_hand():
    model = prior_model([("a",)] * 3 + [("b",)] * 2 + [("c",)])
    scores = average_precision_of_each(model, [""] * 4, [("a",), ("c",), ("a", "c"), ("a", "new")])
    assert scores == pytest.approx([1.0, 1 / 3, (1 + 2 / 3) / 2, (1 + 2 / 4) / 2])


def test_chinese_is_learnt_by_its_characters():
    texts = ["我想看一部恐怖电影", "请推荐一家餐厅", "有没有吓人的片子电影", "附近有什么好吃的餐厅"] * 10
    model = fit_linear(texts, [("film",), ("food",)] * 20)
    scores = f1_of_each(model, ["想看电影", "找一家餐厅吃饭"], [("film",), ("food",)])
    assert scores.tolist() == [1.0, 1.0]


def test_texts_counted_once_are_the_same_in_every_slice():
    column = Texts.of([["one two", "three", "one two"], ["", "four", "three"]])
    joined = column.take(np.array([2, 1])).followed_by(["x", "y"] and [("five six", ""), ("one two", "four")])
    assert [joined[k] for k in range(4)] == [
        ("one two", "three"),
        ("three", "four"),
        ("five six", ""),
        ("one two", "four"),
    ]
    first, second = joined.counts()
    whole = Texts.of([["one two", "three", "five six", "one two"], ["three", "four", "", "four"]])
    for mine, theirs in zip((first, second), whole.counts(), strict=True):
        assert (mine != theirs).nnz == 0


@pytest.mark.parametrize(
    ("raw", "value"),
    [(4, 4.0), ("4", 4.0), ([3, 4], 3.5), (("2", 3), 2.5), ([], None), ("fine", None), ([3, "x"], None), (None, None),
     (float("nan"), None), ("inf", None), (True, None)],
)  # fmt: skip
def test_satisfaction_in_any_form(raw, value):
    assert satisfaction_of(raw) == value


def test_satisfaction_classes_follow_the_scale():
    assert [satisfaction_class(v, *scale([1, 5])) for v in (2.75, 2.8, 3.0, 3.2, 3.25)] == [
        "1 below", "2 middle", "2 middle", "2 middle", "3 above"]  # fmt: skip
    assert satisfaction_class(0.5, *scale([0.1, 0.9])) == "2 middle"
    assert satisfaction_class(9, *scale([3, 9])) == "3 above"


def test_satisfaction_of_simulated_users_of_partner_turns_and_of_conversations():
    simulated = talk("a", partner("ok?"), user("great", meta={"state": {"satisfaction": 5}}))
    rated_partner = talk("b", user("a film"), partner("Alien", meta={"satisfaction": "1"}), user("hm"))
    found = open_task("satisfaction").examples(Corpus([simulated, rated_partner]))
    assert [found.inputs[k] for k in range(2)] == [("great", "ok?"), ("hm", "Alien")]
    assert list(found.labels) == [("3 above",), ("1 below",)]
    whole = Corpus([talk("c", user("good"), user("bye"), meta={"overall_satisfaction": [4, 5]})])
    assert open_task("satisfaction").examples(whole).labels == [("3 above",)]


def genre_corpus(n=40, own_words=None):
    """`n` talks: the user names a genre, the partner offers one of that genre's two films."""
    talks = []
    for k in range(n):
        genre = ("comedy", "horror")[k % 2]
        film = f"{genre} film {k // 2 % 6}"
        asks = user(f"a {genre}", meta={"entities": [[GENRE, genre]]})
        talks.append(talk(f"t{k}", asks, partner("try it", meta={"entities": [[FILM, film]]})))
    if own_words is not None:
        asks = user("a western", meta={"entities": [[GENRE, own_words]]})
        talks.append(talk("own", asks, partner("try", meta={"entities": [[FILM, "comedy film 0"]]})))
    return Corpus(talks)


def test_an_items_attributes_come_from_other_conversations():
    found = open_task("genre").examples(genre_corpus(own_words="horror"))
    assert set(found.labels) == {("genre=comedy",), ("genre=horror",)}
    # What this user said was horror; what other users who were offered the film had asked for was comedy.
    assert found.inputs[found.size - 1] == "a western"
    assert found.labels[found.size - 1] == ("genre=comedy",)


def test_an_item_that_was_named_before_is_no_offer():
    corpus = genre_corpus()
    repeated = [
        talk(f"r{k}", user("a comedy like that", meta={"entities": [[GENRE, "comedy"], [FILM, "comedy film 0"]]}),
             partner("comedy film 0", meta={"entities": [[FILM, "comedy film 0"]]}))
        for k in range(3)
    ]  # fmt: skip
    with_repeats = Corpus([*corpus, *repeated])
    assert open_task("genre").examples(with_repeats).conversations.tolist() == list(range(len(corpus)))


def test_entity_labels_of_odd_shapes_are_passed_over():
    odd = [
        talk(f"o{k}", user("x", meta={"entities": bad}), partner("y")) for k, bad in enumerate([None, 3, [["a"]], "ab"])
    ]
    assert open_task("genre").examples(Corpus(odd)).size == 0


@pytest.mark.parametrize("name", ["acts", "topic"])
def test_one_class_alone_can_be_learnt(name):
    corpus = Corpus([talk(f"c{k}", user(f"hi {k}", acts=("greet",)), topic="food") for k in range(4)])
    assert learned(name, corpus) == (1.0, 1.0)


def test_the_parts_of_a_topic_are_the_same_in_any_order() -> None:
    talks = [Conversation(t, (Turn("user", "hi"),), topic=t) for t in ("train+hotel", "hotel+train", "hotel")]
    assert open_task("topic").examples(Corpus(talks)).labels == [("hotel+train",), ("hotel+train",), ("hotel",)]
