"""From a URI to a model under its policies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.models.making import ask
from tests.stub_answers import expected_answer
from tests.stub_server import StubServer
from understudy.errors import MissingExtraError, UsageError
from understudy.models.budget import Budget, BudgetFault, Price
from understudy.models.model import LanguageModel
from understudy.models.opening import open_model
from understudy.models.scripted import Scripted

URL = "http://127.0.0.1:9/v1"


def test_names_and_urls() -> None:
    assert open_model("openai:m", base_url=URL).identity == f"openai:m@{URL}"
    assert open_model("openai:org/m:8b@http://127.0.0.1:7/v1/", base_url=URL).identity == (
        "openai:org/m:8b@http://127.0.0.1:7/v1"
    )
    assert open_model("openai:m@20b").identity == "openai:m@20b@https://api.openai.com/v1"
    assert isinstance(open_model("openai:m"), LanguageModel)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("embedded:", "generate --model embedded:"),
        ("gpt-4o", "openai:MODEL"),
        ("openai:", "openai:MODEL"),
        ("openai:m@http://user:pw@host/v1", "API key"),
        ("scripted:nowhere.jsonl", "check the path"),
    ],
)
def test_what_cannot_be_opened_says_what_can(uri: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_model(uri)
    assert words in caught.value.fix
    assert "pw@" not in str(caught.value)


def test_local_weights_need_their_extra() -> None:
    try:
        import transformers  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"understudy\[hf\]"):
            open_model("hf:somewhere")
    else:
        pytest.skip("transformers is installed")


def test_money_needs_a_price_only_where_it_is_spent(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="price"):
        open_model("openai:m", budget=Budget(max_usd=1.0))
    open_model("openai:m", budget=Budget(max_usd=1.0), price=Price(1.0, 2.0))
    script = tmp_path / "s.jsonl"
    script.write_text('"hi"')
    assert open_model(f"scripted:{script}", budget=Budget(max_usd=1.0)).identity.startswith("scripted:s.jsonl#")


def test_all_policies_together(tmp_path: Path) -> None:
    async def main() -> None:
        async with StubServer(fault_rate=0.3, faults=("500", "empty", "429_ms", "reset_body")) as stub:
            budget = Budget(max_tokens=10**6, max_calls=200)
            model = open_model(
                f"openai:stub@{stub.url}", concurrency=8, budget=budget, attempts=8,
                cache=tmp_path / "cache.sqlite", record=tmp_path / "record.jsonl",
            )  # fmt: skip
            model._retrying._first_wait_s = 0.01
            asked = [ask(str(i % 10), max_tokens=50) for i in range(40)]
            answers = await asyncio.gather(*(model.complete(r) for r in asked))
            assert [a.text for a in answers] == [expected_answer(str(i % 10)) for i in range(40)]
            assert stub.answered == 10
            assert budget.spent.calls == stub.calls
            status = model.status()
            assert sum(status.faults.values()) == stub.calls - 10 == sum(stub.met.values())
            assert (status.retrying, status.stopped) == (0, None)
            await model.aclose()

    asyncio.run(main())
    player = Scripted.from_file(tmp_path / "record.jsonl")
    assert asyncio.run(player.complete(ask("3", max_tokens=50))).text == expected_answer("3")


def test_a_spent_budget_stops_the_run() -> None:
    async def main() -> None:
        async with StubServer() as stub:
            model = open_model(f"openai:stub@{stub.url}", budget=Budget(max_calls=5))
            results = await asyncio.gather(*(model.complete(ask(str(i))) for i in range(50)), return_exceptions=True)
            faults = [r for r in results if isinstance(r, Exception)]
            assert (stub.calls, len(faults)) == (5, 45)
            assert {f.exit_code for f in faults} == {5}
            assert isinstance(model.status().stopped, BudgetFault)
            await model.aclose()

    asyncio.run(main())
