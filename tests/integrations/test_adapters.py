"""What the adapters say and when they end, over stand-ins for the peers: words, roles, seeds, endings."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from tests.integrations import stand_ins
from tests.integrations.stand_ins import Record, message
from tests.integrations.talking import SEED, answer_to, as_our_loop_has_it, population
from understudy.errors import MissingExtraError
from understudy.integrations.deepeval import deepeval_user
from understudy.integrations.inspect_ai import inspect_scorer, inspect_solver
from understudy.integrations.langwatch import langwatch_user, until_the_user_leaves
from understudy.integrations.mlflow import UserLeft, mlflow_user
from understudy.integrations.people import People
from understudy.integrations.tau2 import STOP, tau2_user

KS = (0, 1, 3)


def people() -> People:
    return People(population(), seed=SEED)


@pytest.mark.parametrize(
    ("adapter", "package"),
    [
        (tau2_user, "git+https"), (deepeval_user, "deepeval"), (inspect_solver, "inspect_ai"),
        (mlflow_user, "mlflow"), (langwatch_user, "langwatch-scenario"),
    ],
)  # fmt: skip
def test_the_error_names_the_package(adapter: Any, package: str) -> None:
    try:
        with pytest.raises(MissingExtraError) as error:
            adapter(people())
    except pytest.fail.Exception:
        pytest.skip("it is installed here")
    assert package in error.value.fix
    assert error.value.fix.startswith("pip install ")


# τ²-bench -----------------------------------------------------------------------------------------------------------


def _tau2_talk(user: Any, *, noise: bool = False) -> list[Any]:
    state = user.get_init_state()
    said: list[Any] = []
    heard = Record(role="assistant", content="Hi! How can I help you today?")
    while not said or not user.is_stop(said[-1]):
        answer, state = user.generate_next_message(heard, state)
        said.append(answer)
        heard = Record(role="assistant", content=answer_to(len(said)))
        if noise:
            state.messages.append(Record(role="assistant", content=None, tool_calls=[{"name": "look_up"}]))
            state.messages.append(Record(role="tool", content="42"))
        assert len(said) < 40
    return said


def test_tau2(monkeypatch: pytest.MonkeyPatch) -> None:
    base = stand_ins.tau2(monkeypatch)
    ours = people()
    made = tau2_user(ours)
    assert issubclass(made, base)
    user = made(instructions="Book a trip.", tools=None, llm="none", llm_args={}, persona_config=None)
    user.set_seed(11)
    said = _tau2_talk(user)
    texts = [message.content for message in said]
    person = people().person("11\x1fBook a trip.", goal="Book a trip.")
    expected = as_our_loop_has_it(person, people=ours, greeting="Hi! How can I help you today?")
    assert [text.removesuffix(STOP).strip() for text in texts if text != STOP] == expected
    assert texts[-1].endswith(STOP)
    assert sum(STOP in text for text in texts) == 1
    assert said[-1].raw_data["ending"]["by"] == "user"
    assert all("ending" not in message.raw_data for message in said[:-1])


def test_tau2_tasks_and_trials_have_people_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.tau2(monkeypatch)
    made = tau2_user(people())

    def talk(task: str, seed: int, *, noise: bool = False) -> list[str]:
        user = made(instructions=task)
        user.set_seed(seed)
        return [message.content for message in _tau2_talk(user, noise=noise)]

    assert talk("a", 1) == talk("a", 1) == talk("a", 1, noise=True)
    assert len({tuple(talk("a", seed)) for seed in range(6)}) > 1
    assert len({tuple(talk(task, 1)) for task in "abcdef"}) > 1


# DeepEval -----------------------------------------------------------------------------------------------------------


async def _deepeval_talk(user: Any, golden: Any, thread_id: str) -> tuple[list[Any], str | None]:
    """The order of calls in DeepEval: decide, user, assistant, decide …"""
    turns: list[Any] = []
    while True:
        decision = await user.stopping_controller(turns=turns, golden=golden, thread_id=thread_id)
        if decision.should_end:
            return turns, decision.reason
        turns.append(await user.simulation_graph.action(turns=turns, golden=golden, thread_id=thread_id))
        turns.append(Record(role="assistant", content=answer_to(len(turns) // 2 + 1)))
        assert len(turns) < 80


@pytest.mark.parametrize("k", KS)
def test_deepeval(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    stand_ins.deepeval(monkeypatch)
    ours = people()
    golden = Record(additional_metadata={"user": k}, name=None, scenario="a trip")
    turns, reason = asyncio.run(_deepeval_talk(deepeval_user(ours), golden, "t"))
    said = [turn.content for turn in turns if turn.role == "user"]
    assert said == as_our_loop_has_it(people().person(k), people=ours)
    (talk,) = ours.conversations()
    assert talk.ending is not None
    assert reason == talk.ending.reason


def test_deepeval_threads_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.deepeval(monkeypatch)
    goldens = [Record(additional_metadata=None, name=name, scenario="a trip") for name in ("x", "y", "x")]

    async def together() -> list[Any]:
        user = deepeval_user(people())
        return await asyncio.gather(*(_deepeval_talk(user, g, str(k)) for k, g in enumerate(goldens)))

    x, y, again = asyncio.run(together())
    assert x == again
    assert x != y


# MLflow -------------------------------------------------------------------------------------------------------------


def test_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.mlflow(monkeypatch)
    ours = people()
    user = mlflow_user(ours)(model="none")
    history: list[dict[str, str]] = []

    def until_it_leaves() -> None:
        for _ in range(40):
            text = user.generate_message(Record(goal="a trip", persona="p", conversation_history=history))
            assert text.strip()
            history.append({"role": "user", "content": text})
            history.append({"role": "assistant", "content": answer_to(len(history) // 2 + 1)})

    with pytest.raises(UserLeft) as left:
        until_it_leaves()
    person = people().person("a trip\x1fp", goal="a trip")
    said = [message["content"] for message in history if message["role"] == "user"]
    assert said == as_our_loop_has_it(person, people=ours)
    assert left.value.ending == user.person.ending
    assert left.value.ending.by == "user"


# LangWatch ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", KS)
def test_langwatch(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    stand_ins.langwatch(monkeypatch)
    ours = people()
    user = langwatch_user(ours, k)
    state = Record(thread_id="t", description="a trip", messages=[])

    def asked() -> Any:
        return Record(thread_id="t", messages=state.messages, scenario_state=state)

    async def take(who: str) -> None:
        if who == "user":
            state.messages.append(await user.call(asked()))
        else:
            users = sum(message["role"] == "user" for message in state.messages)
            state.messages.append({"role": "assistant", "content": answer_to(users)})

    state.take = take
    asyncio.run(until_the_user_leaves(user)(state))
    said = [message["content"] for message in state.messages if message["role"] == "user"]
    assert said == as_our_loop_has_it(people().person(k), people=ours)
    ending = user.persons["t"].ending
    assert ending is not None
    late = asyncio.run(user.call(asked()))
    # Asked in the same place it repeats its last words; once they are said, it is gone.
    if state.messages[-1]["role"] == "user":
        state.messages.append({"role": "assistant", "content": "Bye."})
        late = asyncio.run(user.call(asked()))
    assert (late.success, late.reasoning) == (False, f"the simulated user left: {ending.reason}")


def test_langwatch_stops_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.langwatch(monkeypatch)
    user, taken = langwatch_user(people(), 3), []
    state = Record(thread_id="t", description=None, messages=[])

    async def take(who: str) -> None:
        taken.append(who)

    state.take = take
    asyncio.run(until_the_user_leaves(user, max_turns=2)(state))
    assert taken == ["user", "agent"] * 2


# Inspect ------------------------------------------------------------------------------------------------------------


def _inspect_state(k: int | None, *, silent_after: int = 99) -> tuple[Any, Any]:
    store: dict[str, Any] = {}
    state = Record(
        metadata={} if k is None else {"user": k}, sample_id="s", epoch=1, input_text="a trip", completed=False,
        messages=[message("system", "Be kind."), message("user", "a trip")],
        store=Record(set=store.__setitem__, get=store.get), kept=store,
    )  # fmt: skip

    async def generate(state: Any) -> Any:
        users = sum(message.role == "user" for message in state.messages)
        state.messages.append(message("assistant", answer_to(max(users, 1)) if users < silent_after else ""))
        return state

    return state, generate


@pytest.mark.parametrize("k", KS)
def test_inspect(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    stand_ins.inspect_ai(monkeypatch)
    ours = people()
    state, generate = _inspect_state(k)
    asyncio.run(inspect_solver(ours)(state, generate))
    assert state.messages[0].role == "system"
    said = [message for message in state.messages if message.role == "user"]
    person = people().person(k)
    greeting = None if person.profile.opens else answer_to(1)
    assert [message.text for message in said] == as_our_loop_has_it(person, people=ours, greeting=greeting)
    assert all("intent" in message.metadata for message in said)
    (talk,) = ours.conversations()
    assert talk.ending is not None
    assert state.kept["understudy:ending"] == {"by": "user", "reason": talk.ending.reason}
    score = asyncio.run(inspect_scorer()(state, None))
    assert score.value == {"settled": float(talk.ending.reason == "done"), "user_turns": len(said)}


@pytest.mark.parametrize(
    ("max_turns", "silent_after", "ending"),
    [(3, 99, {"by": "limit", "reason": "3 turns"}), (40, 2, {"by": "fault", "reason": "the model said nothing"})],
)
def test_inspect_ends_otherwise(
    monkeypatch: pytest.MonkeyPatch, max_turns: int, silent_after: int, ending: dict[str, str]
) -> None:
    stand_ins.inspect_ai(monkeypatch)
    state, generate = _inspect_state(3, silent_after=silent_after)
    asyncio.run(inspect_solver(people(), max_turns=max_turns)(state, generate))
    assert state.kept["understudy:ending"] == ending
    score = asyncio.run(inspect_scorer()(state, None))
    assert math.isnan(score.value["settled"])


def test_inspect_sample_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.inspect_ai(monkeypatch)
    state, generate = _inspect_state(None)
    asyncio.run(inspect_solver(people(), opening="sample")(state, generate))
    assert [message.text for message in state.messages[:3]] == ["Be kind.", "a trip", answer_to(1)]
    assert state.messages[3].role == "user"
