"""A simulated user in LangWatch Scenario: an `AgentAdapter` in the role of the user, and a script that it can end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from understudy._require import require
from understudy.integrations.people import Person, Users, people_of, turns_from


def langwatch_user(users: Users, who: int | str = 0, *, seed: int = 0) -> Any:
    """The person `who` as an agent for `scenario.run(agents=[...])`, in place of its `UserSimulatorAgent`.

    The scenario's description becomes the goal, which users that a language model speaks for follow. In a script of
    `until_the_user_leaves()` the conversation ends with the person; in a scenario without a script a person that has
    left ends it unsettled, as reaching the turn limit does: `success=False`, with the ending as its reasoning. Every
    thread has its own conversation; `agent.persons[thread_id].ending` is the ending as data. Raises
    `MissingExtraError` where `langwatch-scenario` is not installed.
    """
    scenario = require("scenario", package="langwatch-scenario", purpose="a LangWatch Scenario user")
    people = people_of(users, seed)

    class UnderstudyUser(scenario.AgentAdapter):  # type: ignore[misc, name-defined]
        """A person out of `users`."""

        role = scenario.AgentRole.USER
        name = "understudy"

        def __init__(self) -> None:
            self.persons: dict[str, Person] = {}

        def person(self, thread_id: str, goal: str | None) -> Person:
            """The person of a thread."""
            if thread_id not in self.persons:
                self.persons[thread_id] = people.person(who, goal=goal)
            return self.persons[thread_id]

        async def call(self, input: Any) -> Any:
            person = self.person(input.thread_id, getattr(input.scenario_state, "description", None))
            said = await person.answer(turns_from(input.messages))
            if said.ending is not None and not said.text.strip():
                left = f"the simulated user left: {said.ending.reason}"
                return scenario.ScenarioResult(success=False, messages=input.messages, reasoning=left)
            return {"role": "user", "content": said.text}

    return UnderstudyUser()


def until_the_user_leaves(user: Any, *, max_turns: int = 30) -> Callable[[Any], Awaitable[None]]:
    """A step of a script: `user` and the agent take turns until the user has left, at most `max_turns` turns each.

    The agent is never given an empty message, and does not answer the user's last words.
    """
    scenario = require("scenario", package="langwatch-scenario", purpose="a LangWatch Scenario script")

    async def talk(state: Any) -> None:
        person = user.person(state.thread_id, state.description)
        for _ in range(max_turns):
            if await person.leaves_after(turns_from(state.messages)):
                return
            await scenario.user()(state)
            if person.ending is not None:
                return
            await scenario.agent()(state)

    return talk
