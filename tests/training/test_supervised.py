"""Supervised training: it learns, stops in time, goes on as if never stopped, and batches add up."""

from __future__ import annotations

import torch

from tests.training import world
from understudy.training.supervised import Learning, Supervision, beginning, dropout, learn, mean_loss
from understudy.users.neural.decoder import Shape, Weights, new_weights

SHAPE = Shape(len(world.taught().language.words), 16, 24)
HOW = Supervision(epochs=3, batch=24, micro_batch=24, rate=8e-3, dropout=0.2, patience=9)


def learned(how: Supervision, begun: Learning | None = None, seed: int = 1) -> Learning:
    begun = begun or beginning(new_weights(SHAPE, seed=seed), how)
    return learn(world.taught(), how, begun, seed=seed, on_progress=world.nothing)


def furthest(one: Weights, other: Weights) -> float:
    return max(float((one[name].detach() - other[name].detach()).abs().max()) for name in one)


def test_what_is_told_helps_to_predict_what_is_said() -> None:
    """The control: the same lines by people of whom something else is told are predicted worse."""
    users, lines = world.users(), world.taught().lines
    told = [line for line in lines if len(line.chosen) > 3][:120]
    swapped = [line._replace(scene=other.scene) for line, other in zip(told, told[37:] + told[:37], strict=True)]
    own, others = (mean_loss(users.weights, part, users.language.user) for part in (told, swapped))
    assert own < others - 0.2


def test_eight_at_once_are_one_at_a_time() -> None:
    whole = learned(Supervision(epochs=1, batch=8, micro_batch=8, patience=9))
    parts = learned(Supervision(epochs=1, batch=8, micro_batch=1, patience=9))
    assert furthest(whole.steps.weights, parts.steps.weights) < 1e-4
    assert abs(whole.losses[0] - parts.losses[0]) < 1e-5


def test_gone_on_with_is_never_stopped() -> None:
    whole = learned(HOW)
    stops: list[tuple[Learning, Weights, int]] = []

    def stop(now: Learning) -> None:
        stops.append((now, {n: t.clone() for n, t in now.steps.tensors().items()}, now.steps.taken))

    begun = beginning(new_weights(SHAPE, seed=1), HOW)
    learn(world.taught(), HOW, begun, seed=1, on_progress=world.nothing, on_epoch=stop)
    first, tensors, taken = stops[0]
    fresh = beginning(new_weights(SHAPE, seed=77), HOW)
    fresh.steps.restore(tensors, taken)
    resumed = learned(HOW, Learning(fresh.steps, first.best, first.losses))
    assert resumed.losses == whole.losses
    assert furthest(resumed.best, whole.best) == 0.0


def test_it_stops_when_people_held_out_are_predicted_no_better() -> None:
    done = learned(Supervision(epochs=40, batch=24, micro_batch=24, rate=0.1, dropout=0.0, patience=2))
    assert len(done.losses) < 40
    assert done.over == 2


def test_dropout_of_a_row_depends_on_its_name_alone() -> None:
    both, one = dropout([("a", 1), ("b", 2)], 8, 0.5), dropout([("b", 2)], 8, 0.5)
    assert both is not None
    assert one is not None
    assert torch.equal(both.words[1], one.words[0])
    assert dropout([("a", 1)], 8, 0.0) is None
