"""The client against a server that does everything wrong: only a finished answer is ever returned."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.models.making import ask
from tests.stub_answers import FATAL_FAULTS, FAULTS, HARMLESS, expected_answer
from tests.stub_server import StubProcess, StubServer
from understudy.errors import UsageError
from understudy.models.accounts import Timeouts, open_account
from understudy.models.answers import StreamReader
from understudy.models.endpoint import Endpoint
from understudy.models.model import Completion, Message, ModelFault, Request

KEY = "sk-canary-8f2e61"
QUICK = Timeouts(1.0, 0.2, 0.4)


async def call(stub: StubServer, request: Request | None = None, **options: Any) -> Completion | ModelFault:
    options = {"base_url": stub.url, "api_key": KEY, "timeouts": QUICK, **options}
    model = Endpoint("stub", **options)
    try:
        return await model.complete(request or ask())
    except ModelFault as fault:
        return fault
    finally:
        await model.aclose()


def once(fault: str, **options: Any) -> Completion | ModelFault:
    async def main() -> Completion | ModelFault:
        async with StubServer(fault_rate=1.0, faults=(fault,)) as stub:
            return await call(stub, **options)

    return asyncio.run(main())


STATUS_CODES = {
    "400": "bad_request", "400_context": "context_length", "413": "too_large", "422": "unprocessable",
    "401": "unauthorized", "402": "quota", "403": "forbidden", "404": "not_found", "429_quota": "quota",
    "307": "redirect", "hang": "timeout", "slow_loris": "timeout", "reset_early": "disconnected",
    "empty": "empty", "blank": "blank", "null": "null", "finish_length": "length", "finish_filter": "content_filter",
    "finish_null": "no_finish_reason", "refusal": "refused", "tool_call": "tool_call", "html_200": "content_type",
    "no_choices": "no_choices", "content_type": "content_type", "huge": "oversized", "half_utf8": "not_utf8",
    "garbage": "malformed",
}  # fmt: skip
KINDS = {
    **dict.fromkeys(("400", "400_context", "413", "422", *FATAL_FAULTS), "terminal"),
    **dict.fromkeys(("finish_filter", "refusal"), "refusal"),
    "finish_length": "truncated",
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [*FAULTS, *FATAL_FAULTS])
def test_each_fault_is_told_by_its_name(name: str, stream: bool) -> None:
    result = once(name, stream=stream)
    if isinstance(result, Completion):
        assert name in HARMLESS
        assert result.text == expected_answer("hello")
        return
    kind = "rate_limit" if name.startswith("429") else "transient"
    assert result.kind == KINDS.get(name, kind)
    assert result.stops_run == (name in FATAL_FAULTS)
    if not stream and name in STATUS_CODES:
        assert result.code == STATUS_CODES[name]
    assert result.what
    assert result.why
    assert result.fix
    assert KEY not in f"{result}{result!r}{result.__cause__}"


def test_waits_are_read_from_headers() -> None:
    waits = {name: once(name).retry_after for name in FAULTS if name.startswith(("429", "503"))}
    assert 0.5 < waits.pop("429_date") <= 2.0
    assert waits == {
        "429_bare": None, "429_seconds": 1.0, "429_ms": 0.04, "429_duration": 0.5, "429_reset": 90.0,
        "429_garbage": None, "429_600s": 600.0, "503": 2.0,
    }  # fmt: skip


def test_a_different_model_is_noted_and_a_repeated_piece_is_seen() -> None:
    result = once("wrong_model")
    assert (result.model, result.notes) == ("another-model", ("asked for stub, answered as another-model",))
    assert once("duplicated_chunk", stream=True).code == "repeated_chunk"


def test_what_is_sent() -> None:
    async def main() -> tuple[StubServer, list[Completion | ModelFault]]:
        async with StubServer(keep_log=True) as stub:
            schema = {"type": "object"}
            full = Request(
                (Message("system", "Be brief."), Message("user", "Grüß\u2028dich")),
                temperature=0.5,
                top_p=0.9,
                max_tokens=9,
                seed=4,
                stop=("END",),
                response_schema=schema,
                replicate=3,
                purpose="secret purpose",
                metadata={"persona": "hidden"},
            )
            answers = [await call(stub), await call(stub, full), await call(stub, full, stream=True, api_key=None)]
            return stub, answers

    stub, answers = asyncio.run(main())
    plain, full, streamed = (json.loads(body) for body in stub.log)
    assert plain == {"model": "stub", "messages": [{"role": "user", "content": "hello"}]}
    assert full == {
        "model": "stub",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüß\u2028dich"}],
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "seed": 4, "stop": ["END"],
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}}
        },
    }  # fmt: skip
    assert streamed == {**full, "stream": True, "stream_options": {"include_usage": True}}
    assert [f"Bearer {KEY}".encode() in head for head in stub.heads] == [True, True, False]
    assert answers[1].text == answers[2].text == expected_answer("Grüß\u2028dich")
    assert answers[1].usage == answers[2].usage
    assert answers[0].latency_s > 0


def test_connections_are_kept_and_shared_by_the_account() -> None:
    async def main() -> tuple[int, int]:
        async with StubServer() as stub:
            first = Endpoint("a", base_url=stub.url, api_key=KEY)
            second = Endpoint("b", base_url=stub.url, api_key=KEY, stream=True)
            other = Endpoint("a", base_url=stub.url, api_key="another")
            assert first.account is second.account
            assert first.account is not other.account
            for model in (first, second, first, second):
                await model.complete(ask())
            kept = stub.connections
            await first.aclose()
            await second.complete(ask())
            after = stub.connections
            await second.aclose()
            await other.aclose()
            return kept, after

    assert asyncio.run(main()) == (1, 1)


def test_one_model_serves_loop_after_loop() -> None:
    with StubProcess() as stub:
        model = Endpoint("stub", base_url=stub.url)

        async def closed() -> str:
            text = (await model.complete(ask())).text
            await model.aclose()
            return text

        texts = [asyncio.run(closed()), asyncio.run(closed())]
    assert texts == [expected_answer("hello")] * 2


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1:1/v1", "unreachable"),
        ("http://no-such-host.invalid/v1", "dns"),
    ],
)
def test_nobody_there(url: str, code: str) -> None:
    async def main() -> ModelFault:
        model = Endpoint("stub", base_url=url, timeouts=QUICK)
        with pytest.raises(ModelFault) as caught:
            await model.complete(ask())
        await model.aclose()
        return caught.value

    fault = asyncio.run(main())
    assert fault.kind == "transient"
    assert fault.code in (code, "connect_timeout", "timeout")
    assert fault.usage is not None or fault.code == "timeout"


def test_tls_to_a_plain_server() -> None:
    async def main() -> Completion | ModelFault:
        async with StubServer() as stub:
            return await call(stub, base_url=stub.url.replace("http:", "https:"))

    fault = asyncio.run(main())
    assert fault.code in ("tls", "disconnected", "connect_timeout")
    assert "http://" in fault.fix or fault.code != "tls"


def test_keys_and_queries_stay_out_of_sight() -> None:
    model = Endpoint("stub", base_url="https://api.example.com/v1/?api-version=3&key=hidden", api_key=KEY)
    shown = f"{model!r} {model.identity} {model.account!r} {model.account.name}"
    assert KEY not in shown
    assert "hidden" not in shown
    assert model.identity.startswith("openai:stub@https://api.example.com/v1?")
    assert str(model.account.url) == "https://api.example.com/v1/chat/completions?api-version=3&key=hidden"
    for bad in ("https://user:pass@api.example.com/v1", "ftp://x", "no url", "http://", "http://[::1", "http://h:x/v1"):
        with pytest.raises(UsageError) as caught:
            open_account(bad, None)
        assert "pass" not in str(caught.value).replace("password", "")


def test_a_lone_surrogate_is_refused_before_it_is_sent() -> None:
    async def main() -> tuple[int, Completion | ModelFault]:
        async with StubServer() as stub:
            return stub.calls, await call(stub, ask("broken \ud800"))

    calls, fault = asyncio.run(main())
    assert (calls, fault.code) == (0, "surrogate")


def whole(data: bytes) -> Completion:
    reader = StreamReader("m")
    reader.feed(data)
    return reader.finish()


def test_a_stream_reads_the_same_however_it_is_cut() -> None:
    events = [{"content": "Grüße, "}, {"content": "\u2028ja "}, {"content": "😀"}]
    lines = [json.dumps({"choices": [{"index": 0, "delta": d}]}, ensure_ascii=False) for d in events]
    lines.append(json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    data = ": comment\r\n\r\n" + "".join(f"event: message\r\ndata: {line}\r\n\r\n" for line in lines)
    raw = (data + "data: [DONE]\n\n").encode()
    for step in (1, 2, 3, 7, len(raw)):
        reader = StreamReader("m")
        for at in range(0, len(raw), step):
            reader.feed(raw[at : at + step])
        assert reader.finish().text == "Grüße, \u2028ja 😀"
    for cut in range(len(raw) - 60):  # Before the finish_reason there is no answer.
        with pytest.raises(ModelFault):
            whole(raw[:cut])
