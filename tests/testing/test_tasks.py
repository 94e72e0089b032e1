import numpy as np
import pytest

from understudy.testing.checks import failures
from understudy.testing.tasks import check_task, example_task_corpus
from understudy.transfer import open_task
from understudy.transfer.task import BUILT_IN

CORPUS = example_task_corpus()
CHECKS = [
    pytest.param(check, id=f"{name}-{check.name}")
    for name in BUILT_IN
    for check in check_task(open_task(name), CORPUS, trains=name != "summarisation")
]


@pytest.mark.parametrize("check", CHECKS)
def test_built_in_tasks_keep_the_contract(check):
    check()


class Broken(type(open_task("topic"))):
    """A task that can be broken in one place."""


def broken(**methods):
    return type("Broken", (Broken,), methods)()


@pytest.mark.parametrize(
    ("methods", "failing"),
    [
        ({"name": "two words"}, "names itself"),
        ({"needs": " "}, "names itself"),
        ({"score": lambda self, model, examples: np.full(examples.size, 2.0)}, "scores in [0, 1]"),
        ({"score": lambda self, model, examples: np.zeros(3)}, "scores in [0, 1]"),
        (
            {"score": lambda self, model, examples: np.linspace(0, 1, examples.size)},
            "scores each example alone",
        ),
        ({"score": lambda self, model, examples: np.random.random(examples.size)}, "repeats itself exactly"),  # noqa: NPY002
        ({"score": lambda self, model, examples: np.ones(examples.size)}, "meets labels it never saw"),
    ],
)
def test_a_broken_task_is_found_out(methods, failing):
    assert failing in failures(check_task(broken(**methods), CORPUS))


def test_a_task_that_reads_ids_is_found_out():
    class ReadsIds(type(open_task("topic"))):
        def examples(self, corpus):
            found = super()._examples(corpus)
            return found._replace(inputs=[corpus[int(row)].id for row in found.conversations]) if found.size else found

    assert "does not read ids" in failures(check_task(ReadsIds(), CORPUS))
