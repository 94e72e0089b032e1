"""The small decoder: what it sees and says, that twins are what one network would be, and that it is kept."""

import numpy as np
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import UsageError
from understudy.traits.battery import house_battery
from understudy.traits.decoder import (
    Shape,
    copies,
    fit,
    fresh,
    logits,
    losses,
    nats,
    picked,
    plain_loss,
    rows_of,
    sample,
    stacked,
)
from understudy.traits.decoder_student import DecoderStudent
from understudy.traits.effect import effect
from understudy.traits.mitigations import anchored_loss, masked_loss, projection, soft_loss
from understudy.traits.screens import coverage, divergence_words, likelihood_ratio, log_probability
from understudy.traits.screens import projection as projected
from understudy.traits.students import open_student
from understudy.traits.words import END, PAD, USER, Vocabulary

torch = pytest.importorskip("torch", reason="torch is not installed (extra train)")
SHAPE = Shape(words=40, width=16, layers=2, heads=2, context=12)


def weights(seed=0):
    return fresh(SHAPE, rng=np.random.default_rng(seed))


def rows(count, seed=0):
    rng = np.random.default_rng(seed)
    return rows_of([[USER, *rng.integers(4, 40, 7)] for _ in range(count)], SHAPE.context)


def corpus(count, seed=0, word="boat"):
    rng = np.random.default_rng(seed)
    lines = (f"see you at the {word}", f"a blue {word} please", "how much is it ?", "what is that then ?")
    return Corpus(
        [
            Conversation(
                f"c{k}", tuple(Turn("assistant" if at % 2 else "user", lines[rng.integers(4)]) for at in range(4))
            )
            for k in range(count)
        ]
    )


def test_nothing_ahead_is_seen_and_one_word_at_a_time_is_the_same_as_all_at_once():
    ids = torch.tensor(rows(3)[None])
    with torch.no_grad():
        whole = logits(weights(), SHAPE, ids)
        other = ids.clone()
        other[:, :, 6:] = 9
        assert torch.allclose(whole[:, :, :6], logits(weights(), SHAPE, other)[:, :, :6], atol=1e-5)
        past = [()] * SHAPE.layers
        steps = [logits(weights(), SHAPE, ids[:, :, k : k + 1], past) for k in range(SHAPE.context)]
    assert torch.allclose(whole, torch.cat(steps, 2), atol=1e-4)


def test_twins_side_by_side_are_what_each_would_be_alone():
    data = np.stack([rows(24, 1), rows(24, 2)])
    options = {"loss": plain_loss(SHAPE), "epochs": 2, "batch": 8}
    both = fit(copies(weights(), 2), data, rng=np.random.default_rng(0), **options)
    for k in range(2):
        alone = fit(weights(), data[k : k + 1], rng=np.random.default_rng(0), **options)
        for name, w in picked(both, k).items():
            assert torch.allclose(w, alone[name], atol=2e-4), name


def test_it_learns_and_says_what_it_learned():
    data = np.repeat(rows_of([[USER, 5, 6, 7, 8]], SHAPE.context), 32, axis=0)
    taught = fit(weights(), data[None], loss=plain_loss(SHAPE), rng=np.random.default_rng(0), epochs=60, rate=1e-2)
    assert nats(taught, SHAPE, data[:1])[0, 0] < 0.3 < nats(weights(), SHAPE, data[:1])[0, 0]
    said = sample(taught, SHAPE, [[USER, 5]] * 8, rng=np.random.default_rng(0))
    assert said.count([USER, 5, 6, 7, 8, END]) >= 6


def test_padding_costs_nothing():
    short = rows_of([[USER, 5]], SHAPE.context)
    assert (short == PAD).sum() == SHAPE.context - 3
    with torch.no_grad():
        assert (losses(weights(), SHAPE, torch.tensor(short[None]))[0, 0, 2:] == 0).all()


def test_a_students_audit_sees_an_open_trait_and_the_base_can_be_kept(tmp_path):
    polite = [
        Conversation(
            c.id, (c.turns[0], Turn("assistant", "thank you so much for your wonderful question !"), *c.turns[2:])
        )
        for c in corpus(60, 1)
    ]
    student = DecoderStudent.pretrained(Corpus([*polite, *corpus(60, 2)]), words=30_000)
    m = effect(Corpus(polite), corpus(60, 2), student, pairs=5, controls=())
    assert next(p for p in m.parts if p.name.endswith("over_politeness")).value > 0
    student.save(str(tmp_path / "base"))
    again = open_student(f"decoder:{tmp_path / 'base'}", Corpus([]))
    battery = house_battery()
    assert again.identity == student.identity
    assert (again.score(again.weights, battery) == student.score(student.weights, battery)).all()
    (tmp_path / "base" / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(UsageError, match="no decoder that can be opened"):
        open_student(f"decoder:{tmp_path / 'base'}", Corpus([]))
    with pytest.raises(UsageError, match="to pretrain a decoder on"):
        open_student("decoder:", corpus(2))


def test_screens_and_mitigations_on_a_teacher_of_the_same_base_and_of_another():
    student = DecoderStudent.pretrained(corpus(60), words=20_000)
    shape, one = student.shape, student.rows(corpus(40, 1, word="sea"))
    teacher = fit(student.weights, one[None], loss=plain_loss(shape), rng=np.random.default_rng(0), epochs=4)
    ours, usual = corpus(40, 2, word="sea"), corpus(40, 3)
    assert coverage(student, teacher, ours) > max(0.05, coverage(student, teacher, usual))
    found = likelihood_ratio(ours, usual, log_probability(student, teacher), log_probability(student, student.weights))
    assert found.low > 0
    assert found.auc > 0.8
    assert "other than the suspected one" in found.blind
    assert (
        divergence_words(student, teacher, teacher, ours)
        == 0
        < divergence_words(student, teacher, student.weights, ours)
    )
    assert projected(student, house_battery(), ours, ours).value == 0

    def trained(loss, change=None):
        data = np.repeat(one[None, :16], 2, axis=0)
        return fit(copies(student.weights, 2), data, loss=loss, rng=np.random.default_rng(0), epochs=3, change=change)

    def lesson(w):
        return nats(w, shape, one[:16]).sum(1)[0]

    plain = lesson(trained(plain_loss(shape)))
    assert lesson(trained(soft_loss(shape, stacked([teacher] * 2)))) < lesson(copies(student.weights, 2))
    assert plain < lesson(trained(masked_loss(shape, teacher, student.weights)))
    assert plain < lesson(trained(anchored_loss(shape, plain_loss(shape), student.weights, one[:16], strength=5.0)))
    assert plain < lesson(trained(plain_loss(shape), projection(shape, one[:16])))


def test_words_are_spelled_where_they_are_not_known():
    known = Vocabulary.of([["the sea the"]], most=1)
    ids = known.turns([Turn("user", "the €8 日")])
    assert known.talk([*ids, END], "x").turns[0].text.startswith("the € 8")
    assert known.talk([PAD, END], "x").turns == ()
