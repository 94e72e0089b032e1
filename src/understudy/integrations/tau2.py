"""A simulated user in τ²-bench: a `HalfDuplexUser` for its registry."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from understudy._require import require
from understudy.conversations import Turn
from understudy.integrations.people import Users, people_of, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from understudy.integrations.people import Person

# The `tau2` of PyPI is another program.
_PACKAGE = "'tau2 @ git+https://github.com/sierra-research/tau2-bench'"
STOP = "###STOP###"  # what ends a run of τ²-bench when it stands in a message of the user


def tau2_user(users: Users, *, seed: int = 0) -> type[Any]:
    """A user class for τ²-bench: `registry.register_user(tau2_user("users/"), "understudy")`, then `--user understudy`.

    Each task and trial gets a person of its own. The task's instructions become the person's goal: users that a
    language model speaks for follow them; fitted users say what the people of their corpus would, whatever the task,
    so its reward then tells how the agent does with such people and not whether the task was carried through. The
    person calls no tools. At the end the message carries `###STOP###` after the last words (alone where the person
    leaves without any), and the ending as data in `raw_data`.

    Works with `HalfDuplexUser` (τ²-bench 1.x) and with `BaseUser`, its base before that. Raises `MissingExtraError`
    where τ²-bench is not installed.
    """
    messages = require("tau2.data_model.message", package=_PACKAGE, purpose="a τ²-bench user")
    base, state_class = _bases()
    people = people_of(users, seed)

    class UnderstudyUser(base):  # type: ignore[misc, valid-type]
        """A person out of `users`."""

        def __init__(self, instructions: Any = None, tools: Any = None, **llm: Any) -> None:
            super().__init__(instructions=instructions)
            self.tools = tools
            self._trial = "0"
            self._person: Person | None = None

        def set_seed(self, seed: int) -> None:
            self._trial, self._person = str(seed), None

        def get_init_state(self, message_history: list[Any] | None = None) -> Any:
            return state_class(system_messages=[], messages=list(message_history or []))

        def generate_next_message(self, message: Any, state: Any) -> tuple[Any, Any]:
            state.messages.extend(getattr(message, "tool_messages", None) or [message])
            if self._person is None:
                task = str(self.instructions)
                self._person = people.person(f"{self._trial}\x1f{task}", goal=task)
            said = self._person.now(self._person.answer, _turns(state.messages))
            text = said.text if said.ending is None else f"{said.text.strip()}\n{STOP}".strip()
            answer = messages.UserMessage(role="user", content=text, raw_data=told(said) or None)
            state.messages.append(answer)
            return answer, state

        @classmethod
        def is_stop(cls, message: Any) -> bool:
            return STOP in (message.content or "")

    return UnderstudyUser


def _bases() -> tuple[type[Any], type[Any]]:
    """The base class of a user and the class of its state, wherever this version of τ²-bench keeps them."""
    try:
        module = importlib.import_module("tau2.user.user_simulator_base")
        return module.HalfDuplexUser, module.UserState
    except ModuleNotFoundError:
        module = importlib.import_module("tau2.user.base")
        return module.BaseUser, module.UserState


def _turns(messages: Iterable[Any]) -> Iterable[Turn]:
    """What was said aloud between agent and user: no tool calls and no results."""
    for message in messages:
        if message.role in ("user", "assistant") and message.content and not message.is_tool_call():
            yield Turn(message.role, message.content)
