"""A simulated user in MLflow's `ConversationSimulator`: a `BaseSimulatedUserAgent`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from understudy._require import require
from understudy.integrations.people import Users, people_of, turns_from

if TYPE_CHECKING:
    from understudy.conversations import Ending
    from understudy.integrations.people import Person


class UserLeft(Exception):
    """The person has left. An MLflow simulation has no other way to hear of it: it stops and keeps what it traced."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(f"the simulated user has left: {ending.reason}")
        self.ending = ending


def mlflow_user(users: Users, *, seed: int = 0) -> type[Any]:
    """A user class for MLflow: `ConversationSimulator(test_cases, user_agent_class=mlflow_user("users/"))`.

    The goal and the persona of a test case stand for one person; the goal is followed by users that a language model
    speaks for. MLflow (3.10 and later) lets a user say something and nothing else, so the end comes as a `UserLeft`
    out of `generate_message` on the turn after the last words: MLflow logs it, ends the conversation and keeps its
    traces. Raises `MissingExtraError` where MLflow is not installed.
    """
    api = require("mlflow.genai.simulators", package="mlflow", purpose="an MLflow user")
    people = people_of(users, seed)

    class UnderstudyUser(api.BaseSimulatedUserAgent):  # type: ignore[misc, name-defined]
        """A person out of `users`."""

        person: Person | None = None

        def generate_message(self, context: Any) -> str:
            if self.person is None:
                self.person = people.person(f"{context.goal}\x1f{context.persona}", goal=context.goal)
            said = self.person.now(self.person.answer, turns_from(context.conversation_history))
            if said.ending is not None and not said.text.strip():
                raise UserLeft(said.ending)
            return said.text

    return UnderstudyUser
