"""Scripts, recordings, and playing a recording."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.models.making import Playing, ask, busy
from understudy.errors import UsageError
from understudy.models.model import ModelFault, TerminalFault, TransientFault
from understudy.models.recording import Recording
from understudy.models.scripted import Scripted


def say(model, *texts: str) -> list[str]:
    async def main() -> list[str]:
        said = []
        for text in texts:
            try:
                said.append((await model.complete(ask(text))).text)
            except ModelFault as fault:
                said.append(fault.reason)
        return said

    return asyncio.run(main())


def test_texts_rules_and_the_end(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text('"Hello!"\n\n{"when": "(?i)bye", "text": "See you."}\n{"text": "Grüße\\u2028zwei"}\n')
    model = Scripted.from_file(path)
    assert say(model, "hi", "Bye", "hm", "bye") == ["Hello!", "See you.", "Grüße\u2028zwei", "See you."]
    with pytest.raises(TerminalFault) as caught:
        asyncio.run(model.complete(ask("and now?")))
    assert caught.value.code == "script_over"
    assert "no answer left for call 5" in caught.value.what


def test_identity_tells_scripts_apart() -> None:
    assert Scripted(["a"]).identity != Scripted(["b"]).identity
    assert Scripted(["a"]).identity == Scripted(["a"]).identity


def test_functions() -> None:
    async def later(request) -> str:
        return request.messages[-1].content.upper()

    assert say(Scripted(lambda request: request.messages[-1].content[::-1]), "abc") == ["cba"]
    assert say(Scripted(later), "abc") == ["ABC"]


def test_faults_can_be_scripted() -> None:
    fault = {"kind": "refusal", "code": "refused", "what": "no", "why": "w", "fix": "f"}
    assert say(Scripted([{"fault": fault}, "then"]), "a", "b") == ["refusal: refused: no", "then"]


def test_a_recording_plays_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    recorder = Recording(Playing("one", busy("http_503"), "three", "one again"), path)
    assert say(recorder, "a", "b", "c", "a")[1] == "transient: http_503: HTTP 503"
    asyncio.run(recorder.aclose())
    player = Scripted.from_file(path)
    assert say(player, "c", "a", "b", "a", "a") == [
        "three",
        "one",
        "transient: http_503: HTTP 503",
        "one again",
        "one again",
    ]
    with pytest.raises(TransientFault):
        asyncio.run(player.complete(ask("b")))
    assert say(player, "d")[0].startswith("terminal: script_over")
    assert say(Scripted.from_file(path), "x")[0].startswith("terminal: script_over")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "truncated"),
        ("3", "neither an object nor a string"),
        ("{}", "neither text nor completion nor fault"),
        ('{"when": "(", "text": "x"}', "no regular expression"),
        ('{"text": 3}', "Expected `str"),
        ('{"fault": {"kind": "odd", "code": "c", "what": "w", "why": "w", "fix": "f"}}', "no kind of fault"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text('"fine"\n' + line + "\n")
    with pytest.raises(UsageError, match=r"line 2 of the script") as caught:
        Scripted.from_file(path)
    assert reason in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere[.]jsonl cannot be read"):
        Scripted.from_file(tmp_path / "nowhere.jsonl")
    with pytest.raises(UsageError, match="cannot be written"):
        Recording(Playing("x"), tmp_path / "no" / "where.jsonl")
