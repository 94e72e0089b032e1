"""Chat completions spoken by simulated users."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

import msgspec

from understudy import __version__
from understudy.errors import UnderstudyError
from understudy.models.model import ModelFault
from understudy.rollouts.faults import from_exception, text_fault
from understudy.users import UserTurn
from understudy.users.opening import SimulatedUsers
from understudy.web.casting import cast
from understudy.web.history import heard, text_of
from understudy.web.reading import GoneError, Receive
from understudy.web.refusals import RefusedError
from understudy.web.sessions import Sessions
from understudy.web.shaping import shaped
from understudy.web.wire import (
    ChatCompletion,
    ChatRequest,
    Choice,
    Chunk,
    ChunkChoice,
    Delta,
    EndingTold,
    Said,
    Told,
    Usage,
)

T = TypeVar("T")
SESSION_HEADER = "x-session-id"
STOP_HEADER = "x-stop-token"
_encode = msgspec.json.Encoder().encode


class Spoken(NamedTuple):
    """One choice before it is wrapped: the text as the client gets it, why it stops, what is told beside it."""

    text: str
    finish: Any  # "stop" or "length"
    told: Told


class Chat:
    """Answers chat requests for the users of `people`."""

    def __init__(self, people: SimulatedUsers, *, seed: int, stop_token: str = "") -> None:
        self.sessions = Sessions(people, seed=seed)
        self.size = people.n_sessions
        self._seed, self._stop_token = seed, stop_token
        name = f"{people.identity} {seed} {__version__}".encode("utf-8", "surrogatepass")
        self.fingerprint = f"fp_{blake2b(name, digest_size=6).hexdigest()}"

    async def answer(self, asked: ChatRequest, headers: Mapping[str, str]) -> ChatCompletion:
        """The completion that `asked` asks for. `headers` may name the session and the stop token."""
        stop_token = _named(headers, STOP_HEADER) or (asked.metadata and asked.metadata.stop_token) or self._stop_token
        session = _named(headers, SESSION_HEADER) or (asked.metadata and asked.metadata.session_id) or asked.user or ""
        turns, instruction = heard(asked.messages, stop_token=stop_token)
        choices = []
        for index in range(asked.n or 1):
            who = cast(
                asked, session=session, instruction=instruction, seed=self._seed, size=self.size, choice=index
            )  # fmt: skip
            said = await self._spoken(who, turns)
            spoken = _finished(said, asked, stop_token, self.sessions.profile(who.k).user_id)
            choices.append(Choice(index, Said(spoken.text), spoken.finish, spoken.told))
        read = sum(_size(text_of(message)) for message in asked.messages)
        written = sum(_size(choice.message.content) for choice in choices)
        return ChatCompletion(
            id=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(time.time()),
            model=asked.model,
            choices=choices,
            usage=Usage(read, written, read + written),
            system_fingerprint=self.fingerprint,
        )

    async def _spoken(self, who: Any, turns: Any) -> UserTurn:
        try:
            said = await self.sessions.reply(who, turns)
        except UnderstudyError as error:
            raise _unspoken(error) from error
        fault = text_fault("user", said.text, ends=said.ending is not None, role="user")
        if fault is not None:
            raise RefusedError(
                502, fault.kind, fault.reason, why="what is no turn of a person is never said", fix="try another seed"
            )
        return said


def events(answer: ChatCompletion, *, usage: bool) -> Iterator[bytes]:
    """The answer as server-sent events: who speaks, the words one by one, why it ended; then the usage, if asked for.

    >>> told = Told("u")
    >>> done = ChatCompletion(
    ...     id="c", created=0, model="users", choices=[Choice(0, Said("Any trains?"), "stop", told)],
    ...     usage=Usage(1, 3, 4), system_fingerprint="f",
    ... )
    >>> [b'"content"' in event for event in events(done, usage=True)], list(events(done, usage=False))[-1]
    ([True, True, True, False, False, False], b'data: [DONE]\\n\\n')
    """
    none = None if usage else msgspec.UNSET

    def chunk(choices: list[ChunkChoice], used: Usage | msgspec.UnsetType | None = none) -> bytes:
        made = Chunk(
            id=answer.id,
            created=answer.created,
            model=answer.model,
            choices=choices,
            system_fingerprint=answer.system_fingerprint,
            usage=used,
        )
        return b"data: " + _encode(made) + b"\n\n"

    for choice in answer.choices:
        at = choice.index
        yield chunk([ChunkChoice(at, Delta("assistant", ""))])
        for word in _words(choice.message.content):
            yield chunk([ChunkChoice(at, Delta(content=word))])
        yield chunk([ChunkChoice(at, Delta(), choice.finish_reason, choice.understudy)])
    if usage:
        yield chunk([], answer.usage)
    yield b"data: [DONE]\n\n"


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client goes away."""
    task = asyncio.ensure_future(work)
    tasks: list[asyncio.Future[Any]] = [task]
    try:
        await asyncio.sleep(0)  # Users who only compute have mostly answered by now.
        if not task.done():
            tasks.append(asyncio.ensure_future(_until_gone(receive)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise GoneError
        return task.result()
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _words(text: str) -> Iterator[str]:
    """The text in pieces that join to it again."""
    start = 0
    while (space := text.find(" ", start + 1)) > 0:
        yield text[start:space]
        start = space
    if start < len(text):
        yield text[start:]


def _finished(said: UserTurn, asked: ChatRequest, stop_token: str, user: str) -> Spoken:
    """What was said, as this client gets it: within its limits, in its format, with its stop token."""
    text, finish = said.text, "stop"
    for stop in [asked.stop] if isinstance(asked.stop, str) else asked.stop or ():
        text = text.partition(stop)[0]
    limit = asked.max_completion_tokens or asked.max_tokens
    if limit is not None and _size(text) > limit:
        text, finish = text[: 4 * limit], "length"
    ended = said.ending is not None
    if ended and stop_token:
        text = f"{text} {stop_token}".lstrip()
    if asked.response_format is not None and asked.response_format.type != "text":
        text = shaped(text, asked.response_format, ended=ended)
    ending = None if said.ending is None else EndingTold("user", said.ending.reason)
    return Spoken(text, finish, Told(user, ending))


def _size(text: str) -> int:
    return -(-len(text) // 4)


def _named(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "").strip()


def _unspoken(error: UnderstudyError) -> RefusedError:
    """Why a user could not speak, for the client: the remedy is the server's."""
    fault = from_exception("user", error)
    wait = error.retry_after if isinstance(error, ModelFault) else None
    return RefusedError(
        503 if wait is not None else 502,
        fault.kind,
        fault.message,
        why=error.why,
        fix=error.fix,
        headers={} if wait is None else {"Retry-After": str(max(1, round(wait)))},
    )
