"""`openai:MODEL[@URL]`: any endpoint that speaks OpenAI's chat completions, streaming or not."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from understudy.models.accounts import Account, Timeouts, open_account
from understudy.models.answers import StreamReader, broken, read_body
from understudy.models.model import NOTHING_USED, Completion, ModelFault, Request, TerminalFault, TransientFault
from understudy.models.statuses import status_fault

if TYPE_CHECKING:
    import aiohttp

MOST_BYTES = 2**20
_ERROR_BYTES = 4096
_TAIL_S = 0.25
_AGAIN = "it is tried again; if it stays so, check the URL and that the endpoint runs"


class Endpoint:
    """One model at one endpoint. Only the configured URL is contacted; redirects and proxies are not followed.

    Raises a `ModelFault` for everything but a finished answer. Policies are wrappers around it.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None = None,
        stream: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - immutable
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.model = model
        self.account: Account = open_account(base_url, api_key)
        self.account.members.add(self)
        self.identity = f"openai:{model}@{self.account.name}"
        self._stream = stream
        self._timeouts = timeouts
        self._timeout: aiohttp.ClientTimeout | None = None
        self._most_bytes = most_bytes
        self._length_field = "max_tokens"

    def __repr__(self) -> str:
        return f"Endpoint({self.identity!r})"

    async def complete(self, request: Request) -> Completion:
        """The finished answer of the model."""
        started = time.perf_counter()
        completion = await self._call(request)
        return msgspec.structs.replace(completion, latency_s=time.perf_counter() - started)

    def body(self, request: Request) -> bytes:
        """What is sent for `request`."""
        fields: dict[str, Any] = {"model": self.model, "messages": request.messages}
        if request.temperature is not None:
            fields["temperature"] = request.temperature
        if request.top_p is not None:
            fields["top_p"] = request.top_p
        if request.max_tokens is not None:
            fields[self._length_field] = request.max_tokens
        if request.seed is not None:
            fields["seed"] = request.seed
        if request.stop:
            fields["stop"] = request.stop
        if request.response_schema is not None:
            schema = {"name": "answer", "strict": True, "schema": request.response_schema}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self._stream:
            fields["stream"] = True
            fields["stream_options"] = {"include_usage": True}
        return msgspec.json.encode(fields)

    async def _call(self, request: Request) -> Completion:
        import aiohttp

        if self._timeout is None:
            connect, idle, total = self._timeouts
            # An answer that is not streamed comes in one piece when it is done: silence before it means nothing.
            self._timeout = aiohttp.ClientTimeout(
                total=total, sock_connect=connect, sock_read=idle if self._stream else None
            )
        try:
            body = self.body(request)
        except UnicodeEncodeError as error:
            raise TerminalFault(
                "surrogate",
                "a message holds a lone surrogate",
                why="it is no Unicode text and cannot be sent",
                fix="clean the text that the prompt is made of",
                usage=NOTHING_USED,
            ) from error
        try:
            async with self.account.session().post(
                self.account.url,
                data=body,
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                return await self._read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._network_fault(error) from error

    async def _read(self, response: aiohttp.ClientResponse) -> Completion:
        if response.status != 200:
            body = await response.content.read(_ERROR_BYTES)
            fault = status_fault(response.status, response.headers, body, now=time.time(), scrub=self.account.scrub)
            raise self._length_renamed(fault) or fault
        kind = response.content_type
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise broken("compressed", "the answer is compressed, which was not asked for")
        if kind == "text/event-stream" and self._stream:
            return await self._read_stream(response)
        if kind != "application/json":
            raise broken(
                "content_type",
                f"the answer is {kind[:60]}, not JSON",
                why="a gateway or a login page answered in place of the model, or the URL is wrong",
            )
        pieces = bytearray()
        while piece := await response.content.readany():
            pieces += piece
            self._check_size(len(pieces))
        return read_body(bytes(pieces), model=self.model)

    def _length_renamed(self, fault: ModelFault) -> TransientFault | None:
        """Newer models want `max_completion_tokens`, older servers know only `max_tokens`; they say so."""
        if self._length_field != "max_tokens" or fault.code != "bad_request":
            return None
        if "max_completion_tokens" not in fault.what:
            return None
        self._length_field = "max_completion_tokens"
        return TransientFault("length_field", fault.what, why=fault.why, fix=_AGAIN, usage=NOTHING_USED)

    async def _read_stream(self, response: aiohttp.ClientResponse) -> Completion:
        import aiohttp

        reader = StreamReader(self.model)
        size = 0
        while not reader.done and (piece := await response.content.readany()):
            size += len(piece)
            self._check_size(size)
            reader.feed(piece)
        completion = reader.finish()
        if not response.content.at_eof():
            # The end of the transfer follows the last event at once: with it read, the connection can stay.
            with suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(_TAIL_S):
                    await response.content.read()
        return completion

    def _check_size(self, size: int) -> None:
        if size > self._most_bytes:
            raise broken("oversized", f"the answer is larger than {self._most_bytes:,} bytes")

    def _network_fault(self, error: Exception) -> ModelFault:
        """Nobody answered, or not to the end. Where the request was never sent, nothing was used."""
        import aiohttp

        where = self.account.name
        said = self.account.scrub(str(error))[:200]
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return TerminalFault(
                "tls",
                f"the certificate of {where} cannot be trusted: {said}",
                why="anybody could be answering",
                fix="check the host name, or install its certificate authority on this machine",
                usage=NOTHING_USED,
                stops_run=True,
            )
        unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        code, what = _network_words(error, self._timeouts)
        return TransientFault(
            code,
            f"{where}: {what}" + (f" ({said})" if said and not isinstance(error, asyncio.TimeoutError) else ""),
            why="the answer did not come, or not to its end",
            fix=_AGAIN if code != "tls" else "if the endpoint speaks plain HTTP, give its URL with http://",
            usage=NOTHING_USED if unsent else None,
        )

    async def aclose(self) -> None:
        """Close the connections, unless another model on the account still uses them."""
        await self.account.leave(self)


def _network_words(error: Exception, timeouts: Timeouts) -> tuple[str, str]:
    import aiohttp

    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "connect_timeout", f"no connection within {timeouts.connect:g} s"
    if isinstance(error, aiohttp.SocketTimeoutError):
        return "idle_timeout", f"not a byte within {timeouts.idle:g} s"
    if isinstance(error, TimeoutError):
        return "timeout", f"no complete answer within {timeouts.total:g} s"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns", "the host name is not known"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls", "no TLS connection"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "unreachable", "no connection"
    if isinstance(error, aiohttp.ClientResponseError):
        return "bad_http", "the answer is not HTTP"
    return "disconnected", "the connection broke off"
