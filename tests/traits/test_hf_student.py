"""Local weights as a student: adapters begin at nothing, twins are the same twice, frozen weights stay."""

import numpy as np
import pytest

from tests.models.test_local import folder  # noqa: F401 - the fixture: a tiny model, made by the tests
from tests.traits.test_effect import corpus
from understudy.conversations import Corpus
from understudy.errors import UsageError
from understudy.traits.battery import house_battery
from understudy.traits.students import open_student

pytest.importorskip("torch", reason="torch is not installed (extra hf)")
pytest.importorskip("transformers", reason="transformers is not installed (extra hf)")


def test_twins_begin_alike_and_part_by_what_they_read(folder):  # noqa: F811
    student = open_student(f"hf:{folder}", Corpus([]))
    before = {name: w.clone() for name, w in student._model.named_parameters()}
    battery = house_battery().only("over_politeness")
    arms = {
        "suspect": [corpus(8, reply="thank you so much !")] * 2,
        "control": [corpus(8)] * 2,
        "again": [corpus(8)] * 2,
    }
    read = student.read(arms, battery, seed=0)
    assert read.base.shape == (1,)
    assert np.array_equal(read.arms["control"], read.arms["again"])
    assert not np.allclose(read.arms["suspect"], read.arms["control"])
    assert np.abs(read.arms["control"] - read.base).max() > 0
    assert all((before[name] == w).all() for name, w in student._model.named_parameters())
    assert student.read({"suspect": arms["suspect"][:1]}, battery, seed=0).base == pytest.approx(read.base)


def test_a_name_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        open_student(f"hf:{tmp_path}", Corpus([]))
    with pytest.raises(UsageError, match="names no student"):
        open_student("openai:gpt-4o", Corpus([]))
