import numpy as np
import pytest

from understudy.errors import UsageError
from understudy.transfer import Examples, open_task
from understudy.transfer.task import BUILT_IN

OWN = """
class Mine:
    name, metric, labelled, needs = "mine", "accuracy", True, "words"
    def examples(self, corpus): ...
    def baseline(self, examples, *, seed): ...
    def fit(self, examples, *, seed): ...
    def score(self, predictor, examples): ...
made = Mine()
class Needy(Mine):
    def __init__(self, path): ...
class Half:
    name, metric = "half", "accuracy"
    def examples(self, corpus): ...
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_transfer_task.py").write_text(OWN)
    (tmp_path / "broken_transfer_task.py").write_text("raise RuntimeError('boom')")
    monkeypatch.chdir(tmp_path)
    return "own_transfer_task"


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_tasks_carry_the_name_they_are_opened_by(name):
    assert open_task(name).name == name


@pytest.mark.parametrize("attribute", ["Mine", "made"])
def test_a_task_of_ones_own(own, attribute):
    assert open_task(f"{own}:{attribute}").name == "mine"


@pytest.mark.parametrize(
    ("uri", "what", "hint"),
    [
        ("akts", "no task 'akts'", "did you mean 'acts'?"),
        ("", "no task ''", "module:object"),
        ("no_such_module_y:task", "no module named 'no_such_module_y'", "not found"),
        ("own_transfer_task:Mime", "has no 'Mime'", "did you mean 'Mine'?"),
        ("own_transfer_task:Needy", "cannot be made without arguments", "a class is called"),
        ("own_transfer_task:Half", "without baseline, fit, score, labelled, needs", "a task gives"),
        ("broken_transfer_task:task", "RuntimeError: boom", "the task's own code"),
    ],
)
def test_what_is_no_task_says_why(own, uri, what, hint):
    with pytest.raises(UsageError) as caught:
        open_task(uri)
    assert what in caught.value.what
    assert hint in caught.value.why


def test_examples_are_taken_and_put_together_by_rows():
    examples = Examples(["a", "b"], [("x",), ("y",)], np.array(["u", "longer"]), np.array([0, 3]))
    twice = examples.followed_by(examples.take(np.array([1, 1, 0])))
    assert list(twice.inputs) == ["a", "b", "b", "b", "a"]
    assert list(twice.labels) == [("x",), ("y",), ("y",), ("y",), ("x",)]
    assert twice.units.tolist() == ["u", "longer", "longer", "longer", "u"]
    assert twice.conversations.tolist() == [0, 3, 3, 3, 0]
    assert twice.size == 5
