"""Who broke a rollout, and how: faults are data, counted beside the conversations that came through."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from understudy.conversations import Role
from understudy.errors import UnderstudyError
from understudy.models.model import ModelFault
from understudy.users.prompted import UnusableAnswerError

Side = Literal["user", "partner", "judge", "environment"]
MAX_CHARS = 20_000
_MAX_MESSAGE = 300

# A line that opens with a speaker's label. Both sides' labels in one contribution make it a script, not a turn.
_LABEL = re.compile(r"^[ \t>*#]*(user|human|assistant|ai|bot|agent|system)[ \t*]*:", re.IGNORECASE | re.MULTILINE)
_USER_LABELS = {"user", "human"}


class Fault(msgspec.Struct, frozen=True):
    """What ended a rollout before its time.

    `kind` is one of `raised`, `timeout`, `type`, `empty`, `surrogate`, `too_long`, `role_flip`, `ending`, `meta`
    (what it returned beside the text is no plain data); the code of a language model's fault (`http_503`,
    `content_filter`); or what a side that knows better says of itself.

    >>> Fault("partner", "raised", "ValueError: no such hotel").reason
    'partner: raised: ValueError: no such hotel'
    """

    by: Side
    kind: str
    message: str

    @property
    def reason(self) -> str:
        return f"{self.by}: {self.kind}: {self.message}"


class FaultError(Exception):
    """Raised by a side that knows whose fault it is, where that is not its own.

    A partner whose network is down raises `FaultError("environment", "unreachable", "...")`, and the fault is
    not laid at the door of the system under test.
    """

    def __init__(self, by: Side, kind: str, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(by, kind, printable(message))


def printable(text: str) -> str:
    """`text` on one line, without lone surrogates, cut to a length that fits a report.

    >>> printable("no such" + chr(10) + "hotel" + chr(0xD800))
    'no such hotel?'
    """
    line = " ".join(text[: 4 * _MAX_MESSAGE].split()).encode("utf-8", "replace").decode("utf-8")
    return line if len(line) <= _MAX_MESSAGE else line[: _MAX_MESSAGE - 1] + "…"


def from_exception(by: Side, error: Exception) -> Fault:
    """The fault that an exception of one side's code amounts to.

    Running out of memory, and a model that cannot be reached, are the environment's.
    """
    if isinstance(error, FaultError):
        return error.fault
    if isinstance(error, ModelFault):
        # An endpoint that is down is nobody's turn; a refusal or an answer cut short is the speaker's own.
        side: Side = by if error.kind in ("refusal", "truncated") else "environment"
        return Fault(side, error.code, printable(f"the {by}'s model: {error.what}"))
    if isinstance(error, UnusableAnswerError):
        return Fault(by, error.code, printable(error.what))
    blamed: Side = "environment" if isinstance(error, MemoryError) else by
    what = error.what if isinstance(error, UnderstudyError) else error  # The remedy stands on further lines.
    return Fault(blamed, "raised", printable(f"{type(error).__name__}: {what}"))


def text_fault(by: Side, text: Any, *, ends: bool, role: Role) -> Fault | None:
    """What is wrong with what one side said, if anything. `ends`: the reply carries an ending, so it may be empty.

    >>> text_fault("partner", "   ", ends=False, role="assistant").kind
    'empty'
    >>> text_fault("partner", "Sure!\\nUser: thanks\\nAssistant: bye", ends=False, role="assistant").kind
    'role_flip'
    >>> text_fault("partner", "###STOP### <|endconversation|>", ends=False, role="assistant") is None
    True
    """
    if not isinstance(text, str):
        return Fault(by, "type", f"the text is a {type(text).__name__}, not a str")
    if len(text) > MAX_CHARS:
        return Fault(by, "too_long", f"{len(text):,} characters in one turn; at most {MAX_CHARS:,} are taken")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            return Fault(by, "surrogate", f"a lone surrogate at character {error.start}")
    if not ends and not text.strip():
        return Fault(by, "empty", "an empty reply without an ending")
    if "\n" in text and ":" in text and _is_script(text):
        other = "user" if role == "assistant" else "partner"
        return Fault(by, "role_flip", f"the reply is a script that also speaks for the {other}")
    return None


def _is_script(text: str) -> bool:
    labels = {match.group(1).lower() in _USER_LABELS for match in _LABEL.finditer(text)}
    return len(labels) == 2
