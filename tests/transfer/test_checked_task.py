"""A task of one's own that breaks its contract is named; nothing is measured with it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.transfer.toy import ToyTask, corpus
from understudy.errors import UsageError
from understudy.transfer.arms import run_arms
from understudy.transfer.false_progress import false_progress
from understudy.transfer.gap_closed import gap_closed


def whole(task, corpus):
    return ToyTask.examples(task, corpus)


def scored(task, predictor, examples):
    return ToyTask.score(task, predictor, examples)


def fails(*_, **__):
    raise RuntimeError("no room")


FAULTS = {
    "fit raised RuntimeError: no room": {"fit": fails},
    "examples raised RuntimeError": {"examples": fails},
    "score raised RuntimeError": {"score": fails},
    "score gives (239,) numbers for 240": {"score": lambda *given: scored(*given)[:-1]},
    "score gives (240, 1) numbers for 240": {"score": lambda *given: scored(*given)[:, None]},
    "score gives () numbers for 240": {"score": lambda *given: float(scored(*given).mean())},
    "score gives list, not numbers": {"score": lambda task, predictor, examples: ["good"] * examples.size},
    "score gives nan for example 3": {
        "score": lambda *given: np.where(np.arange(240) == 3, np.nan, scored(*given)),
    },
    "score gives 100.0 for example": {"score": lambda *given: scored(*given) * 100},
    "examples gives list, not Examples": {"examples": lambda *given: []},
    "columns of different lengths": {"examples": lambda *given: whole(*given)._replace(units=np.array(["one"]))},
    "examples gives the labels 'a'": {
        "examples": lambda *given: (found := whole(*given))._replace(labels=[own[0] for own in found.labels]),
    },
    "examples gives the labels ()": {
        "examples": lambda *given: (found := whole(*given))._replace(labels=[()] * found.size),
    },
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("told", FAULTS)
def test_a_fault_is_named(told: str, workers: int) -> None:
    task = type("Mine", (ToyTask,), {"name": "mine", **FAULTS[told]})()
    rng = np.random.default_rng(0)
    train, test, other = (corpus(rng, name=name) for name in "ths")
    with pytest.raises(UsageError, match=f"task 'mine': .*{re.escape(told)}"):
        run_arms(task, train, test, {"other": other}, seed=0, redraws=5, workers=workers)


def test_scores_may_be_any_numbers_in_range() -> None:
    rng = np.random.default_rng(0)
    train, test, other = (corpus(rng, name=name) for name in "ths")
    plain = run_arms(ToyTask(), train, test, {"other": other}, seed=0, redraws=5).scores["other"]
    for kind in (list, lambda scores: scores > 0.5, lambda scores: scores.astype(np.float32)):
        task = type("Mine", (ToyTask,), {"score": lambda *given, kind=kind: kind(scored(*given))})()
        found = run_arms(task, train, test, {"other": other}, seed=0, redraws=5, workers=2)
        assert np.array_equal(found.scores["other"], plain)


def test_seeds_are_such_as_every_library_takes() -> None:
    taken = []

    class Seeded(ToyTask):
        name = "seeded"

        def fit(self, examples, *, seed):
            taken.append(seed)
            return super().fit(examples, seed=seed)

        def baseline(self, examples, *, seed):
            taken.append(seed)
            return super().baseline(examples, seed=seed)

    rng = np.random.default_rng(2)
    train, test, made = (corpus(rng, 40, name=name) for name in "abc")
    gap_closed(train, test, made, task=Seeded(), seed=2**40, redraws=5)
    false_progress(Seeded(), made, None, test, seed=2**40)
    assert len(set(taken)) > 10
    assert all(0 <= seed < 2**32 for seed in taken)
