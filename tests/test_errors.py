"""Errors cross process boundaries whole."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from understudy.errors import RowError


def raise_one(_: int) -> None:
    raise RowError("row 3 is broken", path="a.jsonl", line=3, why="no role", fix="name the roles")


def test_an_error_from_a_worker_arrives_with_its_fields():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool, pytest.raises(RowError, match="row 3") as caught:
        list(pool.map(raise_one, [0]))
    assert (caught.value.line, caught.value.why, caught.value.fix) == (3, "no role", "name the roles")
