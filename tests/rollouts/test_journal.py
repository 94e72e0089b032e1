import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.rollouts.killing import TURNS, Caller, Waiting, kill_again_and_again, uninterrupted
from understudy.conversations import Conversation, Ending, Turn
from understudy.errors import IncompleteError, JournalError, UsageError
from understudy.models.model import TerminalFault, TransientFault
from understudy.rollouts.export import export_journal
from understudy.rollouts.faults import Fault
from understudy.rollouts.journal import Journal
from understudy.rollouts.loop import Rollout
from understudy.rollouts.run import Plan, complete, open_journal
from understudy.users import Goal
from understudy.users.structured import StructuredPopulation

TURN = Turn("assistant", "naïve\u2028 text", acts=("a", "b"), meta={"x": [1, {"y": None}]})
SETTINGS = {"seed": 1, "users": "u", "plan": {"topics": ["a"]}}


def rollout(id, *turns, fault=None):
    return Rollout(Conversation(id, turns, ending=Ending("user", "done"), meta={"big": "x" * 3000}), fault)


def begun(tmp_path, n=3):
    return Journal.create(tmp_path / "j", settings=SETTINGS, ids=[f"c{k}" for k in range(n)])


def test_what_goes_in_comes_out(tmp_path):
    with begun(tmp_path) as journal:
        asyncio.run(journal.add_turn(1, 0, TURN))
        asyncio.run(journal.finish(1, rollout("c1", TURN, Turn("user", "bye", intent="close"))))
        asyncio.run(journal.finish(2, rollout("c2", fault=Fault("partner", "raised", "why"))))
        asyncio.run(journal.add_turn(0, 0, TURN))
    with Journal.resume(tmp_path / "j", settings=SETTINGS) as journal:
        assert journal.missing() == [0]
        assert journal.begun() == [0]
        assert journal.said(0) == (TURN,)
        assert journal.outcomes == {"accepted": 1, "partner: raised": 1}
        assert [done.rollout for done in journal.entries()] == [
            rollout("c1", TURN, Turn("user", "bye", intent="close")),
            rollout("c2", fault=Fault("partner", "raised", "why")),
        ]
        with pytest.raises(IncompleteError, match="2 of 3"):
            export_journal(journal, tmp_path / "out.jsonl")
        assert export_journal(journal, tmp_path / "out.jsonl", partial=True) == 1


def test_a_unit_is_finished_once(tmp_path):
    with begun(tmp_path) as journal:
        asyncio.run(journal.finish(0, rollout("c0", Turn("user", "first"))))
        asyncio.run(journal.finish(0, rollout("c0", Turn("user", "second"), Turn("assistant", "more"))))
        journal.record([(0, rollout("c0", Turn("user", "third")))])
        assert [r.conversation.turns for r in journal.rollouts()] == [(Turn("user", "first"),)]


def test_a_unit_made_anew_elsewhere_does_not_mix_with_what_was_said_before(tmp_path):
    with begun(tmp_path) as journal:
        asyncio.run(journal.add_turn(0, 0, Turn("user", "old")))
        asyncio.run(journal.add_turn(0, 1, Turn("assistant", "old too")))
        journal.record([(0, rollout("c0", Turn("user", "new")))])
        assert [r.conversation.turns for r in journal.rollouts()] == [(Turn("user", "new"),)]


def test_journals_merge_exactly_once(tmp_path):
    other = Journal.create(tmp_path / "other", settings=SETTINGS, ids=["c0", "c1", "c2"])
    with begun(tmp_path) as journal, other:
        asyncio.run(journal.finish(0, rollout("c0", Turn("user", "here"))))
        asyncio.run(journal.add_turn(2, 0, Turn("user", "a")))
        asyncio.run(other.finish(0, rollout("c0", Turn("user", "there"))))
        asyncio.run(other.finish(1, rollout("c1", Turn("user", "there"))))
        asyncio.run(other.add_turn(2, 0, Turn("user", "a")))
        asyncio.run(other.add_turn(2, 1, Turn("assistant", "b")))
        for _ in range(2):
            journal.merge(other)
        assert [r.conversation.turns[0].text for r in journal.rollouts()] == ["here", "there"]
        assert [turn.text for turn in journal.said(2)] == ["a", "b"]
        asyncio.run(other.add_turn(2, 2, Turn("user", "c")))
    with Journal.create(tmp_path / "third", settings={}, ids=["c0", "c1", "c2"]) as third:
        asyncio.run(third.add_turn(2, 0, Turn("user", "another attempt")))
        with Journal.resume(tmp_path / "other") as other:
            third.merge(other)
        assert [turn.text for turn in third.said(2)] == ["another attempt"]


