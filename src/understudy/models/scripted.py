"""`scripted:FILE`: answers written beforehand, or recorded; for tests, demonstrations and replays."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from understudy.errors import UsageError
from understudy.models.cache import request_key
from understudy.models.model import FAULTS, NOTHING_USED, Completion, Request, TerminalFault, Usage
from understudy.models.recording import FaultRecord

Answer = str | Completion | FaultRecord
Script = Iterable[str | Mapping[str, Any]] | Callable[[Request], "str | Awaitable[str]"]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a script.

    `text` (or a `fault`) is the next answer; with `when`, the answer whenever that expression is found in the last
    message; with `request`, the answer to just that request.
    """

    text: str | None = None
    when: str | None = None
    fault: FaultRecord | None = None
    request: Request | None = None
    completion: Completion | None = None
    identity: str = ""


class Scripted:
    """A model that says what a script says: texts in order, rules, a recording, or a function of the request.

    A recorded request gets its own answers, in their order, wherever it comes; then rules, the first that fits;
    then texts, first come first served. When nothing is left to say, that is a `TerminalFault`. Tokens are words.

    >>> import asyncio
    >>> from understudy.models.model import Message, Request
    >>> model = Scripted(["Hello!", {"when": "bye", "text": "See you."}])
    >>> [asyncio.run(model.complete(Request((Message("user", t),)))).text for t in ("hi", "bye", "bye")]
    ['Hello!', 'See you.', 'See you.']
    """

    def __init__(self, script: Script, *, name: str = "inline") -> None:
        self._function = script if callable(script) else None
        self._texts: deque[Answer] = deque()
        self._rules: list[tuple[re.Pattern[str], Answer]] = []
        self._recorded: dict[str, deque[Answer]] = {}
        self.calls = 0
        digest = hashlib.blake2b(digest_size=6)
        if not callable(script):
            for number, item in enumerate(script, 1):
                line = self._line(item, name, number)
                digest.update(msgspec.json.encode(line, order="deterministic"))
                self._add(line, name, number)
        self.identity = f"scripted:{name}" + ("" if callable(script) else f"#{digest.hexdigest()}")

    @classmethod
    def from_file(cls, path: str | Path) -> Scripted:
        """A script from a JSONL file: lines as in `Line`, or plain JSON strings; or one that `Recording` wrote."""
        try:
            lines = Path(path).read_bytes().split(b"\n")
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}",
                why="the scripted model's answers stand there",
                fix='check the path; it is a JSONL file with lines such as {"text": "Hello!"}',
            ) from error
        return cls(_decoded(lines, str(path)), name=Path(path).name)

    @staticmethod
    def _line(item: str | Mapping[str, Any], name: str, number: int) -> Line:
        if isinstance(item, str):
            return Line(text=item)
        try:
            return msgspec.convert(item, Line)
        except msgspec.ValidationError as error:
            raise _bad(name, number, str(error)) from error

    def _add(self, line: Line, name: str, number: int) -> None:
        answer: Answer | None = line.text if line.text is not None else line.completion or line.fault
        if answer is None:
            raise _bad(name, number, "it has neither text nor completion nor fault")
        if isinstance(answer, FaultRecord) and answer.kind not in FAULTS:
            raise _bad(name, number, f"{answer.kind!r} is no kind of fault ({', '.join(FAULTS)})")
        if line.request is not None:
            self._recorded.setdefault(request_key("", line.request), deque()).append(answer)
        elif line.when is not None:
            try:
                self._rules.append((re.compile(line.when), answer))
            except re.error as error:
                raise _bad(name, number, f"{line.when!r} is no regular expression: {error}") from error
        else:
            self._texts.append(answer)

    async def complete(self, request: Request) -> Completion:
        """What the script says next, or a `TerminalFault` where it says nothing."""
        self.calls += 1
        if self._function is not None:
            said = self._function(request)
            text = await said if inspect.isawaitable(said) else said
            return self._completion(text, request)
        answer = self._next(request)
        if answer is None:
            raise TerminalFault(
                "script_over",
                f"{self.identity} has no answer left for call {self.calls}",
                why="the script is shorter than the run, or no rule or recorded request fits",
                fix='add lines, or a rule {"when": ".", "text": "..."} for all that is left',
                usage=NOTHING_USED,
            )
        if isinstance(answer, FaultRecord):
            raise answer.fault()
        return answer if isinstance(answer, Completion) else self._completion(answer, request)

    def _next(self, request: Request) -> Answer | None:
        recorded = self._recorded.get(request_key("", request)) if self._recorded else None
        if recorded:
            return recorded.popleft() if len(recorded) > 1 else recorded[0]
        last = request.messages[-1].content if request.messages else ""
        for pattern, answer in self._rules:
            if pattern.search(last):
                return answer
        return self._texts.popleft() if self._texts else None

    def _completion(self, text: str, request: Request) -> Completion:
        read = sum(len(m.content.split()) for m in request.messages)
        return Completion(text, self.identity, usage=Usage(read, len(text.split())))


def _decoded(lines: list[bytes], name: str) -> list[str | Mapping[str, Any]]:
    items: list[str | Mapping[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _bad(name, number, str(error)) from error
        if not isinstance(item, str | dict):
            raise _bad(name, number, "it is neither an object nor a string")
        items.append(item)
    return items


def _bad(name: str, number: int, reason: str) -> UsageError:
    return UsageError(
        f"line {number} of the script {name}: {reason}",
        why="the scripted model cannot guess what to say",
        fix='write {"text": "..."}, {"when": "REGEX", "text": "..."}, or play a recording',
    )
