"""A simulated user in DeepEval's `ConversationSimulator`: a simulation node and the controller that ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from understudy._require import require
from understudy.integrations.people import Users, people_of, told, turns_from

if TYPE_CHECKING:
    from understudy.conversations import Turn
    from understudy.integrations.people import Person


class DeepEvalUser(NamedTuple):
    """What `ConversationSimulator` takes: its `simulation_graph` and its `stopping_controller`."""

    simulation_graph: Any
    stopping_controller: Any


def deepeval_user(users: Users, *, seed: int = 0) -> DeepEvalUser:
    """A simulated user for DeepEval: `ConversationSimulator(model_callback, **deepeval_user("users/")._asdict())`.

    A golden calls the person that its `additional_metadata={"user": 3}` numbers, else the one that its name or its
    scenario stands for; the scenario becomes the goal, which users that a language model speaks for follow. Planned
    intent and ending come as the `metadata` of the turn; the controller ends the simulation at it, before the
    callback is given an empty turn where the person leaves without a word. `model_callback` returns a DeepEval
    `Turn`. Raises `MissingExtraError` where DeepEval is not installed.
    """
    simulator = require("deepeval.simulator.simulation_graph", package="deepeval", purpose="a DeepEval user")
    control = require("deepeval.simulator.controller", package="deepeval", purpose="a DeepEval user")
    turn_class = require("deepeval.test_case", package="deepeval", purpose="a DeepEval user").Turn
    people = people_of(users, seed)
    threads: dict[str, Person] = {}

    def person(thread_id: str, golden: Any) -> Person:
        if thread_id not in threads:
            who = (golden.additional_metadata or {}).get("user", golden.name or golden.scenario)
            threads[thread_id] = people.person(who, goal=golden.scenario)
        return threads[thread_id]

    async def understudy(turns: list[Any], golden: Any, thread_id: str) -> Any:
        said = await person(thread_id, golden).answer(_turns(turns))
        return turn_class(role="user", content=said.text, metadata=told(said) or None)

    async def until_the_user_leaves(turns: list[Any], golden: Any, thread_id: str) -> Any:
        someone = person(thread_id, golden)
        spoke_last = bool(turns) and turns[-1].role == "user"
        if spoke_last or not await someone.leaves_after(_turns(turns)):
            return control.proceed()
        ending = someone.ending
        del threads[thread_id]
        return control.end(None if ending is None else ending.reason)

    return DeepEvalUser(simulator.SimulationNode(understudy), until_the_user_leaves)


def _turns(turns: list[Any]) -> tuple[Turn, ...]:
    return turns_from({"role": turn.role, "content": turn.content} for turn in turns)