def test_other_settings_are_refused_by_field_and_nothing_else_is(tmp_path):
    begun(tmp_path).close()
    now = {"seed": 2, "users": "u", "plan": {"topics": ["b"]}, "extra": 1}
    with pytest.raises(JournalError) as caught:
        Journal.resume(tmp_path / "j", settings=now)
    assert 'plan.topics: ["a"] before, ["b"] now' in caught.value.what
    assert "seed: 1 before, 2 now" in caught.value.what
    assert "extra: nothing before, 1 now" in caught.value.what
    assert "users" not in caught.value.what
    Journal.resume(tmp_path / "j", settings=dict(reversed(SETTINGS.items()))).close()
    assert not (tmp_path / "j.lock").exists()


def test_two_at_a_time_are_refused_by_name(tmp_path):
    with begun(tmp_path), pytest.raises(JournalError, match=f"process {os.getpid()} on "):
        Journal.resume(tmp_path / "j")
    Journal.resume(tmp_path / "j").close()


def test_the_lock_of_a_dead_process_is_taken_over_and_that_of_another_machine_is_not(tmp_path):
    begun(tmp_path).close()
    code = (
        "import os, sys; from pathlib import Path; from understudy.rollouts.journal import Journal;"
        "Journal.resume(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "j"], check=False)
    with Journal.resume(tmp_path / "j") as journal:
        assert "which is gone" in journal.notes[0]
    (tmp_path / "j.lock").write_text('{"pid": 7, "host": "elsewhere"}')
    with pytest.raises(JournalError, match="process 7 on elsewhere"):
        Journal.resume(tmp_path / "j")


def test_a_new_run_never_replaces_one_that_is_not_finished(tmp_path):
    plan = Plan(StructuredPopulation([Goal("a")]), Waiting(Caller(tmp_path / "calls", 0), "partner"), 2, 0, 4)
    with open_journal(plan, plan.job(), tmp_path / "j", resume=False) as journal:
        journal.record([(0, rollout("s0-000000"))])
    with pytest.raises(UsageError, match="not finished"):
        open_journal(plan, plan.job(), tmp_path / "j", resume=False)
    with open_journal(plan, plan.job(), tmp_path / "j", resume=True) as journal:
        complete(plan, plan.job(), journal)
    with open_journal(plan, plan.job(), tmp_path / "j", resume=False) as journal:
        assert journal.finished == 0
    with pytest.raises(UsageError, match="no journal"):
        open_journal(plan, plan.job(), tmp_path / "elsewhere", resume=True)


def test_no_damage_goes_unseen_and_none_crashes(tmp_path):
    """Cut or turn a bit anywhere in what a killed process left: a clean error, or whole data and a note."""
    code = (
        "import asyncio, os, sys; from pathlib import Path; from tests.rollouts.test_journal import *;"
        "journal = begun(Path(sys.argv[1]), 40)\n"
        "for k in range(40): asyncio.run(journal.finish(k, rollout(f'c{k}', TURN)))\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False, cwd=Path(__file__).parents[2])
    main, log = ((tmp_path / name).read_bytes() for name in ("j", "j-wal"))
    whole = [rollout(f"c{k}", TURN) for k in range(40)]
    rng = np.random.default_rng(1)
    told = set()
    for trial in range(150):
        room = tmp_path / str(trial)
        room.mkdir()
        kept, broken = bytearray(main), bytearray(log)
        victim = broken if trial % 3 else kept
        at = int(rng.integers(0, len(victim)))
        if trial % 2:
            victim[at] ^= 1 << int(rng.integers(0, 8))
        else:
            del victim[at:]
        (room / "j").write_bytes(kept)
        (room / "j-wal").write_bytes(broken)
        try:
            with Journal.resume(room / "j") as journal:
                found = list(journal.rollouts())
                missing = 40 - len(found)
                assert all(one in whole for one in found)
                if missing:
                    assert "torn" in journal.notes[0]
                told.add("torn" if missing else "whole")
        except JournalError:
            told.add("damaged")
    assert told == {"torn", "whole", "damaged"}


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(tmp_path):
    plan = Plan(StructuredPopulation([Goal("a")]), Waiting(Caller(tmp_path / "calls", 0), "partner"), 400, 0, 4)
    with open_journal(plan, plan.job(), tmp_path / "j", resume=False) as journal:
        pages = journal._one("PRAGMA page_count")
        journal._one(f"PRAGMA max_page_count={pages + 20}")
        with pytest.raises(JournalError, match="full"):
            complete(plan, plan.job(), journal)
        kept = journal.finished
        assert 0 < kept < 400
    with open_journal(plan, plan.job(), tmp_path / "j", resume=True) as journal:
        assert journal.finished == kept
        complete(plan, plan.job(), journal)
        assert journal.finished == 400


class Failing(Waiting):
    """A partner whose model fails at its tenth call."""

    def __init__(self, caller, fault):
        super().__init__(caller, "partner")
        self._left, self._fault = 10, fault

    def start(self, *given, **named):
        session = super().start(*given, **named)
        answer = session.reply

        async def reply(history):
            self._left -= 1
            if self._left == 0:
                raise self._fault
            return await answer(history)

        session.reply = reply
        return session


def failing_run(tmp_path, fault):
    caller = Caller(tmp_path / "calls", 0.001)
    plan = Plan(Waiting(caller, "user"), Failing(caller, fault), 30, 3, TURNS, concurrency=4)
    with open_journal(plan, plan.job(), tmp_path / "j", resume=False) as journal:
        try:
            complete(plan, plan.job(), journal)
        finally:
            kept = journal.outcomes
    return kept, plan


def test_a_fault_that_stops_the_run_leaves_it_to_be_gone_on_with(tmp_path):
    fault = TerminalFault("http_401", "HTTP 401", why="the key is wrong", fix="set the key", stops_run=True)
    with pytest.raises(IncompleteError, match="HTTP 401") as caught:
        failing_run(tmp_path, fault)
    assert caught.value.exit_code == 3
    assert caught.value.fix == "set the key"
    caller = Caller(tmp_path / "calls", 0.001)
    plan = Plan(Waiting(caller, "user"), Waiting(caller, "partner"), 30, 3, TURNS, concurrency=9)
    with open_journal(plan, plan.job(), tmp_path / "j", resume=True) as journal:
        complete(plan, plan.job(), journal)
        assert journal.outcomes == {"accepted": 30}
        export_journal(journal, tmp_path / "out.jsonl")
    (tmp_path / "whole").mkdir()
    assert (tmp_path / "out.jsonl").read_bytes() == uninterrupted(tmp_path / "whole", 30, 2, 0.0)
    lines = (tmp_path / "calls").read_bytes().splitlines()
    assert len(lines) - len(set(lines)) <= 4


def test_a_budget_keeps_its_exit_code(tmp_path):
    fault = TerminalFault("budget", "spent", why="the limit", fix="raise it", stops_run=True)
    fault.exit_code = 5
    with pytest.raises(IncompleteError) as caught:
        failing_run(tmp_path, fault)
    assert caught.value.exit_code == 5


def test_another_fault_of_a_model_ends_its_conversation_and_names_the_side(tmp_path):
    fault = TransientFault("http_503", "HTTP 503", why="busy", fix="wait")
    assert failing_run(tmp_path, fault)[0] == {"accepted": 29, "environment: http_503": 1}


def test_kills_lose_nothing_and_change_nothing(tmp_path):
    whole = uninterrupted(tmp_path / "whole", 120, 1, 0.0005)
    toll, written = kill_again_and_again(tmp_path / "killed", n=120, concurrency=16, kills=4, latency_s=0.003, seed=5)
    assert (toll.conversations, toll.lost, toll.duplicated, toll.integrity) == (120, 0, 0, "ok")
    assert toll.most_repeated <= 16
    assert written == whole


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_kills_over_two_thousand_conversations(tmp_path):
    whole = uninterrupted(tmp_path / "whole", 2000, 8, 0.001)
    assert uninterrupted(tmp_path / "wide", 2000, 64, 0.001) == whole
    toll, written = kill_again_and_again(tmp_path / "killed", n=2000, concurrency=32, kills=20, latency_s=0.005, seed=7)
    assert (toll.kills, toll.lost, toll.duplicated, toll.integrity) == (20, 0, 0, "ok")
    assert toll.most_repeated <= 32
    assert written == whole


def test_rows_are_checked_by_their_sums(tmp_path):
    with begun(tmp_path) as journal:
        asyncio.run(journal.finish(0, rollout("c0", TURN)))
    with closing(sqlite3.connect(tmp_path / "j")) as connection, connection:
        connection.execute("UPDATE turns SET turn = ?", (msgspec.json.encode(Turn("user", "forged")),))
    with Journal.resume(tmp_path / "j") as journal, pytest.raises(JournalError, match="turn 0 of unit 0"):
        list(journal.rollouts())
