"""Errors cross process boundaries whole."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from understudy._require import require
from understudy.errors import MissingExtraError, RowError


def raise_one(_: int) -> None:
    raise RowError("row 3 is broken", path="a.jsonl", line=3, why="no role", fix="name the roles")


def test_an_error_from_a_worker_arrives_with_its_fields():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool, pytest.raises(RowError, match="row 3") as caught:
        list(pool.map(raise_one, [0]))
    assert (caught.value.line, caught.value.why, caught.value.fix) == (3, "no role", "name the roles")


def test_a_package_that_lacks_another_is_not_said_to_be_absent(tmp_path, monkeypatch):
    (tmp_path / "halfway_there.py").write_text("import built_on_nothing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"'halfway_there' does not load: No module named 'built_on_nothing'"):
        require("halfway_there", extra="train", purpose="training")
