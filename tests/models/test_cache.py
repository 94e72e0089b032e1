"""What makes two requests the same, and what is never kept."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.making import Playing, ask, busy
from understudy.errors import UsageError
from understudy.models.cache import Cached, request_key
from understudy.models.model import Completion, Message, ModelFault, RefusalFault, Request, TruncatedFault

numbers = st.none() | st.floats(0, 2, allow_nan=False)
messages = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=20))
requests = st.builds(
    Request,
    messages=st.lists(messages, min_size=1, max_size=4).map(tuple),
    temperature=numbers,
    top_p=numbers,
    max_tokens=st.none() | st.integers(1, 4096),
    seed=st.none() | st.integers(0, 2**40),
    stop=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    response_schema=st.none() | st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    replicate=st.integers(0, 5),
)
SEMANTIC = {
    "messages": lambda r: (*r.messages, Message("user", "more")),
    "temperature": lambda r: 0.5 if r.temperature is None else r.temperature + 0.25,
    "top_p": lambda r: 0.5 if r.top_p is None else None,
    "max_tokens": lambda r: (r.max_tokens or 0) + 1,
    "seed": lambda r: (r.seed or 0) + 1,
    "stop": lambda r: (*r.stop, "x"),
    "response_schema": lambda r: {**(r.response_schema or {}), "added": 1},
    "replicate": lambda r: r.replicate + 1,
}


@settings(max_examples=500)
@given(requests, st.sampled_from(sorted(SEMANTIC)))
def test_every_semantic_change_changes_the_key(request: Request, field: str) -> None:
    changed = msgspec.structs.replace(request, **{field: SEMANTIC[field](request)})
    assert request_key("m", changed) != request_key("m", request)


def test_all_fields_are_accounted_for() -> None:
    names = {field.name for field in msgspec.structs.fields(Request)}
    assert names == set(SEMANTIC) | {"purpose", "metadata"}


@settings(max_examples=200)
@given(requests, st.text(max_size=20), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2))
def test_what_a_call_is_for_changes_nothing(request: Request, purpose: str, metadata: dict[str, str]) -> None:
    changed = msgspec.structs.replace(request, purpose=purpose, metadata=metadata)
    assert request_key("m", changed) == request_key("m", request)
    copy = msgspec.json.decode(msgspec.json.encode(request), type=Request)
    assert request_key("m", copy) == request_key("m", request)


@given(requests, st.text(max_size=30), st.text(max_size=30))
def test_models_and_urls_share_nothing(request: Request, first: str, second: str) -> None:
    assert (request_key(first, request) == request_key(second, request)) == (first == second)


@given(requests, st.integers(0, 3))
def test_where_one_message_ends_matters(request: Request, at: int) -> None:
    whole = "onetwo"
    split = (Message("user", whole[:at]), Message("user", whole[at:]))
    other = (Message("user", whole[: at + 1]), Message("user", whole[at + 1 :]))
    keys = {request_key("m", msgspec.structs.replace(request, messages=m)) for m in (split, other)}
    assert len(keys) == 2


def complete(model: Cached, *asked: Request) -> list[Completion | ModelFault]:
    async def main() -> list[Completion | ModelFault]:
        return await asyncio.gather(*(model.complete(r) for r in asked), return_exceptions=True)

    return asyncio.run(main())


def test_kept_across_openings_and_marked(tmp_path: Path) -> None:
    playing = Playing("one", "two")
    cached = Cached(playing, tmp_path / "cache.sqlite")
    assert [c.text for c in complete(cached, ask("a"))] == ["one"]
    asyncio.run(cached.aclose())
    assert playing.closed
    again = Cached(Playing("never"), tmp_path / "cache.sqlite")
    (kept,) = complete(again, ask("a"))
    assert (kept.text, kept.cached, kept.usage.output) == ("one", True, 5)
    assert complete(again, ask("a", seed=1))[0].text == "never"
    asyncio.run(again.aclose())


@pytest.mark.parametrize("kind", [RefusalFault, TruncatedFault])
def test_faults_are_never_kept(tmp_path: Path, kind) -> None:
    playing = Playing(kind("code", "what", why="why", fix="fix"), "at last")
    cached = Cached(playing, tmp_path / "cache.sqlite")
    assert isinstance(complete(cached, ask())[0], kind)
    assert complete(cached, ask())[0].text == "at last"
    asyncio.run(cached.aclose())


def test_a_damaged_entry_is_a_miss(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    for damage in ("answer = X'7B7D'", "answer = 'text'", "digest = X'00'", "answer = substr(answer, 1, 20)"):
        cached = Cached(Playing("new"), path)
        complete(cached, ask())
        asyncio.run(cached.aclose())
        with sqlite3.connect(path) as file:
            file.execute(f"UPDATE answers SET {damage}")
        file.close()
        cached = Cached(Playing("new"), path)
        (answer,) = complete(cached, ask())
        assert (answer.cached, cached.damaged) == (False, 1)
        assert complete(cached, ask())[0].cached
        asyncio.run(cached.aclose())


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are not a database " * 50)
    with pytest.raises(UsageError, match=r"notes[.]txt cannot be used as a cache"):
        Cached(Playing("x"), path)
    assert path.read_text().startswith("these are my notes")


def test_alike_requests_under_way_share_one_call(tmp_path: Path) -> None:
    class Slow(Playing):
        async def complete(self, request: Request) -> Completion:
            await asyncio.sleep(0.01)
            return await super().complete(request)

    playing = Slow("one", "two")
    cached = Cached(playing, tmp_path / "cache.sqlite")
    answers = complete(cached, *[ask()] * 20)
    assert {a.text for a in answers} == {"one"}
    assert len(playing.requests) == 1
    asyncio.run(cached.aclose())
    playing = Slow(busy(), "then")
    cached = Cached(playing, tmp_path / "other.sqlite")
    answers = complete(cached, *[ask()] * 5)
    assert isinstance(answers[0], ModelFault)
    assert {a.text for a in answers[1:]} == {"then"}
    asyncio.run(cached.aclose())
