import asyncio
import os
import signal

import msgspec
import pytest

from tests.rollouts.speakers import (
    People,
    System,
    answers,
    hanging_partner,
    leaves_after,
    plain_partner,
    says,
    waiting_partner,
)
from understudy.conversations import Ending
from understudy.errors import SimulatorError, UsageError
from understudy.rollouts.partner import PartnerTurn
from understudy.rollouts.partners import function_partner
from understudy.rollouts.simulate import SimulationCounts, simulate, stream_rollouts
from understudy.users import Goal
from understudy.users.structured import StructuredPopulation

GOALS = [Goal(f"topic {i}", tuple((f"a{j}", f"v{i}") for j in range(i % 4))) for i in range(11)]


def written(result):
    return msgspec.json.encode(result.rollouts)


def test_conversations_come_in_order_and_name_their_making():
    result = simulate(StructuredPopulation(GOALS), function_partner(plain_partner), n=5, seed=3)
    assert [c.id for c in result.conversations] == [f"s3-00000{k}" for k in range(5)]
    made = result.conversations[4].provenance
    assert made["k"] == 4
    assert made["seed"] == 3
    assert made["partner"] == "tests.rollouts.speakers:plain_partner"
    assert made["users"].startswith("structured/1:")
    assert made["generator"].startswith("understudy ")


def test_workers_change_no_byte():
    people, partner = StructuredPopulation(GOALS), function_partner(plain_partner)
    one, two, three = (simulate(people, partner, n=37, seed=5, workers=w) for w in (1, 2, 3))
    assert written(one) == written(two) == written(three)
    assert one == two
    assert written(simulate(people, partner, n=37, seed=6)) != written(one)


def test_workers_that_open_by_name_change_no_byte(tmp_path):
    goals = tmp_path / "goals.jsonl"
    goals.write_bytes(b"\n".join(msgspec.json.encode(goal) for goal in GOALS))
    names = (f"structured:{goals}", "tests.rollouts.speakers:waiting_partner+bad+slow")
    assert written(simulate(*names, n=20, seed=5, workers=2)) == written(simulate(*names, n=20, seed=5))


def test_a_rollout_does_not_depend_on_how_many_there_are():
    people, partner = StructuredPopulation(GOALS), function_partner(plain_partner)
    few, many = simulate(people, partner, n=3, seed=5), simulate(people, partner, n=9, seed=5)
    assert few.rollouts == many.rollouts[:3]


@pytest.mark.parametrize("concurrency", [1, 3, 50])
def test_concurrency_changes_no_byte(concurrency):
    people, partner = StructuredPopulation(GOALS), function_partner(waiting_partner)
    assert written(simulate(people, partner, n=12, seed=1, concurrency=concurrency)) == written(
        simulate(people, partner, n=12, seed=1)
    )


def test_waiting_partners_overlap_and_plain_functions_do_not():
    most = {"now": 0, "seen": 0}

    async def waits(history):
        most["now"] += 1
        most["seen"] = max(most["seen"], most["now"])
        await asyncio.sleep(0.005)
        most["now"] -= 1
        return "and?"

    def plain(history):
        most["now"] += 1
        most["seen"] = max(most["seen"], most["now"])
        most["now"] -= 1
        return "and?"

    simulate(People(leaves_after(1)), function_partner(waits), n=8, seed=1, concurrency=4)
    assert most["seen"] == 4
    most["seen"] = 0
    simulate(People(leaves_after(1)), function_partner(plain), n=8, seed=1, concurrency=4)
    assert most["seen"] == 1


def test_every_planned_rollout_is_accounted_for():
    calls = iter(range(100))

    def unsteady(history):
        call = next(calls)
        if call % 5 == 1:
            raise ConnectionError("reset")
        return PartnerTurn("" if call % 5 == 2 else "fine")

    result = simulate(People(leaves_after(1)), System(unsteady), n=10, seed=1)
    assert result.counts == SimulationCounts(10, 6, {"partner: raised": 2, "partner: empty": 2})
    assert len(result.conversations) == 6
    assert len(result.faults) == 4
    assert all(c.ending == Ending("user", "done") for c in result.conversations)


def test_a_population_that_cannot_draw_is_a_fault_of_the_users():
    class Dry(People):
        def draw(self, k, *, seed):
            if k % 2:
                raise LookupError("no more profiles")
            return super().draw(k, seed=seed)

    result = simulate(Dry(leaves_after(1)), System(answers("hi")), n=4, seed=1)
    assert result.counts.failed == {"user: raised": 2}
    assert result.rollouts[1].conversation.id == "s1-000001"


def test_progress_tells_how_far_it_is():
    seen = []
    simulate(People(leaves_after(1)), System(answers("hi")), n=3, seed=1, on_progress=lambda *step: seen.append(step))
    assert seen == [("simulate", 1, 3), ("simulate", 2, 3), ("simulate", 3, 3)]


def test_streaming_holds_only_what_is_under_way():
    drawn = []

    class Counting(People):
        def draw(self, k, *, seed):
            drawn.append(k)
            return super().draw(k, seed=seed)

    stream = stream_rollouts(Counting(leaves_after(1)), System(answers("hi")), n=1000, seed=1, concurrency=4)
    next(stream)
    next(stream)
    assert len(drawn) <= 8
    stream.close()


def test_it_works_where_an_event_loop_runs_already():
    async def in_a_notebook():
        return simulate(People(leaves_after(1)), System(answers("hi")), n=3, seed=1)

    assert asyncio.run(in_a_notebook()) == simulate(People(leaves_after(1)), System(answers("hi")), n=3, seed=1)


def test_a_plain_function_that_hangs_is_left_behind():
    result = simulate(People(leaves_after(1)), function_partner(hanging_partner), n=2, seed=1, reply_timeout_s=0.05)
    assert result.counts.failed == {"partner: timeout": 2}


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupts_end_the_simulation(workers):
    def act(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(People(leaves_after(1)), System(act), n=4, seed=1, workers=workers)


def test_a_worker_that_dies_is_told_and_not_waited_for():
    def act(history):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(SimulatorError, match="worker process") as told:
        simulate(People(leaves_after(1)), System(act), n=8, seed=1, workers=2)
    assert "workers=1" in told.value.fix


def test_what_a_worker_cannot_open_is_told_as_here(tmp_path):
    for workers in (1, 2):
        with pytest.raises((UsageError, SimulatorError), match="names no simulated users"):
            simulate(str(tmp_path / "nowhere"), "tests.rollouts.speakers:plain_partner", n=4, seed=1, workers=workers)


@pytest.mark.parametrize(
    "bad", [{"n": 0}, {"n": -3}, {"n": 2.5}, {"n": True}, {"workers": 0}, {"max_turns": 0}, {"concurrency": 0},
            {"reply_timeout_s": 0.0}, {"reply_timeout_s": float("nan")}]
)  # fmt: skip
def test_arguments_out_of_range(bad):
    with pytest.raises(UsageError, match=next(iter(bad))):
        simulate(People(says("hi")), System(answers("hi")), **{"n": 1, "seed": 1, **bad})
