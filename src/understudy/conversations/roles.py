"""Who is the user: the names that roles go by, and what to do when a name says nothing."""

from __future__ import annotations

import re
from collections.abc import Collection

from understudy.conversations.records import Role

_USER = (
    "user human usr customer seeker client student persuadee apprentice caller patient visitor learner"
    " consumer shopper guest buyer questioner searcher requester end_user enduser inquirer"
)
_ASSISTANT = (
    "assistant bot agent gpt wizard teacher persuader recommender model ai chatbot chatgpt operator tutor"
    " therapist counselor counsellor expert advisor adviser salesperson seller representative support machine"
    " llm assistant_agent virtual_assistant sys"
)
#: Names whose meaning is plain, in lower case.
KNOWN_ROLES: dict[str, Role] = {
    **dict.fromkeys(_USER.split(), "user"),
    **dict.fromkeys(_ASSISTANT.split(), "assistant"),
}
#: Messages that steer a model rather than being said to anybody.
INSTRUCTION_ROLES = frozenset({"system", "developer"})
#: Results that a tool returned.
TOOL_ROLES = frozenset({"tool", "function", "ipython", "observation", "environment", "function_response"})

_DIGITS = re.compile(r"(\d+)")
_SECOND = re.compile(r"(?:^|[ _.#-]|speaker|person|user|party)(?:2|b)$")


def normalised(name: str) -> str:
    """The name in lower case, words joined by underscores."""
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def known_role(name: str) -> Role | None:
    """The role that a name plainly means.

    >>> known_role("Customer"), known_role("gpt"), known_role("speaker_1")
    ('user', 'assistant', None)
    """
    return KNOWN_ROLES.get(name) or KNOWN_ROLES.get(normalised(name))


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key in which `speaker_2` comes before `speaker_10`.

    >>> sorted(["speaker_10", "speaker_2"], key=natural_key)
    ['speaker_2', 'speaker_10']
    """
    pieces = _DIGITS.split(name)
    return tuple((1, int(p), "") if p.isdecimal() and len(p) < 19 else (0, 0, p) for p in pieces if p)


def assign_roles(names: Collection[str]) -> tuple[dict[str, Role], bool]:
    """The role of each speaker of one conversation, and whether it had to be chosen without a meaning.

    Known names keep their meaning; beside a known assistant an unknown name is the user, beside a known user it is
    an assistant. Where no name means anything, the first in natural order is taken as the user. The answer depends
    on the names of this one conversation only, so order and batches change nothing.

    >>> assign_roles(["speaker_2", "speaker_1"])
    ({'speaker_2': 'assistant', 'speaker_1': 'user'}, True)
    >>> assign_roles(["Jane", "agent"])
    ({'Jane': 'user', 'agent': 'assistant'}, False)
    """
    roles = {name: known_role(name) for name in names}
    meant = {role for role in roles.values() if role is not None}
    unknown = sorted((name for name, role in roles.items() if role is None), key=natural_key)
    if not unknown:
        return {name: role for name, role in roles.items() if role is not None}, False
    first: Role = "user"
    lone_second = not meant and len(unknown) == 1 and _SECOND.search(normalised(unknown[0])) is not None
    if "user" in meant or lone_second:
        first = "assistant"
    ranked: dict[str, Role] = {name: first if rank == 0 else "assistant" for rank, name in enumerate(unknown)}
    return {name: role or ranked[name] for name, role in roles.items()}, not meant
