"""Simulated users in Inspect: a solver in which one talks to the model under evaluation, and a scorer of the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from understudy._require import require
from understudy.conversations import Ending, Turn
from understudy.integrations.people import Users, people_of, told
from understudy.rollouts.loop import MAX_TURNS

if TYPE_CHECKING:
    from understudy.integrations.people import Person

_KEY = "understudy"
SETTLED = frozenset({"done", "goal said"})  # reasons of users who had what they came for


def inspect_solver(
    users: Users, *, seed: int = 0, max_turns: int = MAX_TURNS, opening: Literal["user", "sample"] = "user"
) -> Any:
    """A solver in which a simulated user talks to the evaluated model until one of them ends it.

    A sample calls the person that `metadata["user"]` numbers, else the one that its id and epoch stand for; its input
    becomes the goal, which users that a language model speaks for follow. With `opening="user"` the person says
    everything, and the sample's own user messages are left out; with `"sample"` they open the conversation. At most
    `max_turns` turns of both sides together. Planned intents stand in the metadata of the user's messages; the ending
    in the store, as `understudy:ending`. Raises `MissingExtraError` where Inspect is not installed.
    """
    api = require("inspect_ai.solver", package="inspect_ai", purpose="an Inspect solver")
    model = require("inspect_ai.model", package="inspect_ai", purpose="an Inspect solver")
    people = people_of(users, seed)

    @api.solver(name=f"{_KEY}/simulated_user")  # type: ignore[untyped-decorator]
    def simulated_user(users: str, seed: int, max_turns: int, opening: str) -> Any:
        async def solve(state: Any, generate: Any) -> Any:
            who = state.metadata.get("user", f"{state.sample_id}/{state.epoch}")
            person = people.person(who, goal=state.input_text)
            if opening == "user":
                state.messages = [message for message in state.messages if message.role != "user"]
            return await _talk(person, state, generate, max_turns, model.ChatMessageUser)

        return solve

    return simulated_user(people.identity, people.seed, max_turns, opening)


async def _talk(person: Person, state: Any, generate: Any, max_turns: int, message: Any) -> Any:
    ending = Ending("limit", f"{max_turns} turns")
    history = _turns(state.messages)
    users_turn = history[-1].role == "assistant" if history else person.profile.opens
    while len(history) < max_turns and not state.completed:
        if users_turn:
            said = await person.answer(history)
            if said.text.strip():
                state.messages.append(message(content=said.text, metadata=told(said)))
            if said.ending is not None:
                ending = said.ending
                break
        else:
            state = await generate(state)
        before, history = history, _turns(state.messages)
        if len(history) == len(before):
            ending = Ending("fault", "the model said nothing")
            break
        users_turn = not users_turn
    state.store.set(f"{_KEY}:ending", msgspec.to_builtins(ending))
    state.store.set(f"{_KEY}:user", person.profile.user_id)
    return state


def inspect_scorer() -> Any:
    """A scorer of how the simulated user came away: `settled`, and `user_turns`, with mean and standard error.

    `settled` is 1 where the user left with what it came for, 0 where it gave up or went away, and not scored where
    somebody else ended the conversation (the turn limit, a model without an answer). It says how these users took
    the system; whether people would is what `understudy audit` and `transfer` are for.
    """
    api = require("inspect_ai.scorer", package="inspect_ai", purpose="an Inspect scorer")

    @api.scorer(metrics={"*": [api.mean(), api.stderr()]}, name=f"{_KEY}/user_outcome")  # type: ignore[untyped-decorator]
    def user_outcome() -> Any:
        async def score(state: Any, target: Any) -> Any:
            ending = state.store.get(f"{_KEY}:ending") or {"by": "fault", "reason": "no simulated user spoke"}
            settled = float(ending["reason"] in SETTLED) if ending["by"] == "user" else float("nan")
            turns = sum(turn.role == "user" for turn in _turns(state.messages))
            return api.Score(
                value={"settled": settled, "user_turns": turns},
                explanation=f"ended by {ending['by']}: {ending['reason']}",
                metadata={"ending": ending},
            )

        return score

    return user_outcome()


def _turns(messages: list[Any]) -> tuple[Turn, ...]:
    return tuple(Turn(m.role, m.text) for m in messages if m.role in ("user", "assistant") and m.text.strip())
