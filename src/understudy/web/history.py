"""From the messages of a client to the turns that a simulated user remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from understudy.conversations import Conversation, Turn
from understudy.web.wire import Message


class Heard(NamedTuple):
    """The conversation so far as the simulated user has it, and what the client instructs its model to do."""

    turns: tuple[Turn, ...]
    instruction: str


def heard(messages: Sequence[Message], *, stop_token: str = "") -> Heard:
    """The turns in `messages`, the client's `assistant` being the user: the inversion is `Conversation.view_for`.

    Instructions are kept apart; results of tools and empty messages are no turns. A stop token at the end of the
    user's own turn was put there by this server and is taken off; in what the partner says it is text like any other.

    >>> said = [Message("system", "Be Ann."), Message("assistant", "bye ###STOP###"), Message("user", "###STOP###")]
    >>> [(turn.role, turn.text) for turn in heard(said, stop_token="###STOP###").turns]
    [('user', 'bye'), ('assistant', '###STOP###')]
    """
    turns, instructions = [], []
    for message in messages:
        text = text_of(message)
        if message.role in ("system", "developer"):
            instructions.append(text)
        elif message.role == "assistant":
            if stop_token and text.endswith(stop_token):
                text = text.removesuffix(stop_token).rstrip()
            if text.strip():
                turns.append(Turn("assistant", text))
        elif message.role == "user" and text.strip():
            turns.append(Turn("user", text))
    return Heard(Conversation("", tuple(turns)).view_for("assistant"), "\n".join(instructions))


def text_of(message: Message) -> str:
    """The text of a message, its parts joined.

    >>> from understudy.web.wire import TextPart
    >>> text_of(Message("user", [TextPart("text", "a"), TextPart("text", "b")]))
    'a\\nb'
    """
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if part.text)
    return message.content or ""
