"""What raters said is on disk when they are told so, once, and gone when they withdraw."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.web.panel.making import store
from understudy.errors import JournalError
from understudy.web.panel.export import record_of
from understudy.web.panel.storage import PanelStore


def test_another_process_sees_every_answer_before_the_method_returns(tmp_path: Path) -> None:
    with store(tmp_path) as panel:
        rater, code = panel.new_rater()
        panel.show(rater, 1)
        assert panel.answer(rater, 1, {"read": True})
        with PanelStore.open(panel.path) as other:
            assert other.answers(rater)[1].answer == {"read": True}
            assert other.answers(rater)[1].seconds >= 0
            assert other.rater_of(code) == rater
            assert other.design == panel.design


def test_an_answer_is_given_once(tmp_path: Path) -> None:
    with store(tmp_path) as panel:
        rater, _ = panel.new_rater()
        assert panel.answer(rater, 2, {"side": "a"})
        assert not panel.answer(rater, 2, {"side": "b"})
        assert panel.answers(rater)[2].answer == {"side": "a"}
        assert panel.say(rater, 0, "user", "hi")
        assert not panel.say(rater, 0, "user", "ho")


def test_who_withdraws_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    with store(tmp_path) as panel:
        rater, code = panel.new_rater()
        stays, _ = panel.new_rater()
        panel.say(rater, 0, "user", "my secret is xyzzy")
        panel.answer(rater, 2, {"side": "b"})
        panel.withdraw(rater)
        assert panel.rater_of(code) is None
        assert not panel.answer(rater, 3, {"side": "a"})
        assert not panel.say(rater, 1, "user", "still here")
        record = record_of(panel)
        assert (record.withdrawn, [r.id for r in record.raters]) == (1, [str(stays + 1)])
        assert panel.new_rater()[0] == 2
        everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"xyzzy" not in everything


def test_codes_are_not_in_the_file(tmp_path: Path) -> None:
    with store(tmp_path) as panel:
        _, code = panel.new_rater()
    assert code.encode() not in (tmp_path / "panel.db").read_bytes()


def test_a_file_that_is_no_panel_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    text = tmp_path / "text.db"
    text.write_text("not a database, but long enough to be looked at as one " * 30)
    for file in (other, text):
        before = file.read_bytes()
        with pytest.raises(JournalError):
            PanelStore.open(file)
        assert file.read_bytes() == before


def test_the_last_answers_of_a_panel_that_was_moved_are_not_mixed_into_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "panel.db-wal").write_bytes(b"remains")
    with pytest.raises(JournalError, match=r"is gone, but .*-wal is still there"):
        store(tmp_path)
