"""The site: consent, tasks, chat, leaving and withdrawing. Every answer is on disk before the next page goes out."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from understudy._require import require
from understudy.conversations import Turn
from understudy.conversations.strict_json import scrub_surrogates
from understudy.rollouts.partner import Partner, PartnerReply, PartnerSession
from understudy.seeds import derive_seed
from understudy.web.guard import LOOPBACK, OPEN_PATH, App, Guard
from understudy.web.panel.forms import Fields, Taken, clean_message, read_fields, take
from understudy.web.panel.pages import NO_CHAT, NOTHING_TAKEN, is_waiting, page, spaced, style, task_page
from understudy.web.panel.responses import (
    HEADERS,
    broken,
    html,
    http_error,
    not_kept,
    refused,
    to,
    with_cookie,
    without_cookie,
)
from understudy.web.panel.sessions import FEWEST_MESSAGES, MOST_MESSAGES, Step, questionnaire_of, steps_of
from understudy.web.panel.storage import PanelStore
from understudy.web.reading import read_body
from understudy.web.refusals import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MOST_BYTES = 64 * 1024
REPLY_SECONDS = 60.0


def build_panel(
    store: PanelStore,
    partner: Partner | None,
    *,
    invite: str = "",
    hosts: frozenset[str] | None = LOOPBACK,
) -> App:
    """The ASGI application of a panel. `invite` is a word that raters must know to begin; `hosts` as in `Guard`."""
    require("starlette", extra="web", purpose="the raters' panel")
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    site = _Site(store, partner, invite)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        close: Callable[[], Awaitable[None]] | None = getattr(partner, "aclose", None)
        if close is not None:
            await close()

    routes = [
        Route("/", site.start),
        Route("/begin", site.begin, methods=["POST"]),
        Route("/resume", site.resume, methods=["POST"]),
        Route("/leave", site.leave, methods=["POST"]),
        Route("/task", site.task),
        Route("/task", site.answer, methods=["POST"]),
        Route("/chat", site.say, methods=["POST"]),
        Route("/withdraw", site.ask_withdraw),
        Route("/withdraw", site.withdraw, methods=["POST"]),
        Route("/style.css", site.style),
        Route(OPEN_PATH, site.health),
    ]
    handlers: dict[Any, Any] = {
        RefusedError: refused, HTTPException: http_error, sqlite3.Error: not_kept, 500: broken,
    }  # fmt: skip
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False
    return Guard(app, hosts=hosts, linked=True)


class _Rater(NamedTuple):
    number: int
    code: str
    token: str


class _Site:
    """The routes."""

    def __init__(self, store: PanelStore, partner: Partner | None, invite: str) -> None:
        self._store, self._partner, self._invite = store, partner, invite
        # Cookies know no ports: two panels on one machine must not take each other's.
        self._cookie = f"panel_{hashlib.sha256(store.secret).hexdigest()[:12]}"
        self._sessions: dict[int, PartnerSession] = {}
        self._turns: dict[int, asyncio.Lock] = {}
        self._one_at_a_time = asyncio.Lock() if getattr(partner, "one_at_a_time", False) else None

    async def start(self, request: Request) -> Response:
        return self._start_page(request.query_params.get("invite", ""), rater=await self._rater(request))

    def _start_page(self, invite: str = "", problem: str = "", rater: _Rater | None = None) -> Response:
        context = {"asks_invite": bool(self._invite), "invite": invite, "consent": self._store.design.consent}
        text = page("start", token=self._token(""), problem=problem, going=rater is not None, **context)
        return html(text, 422 if problem else 200)

    async def begin(self, request: Request) -> Response:
        fields = await self._fields(request, code="")
        given = fields["invite"].strip()
        if not hmac.compare_digest(given.encode(), self._invite.encode()):
            return self._start_page(given, "The word of invitation is another. It is in the message that led you here.")
        if fields["consent"] != "yes":
            return self._start_page(given, "To take part, tick the box that says that you agree.")
        _, code = await _apart(self._store.new_rater)
        return with_cookie(to("/task"), self._cookie, code, request)

    async def resume(self, request: Request) -> Response:
        fields = await self._fields(request, code="")
        code = "".join(c for c in fields["code"].lower() if c in "0123456789abcdef")
        if await _apart(self._store.rater_of, code) is None:
            return self._start_page(problem="There is no session under this code. It has sixteen digits and letters.")
        return with_cookie(to("/task"), self._cookie, code, request)

    async def leave(self, request: Request) -> Response:
        rater = await self._rater(request)
        if rater is not None:
            await self._fields(request, code=rater.code)
        return without_cookie(to("/"), self._cookie)

    async def task(self, request: Request) -> Response:
        rater = await self._rater(request)
        if rater is None:
            return to("/")
        return await self._current(rater)

    async def answer(self, request: Request) -> Response:
        rater = await self._rater(request)
        if rater is None:
            return to("/")
        fields = await self._fields(request, code=rater.code)
        step = await self._step(rater)
        if step is None or fields["step"] != str(step.number) or step.kind == "chat":
            return to("/task")  # Answered before, from another tab or by the back button: the first answer stands.
        taken = take(step, fields, questionnaire_of(self._store.design, rater.number))
        if taken.answer is None:
            return await self._current(rater, taken)
        await _apart(self._store.answer, rater.number, step.number, taken.answer)
        return to("/task")

    async def say(self, request: Request) -> Response:
        """A message, a second try at the partner's answer, or the end of the chat."""
        rater = await self._rater(request)
        if rater is None:
            return to("/")
        fields = await self._fields(request, code=rater.code)
        async with self._turns.setdefault(rater.number, asyncio.Lock()):
            step = await self._step(rater)
            if step is None or step.kind != "chat":
                return to("/task")
            chat = await _apart(self._store.chat, rater.number)
            said = sum(turn.role == "user" for turn in chat.turns)
            if fields["do"] == "end":
                if said < FEWEST_MESSAGES and not chat.ended:
                    return await self._current(rater, fault=f"Say at least {FEWEST_MESSAGES} things before you end it.")
                await _apart(self._store.answer, rater.number, step.number, {"messages": said})
                self._sessions.pop(rater.number, None)
                return to("/task")
            if not is_waiting(chat):
                text = clean_message(fields["message"])
                if fields["position"] != str(len(chat.turns)) or chat.ended or said >= MOST_MESSAGES:
                    return to("/task")
                if not text:
                    return await self._current(rater, fault="Write something to the assistant first.")
                await _apart(self._store.say, rater.number, len(chat.turns), "user", text)
            fault = await self._reply(rater)
        return await self._current(rater, fault=fault) if fault else to("/task")

    async def _reply(self, rater: _Rater) -> str:
        """Ask the partner and keep what it says; what went wrong in words, if anything did."""
        assert self._partner is not None
        history = tuple(Turn(t.role, t.text) for t in (await _apart(self._store.chat, rater.number)).turns)
        seed = derive_seed(self._store.design.seed, "panel", "chat", rater.number)
        session = self._sessions.get(rater.number) or self._partner.start(topic=None, seed=seed)
        self._sessions[rater.number] = session
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                said = await self._asked(session, history)
            text = scrub_surrogates(said.text).strip() or "(no answer)"
        except Exception as error:  # noqa: BLE001 - a partner is anybody's code: its fault is told, and can be tried again
            del self._sessions[rater.number]
            return f"The assistant gave no answer ({type(error).__name__}). What you wrote is kept; ask for it again."
        await _apart(self._store.say, rater.number, len(history), "assistant", text)
        if said.ending is not None:
            await _apart(self._store.end_chat, rater.number, len(history) + 1)
        return ""

    async def _asked(self, session: PartnerSession, history: tuple[Turn, ...]) -> PartnerReply:
        if self._one_at_a_time is None:
            return await session.reply(history)
        async with self._one_at_a_time:
            return await session.reply(history)

    async def ask_withdraw(self, request: Request) -> Response:
        rater = await self._rater(request)
        return to("/") if rater is None else html(page("withdraw", token=rater.token, number=rater.number + 1))

    async def withdraw(self, request: Request) -> Response:
        rater = await self._rater(request)
        if rater is None:
            return to("/")
        await self._fields(request, code=rater.code)
        await _apart(self._store.withdraw, rater.number)
        self._sessions.pop(rater.number, None)
        return without_cookie(html(page("withdrawn")), self._cookie)

    async def style(self, request: Request) -> Response:
        from starlette.responses import Response

        return Response(style(), headers={**HEADERS, "Cache-Control": "max-age=3600"}, media_type="text/css")

    async def health(self, request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse("ok", headers=HEADERS)

    async def _current(self, rater: _Rater, taken: Taken = NOTHING_TAKEN, *, fault: str = "") -> Response:
        step = await self._step(rater)
        if step is None:
            return html(page("done", code=spaced(rater.code), token=rater.token))
        await _apart(self._store.show, rater.number, step.number)
        chat = await _apart(self._store.chat, rater.number) if step.kind == "chat" else NO_CHAT
        text = task_page(
            self._store.design, rater.number, step,
            code=rater.code, token=rater.token, taken=taken, chat=chat, fault=fault,
        )  # fmt: skip
        return html(text, 422 if taken.problem or fault else 200)

    async def _step(self, rater: _Rater) -> Step | None:
        """The first step without an answer; None when all have one."""
        answered = await _apart(self._store.answers, rater.number)
        steps = steps_of(self._store.design, rater.number)
        return next((step for step in steps if step.number not in answered), None)

    async def _rater(self, request: Request) -> _Rater | None:
        code = request.cookies.get(self._cookie, "")
        number = await _apart(self._store.rater_of, code) if code else None
        return None if number is None else _Rater(number, code, self._token(code))

    def _token(self, code: str) -> str:
        return hmac.new(self._store.secret, code.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]

    async def _fields(self, request: Request, *, code: str) -> Fields:
        """The form, after checking that it came from a page of this site and session."""
        fields = read_fields(await read_body(request.receive, most=MOST_BYTES))
        if fields is None or not hmac.compare_digest(fields["token"].encode(), self._token(code).encode()):
            raise RefusedError(
                403,
                "untrusted_form",
                "This form did not come from a page of this panel, or from an older session",
                why="a page elsewhere must not answer for you",
                fix="go back to the panel's start page",
            )
        return fields


async def _apart(function: Callable[..., Any], *arguments: object) -> Any:
    """`function` in a thread: waiting for the disk must not keep other raters waiting."""
    return await asyncio.to_thread(function, *arguments)
