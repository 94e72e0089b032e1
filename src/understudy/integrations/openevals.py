"""A simulated user for openevals and LangSmith: the callable that their multi-turn simulations take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from understudy.integrations.people import Users, people_of, turns_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from understudy.integrations.people import Person


class OpenevalsUser(NamedTuple):
    """What `run_multiturn_simulation` takes as `user` and `stopping_condition`; `person` knows the ending."""

    user: Callable[..., Any]
    stopping_condition: Callable[..., Any]
    person: Person


def openevals_user(users: Users, who: int | str = 0, *, seed: int = 0) -> OpenevalsUser:
    """The person `who` for one `run_multiturn_simulation(app=app, user=..., stopping_condition=...)`.

    The condition holds when the person has left, and before it would leave without a word, so that the app is never
    given an empty message. The ending is `person.ending`: their messages keep nothing beside the text. Needs neither
    package by itself.

    >>> from understudy.users import Goal
    >>> from understudy.users.structured import StructuredPopulation
    >>> three = openevals_user(StructuredPopulation([Goal(entities=(("area", "north"),))]))
    >>> three.user([], turn_counter=0, thread_id="t")
    {'role': 'user', 'content': 'area: north'}
    >>> said = [{"role": "user", "content": "area: north"}, {"role": "assistant", "content": "Done."}]
    >>> three.stopping_condition(said, turn_counter=1), three.user(said, turn_counter=1)["content"]
    (False, 'Thank you, goodbye.')
    >>> said += [three.user(said, turn_counter=1), {"role": "assistant", "content": "Bye."}]
    >>> three.stopping_condition(said, turn_counter=2), three.person.ending
    (True, Ending(by='user', reason='goal said'))
    """
    person = people_of(users, seed).person(who)

    def user(trajectory: Sequence[Mapping[str, Any]], **given: Any) -> dict[str, str]:
        return _message(person.now(person.answer, turns_from(trajectory)).text)

    def stopping_condition(trajectory: Sequence[Mapping[str, Any]], **given: Any) -> bool:
        return person.now(person.leaves_after, turns_from(trajectory))

    return OpenevalsUser(user, stopping_condition, person)


def openevals_user_async(users: Users, who: int | str = 0, *, seed: int = 0) -> OpenevalsUser:
    """The same for `run_multiturn_simulation_async`."""
    person = people_of(users, seed).person(who)

    async def user(trajectory: Sequence[Mapping[str, Any]], **given: Any) -> dict[str, str]:
        return _message((await person.answer(turns_from(trajectory))).text)

    async def stopping_condition(trajectory: Sequence[Mapping[str, Any]], **given: Any) -> bool:
        return await person.leaves_after(turns_from(trajectory))

    return OpenevalsUser(user, stopping_condition, person)


def _message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
